//! Endpoints that flows share (W2, W3, W5, TH-40): one for an instance, one for all customers, routed by fields or by a flow.

mod browser;
mod checks;
mod routing_flow;
mod socket;

use sdk::endpoint::{Field, InstanceEndpoint, SharedEndpoint};
use sdk::prelude::*;
use sdk::signature::Hash;
use serde_json::{Value, json};
use testing::{Report, Result, Settings, SimulatedInstance, Simulation};

#[derive(Debug, ConfigVars)]
struct Config {
    /// What the shop signs its deliveries with.
    secret: Secret,
}

fn config(secret: &str) -> Config {
    Config {
        secret: secret.into(),
    }
}

/// Shows who it is and how it was called.
#[derive(Debug)]
struct Orders;

#[flow(
    key = "orders",
    name = "Take orders",
    trigger = Webhook::unsigned(),
    respond = Respond::Directly,
    dedupe = Dedupe::by("/delivery").within(minutes(10))
)]
impl Orders {
    #[on_execution]
    async fn take(context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        context.log().info("taking an order");
        Ok(json!({
            "customer": context.customer().id.as_str(),
            "invoke_url": context.invoke_url(),
            "urls": context.webhook_urls(),
            "path": payload.path_fragment,
            "body": payload.data(),
        }))
    }
}

/// Has checks of its own.
#[derive(Debug)]
struct Returns;

#[flow(
    key = "returns",
    name = "Take returns",
    trigger = Webhook::signed_by(SignatureScheme::hmac("x-signature", Hash::Sha256), |config: &Config| &config.secret),
)]
impl Returns {
    #[on_trigger]
    async fn look(context: &Context<Config>, body: Value) -> sdk::Result<Value> {
        context.log().info("looking at a return");
        Ok(body)
    }

    #[on_execution]
    async fn take(context: &Context<Config>, body: Value) -> sdk::Result<Value> {
        context.log().info("taking a return");
        Ok(body)
    }
}

/// Is started by nobody from outside.
#[derive(Debug)]
struct Nightly;

#[flow(key = "nightly", trigger = Schedule::cron("0 3 * * *"))]
impl Nightly {
    #[on_execution]
    async fn run(_context: &Context<Config>) -> sdk::Result<()> {
        Ok(())
    }
}

fn shop() -> Integration<Config> {
    Integration::new("shop")
        .flow::<Orders>()
        .flow::<Returns>()
        .flow::<Nightly>()
}

fn by_header() -> Simulation<Config> {
    let endpoint = InstanceEndpoint::flow_from(Field::header("X-Flow"));
    Simulation::of(shop().instance_endpoint(endpoint)).at("2026-03-27T16:50:00Z")
}

fn of_all() -> Simulation<Config> {
    let endpoint = SharedEndpoint::customer_from(Field::body("/account/id"))
        .flow_from(Field::header("x-event"));
    Simulation::of(shop().shared_endpoint(endpoint)).at("2026-03-27T16:50:00Z")
}

fn order_of(customer: &str) -> Value {
    json!({"account": {"id": customer}, "item": "widget"})
}

fn log_of(report: &Report) -> Vec<String> {
    let lines = report.execution().log.iter();
    lines.map(|line| line.text.clone()).collect()
}

/// W2, RN-70: at the endpoint of an instance a header names the flow, by its key or its name.
#[tokio::test]
async fn a_header_names_the_flow_at_the_endpoint_of_an_instance() -> Result {
    let lab = by_header();
    let instance = lab.deploy(config("s")).await?;
    for name in ["orders", "Take orders"] {
        let webhook = instance.routed_webhook().header("x-flow", name);
        let report = webhook.path("a/b").json(json!({"n": 1})).send().await;
        let execution = report.assert_status(200).execution();
        assert_eq!(execution.assert_completed().flow, "orders");
        assert_eq!(report.response.body["path"], "a/b");
        assert_eq!(report.response.body["body"], json!({"n": 1}));
    }
    // W5: the URL of each flow that webhooks start is the endpoint, and that of the call is what was called.
    let report = instance.webhook::<Orders>().query("a", 1).send().await;
    let (seen, url) = (&report.response.body, instance.url_of::<Orders>());
    assert_eq!(url, instance.url_of::<Returns>());
    assert_eq!(seen["invoke_url"], format!("{url}?a=1"));
    assert_eq!(seen["urls"]["Take returns"], url);
    assert_eq!(seen["urls"].as_object().map(serde_json::Map::len), Some(4));
    // W1: stable over redeploys, another for each instance.
    instance.redeploy_as_is().await?;
    assert_eq!(instance.url_of::<Orders>(), url);
    let other = lab.deploy_for("other", config("s")).await?;
    assert_ne!(other.url_of::<Orders>(), url);
    Ok(())
}

