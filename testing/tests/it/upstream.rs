//! Other systems, scripted (TH-41: tests of integrations call nothing that is live, and demand something).

use std::panic::AssertUnwindSafe;

use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Result, SimulatedInstance, Simulation, Upstream};

#[derive(Debug, ConfigVars)]
struct Config {
    /// Where the other system is.
    upstream: Url,
}

/// Sends on what it is told to.
#[derive(Debug)]
struct Relays;

#[flow(key = "relays", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Relays {
    #[on_execution]
    async fn relay(context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        let url = context.config().upstream.join(&payload.path_fragment);
        let url = match payload.query_parameters.get("page") {
            Some(page) => format!("{}?page={page}", url.as_str()),
            None => url.as_str().to_owned(),
        };
        let answer = context
            .http()
            .request(payload.method.clone(), url)
            .json(&payload.data())
            .send()
            .await?;
        Ok(
            json!({"status": answer.status().as_u16(), "text": String::from_utf8_lossy(answer.bytes())}),
        )
    }
}

async fn deploy(upstream: &Upstream) -> Result<(Simulation<Config>, SimulatedInstance<Config>)> {
    let lab =
        Simulation::of(Integration::new("relays").flow::<Relays>()).at("2026-03-27T16:50:00Z");
    let instance = lab
        .deploy(Config {
            upstream: upstream.url(),
        })
        .await?;
    Ok((lab, instance))
}

/// Returns what an upstream says when it is verified.
fn complaint(upstream: &Upstream) -> String {
    let panic =
        std::panic::catch_unwind(AssertUnwindSafe(|| upstream.verify())).expect_err("a complaint");
    *panic.downcast::<String>().expect("a text")
}

#[tokio::test]
async fn answers_come_in_order_and_the_last_one_for_ever() -> Result {
    let upstream = Upstream::start().await;
    let replies = [
        Reply::status(429),
        Reply::status(200).body("text/plain", "done"),
    ];
    upstream.on("POST", "/orders", replies).await;
    let (_lab, instance) = deploy(&upstream).await?;
    let mut texts = Vec::new();
    for _ in 0..3 {
        let report = instance
            .webhook::<Relays>()
            .path("orders")
            .json(1)
            .send()
            .await;
        texts.push(report.response.body["text"].clone());
    }
    assert_eq!(texts, ["", "done", "done"]);
    upstream
        .on("POST", "/orders", [Reply::json(201, "more")])
        .await;
    let more = instance
        .webhook::<Relays>()
        .path("orders")
        .json(1)
        .send()
        .await;
    assert_eq!(
        more.response.body,
        json!({"status": 201, "text": "\"more\""})
    );
    Ok(())
}

#[tokio::test]
async fn a_query_in_the_script_is_part_of_what_is_asked() -> Result {
    let upstream = Upstream::start().await;
    upstream.on("GET", "/orders", [Reply::json(200, 1)]).await;
    upstream
        .on("GET", "/orders?page=2", [Reply::json(200, 2)])
        .await;
    let (_lab, instance) = deploy(&upstream).await?;
    let get = || {
        instance
            .webhook::<Relays>()
            .method(http::Method::GET)
            .path("orders")
    };
    assert_eq!(get().send().await.response.body["text"], "1");
    assert_eq!(
        get().query("page", 2).send().await.response.body["text"],
        "2"
    );
    Ok(())
}

/// TH-41: a test that calls nothing live still demands something.
#[tokio::test]
async fn what_was_not_asked_for_and_what_was_received_is_said_at_the_end() -> Result {
    let upstream = Upstream::start().await;
    upstream
        .on("POST", "/orders", [Reply::status(429), Reply::status(201)])
        .await;
    upstream
        .on("DELETE", "/orders/7", [Reply::status(204)])
        .await;
    upstream.allow("GET", "/health", [Reply::status(200)]).await;
    let (_lab, instance) = deploy(&upstream).await?;
    instance
        .webhook::<Relays>()
        .path("orders")
        .json(json!({"id": 7}))
        .send()
        .await;
    instance
        .webhook::<Relays>()
        .path("invoices")
        .json(1)
        .send()
        .await;
    insta::assert_snapshot!(complaint(&upstream));
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_goes_out_of_scope_is_verified() -> Result {
    let upstream = Upstream::start().await;
    upstream.on("POST", "/orders", [Reply::status(201)]).await;
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| drop(upstream)));
    let text = *panic
        .expect_err("a complaint")
        .downcast::<String>()
        .expect("a text");
    let expected = "the upstream was not used as its script says:\n  POST /orders: 0 of 1 answers were asked for\nit received nothing";
    assert_eq!(text, expected);
    Ok(())
}

#[tokio::test]
async fn what_was_received_is_seen_as_it_came_and_debug_hides_the_headers() -> Result {
    let upstream = Upstream::start().await;
    upstream.on("PUT", "/orders/7", [Reply::status(204)]).await;
    let (_lab, instance) = deploy(&upstream).await?;
    let put = instance
        .webhook::<Relays>()
        .method(http::Method::PUT)
        .path("orders/7");
    put.json(json!({"total": 42})).send().await;
    let received = &upstream.received()[0];
    assert_eq!(
        (received.path.as_str(), &received.body),
        ("/orders/7", &json!({"total": 42}))
    );
    assert_eq!(received.headers["content-type"], "application/json");
    assert!(!format!("{received:?}").contains("content-type"));
    Ok(())
}
