//! A routing flow decides (W2, RN-72, RN-73).

use sdk::endpoint::{InstanceEndpoint, Route, SharedEndpoint};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Result, Simulation, Upstream};

use super::{Config, Orders, Returns, config, log_of, shop};

/// Asks another system whose delivery it is.
#[derive(Debug)]
struct Dispatch;

#[flow(
    key = "dispatch",
    security = Security::Organization,
    organization_keys = ["key of the organization"],
)]
impl Dispatch {
    #[on_execution]
    async fn decide(context: &Context, payload: Payload) -> sdk::Result<Route> {
        assert!(payload.header("api-key").is_none());
        let data = payload.data();
        context.log().info(format!("routing {}", data["kind"]));
        if let Some(note) = data["note"].as_str() {
            context.log().info(format!("with {note}"));
        }
        let Some(directory) = payload.header("x-directory") else {
            return Err(Error::new("no directory")
                .for_caller("say where to ask")
                .with_status(422));
        };
        let found = context.http().get(directory).send().await?.ok()?;
        let found: Value = found.json()?;
        let customer = found["customer"].as_str().unwrap_or_default();
        Ok(match data["kind"].as_str() {
            Some("return") => Route::to::<Returns>(),
            Some(kind) => Route::to_flow(kind),
            None => Route::default(),
        }
        .of_customer(customer))
    }
}

const KEY: &str = "key of the organization";

/// RN-72: routing flow and flow are one execution, with one log.
#[tokio::test]
async fn a_routing_flow_decides_for_customer_and_flow() -> Result {
    let directory = Upstream::start().await;
    directory
        .on(
            "GET",
            "/",
            [Reply::json(200, json!({"customer": "globex"}))],
        )
        .await;
    let endpoint = SharedEndpoint::routed_by::<Dispatch>();
    let lab = Simulation::of(shop().shared_endpoint(endpoint)).at("2026-03-27T16:50:00Z");
    let acme = lab.deploy_for("acme", config("a")).await?;
    let globex = lab.deploy_for("globex", config("g")).await?;
    let send = |kind: &str| {
        let webhook = lab.shared_webhook().api_key(KEY);
        let webhook = webhook.header("x-directory", directory.url().as_str());
        webhook.json(json!({"kind": kind}))
    };
    let report = send("orders").send().await;
    report.assert_status(200).execution().assert_completed();
    assert_eq!(report.response.body["customer"], "globex");
    assert_eq!(log_of(&report), ["routing \"orders\"", "taking an order"]);
    assert_eq!(report.further, [], "one execution");
    assert_eq!(report.requests.len(), 1);

    // The flow's own checks come after it; then its trigger.
    let unsigned = send("return").send().await;
    unsigned.assert_refused(401);
    let signed = send("return").signed_for::<Returns>(&globex);
    assert_eq!(
        log_of(&signed.send().await),
        [
            "routing \"return\"",
            "looking at a return",
            "taking a return"
        ]
    );

    // G10: what it logged before it knew the customer shows no secret of the customer.
    globex.redeploy(config("widget-secret")).await?;
    let webhook = lab.shared_webhook().api_key(KEY);
    let webhook = webhook.header("x-directory", directory.url().as_str());
    let report = webhook.json(json!({"kind": "orders", "note": "widget-secret"}));
    let report = report.send().await;
    assert_eq!(
        log_of(&report),
        ["routing \"orders\"", "with [secret]", "taking an order"]
    );

    let webhook = lab
        .shared_webhook()
        .api_key(KEY)
        .header("x-directory", "nowhere");
    let report = webhook.json(json!({"kind": "orders", "note": "widget-secret"}));
    let log = log_of(&report.send().await).join("\n");
    assert!(log.contains("with [secret]"), "of whoever it is: {log}");

    // W3: what it names is not there.
    let report = send("refunds").send().await;
    report.assert_status(404);
    assert_eq!(report.execution().flow, "dispatch");
    let error = "there is no flow `refunds`, which the request names by the routing flow; the integration has `orders`, `returns`";
    report.execution().assert_failed(error);
    assert_eq!(log_of(&report), ["routing \"refunds\"", error]);
    assert_eq!(acme.timeline().await.executions.len(), 0);
    Ok(())
}

/// W6, G6: its own checks are passed before it runs.
#[tokio::test]
async fn a_routing_flow_has_checks_of_its_own() -> Result {
    let endpoint = SharedEndpoint::routed_by::<Dispatch>();
    let lab = Simulation::of(shop().shared_endpoint(endpoint));
    let _acme = lab.deploy(config("a")).await?;
    let webhook = lab.shared_webhook().json(json!({"kind": "orders"}));
    webhook.send().await.assert_refused(401);
    Ok(())
}

/// RN-73: an error of it is in the log of an execution that failed; the caller reads what the caller may.
#[tokio::test]
async fn a_routing_flow_that_fails_is_recorded() -> Result {
    let endpoint = SharedEndpoint::routed_by::<Dispatch>();
    let lab = Simulation::of(shop().shared_endpoint(endpoint));
    let _acme = lab.deploy(config("a")).await?;
    let webhook = lab.shared_webhook().api_key(KEY);
    let report = webhook.json(json!({"kind": "orders"})).send().await;
    report.assert_status(422);
    assert_eq!(report.response.body["error"], "say where to ask");
    let error = "routing flow `dispatch` failed: no directory";
    report.execution().assert_failed(error);
    assert_eq!(log_of(&report), ["routing \"orders\"", error]);
    Ok(())
}

/// Does what a routing flow cannot.
#[derive(Debug)]
struct Odd;

#[flow(key = "odd")]
impl Odd {
    #[on_execution]
    #[expect(clippy::panic, reason = "what panics is caught")]
    async fn decide(context: &Context<Config>, how: String) -> sdk::Result<Value> {
        match how.as_str() {
            "panic" => panic!("odd"),
            "state" => context.cross_flow_state().set("seen", &true).await?,
            "late" => context.sleep(hours(1)).await,
            "call" => {
                context.handle::<Orders>().call(&Payload::empty()).await?;
            }
            other => return Ok(json!({"flow": "orders", "to": other})),
        }
        Ok(json!({"flow": "orders"}))
    }
}

/// What a routing flow cannot do is an error that says so; nothing of it is left (E27, E41).
#[tokio::test]
async fn what_a_routing_flow_cannot_do_is_said() -> Result {
    let endpoint = InstanceEndpoint::routed_by::<Odd>();
    let lab = Simulation::of(shop().instance_endpoint(endpoint));
    let instance = lab.deploy(config("a")).await?;
    let send = |how: &'static str| instance.routed_webhook().json(how).send();
    for (how, status, error) in [
        ("panic", 400, "the flow panicked: odd"),
        ("state", 400, "a routing flow keeps no state"),
        (
            "late",
            504,
            "the run took longer than its time limit of 29 s",
        ),
        ("x", 400, "unknown field `to`"),
    ] {
        let report = send(how).await;
        report
            .assert_status(status)
            .execution()
            .assert_failed(error);
    }
    // It may ask the flows of its instance.
    let report = send("call").await;
    report.assert_status(200).execution().assert_completed();
    assert_eq!(report.further.len(), 1);
    assert_eq!(instance.timeline().await.state.len(), 0);
    Ok(())
}