/// W2, RN-74: at the endpoint of all customers the payload names the customer and a header the flow.
#[tokio::test]
async fn the_payload_names_the_customer_at_the_endpoint_of_all() -> Result {
    let lab = of_all();
    let acme = lab.deploy_for("acme", config("a")).await?;
    let globex = lab.deploy_for("globex", config("g")).await?;
    assert_eq!(acme.url_of::<Orders>(), globex.url_of::<Returns>());
    for customer in ["acme", "globex"] {
        let webhook = lab.shared_webhook().header("x-event", "orders");
        let report = webhook.json(order_of(customer)).send().await;
        report.assert_status(200).execution().assert_completed();
        let seen = &report.response.body;
        assert_eq!(seen["customer"], customer);
        assert_eq!(seen["invoke_url"], acme.url_of::<Orders>(), "W5");
    }
    assert_eq!(acme.executions::<Orders>().await.len(), 1);
    assert_eq!(globex.executions::<Orders>().await.len(), 1);
    // A webhook to a flow names it in headers by itself.
    let report = acme.webhook::<Orders>().json(order_of("acme")).send().await;
    assert_eq!(report.execution().flow, "orders");
    Ok(())
}

/// W2: what a query parameter names is part of the URL of a flow, so that the URL alone leads there.
#[tokio::test]
async fn a_query_parameter_is_part_of_the_url_of_a_flow() -> Result {
    let endpoint =
        SharedEndpoint::customer_from(Field::query("for whom")).flow_from(Field::query("flow"));
    let lab = Simulation::of(shop().shared_endpoint(endpoint));
    let acme = lab.deploy_for("acme & co", config("a")).await?;
    let url = acme.url_of::<Orders>();
    assert!(
        url.ends_with("?for%20whom=acme%20%26%20co&flow=orders"),
        "{url}"
    );
    let report = acme
        .webhook::<Orders>()
        .path("x")
        .query("page", 2)
        .send()
        .await;
    assert_eq!(report.assert_status(200).response.body["path"], "x");
    assert_eq!(report.response.body["customer"], "acme & co");
    let request = http::Request::post(&url).body(bytes::Bytes::new())?;
    acme.send(request).await.execution().assert_completed();
    Ok(())
}

/// RN-74: with one flow, only the customer needs a name.
#[tokio::test]
async fn with_one_flow_only_the_customer_is_named() -> Result {
    let endpoint = SharedEndpoint::customer_from(Field::header("x-customer"));
    let integration = Integration::new("one")
        .flow::<Orders>()
        .flow::<Nightly>()
        .shared_endpoint(endpoint);
    let lab = Simulation::of(integration);
    let _acme = lab.deploy(config("a")).await?;
    let webhook = lab.shared_webhook().header("x-customer", "acme");
    webhook.send().await.assert_status(200).execution();
    Ok(())
}

#[track_caller]
fn assert_unrouted(report: &Report, answer: &str, log: &str) {
    report.assert_status(404);
    let execution = report.execution();
    execution.assert_failed(log);
    assert_eq!(report.response.body["error"], answer);
    assert_eq!(execution.log.last().map(|line| &*line.text), Some(log));
    assert_eq!(execution.flow, "(unrouted)");
}

