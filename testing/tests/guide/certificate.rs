use sdk::prelude::*;
use testing::{Simulation, fixtures};

#[derive(ConfigVars)]
struct Config {
    /// The ARN of the topic at AWS SNS.
    topic: Secret,
}

struct Published;

#[flow(key = "published", trigger = Webhook::signed_by(providers::aws_sns(), |config: &Config| &config.topic))]
impl Published {
    #[on_execution]
    async fn take(_context: &Context<Config>, payload: Payload) -> Result<String> {
        // SNS sends its JSON as text.
        let notification: Notification = serde_json::from_slice(&payload.raw_body)?;
        Ok(notification.message)
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    message: String,
}

#[tokio::test]
async fn what_is_published_to_another_topic_is_refused() -> testing::Result {
    let lab = Simulation::of(Integration::new("published").flow::<Published>());
    let topic = "arn:aws:sns:us-east-1:000000000001:orders";
    let instance = lab.deploy(Config { topic: topic.into() }).await?;
    let question = fixtures::aws_sns::subscription_confirmation();
    instance.webhook::<Published>().fixture(question).signed().send().await.assert_status(200);

    let notification = || fixtures::aws_sns::notification().with("/Message", "order 1042 is paid");
    let report = instance.webhook::<Published>().fixture(notification()).signed().synchronous(true).send().await;
    assert_eq!(report.execution().output, "order 1042 is paid");

    let foreign = instance.webhook::<Published>().fixture(notification()).signed_with("arn:aws:sns:us-east-1:2:orders");
    foreign.send().await.assert_refused(401);
    Ok(())
}
