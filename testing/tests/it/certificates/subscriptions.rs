//! The handshakes of AWS SNS: a subscription is confirmed by a call, and its end is only heard of.

use serde_json::Value;
use testing::fixtures::{Fixture, aws_sns};
use testing::{Reply, Report, Result, SimulatedInstance, Simulation, Upstream};

use super::{Config, SNS, SNS_FILE, TOPIC, Topic, assert_later, deploy, lab, paths};

/// The topic is a secret here, so a report shows the name of its variable.
const CALL: &str = "/?Action=ConfirmSubscription&TopicArn=[topics]&Token=0000000000000001";

async fn send(instance: &SimulatedInstance<Config>, fixture: Fixture) -> Report {
    let webhook = instance.webhook::<Topic>().fixture(fixture);
    webhook.signed_with(TOPIC).send().await
}

async fn verified_by(
    lab: &Simulation<Config>,
    instance: &SimulatedInstance<Config>,
) -> Option<(String, String)> {
    let runner = lab.runner().await.expect("the runner");
    let instance = runner.engine.instances.get(instance.id()).expect("it");
    let noted = instance.facts.verified.get("topic")?;
    Some((noted.by.clone(), noted.handshake.clone()))
}

fn assert_answered(report: &Report) {
    assert_eq!(report.response.status, 200, "{report}");
    assert_eq!(report.response.body, Value::Null);
    assert!(
        report.execution.is_none() && report.further.is_empty(),
        "{report}"
    );
}

#[tokio::test]
async fn w41_a_subscription_of_aws_sns_is_confirmed_once_it_is_verified() -> Result {
    let lab = lab();
    let instance = deploy(&lab).await?;
    let report = send(&instance, aws_sns::subscription_confirmation()).await;
    assert_answered(&report);
    assert_eq!(paths(&report), [SNS_FILE, CALL]);
    let by = (
        "AWS SNS".to_owned(),
        "AWS SNS SubscriptionConfirmation".to_owned(),
    );
    assert_eq!(verified_by(&lab, &instance).await, Some(by));
    // SNS may ask again: it is answered in the same way.
    assert_answered(&send(&instance, aws_sns::subscription_confirmation()).await);
    Ok(())
}

#[tokio::test]
async fn w41_a_subscription_that_cannot_be_confirmed_is_asked_for_again() -> Result {
    let system = Upstream::start().await;
    let certificate = include_str!("../../../src/certificates/sender.pem");
    let file = [Reply::status(200).body("text/plain", certificate)];
    system.on("GET", SNS_FILE, file).await;
    let answers = [
        Reply::status(500),
        Reply::status(302).header("location", "https://evil.example/"),
        Reply::status(200),
    ];
    system.on("GET", "/", answers).await;
    let lab = lab().with_host(SNS, &system);
    let instance = deploy(&lab).await?;
    for _ in 0..2 {
        assert_later(&send(&instance, aws_sns::subscription_confirmation()).await);
        assert_eq!(verified_by(&lab, &instance).await, None);
    }
    assert_answered(&send(&instance, aws_sns::subscription_confirmation()).await);
    assert!(verified_by(&lab, &instance).await.is_some());
    // Who plays a recording of it back again and again has few calls made.
    for _ in 0..20 {
        send(&instance, aws_sns::subscription_confirmation()).await;
    }
    assert_eq!(system.received().len(), 10);
    Ok(())
}

#[tokio::test]
async fn w43_a_subscription_that_is_forged_calls_nobody() -> Result {
    let lab = lab();
    let instance = deploy(&lab).await?;
    let unsigned = instance.webhook::<Topic>();
    let unsigned = unsigned.fixture(aws_sns::subscription_confirmation());
    let report = unsigned.send().await;
    report.assert_refused(401);
    assert_eq!(paths(&report), [""; 0]);
    for (name, value) in [
        ("Token", "0000000000000002"),
        (
            "SubscribeURL",
            "https://sns.us-east-1.amazonaws.com/?Action=Publish",
        ),
    ] {
        let webhook = instance.webhook::<Topic>();
        let webhook = webhook.fixture(aws_sns::subscription_confirmation());
        let mut request = webhook.signed_with(TOPIC).request();
        let mut body: Value = serde_json::from_slice(request.body())?;
        body[name] = value.into();
        *request.body_mut() = body.to_string().into();
        let report = instance.send(request).await;
        report.assert_refused(401);
        assert!(
            !paths(&report).iter().any(|path| path.starts_with("/?")),
            "{name}"
        );
    }
    // Signed, but it leads elsewhere.
    for url in [
        "https://evil.example/?Action=ConfirmSubscription",
        "http://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.s3-us-west-2.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.us-east-1.amazonaws.com@127.0.0.1/?Action=ConfirmSubscription",
    ] {
        let fixture = aws_sns::subscription_confirmation().with("/SubscribeURL", url);
        let report = send(&instance, fixture).await;
        report.assert_refused(401);
        assert!(
            !paths(&report).iter().any(|path| path.starts_with("/?")),
            "{url}"
        );
    }
    assert_eq!(verified_by(&lab, &instance).await, None);
    Ok(())
}

#[tokio::test]
async fn w41_the_end_of_a_subscription_starts_nothing_and_subscribes_to_nothing() -> Result {
    let lab = lab();
    let instance = deploy(&lab).await?;
    let report = send(&instance, aws_sns::unsubscribe_confirmation()).await;
    assert_answered(&report);
    assert_eq!(paths(&report), [SNS_FILE]);
    assert_eq!(verified_by(&lab, &instance).await, None);
    let unsigned = instance.webhook::<Topic>();
    let unsigned = unsigned.fixture(aws_sns::unsubscribe_confirmation());
    unsigned.send().await.assert_refused(401);
    Ok(())
}