/// W3, RN-73: a flow or a customer that is not there is 404, and an execution whose log names what was asked for and what exists.
#[tokio::test]
async fn an_unknown_flow_or_customer_is_answered_404_and_recorded() -> Result {
    let lab = of_all();
    let acme = lab.deploy_for("acme", config("a")).await?;
    let send = |event: &'static str, body: Value| {
        let webhook = lab.shared_webhook().header("x-event", event);
        webhook.json(body).send()
    };
    let report = send("refunds", order_of("acme")).await;
    let answer = "there is no flow `refunds`, which the request names in header `x-event`";
    assert_unrouted(
        &report,
        answer,
        &format!("{answer}; the integration has `orders`, `returns`"),
    );
    assert_eq!(acme.timeline().await.executions.len(), 1, "its instance");

    let report = send("orders", order_of("initech")).await;
    let answer =
        "there is no customer `initech`, which the request names in `/account/id` of the body";
    assert_unrouted(
        &report,
        answer,
        &format!("{answer}; instances exist for `acme`"),
    );
    let report = send("orders", json!({})).await;
    let answer = "the request names no customer in `/account/id` of the body";
    assert_unrouted(
        &report,
        answer,
        &format!("{answer}; instances exist for `acme`"),
    );
    // A schedule has no endpoint.
    let report = send("nightly", order_of("acme")).await;
    report.assert_status(404).execution();
    assert_eq!(acme.executions::<Nightly>().await.len(), 0);
    // What is asked for is repeated in part only, and nothing of the body is kept.
    let report = send("orders", order_of(&"x".repeat(5000))).await;
    let error = report.execution().error.clone().unwrap_or_default();
    assert!(error.len() < 300, "{error}");
    Ok(())
}

/// W3, W32: strangers cannot fill the store with requests that find no flow; G6: what is refused before leaves nothing.
#[tokio::test]
async fn what_is_recorded_of_requests_without_a_flow_is_bounded() -> Result {
    let settings = Settings {
        unrouted_per_minute: 3,
        ..Settings::default()
    };
    let lab = by_header().with_settings(settings);
    let instance = lab.deploy(config("s")).await?;
    let send = || instance.routed_webhook().header("x-flow", "none").send();
    for _ in 0..3 {
        send().await.assert_status(404).execution();
    }
    send().await.assert_refused(404);
    lab.advance(minutes(1)).await?;
    send().await.assert_status(404).execution();
    for _ in 0..49 {
        send().await.assert_status(404);
    }
    send().await.assert_refused(429);
    lab.advance(minutes(1)).await?;
    let before = instance.timeline().await;
    instance
        .routed_webhook()
        .method(http::Method::OPTIONS)
        .send()
        .await
        .assert_refused(405);
    let get = instance.routed_webhook().method(http::Method::GET);
    get.bytes("x").send().await.assert_refused(400);
    assert_eq!(instance.timeline().await, before);

    let lab = of_all();
    let acme = lab.deploy(config("s")).await?;
    let malformed = lab.shared_webhook().header("x-event", "orders");
    let report = malformed.body("application/json", "{oops").send().await;
    report.assert_refused(400);
    assert_eq!(acme.timeline().await.executions.len(), 0);
    Ok(())
}

/// W2: two instances of one customer could not be told apart, so the second is refused; another customer's is not.
#[tokio::test]
async fn a_customer_has_one_instance_at_a_shared_endpoint() -> Result {
    let lab = of_all();
    let acme = lab.deploy(config("a")).await?;
    let refusal = lab.deploy(config("b")).await.unwrap_err().to_string();
    assert!(
        refusal.contains("customer `acme` has instance"),
        "{refusal}"
    );
    lab.deploy_for("globex", config("g")).await?;
    // An instance that is removed makes room, and the endpoint stays (W1).
    let url = acme.url_of::<Orders>();
    acme.remove().await?;
    let again = lab.deploy(config("a")).await?;
    assert_eq!(again.url_of::<Orders>(), url);
    // Where flows have endpoints of their own, a customer may have several.
    let lab = Simulation::of(shop());
    lab.deploy(config("a")).await?;
    lab.deploy(config("b")).await?;
    Ok(())
}

/// G1 to G3 hold at a shared endpoint too: the same script, with a crash at every durable write.
#[tokio::test]
async fn a_shared_endpoint_survives_a_crash_anywhere() -> Result {
    let lab = of_all();
    let acme = lab.deploy_for("acme", config("a")).await?;
    let _globex: SimulatedInstance<_> = lab.deploy_for("globex", config("g")).await?;
    let order = lab.shared_webhook().header("x-event", "orders");
    order.json(order_of("globex")).send().await;
    let lost = lab.shared_webhook().header("x-event", "orders");
    lost.json(order_of("nobody")).send().await;
    let signed = lab.shared_webhook().header("x-event", "returns");
    let signed = signed.json(order_of("acme")).signed_for::<Returns>(&acme);
    signed.send().await.assert_status(200);
    lab.survives_a_crash_anywhere().await?;

    let lab = by_header();
    let instance = lab.deploy(config("s")).await?;
    instance.webhook::<Orders>().json(1).send().await;
    lab.survives_a_crash_anywhere().await?;
    Ok(())
}
