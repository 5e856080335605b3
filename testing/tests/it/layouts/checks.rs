//! What a flow and its instance check holds at endpoints that flows share: after the routing, with their own keys and secrets.

use sdk::endpoint::{Field, InstanceEndpoint};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Settings, Simulation, fixtures};

use super::{Config, Orders, Returns, by_header, config, log_of, of_all, order_of};

/// W40: each customer's deliveries are signed with its own secret, over the bytes and the URL that all share.
#[tokio::test]
async fn a_signature_is_checked_with_the_secret_of_the_customer() -> Result {
    let lab = of_all();
    let acme = lab.deploy_for("acme", config("secret of acme")).await?;
    let globex = lab.deploy_for("globex", config("secret of globex")).await?;
    let returned = |customer: &str| {
        let webhook = lab.shared_webhook().header("x-event", "returns");
        webhook.json(order_of(customer))
    };
    let good = returned("globex").signed_for::<Returns>(&globex);
    let report = good.send().await;
    report.assert_status(200).execution().assert_completed();
    // The log of the trigger and of the run is whole.
    assert_eq!(log_of(&report), ["looking at a return", "taking a return"]);

    let before = acme.timeline().await;
    let of_another = returned("acme").signed_for::<Returns>(&globex);
    of_another.send().await.assert_refused(401);
    returned("acme").send().await.assert_refused(401);
    assert_eq!(acme.timeline().await, before, "G6");
    Ok(())
}

/// W6: API keys are those of the flow that is meant.
#[tokio::test]
async fn an_api_key_is_that_of_the_flow_of_the_customer() -> Result {
    let lab = of_all();
    let acme = lab.deploy_for("acme", config("a")).await?;
    let globex = lab.deploy_for("globex", config("g")).await?;
    let key = acme.add_api_key::<Orders>().await?;
    let other = globex.add_api_key::<Orders>().await?;
    let order = || acme.webhook::<Orders>().json(order_of("acme"));
    order().send().await.assert_refused(401);
    order().api_key(other).send().await.assert_refused(401);
    order()
        .api_key(key)
        .send()
        .await
        .execution()
        .assert_completed();
    Ok(())
}

/// W7: one customer pauses, and the others go on.
#[tokio::test]
async fn a_paused_instance_answers_503_and_the_others_go_on() -> Result {
    let lab = of_all();
    let acme = lab.deploy_for("acme", config("a")).await?;
    let globex = lab.deploy_for("globex", config("g")).await?;
    acme.pause().await?;
    let refused = acme.webhook::<Orders>().json(order_of("acme")).send().await;
    refused.assert_refused(503);
    assert_eq!(refused.response.headers["retry-after"], "60");
    let order = globex.webhook::<Orders>().json(order_of("globex"));
    order.send().await.execution().assert_completed();
    acme.resume().await?;
    let order = acme.webhook::<Orders>().json(order_of("acme"));
    order.send().await.execution().assert_completed();

    let lab = by_header();
    let instance = lab.deploy(config("s")).await?;
    instance.pause().await?;
    let unknown = instance.routed_webhook().header("x-flow", "none");
    unknown.send().await.assert_refused(503);
    Ok(())
}

/// W34, E25: a delivery that comes twice is one of its customer's, and another customer may use the same key.
#[tokio::test]
async fn a_repeated_delivery_is_told_by_customer_and_flow() -> Result {
    let lab = of_all();
    let acme = lab.deploy_for("acme", config("a")).await?;
    let globex = lab.deploy_for("globex", config("g")).await?;
    let order =
        |delivery: u32, customer: &str| json!({"account": {"id": customer}, "delivery": delivery});
    let first = acme.webhook::<Orders>().json(order(1, "acme")).send().await;
    let again = acme.webhook::<Orders>().json(order(1, "acme")).send().await;
    assert_eq!(again.execution().id, first.execution().id);
    let other = globex.webhook::<Orders>().json(order(1, "globex"));
    assert_ne!(other.send().await.execution().id, first.execution().id);

    let keyed = |body: Value| {
        let webhook = acme.webhook::<Orders>().header("idempotency-key", "k");
        webhook.json(body).send()
    };
    let first = keyed(order(2, "acme")).await;
    let again = keyed(order(3, "acme")).await;
    assert_eq!(again.execution().id, first.execution().id);
    Ok(())
}

/// E50, W31: a customer has a rate of its own, over all its flows, that strangers do not use up.
#[tokio::test]
async fn a_customer_is_kept_to_its_own_rate() -> Result {
    let settings = Settings {
        customer_rate_per_second: 3,
        ..Settings::default()
    };
    let lab = of_all().with_settings(settings);
    let acme = lab.deploy_for("acme", config("a")).await?;
    let patient = lab.customer("globex").rate_per_second(1);
    let globex = patient.deploy(config("g")).await?;
    let key = acme.add_api_key::<Orders>().await?;
    let order = || acme.webhook::<Orders>().json(order_of("acme"));
    for _ in 0..5 {
        order().send().await.assert_refused(401);
    }
    let returned = acme.webhook::<Returns>().json(order_of("acme"));
    returned.signed().send().await.assert_status(200);
    for _ in 0..2 {
        order()
            .api_key(key.as_str())
            .send()
            .await
            .assert_status(200);
    }
    let refused = order().api_key(key.as_str()).send().await;
    refused.assert_refused(429);
    let text = refused.response.body["error"].as_str().unwrap_or_default();
    assert!(
        text.ends_with("has exceeded maximum allowed throughput of 3 requests/second. Please throttle your requests."),
        "{text}"
    );
    assert_eq!(refused.response.headers["retry-after"], "1");

    let other = || globex.webhook::<Orders>().json(order_of("globex"));
    other().send().await.assert_status(200);
    other().send().await.assert_refused(429);
    lab.advance(seconds(1)).await?;
    other().send().await.assert_status(200);
    order().api_key(key).send().await.assert_status(200);
    // It stays at a redeploy.
    globex.redeploy_as_is().await?;
    other().send().await.assert_refused(429);
    Ok(())
}

#[derive(Debug)]
struct FromSlack;

#[flow(
    key = "from-slack",
    trigger = Webhook::signed_by(providers::slack(), |config: &Config| &config.secret),
)]
impl FromSlack {
    #[on_execution]
    async fn read(_context: &Context<Config>, event: Value) -> sdk::Result<Value> {
        Ok(event["event"]["text"].clone())
    }
}

/// W41: a sender that asks whether the endpoint is real is answered for the flow that its URL names.
#[tokio::test]
async fn a_handshake_is_answered_for_the_flow_that_is_meant() -> Result {
    let integration = Integration::new("chat")
        .flow::<FromSlack>()
        .flow::<Orders>()
        .instance_endpoint(InstanceEndpoint::flow_from(Field::query("flow")));
    let lab = Simulation::of(integration).at("2026-03-27T16:50:00Z");
    let instance = lab.deploy(config("slack secret")).await?;
    let question = instance.webhook::<FromSlack>();
    let question = question.fixture(fixtures::slack::url_verification());
    let answer = question.signed().send().await;
    answer.assert_refused(200);
    let message = instance.webhook::<FromSlack>();
    let message = message.fixture(fixtures::slack::message()).signed();
    message.send().await.execution().assert_completed();
    Ok(())
}
