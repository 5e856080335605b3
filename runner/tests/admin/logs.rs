//! The log of an execution, and the live tail (E29).

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use runner::record::LogRecord;
use runner::server::{Body, Handler as _};
use runner::store::MemoryStore;
use sdk::endpoint::SharedEndpoint;
use sdk::host::LogLevel;
use sdk::time::seconds;
use serde_json::{Value, json};

use crate::caller::{Server, text, with_token};
use crate::flows::{CANARY, Dispatch, ROUTING_KEY, integration};

async fn tail(server: &Server, query: &str) -> Body {
    let request = with_token(Method::GET, &format!("/api/logs/stream{query}"), "");
    let response = server.router.handle(request).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.into_body()
}

async fn event(body: &mut Body) -> String {
    let frame = body.frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[track_caller]
fn data(event: &str) -> Value {
    let mut lines = event.lines();
    let line = lines.find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(line.unwrap()).unwrap()
}

#[tokio::test]
async fn the_lines_of_an_execution_are_listed_page_by_page() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let execution = server.run(&id, "greet", json!({})).await;
    let path = format!("/api/executions/{}/logs", text(&execution["id"]));
    let first = server.get(&format!("{path}?limit=1")).await.expect(200);
    assert_eq!(first["items"][0]["text"], "greeting");
    assert_eq!(first["items"][0]["level"], "info");
    let cursor = text(&first["next_cursor"]);
    let second = server.get(&format!("{path}?cursor={cursor}")).await;
    let second = second.expect(200);
    assert_eq!(second["items"][0]["text"], "still greeting");
    assert_eq!(second["next_cursor"], Value::Null);
    let from = server.get(&format!("{path}?from=1")).await.expect(200);
    assert_eq!(from, second);
    for wrong in ["limit=1001", "from=-1", "cursor=x"] {
        server.get(&format!("{path}?{wrong}")).await.refusal(400);
    }
}

#[tokio::test]
async fn the_live_tail_shows_what_was_asked_for() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let mut all = tail(&server, "").await;
    let query = format!("?instance={id}&flow=greet&level=warn");
    let mut warnings = tail(&server, &query).await;
    let mut others = tail(&server, "?flow=slow").await;
    let execution = server.run(&id, "greet", json!({})).await;

    let line = event(&mut all).await;
    assert!(line.starts_with("event: log\n"), "{line}");
    let line = data(&line);
    assert_eq!(line["text"], "greeting");
    assert_eq!(line["flow"], "greet");
    assert_eq!(line["instance"], id);
    assert_eq!(line["execution"], execution["id"]);
    assert_eq!(data(&event(&mut warnings).await)["text"], "still greeting");
    let pass_time = async { server.advance(seconds(15)) };
    // In this order: the stream lies down to wait before time passes.
    let (quiet, ()) = tokio::join!(biased; event(&mut others), pass_time);
    assert!(
        quiet.starts_with(':'),
        "no line is of another flow: {quiet}"
    );
    let wrong = server.get("/api/logs/stream?level=loud").await;
    wrong.refusal(400);
}

#[tokio::test]
async fn the_live_tail_ends_when_the_runner_stops() {
    let server = Server::start().await;
    let mut body = tail(&server, "").await;
    server.stop.send_replace(true);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn whoever_reads_too_slowly_is_told_how_much_is_missing() {
    let server = Server::start().await;
    let mut body = tail(&server, "").await;
    let line = LogRecord {
        execution: "none".into(),
        number: 0,
        at: server.now(),
        level: LogLevel::Info,
        step: None,
        text: "x".to_owned(),
        fields: Value::Null,
    };
    for _ in 0..20 {
        server.runner.engine.ports.tail.send(line.clone()).unwrap();
    }
    let note = event(&mut body).await;
    assert!(note.starts_with("event: lagged\n"), "{note}");
    assert_eq!(data(&note), json!({"missed": 4}));
    assert_eq!(data(&event(&mut body).await)["instance"], Value::Null);
}

/// G10, RN-72: what a routing flow logs is shown when it is known whose secrets must be taken out of it, and to nobody who follows another
/// instance.
#[tokio::test]
async fn the_live_tail_shows_what_a_routing_flow_logged_to_no_other_customer_and_no_secret() {
    let endpoint = SharedEndpoint::routed_by::<Dispatch>();
    let integration = integration().shared_endpoint(endpoint);
    let server = Server::of(integration, Arc::new(MemoryStore::new())).await;
    let deploy = async |customer: &str, secret: &str| {
        let config = json!({"api_secret": secret});
        let body = json!({"customer": {"id": customer}, "config": config});
        server.post("/api/instances", body).await.expect(201)
    };
    let acme = deploy("acme", CANARY).await;
    let globex = deploy("globex", "another secret").await;
    let mut all = tail(&server, "").await;
    let query = format!("?instance={}", text(&globex["id"]));
    let mut others = tail(&server, &query).await;

    let send = async |customer: &str| {
        let note = format!("of {customer}: {CANARY}, another secret");
        let body = json!({"customer": customer, "note": note});
        let request = Request::post(text(&acme["webhook_urls"]["greet"]))
            .header("content-type", "application/json")
            .header("api-key", ROUTING_KEY)
            .body(Bytes::from(body.to_string()));
        let answer = server.runner.ingress.receive(request.unwrap()).await;
        answer.status().as_u16()
    };
    assert_eq!(send("acme").await, 200);
    let line = data(&event(&mut all).await);
    assert_eq!(line["text"], "of acme: [api_secret], another secret");
    assert_eq!(data(&event(&mut all).await)["text"], "greeting");
    assert_eq!(data(&event(&mut all).await)["text"], "still greeting");
    // Whoever it is for: nobody's secret is shown.
    assert_eq!(send("nobody").await, 404);
    let line = data(&event(&mut all).await);
    assert_eq!(line["text"], "of nobody: [api_secret], [api_secret]");
    assert_eq!(line["instance"], "shared");
    let line = data(&event(&mut all).await);
    assert!(text(&line["text"]).contains("`nobody`"), "{line}");

    // The first line that the other customer's tail shows is its own, of all that came.
    assert_eq!(send("globex").await, 200);
    let line = data(&event(&mut others).await);
    assert_eq!(line["instance"], globex["id"], "{line}");
}
