//! Pages of other origins (`cors_origins`).

use http::Method;
use testing::{Report, Result, Settings, Simulation, Webhook};

use super::{Config, Orders, config, shop};

const PAGE: &str = "https://app.example.com";

fn lab(origins: &[&str]) -> Simulation<Config> {
    let settings = Settings {
        cors_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        ..Settings::default()
    };
    Simulation::of(shop()).with_settings(settings)
}

fn asks<'a>(webhook: Webhook<'a, Config>, origin: &str) -> Webhook<'a, Config> {
    webhook
        .method(Method::OPTIONS)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "api-key, content-type")
}

fn allowed(report: &Report) -> Option<&str> {
    let headers = &report.response.headers;
    headers
        .get("access-control-allow-origin")
        .map(String::as_str)
}

/// A browser asks first, and is answered without an execution; then it may send and read.
#[tokio::test]
async fn a_page_of_a_listed_origin_may_call() -> Result {
    let lab = lab(&["https://other.example.com", PAGE]);
    let instance = lab.deploy(config("s")).await?;
    let answer = asks(instance.webhook::<Orders>(), PAGE).send().await;
    answer.assert_refused(204);
    assert_eq!(allowed(&answer), Some(PAGE));
    let headers = &answer.response.headers;
    assert_eq!(
        headers["access-control-allow-methods"],
        "POST, PUT, PATCH, DELETE, GET"
    );
    assert_eq!(
        headers["access-control-allow-headers"],
        "api-key, content-type"
    );
    assert_eq!(headers["vary"], "origin");
    assert!(!headers.contains_key("access-control-allow-credentials"));

    let order = instance.webhook::<Orders>().header("origin", PAGE);
    let report = order.json(1).send().await;
    report.assert_status(200).execution().assert_completed();
    assert_eq!(allowed(&report), Some(PAGE));
    let shown = &report.response.headers["access-control-expose-headers"];
    assert!(shown.contains("prismatic-executionid"), "{shown}");
    // A refusal can be read too.
    let malformed = instance.webhook::<Orders>().header("origin", PAGE);
    let report = malformed.body("application/json", "{oops").send().await;
    assert_eq!(allowed(report.assert_refused(400)), Some(PAGE));
    Ok(())
}

/// Without the setting, and for pages that are not listed, nothing is said of other origins.
#[tokio::test]
async fn other_pages_are_told_nothing() -> Result {
    for origins in [
        &[][..],
        &["https://other.example.com"],
        &["https://app.example.com:8443"],
    ] {
        let lab = lab(origins);
        let instance = lab.deploy(config("s")).await?;
        let answer = asks(instance.webhook::<Orders>(), PAGE).send().await;
        assert_eq!(allowed(answer.assert_refused(405)), None);
        let order = instance.webhook::<Orders>().header("origin", PAGE);
        let report = order.json(1).send().await;
        assert_eq!(allowed(report.assert_status(200)), None);
    }
    Ok(())
}

#[tokio::test]
async fn every_page_may_call_where_the_operator_says_so() -> Result {
    let lab = lab(&["*"]);
    let instance = lab.deploy(config("s")).await?;
    let answer = asks(instance.webhook::<Orders>(), PAGE).send().await;
    assert_eq!(allowed(answer.assert_refused(204)), Some("*"));
    // An OPTIONS that is no such question is refused as ever (W4).
    let plain = instance.webhook::<Orders>().method(Method::OPTIONS);
    plain
        .header("origin", PAGE)
        .send()
        .await
        .assert_refused(405);
    Ok(())
}
