//! Probes, counters, and a store that fails.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use sdk::time::seconds;
use serde_json::json;

use crate::caller::{Server, bare};
use crate::flows::CANARY;
use crate::store::{Failing, WORDS};

/// By address, as an orchestrator asks.
fn probe(path: &str) -> Request<Bytes> {
    Request::get(path)
        .header("host", "10.1.2.3")
        .body(Bytes::new())
        .unwrap()
}

#[tokio::test]
async fn a_runner_that_is_told_to_stop_is_alive_but_not_ready() {
    let server = Server::start().await;
    server.send(probe("/healthz")).await.expect(200);
    let ready = server.send(probe("/readyz")).await.expect(200);
    assert_eq!(ready, json!({"status": "ready"}));
    server.stop.send_replace(true);
    let text = server.send(probe("/readyz")).await.refusal(503);
    assert_eq!(text, "the runner is stopping");
    server.send(probe("/healthz")).await.expect(200);
}

#[tokio::test]
async fn an_engine_that_stops_is_not_ready_and_takes_nothing() {
    let server = Server::start().await;
    let id = server.deploy().await;
    server.runner.stop(seconds(1)).await;
    server.send(probe("/readyz")).await.refusal(503);
    let path = format!("/api/instances/{id}/flows/greet/test");
    let answer = server.post(&path, json!({})).await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.refusal(503);
}

#[tokio::test]
async fn a_store_that_fails_is_503_everywhere_and_its_words_stay_inside() {
    let failing = Arc::new(Failing::default());
    let server = Server::with(Arc::clone(&failing) as _).await;
    let id = server.deploy().await;
    failing.fail();
    let text = server.send(probe("/readyz")).await.refusal(503);
    assert_eq!(text, "the store cannot be written");
    let instance = format!("/api/instances/{id}");
    for (method, path) in [
        (Method::GET, "/api/executions".to_owned()),
        (Method::GET, "/api/executions/x".to_owned()),
        (Method::POST, "/api/executions/x/replay".to_owned()),
        (Method::POST, "/api/executions/x/cancel".to_owned()),
        (Method::GET, instance.clone()),
        (Method::PUT, instance.clone()),
        (Method::POST, format!("{instance}/pause")),
        (Method::GET, format!("{instance}/state")),
        (Method::DELETE, format!("{instance}/state")),
        (Method::POST, format!("{instance}/flows/greet/test")),
        (Method::POST, format!("{instance}/flows/greet/keys")),
    ] {
        let answer = server.call(method.clone(), &path, Some(json!({}))).await;
        assert_eq!(answer.status, 503, "{method} {path}: {}", answer.text);
        assert!(!answer.refusal(503).contains(WORDS), "{method} {path}");
    }
    server.get("/api/instances").await.expect(200);
}

#[tokio::test]
async fn the_counters_say_what_was_accepted_ended_and_answered() {
    let server = Server::start().await;
    let id = server.deploy().await;
    server.run(&id, "greet", json!({})).await;
    let first = server.begin(&id, "fails").await;
    server.ended(&first).await;
    let nowhere = Request::post("/trigger/nowhere")
        .body(Bytes::new())
        .unwrap();
    server.runner.ingress.receive(nowhere).await;

    let metrics = server.get("/metrics").await;
    let content_type = metrics.headers["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("application/openmetrics-text"));
    for line in [
        "# TYPE runner_executions_waiting gauge",
        "runner_instances 1",
        "runner_executions_accepted_total{flow=\"greet\"} 1",
        "runner_executions_ended_total{flow=\"greet\",result=\"COMPLETED\"} 1",
        "runner_executions_ended_total{flow=\"fails\",result=\"ERROR\"} 1",
        "runner_executions_ended_total{flow=\"fails\",result=\"TIMED_OUT\"} 0",
        "runner_requests_answered_total{status=\"404\"} 1",
        "# EOF",
    ] {
        let is_there = metrics.text.lines().any(|found| found == line);
        assert!(is_there, "{line} is not in\n{}", metrics.text);
    }
    assert!(!metrics.text.contains(&id) && !metrics.text.contains(CANARY));
    server
        .send(bare(Method::GET, "/metrics"))
        .await
        .refusal(401);
}
