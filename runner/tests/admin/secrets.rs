//! No secret in any answer (G10). The caller of these tests searches every answer for the canary.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::{Value, json};

use crate::caller::{Server, text};
use crate::flows::CANARY;

/// A call that sends the secret back in every place.
fn echoes() -> Value {
    json!({
        "body": {"echo": CANARY, "password": "of somebody else"},
        "headers": {"x-echo": CANARY, "x-signature": "abc"},
        "query": {"echo": CANARY},
        "path_fragment": CANARY,
    })
}

// E56: not in a result, a step, a log line, the state or the payload.
#[tokio::test]
async fn what_a_flow_lets_slip_is_shown_without_the_secret() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let shown = server.run(&id, "leaks", echoes()).await;
    assert_eq!(shown["output"]["data"], json!({"secret": "[api_secret]"}));
    assert_eq!(shown["steps"][0]["result"], json!({"told": "[api_secret]"}));
    let payload = &shown["payload"];
    let body = json!({"echo": "[api_secret]", "password": "[masked]"});
    assert_eq!(payload["body"]["data"], body);
    let headers = json!({"x-echo": ["[api_secret]"], "x-signature": ["[masked]"]});
    assert_eq!(payload["headers"], headers);
    let path = format!("/api/executions/{}/logs", text(&shown["id"]));
    let logged = server.get(&path).await.expect(200);
    assert_eq!(logged["items"][0]["text"], "the secret is [api_secret]");
    let state = server.get(&format!("/api/instances/{id}/state")).await;
    assert_eq!(state.expect(200)["items"][0]["value"], "[api_secret]");
}

// E56: not in an error, a list or a metric.
#[tokio::test]
async fn an_error_and_every_list_are_shown_without_the_secret() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let mut failing = echoes();
    failing["query"]["fail"] = json!("1");
    let failed = server.run(&id, "leaks", failing).await;
    assert_eq!(failed["error"], "it failed with [api_secret]");
    for path in [
        "/api/executions",
        "/api/instances",
        "/metrics",
        "/api/integration",
    ] {
        assert_eq!(server.get(path).await.status, 200);
    }
}

#[tokio::test]
async fn a_secret_in_another_spelling_is_found() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let hex = hex::encode(CANARY);
    let base64 = BASE64_STANDARD.encode(CANARY);
    for spelling in [&hex, &base64] {
        let call = json!({"body": {"echo": spelling}});
        let shown = server.run(&id, "greet", call).await;
        assert!(!shown.to_string().contains(spelling), "{shown}");
    }
    let binary = json!({"body": CANARY, "headers": {"content-type": "application/octet-stream"}});
    let shown = server.run(&id, "greet", binary).await;
    assert!(!shown.to_string().contains(&base64), "{shown}");
}

#[tokio::test]
async fn the_data_of_a_removed_instance_is_withheld() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let shown = server.run(&id, "leaks", echoes()).await;
    let instance = format!("/api/instances/{id}");
    server.delete(&instance).await.expect(200);
    let path = format!("/api/executions/{}", text(&shown["id"]));
    let left = server.get(&path).await.expect(200);
    assert_eq!(left["status"], "SUCCESS");
    assert_eq!(left["output"]["encoding"], "withheld");
    assert_eq!(left["payload"]["body"]["data"], Value::Null);
    assert_eq!(left["steps"][0]["result"], Value::Null);
    server
        .post(&format!("{path}/replay"), json!({}))
        .await
        .refusal(409);
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_refused_without_being_repeated() {
    let server = Server::start().await;
    for secret in [json!([CANARY]), json!({"x": CANARY})] {
        let body = json!({"config": {"api_secret": secret}});
        server.post("/api/instances", body).await.refusal(422);
    }
    let path = format!("/api/instances/{}", server.deploy().await);
    let keys = Some(json!({"api_keys": {"greet": CANARY}}));
    server.call(Method::PUT, &path, keys).await.refusal(400);
}
