//! What an operator sees of the senders of an instance: who verified an endpoint, what keeps one from it, and a secret that is forgotten.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use runner::store::MemoryStore;
use sdk::prelude::*;
use serde_json::{Value, json};

use crate::caller::{Server, items, text};
use crate::flows::Config;

/// Makes a flow that takes what its sender sends.
macro_rules! takes {
    ($flow:ident, $key:literal, $trigger:expr) => {
        struct $flow;

        #[flow(key = $key, trigger = $trigger)]
        impl $flow {
            #[on_execution]
            async fn take(_context: &Context<Config>, payload: Payload) -> Result<Value> {
                Ok(payload.data())
            }
        }
    };
}

takes!(
    Files,
    "files",
    Webhook::signed_by(providers::dropbox(), |config: &Config| &config.api_secret)
);
takes!(
    Chat,
    "chat",
    Webhook::signed_by(providers::meta(), |config: &Config| &config.api_secret)
);
takes!(
    Tasks,
    "tasks",
    Webhook::signed_by_secret_of(providers::asana())
);

async fn serve() -> (Server, String) {
    let integration = Integration::new("asked")
        .flow::<Files>()
        .flow::<Chat>()
        .flow::<Tasks>();
    let server = Server::of(integration, Arc::new(MemoryStore::new())).await;
    let id = server.deploy().await;
    (server, id)
}

/// Asks an endpoint as its sender does; the status of the answer.
async fn ask(
    server: &Server,
    id: &str,
    flow: &str,
    query: &str,
    secret: Option<&str>,
) -> StatusCode {
    let shown = server
        .get(&format!("/api/instances/{id}"))
        .await
        .expect(200);
    let url = format!("{}{query}", text(&shown["webhook_urls"][flow]));
    let request = match secret {
        Some(secret) => Request::post(url).header("x-hook-secret", secret),
        None => Request::get(url),
    };
    let request = request.body(Bytes::new()).unwrap();
    server.runner.ingress.receive(request).await.status()
}

async fn detail(server: &Server, id: &str) -> Value {
    server
        .get(&format!("/api/instances/{id}"))
        .await
        .expect(200)
}

#[tokio::test]
async fn w41_the_health_of_an_instance_shows_by_whom_its_endpoints_were_verified() {
    let (server, id) = serve().await;
    assert_eq!(detail(&server, &id).await["health"]["verified"], json!([]));
    let token = "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=x";
    assert_eq!(ask(&server, &id, "chat", token, None).await, 403);
    assert_eq!(detail(&server, &id).await["health"]["verified"], json!([]));
    assert_eq!(ask(&server, &id, "files", "?challenge=1", None).await, 200);
    assert_eq!(ask(&server, &id, "tasks", "", Some("b537207f")).await, 200);
    let shown = detail(&server, &id).await;
    let verified = json!([
        {
            "flow": "files", "by": "Dropbox", "handshake": "Dropbox challenge",
            "at": "2026-03-27T16:50:00Z",
        },
        {
            "flow": "tasks", "by": "Asana", "handshake": "Asana X-Hook-Secret",
            "at": "2026-03-27T16:50:00Z",
        },
    ]);
    assert_eq!(shown["health"]["verified"], verified);
    assert!(!shown.to_string().contains("b537207f"));
}

#[tokio::test]
async fn w43_what_keeps_a_sender_out_is_a_warning_until_it_is_put_right() {
    let (server, id) = serve().await;
    let token = "Meta asks flow `chat` for a verify token, and there is none; use `Webhook::signed_and_verified_by` and set its config variable";
    let secret = "flow `tasks` refuses everything until its sender has brought the signing secret; subscribe to the sender";
    let shown = detail(&server, &id).await;
    assert_eq!(shown["warnings"], json!([token, secret]));
    assert_eq!(ask(&server, &id, "tasks", "", Some("b537207f")).await, 200);
    assert_eq!(detail(&server, &id).await["warnings"], json!([token]));
}

#[tokio::test]
async fn w41_a_secret_that_a_sender_brought_is_forgotten_when_an_operator_says_so() {
    let (server, id) = serve().await;
    let path = |flow: &str| format!("/api/instances/{id}/flows/{flow}/secret");
    server.delete(&path("tasks")).await.refusal(404);
    assert_eq!(ask(&server, &id, "tasks", "", Some("first")).await, 200);
    assert_eq!(ask(&server, &id, "tasks", "", Some("second")).await, 401);
    server.delete(&path("tasks")).await.expect(204);
    let shown = detail(&server, &id).await;
    assert_eq!(shown["health"]["verified"], json!([]));
    assert_eq!(items(&shown["warnings"]).len(), 2);
    assert_eq!(ask(&server, &id, "tasks", "", Some("second")).await, 200);
    assert_eq!(ask(&server, &id, "tasks", "", Some("first")).await, 401);
    // A secret that is a config variable is not brought, and not forgotten.
    server.delete(&path("files")).await.refusal(404);
    server.delete(&path("none")).await.refusal(404);
    server
        .delete("/api/instances/none/flows/tasks/secret")
        .await
        .refusal(404);
}
