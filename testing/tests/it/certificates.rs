//! Senders who sign under a certificate that the message names, through the front door (W41 to W43): what is fetched, how often, and what
//! becomes of a webhook whose certificate cannot be had.

mod played_back;
mod subscriptions;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Report, Result, SimulatedInstance, Simulation, Upstream, fixtures};

#[derive(Debug, ConfigVars)]
struct Config {
    /// The topics whose messages are accepted.
    topics: Vec<Secret>,
    /// The id of the webhook at `PayPal`.
    webhook_id: Secret,
}

#[derive(Debug)]
struct Topic;

#[flow(key = "topic", trigger = Webhook::signed_by_any(providers::aws_sns(), |config: &Config| &config.topics))]
impl Topic {
    #[on_execution]
    async fn take(_context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        let text = payload.data();
        let sent: Value = serde_json::from_str(text.as_str().unwrap_or_default())?;
        Ok(sent["Message"].clone())
    }
}

#[derive(Debug)]
struct Payments;

#[flow(key = "payments", trigger = Webhook::signed_by(providers::paypal(), |config: &Config| &config.webhook_id))]
impl Payments {
    #[on_execution]
    async fn take(_context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        Ok(payload.data()["resource"]["custom_id"].clone())
    }
}

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000001:orders";
const SNS: &str = "sns.us-east-1.amazonaws.com";
const PAYPAL: &str = "api.paypal.com";
const SNS_FILE: &str = "/simulation.pem";
const PAYPAL_FILE: &str = "/v1/notifications/certs/simulation";

const SENDER: &str = include_str!("../../src/certificates/sender.pem");
const EXPIRED: &str = include_str!("../../../runner/src/signature/throwaway/expired.pem");
const LACKING: &str = include_str!("../../../runner/src/signature/throwaway/lacking.pem");
const ISSUER: &str = include_str!("../../../runner/src/signature/throwaway/issuer.pem");
const OTHER: &str = include_str!("../../../runner/src/signature/throwaway/other.pem");

fn lab() -> Simulation<Config> {
    let integration = Integration::new("certified")
        .flow::<Topic>()
        .flow::<Payments>();
    Simulation::of(integration).at("2026-03-27T16:50:00Z")
}

async fn deploy(lab: &Simulation<Config>) -> Result<SimulatedInstance<Config>> {
    let config = Config {
        topics: vec![
            "arn:aws:sns:us-east-1:000000000001:older".into(),
            TOPIC.into(),
        ],
        webhook_id: "8VW12345XY678901Z".into(),
    };
    Ok(lab.deploy(config).await?)
}

async fn publish(instance: &SimulatedInstance<Config>) -> Report {
    let webhook = instance.webhook::<Topic>();
    let webhook = webhook.fixture(fixtures::aws_sns::notification());
    webhook.signed_with(TOPIC).synchronous(true).send().await
}

async fn pay(instance: &SimulatedInstance<Config>) -> Report {
    let webhook = instance.webhook::<Payments>();
    let webhook = webhook.fixture(fixtures::paypal::capture_completed());
    webhook.signed().synchronous(true).send().await
}

/// The paths that were called.
fn paths(report: &Report) -> Vec<&str> {
    let requests = report.requests.iter();
    requests.map(|request| request.path.as_str()).collect()
}

/// Refused for now, and only for now: the sender tries again.
#[track_caller]
fn assert_later(report: &Report) {
    assert_eq!(report.response.status, 503, "{report}");
    assert_eq!(report.response.headers["retry-after"], "10");
    assert!(report.execution.is_none(), "{report}");
}

