//! Connections by OAuth 2.0 in the management API (E55): how they stand, and where somebody authorises one. With a provider that answers,
//! `testing` looks at the rest.

use std::sync::Arc;

use http::StatusCode;
use runner::store::MemoryStore;
use sdk::connection::{Grant, OAuth2, OAuthProvider};
use sdk::prelude::*;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::caller::{Server, text};
use crate::flows::CANARY;

struct Crm;

impl OAuthProvider for Crm {
    fn grant() -> Grant {
        Grant::authorization_code(
            "https://crm.example/authorize?tenant=7",
            "https://crm.example/token",
        )
        .scope("contacts.read")
        .scope("offline")
        .authorize_parameter("prompt", "consent")
    }
}

struct Bank;

impl OAuthProvider for Bank {
    fn grant() -> Grant {
        Grant::client_credentials("https://bank.example/token")
    }
}

#[derive(ConfigVars)]
struct Config {
    crm: Connection<OAuth2<Crm>>,
    other: Option<Connection<OAuth2<Crm>>>,
    bank: Connection<OAuth2<Bank>>,
}

struct Reads;

#[flow(key = "reads", trigger = Webhook::unsigned())]
impl Reads {
    #[on_execution]
    async fn read(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

async fn serve() -> (Server, String) {
    let integration = Integration::new("connected").flow::<Reads>();
    let server = Server::of(integration, Arc::new(MemoryStore::new())).await;
    let client = json!({"client_id": "client-1", "client_secret": CANARY});
    let config = json!({"crm": client, "bank": client});
    let deployed = server.post("/api/instances", json!({"config": config}));
    let id = text(&deployed.await.expect(201)["id"]);
    (server, id)
}

#[tokio::test]
async fn e55_an_instance_shows_how_each_of_its_connections_stands() {
    let (server, id) = serve().await;
    let shown = server
        .get(&format!("/api/instances/{id}"))
        .await
        .expect(200);
    let connection = |variable: &str, grant: &str, status: &str| {
        json!({
            "variable": variable, "grant": grant, "status": status,
            "authorized_at": null, "expires_at": null, "error": null,
        })
    };
    let expected = json!([
        connection("crm", "AUTHORIZATION_CODE", "NOT_AUTHORIZED"),
        connection("bank", "CLIENT_CREDENTIALS", "NOT_USED"),
    ]);
    assert_eq!(shown["connections"], expected);
    let warning = "connection `crm` is not authorised, so flows that need it fail; authorise it";
    assert_eq!(shown["warnings"], json!([warning]));
}

#[tokio::test]
async fn e55_somebody_is_sent_to_the_provider_with_a_challenge_and_a_state_of_their_own() {
    let (server, id) = serve().await;
    let path = format!("/api/instances/{id}/connections/crm/authorize");
    let mut states = Vec::new();
    for _ in 0..2 {
        let sent = server.post(&path, Value::Null).await.expect(200);
        assert_eq!(sent["expires_at"], "2026-03-27T17:00:00Z");
        let url = text(&sent["url"]);
        let (base, query) = url.split_once('?').unwrap();
        assert_eq!(base, "https://crm.example/authorize");
        let mut asked: Vec<_> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        asked.retain(|(name, value)| {
            if name == "state" {
                states.push(value.clone());
            }
            // 32 bytes in base64.
            name != "state" && !(name == "code_challenge" && value.len() == 43)
        });
        let expected = [
            ("tenant", "7"),
            ("response_type", "code"),
            ("client_id", "client-1"),
            ("code_challenge_method", "S256"),
            ("redirect_uri", "https://hooks.example/oauth/callback"),
            ("scope", "contacts.read offline"),
            ("prompt", "consent"),
        ];
        assert_eq!(
            asked,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
    // 144 bits in base64.
    assert!(states.iter().all(|state| state.len() == 24), "{states:?}");
    assert_ne!(states[0], states[1]);
}

#[tokio::test]
async fn e55_what_nobody_authorises_is_refused_with_a_sentence() {
    let (server, id) = serve().await;
    let of = |id: &str, rest: &str| format!("/api/instances/{id}/connections/{rest}");
    for (path, status, said) in [
        (
            of(&id, "bank/authorize"),
            409,
            "its client id and client secret are enough",
        ),
        (
            of(&id, "other/authorize"),
            404,
            "no connection by OAuth 2.0 `other`",
        ),
        (
            of("nobody", "crm/authorize"),
            404,
            "there is no instance `nobody`",
        ),
    ] {
        let refused = server.post(&path, Value::Null).await;
        assert_eq!(refused.status, StatusCode::from_u16(status).unwrap());
        assert!(refused.text.contains(said), "{}", refused.text);
    }
    for (path, said) in [
        (
            of(&id, "crm/authorization"),
            "nothing is granted to connection `crm`",
        ),
        (
            of(&id, "none/authorization"),
            "no connection by OAuth 2.0 `none`",
        ),
    ] {
        let refused = server.delete(&path).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        assert!(refused.text.contains(said), "{}", refused.text);
    }
    let gone = server
        .delete(&format!("/api/instances/{id}?keep_seconds=60"))
        .await;
    gone.expect(200);
    for refused in [
        server.post(&of(&id, "crm/authorize"), Value::Null).await,
        server.delete(&of(&id, "crm/authorization")).await,
    ] {
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    }
}

#[tokio::test]
async fn e55_the_console_shows_connections_and_the_url_of_their_provider() {
    let (server, id) = serve().await;
    let browser = Browser::enter(&server).await;
    let here = format!("/console/instances/{id}");
    let page = browser.page(&here).await;
    for shown in ["NOT_AUTHORIZED", "NOT_USED", "/connections/crm/authorize"] {
        assert!(page.contains(shown), "{page}");
    }
    assert!(!page.contains("/connections/bank/authorize"), "{page}");
    let at = |end: &str| format!("{here}/connections/crm/{end}");
    let sent = browser.submit(&at("authorize"), &[]).await.text;
    let url = "<pre>https://crm.example/authorize?tenant=7&amp;";
    assert!(sent.contains(url), "{sent}");
    let refused = browser.submit(&at("forget"), &[]).await.text;
    let text = "nothing is granted to connection";
    assert!(refused.contains(text), "{refused}");
}
