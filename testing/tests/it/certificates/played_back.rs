//! A message of AWS SNS that somebody recorded: it is taken once for as long as its age is accepted.

use http::StatusCode;
use sdk::prelude::*;
use sdk::time::days;
use serde_json::{Value, json};
use testing::{Result, Simulation, fixtures};

#[derive(Debug, ConfigVars)]
struct Config {
    /// The topic.
    topic: Secret,
}

#[derive(Debug)]
struct Once;

#[flow(
    key = "once",
    trigger = Webhook::signed_by(providers::aws_sns(), |config: &Config| &config.topic),
    dedupe = Dedupe::by("/MessageId").within(days(7))
)]
impl Once {
    #[on_trigger]
    async fn read(_context: &Context<Config>, payload: Payload) -> sdk::Result<TriggerOutput> {
        let message: Value = serde_json::from_slice(&payload.raw_body)?;
        Ok(TriggerOutput::payload(payload.with_body(message)))
    }

    #[on_execution]
    async fn take(context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        let count = context.cross_flow_state().get::<u32>("taken").await?;
        let taken = count.unwrap_or_default() + 1;
        context.cross_flow_state().set("taken", &taken).await?;
        Ok(payload.data()["Message"].clone())
    }
}

#[tokio::test]
async fn w41_a_message_of_aws_sns_that_is_played_back_is_taken_once() -> Result {
    let integration = Integration::new("once").flow::<Once>();
    let lab = Simulation::of(integration).at("2026-03-27T16:50:00Z");
    let topic = super::TOPIC.into();
    let instance = lab.deploy(Config { topic }).await?;
    let webhook = instance.webhook::<Once>();
    let webhook = webhook.fixture(fixtures::aws_sns::notification());
    let recorded = webhook.signed().request();
    let first = instance.send(recorded.clone()).await;
    assert_eq!(first.response.status, StatusCode::OK.as_u16(), "{first}");
    for _ in 0..7 {
        let again = instance.send(recorded.clone()).await;
        assert_eq!(again.response.status, first.response.status, "{again}");
        let taken = instance.cross_flow_state().get::<u32>("taken").await;
        assert_eq!(taken, Some(1));
        lab.advance(hours(23)).await?;
    }
    lab.advance(days(1)).await?;
    instance.send(recorded).await.assert_refused(401);
    // Another message is another one, also with the same text.
    let webhook = instance.webhook::<Once>();
    let webhook = webhook.fixture(fixtures::aws_sns::notification());
    let report = webhook.signed().synchronous(true).send().await;
    assert_eq!(
        report.execution().output,
        json!(r#"{"order":1042,"status":"paid"}"#)
    );
    Ok(())
}
