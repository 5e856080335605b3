//! Endpoints that flows share: what is declared in code is checked when the integration is built (W2, CN-51 to CN-53, RN-74).

use sdk::endpoint::{Field, InstanceEndpoint, Layout, Route, RoutedBy, SharedEndpoint};
use sdk::integration::BuiltIntegration;
use sdk::prelude::*;

struct Orders;

#[flow(key = "orders")]
impl Orders {
    #[on_execution]
    async fn take(_context: &Context) -> Result<()> {
        Ok(())
    }
}

struct Returns;

#[flow(key = "returns")]
impl Returns {
    #[on_execution]
    async fn take(_context: &Context) -> Result<()> {
        Ok(())
    }
}

struct Nightly;

#[flow(key = "nightly", trigger = Schedule::cron("0 3 * * *"))]
impl Nightly {
    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Ok(())
    }
}

struct Dispatch;

#[flow(key = "dispatch")]
impl Dispatch {
    #[on_execution]
    async fn decide(_context: &Context) -> Result<Route> {
        Ok(Route::to::<Orders>().of_customer("acme"))
    }
}

/// Is wrong in every way in which a routing flow can be.
struct Wrong;

#[flow(
    key = "orders",
    trigger = Schedule::cron("0 3 * * *"),
    security = Security::CustomerRequired,
    respond = Respond::Directly,
    retry = Retry::times(1),
    lifecycle_retry = Retry::times(1),
    queue = Queue::sequential(),
    dedupe = Dedupe::by("/id"),
    batch_size = 2,
    batch_limit = 2
)]
impl Wrong {
    #[on_trigger]
    async fn look(_context: &Context) -> Result<()> {
        Ok(())
    }

    #[on_instance_deploy]
    async fn deploy(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn shop() -> Integration {
    Integration::new("shop").flow::<Orders>().flow::<Returns>()
}

#[track_caller]
fn check(integration: Integration, expected: &[&str]) -> Option<BuiltIntegration> {
    let built = integration.build();
    let faults = built.as_ref().err().map(|faults| faults.0.clone());
    assert_eq!(faults.unwrap_or_default(), expected);
    built.ok()
}

#[test]
fn an_endpoint_that_can_route_is_built() {
    let by_field = InstanceEndpoint::flow_from(Field::header("X-Flow"));
    let built = check(shop().instance_endpoint(by_field), &[]).unwrap();
    let Layout::PerInstance(RoutedBy::Fields { customer, flow }) = built.layout else {
        panic!("{:?}", built.layout);
    };
    assert_eq!((customer, flow), (None, Some(Field::header("x-flow"))));

    let by_flow = SharedEndpoint::routed_by::<Dispatch>();
    let built = check(shop().shared_endpoint(by_flow), &[]).unwrap();
    assert!(
        matches!(built.layout, Layout::Shared(RoutedBy::Flow(router)) if router.options.key == "dispatch")
    );
    let one = Integration::<()>::new("one")
        .flow::<Orders>()
        .flow::<Nightly>();
    let of_customer = SharedEndpoint::customer_from(Field::query("customer"));
    check(one.shared_endpoint(of_customer), &[]);
    let built = check(shop(), &[]).unwrap();
    assert!(matches!(built.layout, Layout::PerFlow));
}

#[test]
fn every_fault_of_an_endpoint_is_listed() {
    let pointless =
        SharedEndpoint::customer_from(Field::body("account/id")).flow_from(Field::header("x flow"));
    let second = InstanceEndpoint::flow_from(Field::query(""));
    check(
        Integration::new("nights")
            .flow::<Nightly>()
            .shared_endpoint(pointless)
            .instance_endpoint(second),
        &[
            "the integration declares more than one endpoint; keep one `instance_endpoint` or one `shared_endpoint`",
            "shared endpoint: webhooks start no flow, so there is nothing to route to; take it away",
            "shared endpoint: `account/id` is not a JSON pointer; write it like `/customer/id`",
            "shared endpoint: `x flow` cannot be the name of a header",
            "instance endpoint: webhooks start no flow, so there is nothing to route to; take it away",
            "instance endpoint: a query parameter has a name; give one",
        ],
    );
    let without_flow = SharedEndpoint::customer_from(Field::header("Api-Key"));
    check(
        shop().shared_endpoint(without_flow),
        &[
            "shared endpoint: the header `api-key` carries a secret; name the flow in another one",
            "shared endpoint: webhooks start several flows; say with `flow_from` which is meant",
        ],
    );
    let both = SharedEndpoint::routed_by::<Dispatch>().flow_from(Field::header("x-flow"));
    check(
        shop().shared_endpoint(both),
        &["shared endpoint: a routing flow decides already; take `flow_from` away"],
    );
}

struct Signed;

#[flow(key = "signed", trigger = Webhook::signed_by_secret_of(providers::asana()))]
impl Signed {
    #[on_execution]
    async fn decide(_context: &Context) -> Result<Route> {
        Ok(Route::default())
    }
}

#[test]
fn a_routing_flow_without_a_customer_checks_no_signature() {
    let of_instance = InstanceEndpoint::routed_by::<Signed>();
    check(shop().instance_endpoint(of_instance), &[]);
    check(
        shop().shared_endpoint(SharedEndpoint::routed_by::<Signed>()),
        &[
            "routing flow `signed`: it runs before a customer is known, so it has no secret to check a signature with; check it at the flows that it routes to",
        ],
    );
}

#[test]
fn every_fault_of_a_routing_flow_is_listed() {
    let idle = |name: &str| {
        format!(
            "routing flow `orders`: `{name}` says nothing of a flow that only decides; write it at the flows that it routes to"
        )
    };
    let unrun = |name: &str| {
        format!(
            "routing flow `orders`: `{name}` would never run; a routing flow has `#[on_execution]` alone"
        )
    };
    let expected = [
        "routing flow `orders`: a flow of the integration has its key; a routing flow is not listed with `flow`, and has a key of its own".to_owned(),
        "routing flow `orders`: it decides in `#[on_execution]`, which is missing".to_owned(),
        unrun("#[on_trigger]"),
        unrun("#[on_instance_deploy]"),
        idle("respond"),
        idle("retry"),
        idle("lifecycle_retry"),
        idle("queue"),
        idle("dedupe"),
        idle("batch_size"),
        idle("batch_limit"),
        "routing flow `orders`: webhooks start it; take its `trigger` away or check a signature with it".to_owned(),
        "routing flow `orders`: it runs before a customer is known, so it cannot ask for a customer's API key; use `Security::Organization`".to_owned(),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(
        shop().shared_endpoint(SharedEndpoint::routed_by::<Wrong>()),
        &expected,
    );
}

#[test]
fn a_route_names_a_flow_by_type_key_or_name() {
    assert_eq!(Route::to::<Orders>(), Route::to_flow("orders"));
    let route = Route::to_flow("Take orders").of_customer("acme");
    assert_eq!(
        serde_json::to_value(route).unwrap(),
        serde_json::json!({"flow": "Take orders", "customer": "acme"})
    );
}
