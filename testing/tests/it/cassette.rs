//! What another system really answered, recorded and replayed.

use std::panic::AssertUnwindSafe;
use std::path::Path;

use futures_util::FutureExt as _;
use sdk::connection::{ApiKey, Connection};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Cassette, Reply, Result, Simulation, Upstream};

#[derive(Debug, ConfigVars)]
struct Config {
    /// Where the shop is.
    shop: Url,
    /// The key there.
    key: Connection<ApiKey>,
}

/// Logs in, and files an order.
#[derive(Debug)]
struct Files;

#[flow(key = "files", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Files {
    #[on_execution]
    async fn file(context: &Context<Config>, order: Value) -> sdk::Result<Value> {
        let Config { shop, key } = context.config();
        let login = format!("{}?key={}", shop.join("login").as_str(), key.key.expose());
        let token: Value = context.http().get(login).send().await?.ok()?.json()?;
        let token = token["access_token"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let post = context
            .http()
            .post(shop.join("orders"))
            .bearer(&token.into());
        let filed: Value = post.json(&order).send().await?.ok()?.json()?;
        Ok(filed["number"].clone())
    }
}

fn config(shop: &Url, key: &str) -> Config {
    Config {
        shop: shop.clone(),
        key: Connection::new(ApiKey { key: key.into() }),
    }
}

fn lab(cassette: Cassette) -> Simulation<Config> {
    let integration = Integration::new("files").flow::<Files>();
    Simulation::of(integration)
        .at("2026-03-27T16:50:00Z")
        .with_cassette(cassette)
}

async fn file(lab: &Simulation<Config>, shop: &Url, key: &str, order: Value) -> Result<Value> {
    let instance = lab.deploy(config(shop, key)).await?;
    let report = instance.webhook::<Files>().json(order).send().await;
    Ok(report.response.body)
}

/// Records against an upstream that is gone afterwards, and returns its address.
async fn record(path: &Path) -> Result<Url> {
    let shop = Upstream::start().await;
    let token = Reply::json(
        200,
        json!({"access_token": "token-of-the-hour", "expires_in": 3600}),
    );
    shop.on(
        "GET",
        "/login?key=real-key-of-acme",
        [token.header("set-cookie", "session=cookie-of-the-hour")],
    )
    .await;
    let filed = Reply::json(201, json!({"number": 7, "seller": "real-key-of-acme"}));
    shop.on("POST", "/orders", [filed]).await;
    let lab = lab(Cassette::at(path).recording(true));
    let number = file(
        &lab,
        &shop.url(),
        "real-key-of-acme",
        json!({"item": "widget"}),
    )
    .await?;
    assert_eq!(number, 7);
    Ok(shop.url())
}

/// Returns what a future says when it panics.
async fn complaint<T>(future: impl Future<Output = T>) -> String {
    let panic = AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .err()
        .expect("a complaint");
    *panic.downcast::<String>().expect("a text")
}

#[tokio::test]
async fn a_recording_is_replayed_without_the_other_system_and_without_the_key() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("new/an_order.json");
    let shop = record(&path).await?;
    let lab = lab(Cassette::at(&path).recording(false));
    let number = file(
        &lab,
        &shop,
        "another-key-for-tests",
        json!({"item": "widget"}),
    )
    .await?;
    assert_eq!(number, 7);
    Ok(())
}

/// G10: nothing that is secret is in the file.
#[tokio::test]
async fn secrets_are_replaced_when_they_are_recorded() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("an_order.json");
    let shop = record(&path).await?;
    let text = std::fs::read_to_string(&path)?;
    for secret in [
        "real-key-of-acme",
        "token-of-the-hour",
        "cookie-of-the-hour",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    insta::assert_snapshot!(text.replace(shop.as_str(), "http://shop.example"));
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_not_known_fails_the_test_and_says_what_is() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("an_order.json");
    let shop = record(&path).await?;
    let lab = lab(Cassette::at(&path).recording(false));
    let said = complaint(file(
        &lab,
        &shop,
        "another-key-for-tests",
        json!({"item": "gadget"}),
    ))
    .await;
    let said = said.replace(shop.as_str(), "http://shop.example");
    let folder = folder.path().display().to_string();
    insta::assert_snapshot!(said.replace(&folder, "tests/cassettes"));
    // What is left on the tape is not told a second time.
    complaint(async { drop(lab) }).await;
    Ok(())
}

#[tokio::test]
async fn what_is_recorded_and_not_asked_for_fails_the_test() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("an_order.json");
    let shop = record(&path).await?;
    let lab = lab(Cassette::at(&path).recording(false));
    lab.deploy(config(&shop, "another-key-for-tests")).await?;
    let said = complaint(async { drop(lab) }).await;
    assert!(said.contains("holds what was not asked for:"), "{said}");
    assert!(said.contains("/orders {\"item\":\"widget\"}"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_cassette_that_is_not_there_says_how_to_record_it() -> Result {
    let lab = lab(Cassette::at("tests/cassettes/nowhere.json").recording(false));
    let said = complaint(lab.instances()).await;
    assert!(
        said.starts_with("the cassette `tests/cassettes/nowhere.json` cannot be read: "),
        "{said}"
    );
    assert!(said.ends_with("; record it with RECORD=1"), "{said}");
    Ok(())
}

/// The file that is committed beside this test is enough.
#[tokio::test]
async fn a_committed_cassette_is_replayed() -> Result {
    let lab = lab(Cassette::at("tests/cassettes/an_order_is_filed.json"));
    let shop: Url = Url::parse("http://shop.example")?;
    let number = file(&lab, &shop, "a-key-for-tests", json!({"item": "widget"})).await?;
    assert_eq!(number, 7);
    lab.survives_a_crash_anywhere()
        .await
        .expect_err("the effects are in no step");
    Ok(())
}
