//! What is refused before the trigger leaves nothing in the store but what was there before (G6).

use bytes::Bytes;
use http::{Method, Request};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Multipart, Result, Settings, SimulatedInstance, Simulation};

#[derive(Debug, ConfigVars)]
struct Config {
    /// What the sender signs with.
    secret: Secret,
}

#[derive(Debug)]
struct Open;

#[flow(key = "open", trigger = Webhook::unsigned())]
impl Open {
    #[on_execution]
    async fn take(_context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        Ok(payload.data())
    }
}

#[derive(Debug)]
struct Signed;

#[flow(key = "signed", trigger = Webhook::signed_by(providers::github(), |config: &Config| &config.secret))]
impl Signed {
    #[on_execution]
    async fn take(_context: &Context<Config>, body: Value) -> sdk::Result<Value> {
        Ok(body)
    }
}

#[derive(Debug)]
struct Keyed;

#[flow(key = "keyed", trigger = Webhook::unsigned())]
impl Keyed {
    #[on_execution]
    async fn take(_context: &Context<Config>, body: Value) -> sdk::Result<Value> {
        Ok(body)
    }
}

/// Everything that the store holds, as a text.
async fn kept(lab: &Simulation<Config>, instance: &SimulatedInstance<Config>) -> Result<String> {
    let runner = lab.runner().await?;
    let store = &runner.engine.ports.store;
    let executions = store
        .executions(&runner::store::ExecutionFilter::default(), None, 1000)
        .await?;
    let mut lines = Vec::new();
    for execution in &executions {
        lines.push(store.logs(&execution.id, 0, u32::MAX).await?);
    }
    let held = (
        executions,
        lines,
        store.last_position().await?,
        store.instances().await?,
        store.states(instance.id()).await?,
        store.last_ticks(instance.id()).await?,
    );
    Ok(format!("{held:#?}"))
}

/// W3, W4, W6, W14, W15, W17, W18, W31, W32, G6: each refusal has its status, and the store holds afterwards what it held before.
#[tokio::test]
async fn what_is_refused_before_the_trigger_leaves_the_store_as_it_was() -> Result {
    let lab = Simulation::of(
        Integration::new("i")
            .flow::<Open>()
            .flow::<Signed>()
            .flow::<Keyed>(),
    )
    .with_settings(Settings {
        body_bytes: 1_000_000,
        rate_per_second: 12,
        ..Settings::default()
    });
    let secret = Secret::new("right");
    let instance = lab
        .customer("acme")
        .api_key::<Keyed>("k-1")
        .deploy(Config { secret })
        .await?;
    instance
        .webhook::<Open>()
        .json(1)
        .send()
        .await
        .assert_status(200);

    let open = || instance.webhook::<Open>();
    let (signed, keyed) = (
        || instance.webhook::<Signed>(),
        || instance.webhook::<Keyed>(),
    );
    let nowhere = Request::post("http://localhost/trigger/nowhere").body(Bytes::new())?;
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let parts = (0..2000).fold(Multipart::new(), |form, n| form.text(&n.to_string(), "x"));
    let requests = [
        (405, open().method(Method::OPTIONS)),
        (400, open().method(Method::GET).text("a body")),
        (400, open().body("application/json", "{\"cut\":")),
        (400, open().body("application/json", deep)),
        (
            400,
            open().body("multipart/form-data; boundary=b", "no part"),
        ),
        (413, open().multipart(parts)),
        (413, open().text("x".repeat(1_000_001))),
        (415, open().text("x").header("content-encoding", "br")),
        (401, signed().json(json!({}))),
        (401, signed().json(json!({})).signed_with("wrong")),
        (401, keyed().json(json!({}))),
        (401, keyed().json(json!({})).api_key("wrong")),
        // These fill the rate of the endpoint; what follows is beyond it.
        (405, open().method(Method::OPTIONS)),
        (405, open().method(Method::OPTIONS)),
        (405, open().method(Method::OPTIONS)),
        (429, open().json(1)),
    ];
    let before = kept(&lab, &instance).await?;
    instance.send(nowhere).await.assert_status(404);
    assert_unchanged(&before, &kept(&lab, &instance).await?, 404);
    for (status, request) in requests {
        let report = request.send().await;
        report.assert_status(status);
        assert_eq!(report.execution, None);
        assert_unchanged(&before, &kept(&lab, &instance).await?, status);
    }
    Ok(())
}

#[track_caller]
fn assert_unchanged(before: &str, after: &str, status: u16) {
    assert!(
        before == after,
        "a refusal with {status} changed the store:\n{before}\n→\n{after}"
    );
}
