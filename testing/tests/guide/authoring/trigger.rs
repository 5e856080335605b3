use sdk::prelude::*;
use serde_json::json;
use testing::Simulation;

struct Notify;

/// Answers the sender's challenge, and hands on what it tells.
#[flow(key = "notify", trigger = Webhook::unsigned())]
impl Notify {
    #[on_trigger]
    async fn answer(_context: &Context, payload: Payload) -> Result<TriggerOutput> {
        let event = payload.data();
        match event["challenge"].as_str() {
            Some(challenge) => {
                let answer = HttpResponse::ok().text(challenge);
                Ok(TriggerOutput::nothing_new().respond(answer))
            }
            None => Ok(TriggerOutput::payload(payload.with_body(event["event"].clone()))),
        }
    }

    #[on_execution]
    async fn take(_context: &Context, event: String) -> Result<String> {
        Ok(format!("took {event}"))
    }
}

#[tokio::test]
async fn a_challenge_is_answered_and_an_event_is_taken() -> testing::Result {
    let lab = Simulation::of(Integration::new("notes").flow::<Notify>());
    let instance = lab.deploy(()).await?;

    let report = instance.webhook::<Notify>().json(json!({"challenge": "c-1"})).send().await;
    assert_eq!(report.response.body, json!("c-1"));

    let report = instance.webhook::<Notify>().json(json!({"event": "paid"})).send().await;
    assert_eq!(report.execution().assert_completed().output, json!("took paid"));
    Ok(())
}
