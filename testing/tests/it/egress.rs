//! What a flow may call, what goes along, and what comes back (E21, G10).

use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Result, Simulation, Upstream};

#[derive(Debug, ConfigVars)]
struct Config {
    /// What the other system knows us by.
    key: Secret,
}

/// Calls the URL that it is sent.
#[derive(Debug)]
struct Calls;

#[flow(key = "calls", trigger = Webhook::unsigned(), retry = Retry::times(2).every(seconds(5)))]
impl Calls {
    #[on_execution]
    async fn call(context: &Context<Config>, url: String) -> sdk::Result<Value> {
        let request = context.http().post(url).bearer(&context.config().key);
        let request = request
            .header("x-house", "kept")
            .header("cookie", "a=b")
            .json(&"body");
        let answer = request.send().await?.ok()?;
        Ok(json!({"status": answer.status().as_u16()}))
    }
}

/// Has another flow call the URL.
#[derive(Debug)]
struct Passes;

#[flow(key = "passes", trigger = Webhook::unsigned())]
impl Passes {
    #[on_execution]
    async fn pass(context: &Context<Config>, url: String) -> sdk::Result<()> {
        context.http().get(&url).send().await?.ok()?;
        context.handle::<Calls>().start(&url).await?;
        Ok(())
    }
}

fn lab() -> Simulation<Config> {
    let integration = Integration::new("calls").flow::<Calls>().flow::<Passes>();
    Simulation::of(integration).at("2026-03-27T16:50:00Z")
}

fn config() -> Config {
    Config {
        key: "canary-key".into(),
    }
}

#[tokio::test]
async fn a_flow_that_is_sent_to_a_metadata_service_calls_nobody_and_is_not_tried_again() -> Result {
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    let url = "http://169.254.169.254/latest/meta-data?token=secret";
    let report = instance
        .webhook::<Calls>()
        .synchronous(true)
        .direct()
        .json(url)
        .send()
        .await;
    let refusal = json!({"error": "`169.254.169.254` may not be called from here"});
    assert_eq!(
        (report.response.status, &report.response.body),
        (400, &refusal)
    );
    instance.webhook::<Calls>().json(url).send().await;
    let timeline = instance.timeline().await.to_string();
    assert!(
        timeline.contains("the operator allows it with the setting `outbound_allow`"),
        "{timeline}"
    );
    lab.run_until_idle().await?;
    assert_eq!(instance.executions::<Calls>().await.len(), 2, "{timeline}");
    Ok(())
}

#[tokio::test]
async fn another_origin_gets_the_request_without_its_credentials() -> Result {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let away = second.url().join("there");
    first
        .on(
            "POST",
            "/",
            [Reply::status(307).header("location", "/here")],
        )
        .await;
    first
        .on(
            "POST",
            "/here",
            [Reply::status(308).header("location", &away)],
        )
        .await;
    second.on("POST", "/there", [Reply::status(200)]).await;
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    let url = first.url().join("");
    let report = instance
        .webhook::<Calls>()
        .synchronous(true)
        .direct()
        .json(url)
        .send()
        .await;
    assert_eq!(report.response.body, json!({"status": 200}));
    let [begun, here] = first.received().try_into().expect("two requests");
    assert_eq!(begun.headers["authorization"], "Bearer canary-key");
    assert_eq!(here.headers["authorization"], "Bearer canary-key");
    let there = second.received().remove(0);
    assert_eq!(
        (&there.body, &there.headers["x-house"][..]),
        (&json!("body"), "kept")
    );
    for name in ["authorization", "cookie"] {
        assert!(!there.headers.contains_key(name), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_redirect_into_the_network_of_the_operator_is_refused() -> Result {
    let upstream = Upstream::start().await;
    let away = [Reply::status(302).header("location", "http://10.0.0.7/internal")];
    upstream.on("POST", "/", away).await;
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    let url = upstream.url().join("");
    let report = instance
        .webhook::<Calls>()
        .synchronous(true)
        .direct()
        .json(url)
        .send()
        .await;
    let refusal = json!({"error": "`10.0.0.7` may not be called from here"});
    assert_eq!(report.response.body, refusal);
    Ok(())
}

/// E21: 429 and 503 with a date, or with seconds.
#[tokio::test]
async fn the_retry_comes_when_the_other_system_said() -> Result {
    let upstream = Upstream::start().await;
    let answers = [
        Reply::status(429).header("retry-after", "Fri, 27 Mar 2026 17:00:00 GMT"),
        Reply::status(503).header("retry-after", "30"),
        Reply::status(200),
    ];
    upstream.on("POST", "/", answers).await;
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    let url = upstream.url().join("");
    instance.webhook::<Calls>().json(url).send().await;
    lab.run_until_idle().await?;
    let times: Vec<String> = instance
        .requests()
        .iter()
        .map(|request| request.at.to_string())
        .collect();
    assert_eq!(
        times,
        [
            "2026-03-27T16:50:00Z",
            "2026-03-27T17:00:00Z",
            "2026-03-27T17:00:30Z"
        ]
    );
    Ok(())
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Returns the `traceparent` of every request that came of one webhook.
async fn parents(incoming: Option<&str>) -> Result<Vec<String>> {
    let upstream = Upstream::start().await;
    upstream.on("GET", "/", [Reply::status(200)]).await;
    let answers = [Reply::status(503), Reply::status(200)];
    upstream.on("POST", "/", answers).await;
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    let mut webhook = instance.webhook::<Passes>().json(upstream.url().join(""));
    if let Some(parent) = incoming {
        webhook = webhook
            .header("traceparent", parent)
            .header("tracestate", "house=1");
    }
    webhook.send().await;
    lab.run_until_idle().await?;
    let received = upstream.received();
    for request in &received {
        let state = request.headers.get("tracestate").map(String::as_str);
        assert_eq!(state, incoming.map(|_| "house=1"));
    }
    Ok(received
        .iter()
        .map(|request| request.headers["traceparent"].clone())
        .collect())
}

#[tokio::test]
async fn the_trace_of_a_webhook_goes_along_with_every_request_that_comes_of_it() -> Result {
    let all = parents(Some(PARENT)).await?;
    assert_eq!(all.len(), 3, "{all:?}");
    for parent in &all {
        assert!(
            parent.starts_with(&PARENT[..36]) && parent.ends_with("-01"),
            "{parent}"
        );
    }
    let spans: std::collections::BTreeSet<_> = all.iter().map(|parent| &parent[36..52]).collect();
    assert_eq!(spans.len(), 3, "each request is one of its own: {all:?}");
    Ok(())
}

#[tokio::test]
async fn without_a_trace_a_new_one_begins_that_is_the_same_in_every_run() -> Result {
    let all = parents(None).await?;
    assert_eq!(all, parents(None).await?);
    assert_eq!(all.len(), 3);
    assert!(
        all.iter().all(|parent| parent[..36] == all[0][..36]),
        "{all:?}"
    );
    Ok(())
}
