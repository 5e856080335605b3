//! What an operator sees of connections by OAuth 2.0 while they are used (E55), and that it is nothing secret (E56).

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use runner::server::Handler as _;
use runner::server::admin::{Access, router};
use sdk::Secret;
use sdk::connection::{Grant, OAuth2, OAuthProvider};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{OAuthServer, Result, Simulation};
use tokio::sync::watch;

struct Crm;

impl OAuthProvider for Crm {
    fn grant() -> Grant {
        Grant::authorization_code("https://crm.example/authorize", "https://crm.example/token")
    }
}

#[derive(ConfigVars)]
struct Config {
    crm: Connection<OAuth2<Crm>>,
}

struct Asks;

#[flow(key = "asks", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Asks {
    /// What a flow gives back is data; what stands there is taken out when it is shown.
    #[on_execution]
    async fn ask(context: &Context<Config>) -> sdk::Result<String> {
        let token = context.access_token(&context.config().crm).await?;
        context
            .cross_flow_state()
            .set("last", token.expose())
            .await?;
        Ok(token.expose().to_owned())
    }
}

const TOKEN: &str = "the-token-of-the-tests-0123456789";

#[tokio::test]
async fn e55_the_management_api_shows_how_a_connection_stands_and_never_a_token() -> Result {
    let lab = Simulation::of(Integration::new("asked").flow::<Asks>()).at("2026-03-27T16:50:00Z");
    let server = OAuthServer::start().await;
    let instance = lab
        .deploy(Config {
            crm: server.connection(),
        })
        .await?;
    let (_stop, stopping) = watch::channel(false);
    let access = Access::with_token(&Secret::new(TOKEN)).for_host("runner.example");
    let api = router(lab.runner().await?, access, stopping);
    let call = async |method: Method, path: &str| {
        let path = format!("/api/{path}").replace("{id}", instance.id().as_str());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "runner.example")
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Bytes::new())
            .unwrap();
        let answer = api.handle(request).await;
        let (status, body) = (answer.status().as_u16(), answer.into_body());
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        for secret in server.secrets() {
            assert!(!text.contains(&secret), "{secret} in {text}");
        }
        (status, text)
    };
    let shown = async || {
        let (_, text) = call(Method::GET, "instances/{id}").await;
        let detail: Value = serde_json::from_str(&text).unwrap();
        detail["connections"][0].clone()
    };
    let connection = |status: &str, times: [Option<&str>; 2], error: Option<&str>| {
        json!({
            "variable": "crm", "grant": "AUTHORIZATION_CODE", "status": status,
            "authorized_at": times[0], "expires_at": times[1], "error": error,
        })
    };

    assert_eq!(
        shown().await,
        connection("NOT_AUTHORIZED", [None, None], None)
    );
    instance.authorize("crm", &server).await?;
    let times = [Some("2026-03-27T16:50:00Z"), Some("2026-03-27T17:50:00Z")];
    assert_eq!(shown().await, connection("AUTHORIZED", times, None));

    lab.advance(hours(1)).await?;
    server.fail(500, json!("sorry"));
    let failed = instance.webhook::<Asks>().send().await;
    let text = "the provider of connection `crm` gives no token";
    assert_eq!(failed.response.body, json!({"error": text}));
    let error = "the provider of connection `crm` gives no token: `127.0.0.1` answered 500";
    assert_eq!(shown().await, connection("AUTHORIZED", times, Some(error)));
    server.recover();
    lab.advance(seconds(5)).await?;
    let done = instance.webhook::<Asks>().send().await;
    done.execution().assert_completed();
    let times = [Some("2026-03-27T16:50:00Z"), Some("2026-03-27T18:50:05Z")];
    assert_eq!(shown().await, connection("AUTHORIZED", times, None));
    for path in [
        "instances/{id}/state",
        "executions",
        &format!("executions/{}", done.execution().id),
    ] {
        let (status, text) = call(Method::GET, path).await;
        assert_eq!(status, 200, "{text}");
        assert_eq!(
            text.contains("[crm.access_token]"),
            path != "executions",
            "{text}"
        );
    }

    server.revoke();
    lab.advance(hours(1)).await?;
    instance.webhook::<Asks>().send().await;
    assert_eq!(
        shown().await,
        connection("NEEDS_AUTHORIZATION", [None, None], None)
    );
    let (status, _) = call(
        Method::DELETE,
        "instances/{id}/connections/crm/authorization",
    )
    .await;
    assert_eq!(status, 204);
    assert_eq!(
        shown().await,
        connection("NOT_AUTHORIZED", [None, None], None)
    );
    Ok(())
}
