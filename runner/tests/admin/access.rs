//! Who may use the management API.

use bytes::Bytes;
use http::{HeaderName, Method, Request};
use runner::server::Peer;
use sdk::time::seconds;

use crate::caller::{Answer, Server, TOKEN, bare, with_token};

const PATH: &str = "/api/integration";

/// Asks with the token and with this header, in the place of the usual one.
async fn ask_with(server: &Server, name: &'static str, value: &str) -> Answer {
    let mut request = with_token(Method::GET, PATH, "");
    let name = HeaderName::from_static(name);
    request.headers_mut().insert(name, value.parse().unwrap());
    server.send(request).await
}

async fn ask_from(server: &Server, peer: &str, token: &str) -> Answer {
    let mut request = bare(Method::GET, PATH);
    let shown = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", shown);
    request.extensions_mut().insert(Peer(peer.parse().unwrap()));
    server.send(request).await
}

#[tokio::test]
async fn without_the_token_nothing_is_answered_but_the_probes() {
    let server = Server::start().await;
    for (path, method, operation) in server.document().operations() {
        let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
        assert_eq!(is_open, path == "/healthz" || path == "/readyz");
        let answer = server
            .send(bare(method, &path.replace(['{', '}'], "")))
            .await;
        if is_open {
            answer.expect(200);
        } else {
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            let text = answer.refusal(401);
            assert!(text.contains("Authorization: Bearer"), "{text}");
        }
    }
    let unknown = server.send(bare(Method::GET, "/api/nothing")).await;
    unknown.refusal(401);
}

#[tokio::test]
async fn a_token_is_taken_in_one_form_only() {
    let server = Server::start().await;
    let lower = format!("bearer {TOKEN}");
    ask_with(&server, "authorization", &lower).await.expect(200);
    for wrong in [
        TOKEN.to_owned(),
        format!("Basic {TOKEN}"),
        "Bearer".to_owned(),
        format!("Bearer {TOKEN}x"),
        "Bearer ".to_owned(),
    ] {
        ask_with(&server, "authorization", &wrong)
            .await
            .refusal(401);
    }
    let in_query = bare(Method::GET, &format!("{PATH}?token={TOKEN}"));
    server.send(in_query).await.refusal(401);
}

#[tokio::test]
async fn a_name_that_is_not_the_servers_is_refused() {
    let server = Server::start().await;
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:3001",
        "[::1]:3001",
        "192.0.2.7:3001",
        "runner.example",
    ] {
        ask_with(&server, "host", host).await.expect(200);
    }
    for host in [
        "evil.example",
        "localhost.evil.example:3001",
        "127.0.0.1.nip.io",
        "localhost@evil.example",
        "evil.example@localhost",
        "192.0.2.8",
        "2130706433",
        "",
    ] {
        let text = ask_with(&server, "host", host).await.refusal(421);
        assert!(!text.contains("evil"), "{text}");
    }
    let absolute = with_token(Method::GET, "http://evil.example/api/integration", "");
    server.send(absolute).await.refusal(421);
    let nameless = Request::get(PATH)
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Bytes::new())
        .unwrap();
    server.send(nameless).await.refusal(421);
    let mut twice = with_token(Method::GET, PATH, "");
    twice
        .headers_mut()
        .append("host", "localhost".parse().unwrap());
    server.send(twice).await.refusal(421);
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_one_of_this_server_is_not() {
    let server = Server::start().await;
    for own in ["http://localhost:3001", "https://LOCALHOST:3001"] {
        ask_with(&server, "origin", own).await.expect(200);
    }
    for foreign in [
        "http://evil.example",
        "http://localhost:8080",
        "http://localhost",
        "null",
        "file://",
        "http://localhost:3001.evil.example",
        "http://evil.example/http://localhost:3001",
    ] {
        ask_with(&server, "origin", foreign).await.refusal(403);
    }
}

#[tokio::test]
async fn the_sixth_wrong_token_within_a_minute_waits_and_other_addresses_do_not() {
    let server = Server::start().await;
    for _ in 0..5 {
        ask_from(&server, "10.0.0.9:1", "guess").await.refusal(401);
        server.advance(seconds(1));
    }
    let refused = ask_from(&server, "10.0.0.9:2", "guess").await;
    assert_eq!(refused.headers["retry-after"], "55");
    assert!(refused.refusal(429).contains("try again in 55 s"));
    // Else a guess that hits would be told from one that does not.
    ask_from(&server, "10.0.0.9:3", TOKEN).await.refusal(429);
    ask_from(&server, "10.0.0.8:1", TOKEN).await.expect(200);
    server.advance(seconds(55));
    ask_from(&server, "10.0.0.9:4", TOKEN).await.expect(200);
}

#[tokio::test]
async fn asking_without_a_token_is_no_guess() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.send(bare(Method::GET, PATH)).await.refusal(401);
    }
    server.get(PATH).await.expect(200);
}