#[tokio::test]
async fn w42_a_webhook_signed_under_a_certificate_passes_the_front_door() -> Result {
    let lab = lab();
    let instance = deploy(&lab).await?;
    let report = publish(&instance).await;
    assert_eq!(
        report.execution().output,
        json!(r#"{"order":1042,"status":"paid"}"#)
    );
    assert_eq!(paths(&report), [SNS_FILE]);
    let report = pay(&instance).await;
    assert_eq!(report.execution().output, "order-1042");
    assert_eq!(paths(&report), [PAYPAL_FILE]);
    // Both are kept for a day.
    lab.advance(hours(23)).await?;
    assert_eq!(paths(&publish(&instance).await), [""; 0]);
    assert_eq!(paths(&pay(&instance).await), [""; 0]);
    lab.advance(hours(1)).await?;
    assert_eq!(paths(&publish(&instance).await), [SNS_FILE]);
    assert_eq!(paths(&pay(&instance).await), [PAYPAL_FILE]);
    Ok(())
}

#[tokio::test]
async fn w43_what_is_for_another_is_refused_and_without_a_topic_nothing_is_fetched() -> Result {
    let lab = lab();
    let instance = deploy(&lab).await?;
    let foreign = instance.webhook::<Topic>();
    let foreign = foreign.fixture(fixtures::aws_sns::notification());
    let report = foreign.signed_with(format!("{TOPIC}2")).send().await;
    report.assert_refused(401);
    assert_eq!(paths(&report), [""; 0]);
    let foreign = instance.webhook::<Payments>();
    let foreign = foreign.fixture(fixtures::paypal::capture_completed());
    let report = foreign.signed_with("another webhook").send().await;
    report.assert_refused(401);
    // Who is meant is known to PayPal only by the signature.
    assert_eq!(paths(&report), [PAYPAL_FILE]);

    let lab = self::lab();
    let config = Config {
        topics: Vec::new(),
        webhook_id: "8VW12345XY678901Z".into(),
    };
    let instance = lab.deploy(config).await?;
    let report = publish(&instance).await;
    report.assert_refused(401);
    assert_eq!(paths(&report), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn w41_a_certificate_that_cannot_be_had_is_no_refusal_and_no_pass() -> Result {
    let large = "-".repeat(64 * 1024 + 1);
    let failures = [
        Reply::status(500),
        Reply::status(404),
        Reply::status(200).body("text/html", "<html>hello</html>"),
        Reply::status(200).body("text/plain", format!("{SENDER}{large}")),
        Reply::status(302).header("location", "https://evil.example/x.pem"),
    ];
    for failure in failures {
        let system = Upstream::start().await;
        let good = Reply::status(200).body("text/plain", SENDER);
        let script = [failure, good];
        system.on("GET", SNS_FILE, script.clone()).await;
        system.on("GET", PAYPAL_FILE, script).await;
        let lab = lab().with_host(SNS, &system).with_host(PAYPAL, &system);
        let instance = deploy(&lab).await?;
        assert_later(&publish(&instance).await);
        assert_later(&pay(&instance).await);
        // What failed is not tried again at once, however often the sender tries.
        lab.advance(seconds(9)).await?;
        assert_later(&publish(&instance).await);
        assert_eq!(system.received().len(), 2);
        lab.advance(seconds(1)).await?;
        publish(&instance).await.execution().assert_completed();
        pay(&instance).await.execution().assert_completed();
        assert_eq!(system.received().len(), 4);
    }
    Ok(())
}

#[tokio::test]
async fn w41_a_certificate_that_proves_nothing_is_a_refusal() -> Result {
    for file in [EXPIRED, OTHER] {
        let system = Upstream::start().await;
        let answer = [Reply::status(200).body("text/plain", file)];
        system.on("GET", SNS_FILE, answer.clone()).await;
        system.on("GET", PAYPAL_FILE, answer).await;
        let lab = lab().with_host(SNS, &system).with_host(PAYPAL, &system);
        let instance = deploy(&lab).await?;
        for _ in 0..3 {
            publish(&instance).await.assert_refused(401);
            pay(&instance).await.assert_refused(401);
        }
        assert_eq!(system.received().len(), 2);
    }
    Ok(())
}

#[tokio::test]
async fn w41_an_issuer_that_paypal_leaves_out_is_fetched_once() -> Result {
    let (paypal, authority) = (Upstream::start().await, Upstream::start().await);
    let file = |file: &str| [Reply::status(200).body("text/plain", file.to_owned())];
    paypal.on("GET", PAYPAL_FILE, file(LACKING)).await;
    authority.on("GET", "/ThrowAway.crt", file(ISSUER)).await;
    let lab = lab()
        .with_host(PAYPAL, &paypal)
        .with_host("cacerts.digicert.com", &authority);
    let instance = deploy(&lab).await?;
    for _ in 0..3 {
        pay(&instance).await.execution().assert_completed();
    }
    assert_eq!(authority.received().len(), 1);
    Ok(())
}

/// Issuers come over plain HTTP: what somebody on the way has put there is not kept for a day.
#[tokio::test]
async fn w41_an_issuer_that_does_not_fit_is_asked_for_again() -> Result {
    let (paypal, authority) = (Upstream::start().await, Upstream::start().await);
    let file = |file: &str| Reply::status(200).body("text/plain", file.to_owned());
    paypal.on("GET", PAYPAL_FILE, [file(LACKING)]).await;
    let issuers = [file(OTHER), file(ISSUER)];
    authority.on("GET", "/ThrowAway.crt", issuers).await;
    let lab = lab()
        .with_host(PAYPAL, &paypal)
        .with_host("cacerts.digicert.com", &authority);
    let instance = deploy(&lab).await?;
    assert_later(&pay(&instance).await);
    lab.advance(seconds(10)).await?;
    pay(&instance).await.execution().assert_completed();
    Ok(())
}

/// A request of `PayPal`, as it was signed, but for the URL of its certificate.
fn naming(instance: &SimulatedInstance<Config>, url: &str) -> Request<Bytes> {
    let webhook = instance.webhook::<Payments>();
    let webhook = webhook.fixture(fixtures::paypal::capture_completed());
    let mut request = webhook.signed().request();
    let name = HeaderName::from_static("paypal-cert-url");
    let url = HeaderValue::try_from(url).expect("a URL");
    request.headers_mut().insert(name, url);
    request
}

#[tokio::test]
async fn w41_a_stranger_has_few_urls_called_and_keeps_no_other_endpoint_from_it() -> Result {
    let system = Upstream::start().await;
    let good = [Reply::status(200).body("text/plain", SENDER)];
    system.on("GET", PAYPAL_FILE, good).await;
    let lab = lab().with_host(PAYPAL, &system);
    let instance = deploy(&lab).await?;
    pay(&instance).await.execution().assert_completed();
    let none = [Reply::status(404)];
    for number in 0..40 {
        let path = format!("/v1/notifications/certs/stranger-{number}");
        system.allow("GET", &path, none.clone()).await;
        let url = format!("https://{PAYPAL}{path}");
        assert_later(&instance.send(naming(&instance, &url)).await);
    }
    // One was the certificate itself.
    assert_eq!(system.received().len(), 10);
    // What is kept serves on, and other endpoints are not held up.
    pay(&instance).await.execution().assert_completed();
    publish(&instance).await.execution().assert_completed();
    assert_eq!(system.received().len(), 10);
    // Where nothing may be fetched, nothing is.
    lab.advance(minutes(2)).await?;
    for url in [
        "https://evil.example/v1/notifications/certs/x",
        "https://api.paypal.com.evil.example/v1/notifications/certs/x",
        "http://api.paypal.com/v1/notifications/certs/x",
        "https://api.paypal.com:444/v1/notifications/certs/x",
        "https://api.paypal.com@127.0.0.1/v1/notifications/certs/x",
    ] {
        let report = instance.send(naming(&instance, url)).await;
        report.assert_refused(401);
        assert_eq!(paths(&report), [""; 0], "{url}");
    }
    Ok(())
}

#[tokio::test]
async fn w41_requests_that_come_at_one_moment_wait_for_one_call() -> Result {
    let system = Upstream::start().await;
    let good = [Reply::status(200).body("text/plain", SENDER)];
    system.on("GET", SNS_FILE, good).await;
    let lab = lab().with_host(SNS, &system);
    let instance = deploy(&lab).await?;
    let runner = lab.runner().await?;
    let request = || {
        let webhook = instance.webhook::<Topic>();
        let webhook = webhook.fixture(fixtures::aws_sns::notification());
        runner.ingress.receive(webhook.signed_with(TOPIC).request())
    };
    let all: Vec<_> = (0..20).map(|_| request()).collect();
    let answers = lab.while_time_passes(futures_util::future::join_all(all));
    for answer in answers.await? {
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(system.received().len(), 1);
    Ok(())
}
