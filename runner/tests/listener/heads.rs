//! Heads that are late, too large or not in order (W17).

use std::time::Duration;

use runner::server::Limits;
use tokio::io::AsyncWriteExt as _;

use crate::caller::{Server, echo, get, post};

fn short() -> Limits {
    Limits {
        header_read: Duration::from_millis(150),
        ..Limits::default()
    }
}

#[tokio::test]
async fn half_a_head_gets_408() {
    let server = Server::start(echo(), short());
    let mut caller = server.call().await;
    caller.send("POST / HTTP/1.1\r\nhost: here\r\nx-half").await;
    caller.answer().await.assert_refusal(408);
    caller.assert_end().await;
}

#[tokio::test]
async fn half_a_head_on_a_used_connection_gets_408() {
    let server = Server::start(echo(), short());
    let mut caller = server.call().await;
    caller.send(get("/")).await;
    assert_eq!(caller.answer().await.body, "GET / ");
    caller.send("GET").await;
    caller.answer().await.assert_refusal(408);
    caller.assert_end().await;
}

#[tokio::test]
async fn a_dripping_head_gets_408() {
    let server = Server::start(echo(), short());
    let (mut reading, mut writing) = server.call().await.stream.into_split();
    let drip = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        writing.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        loop {
            pace.tick().await;
            if writing.write_all(b"y").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut status = [0; 12];
    tokio::select! {
        () = drip => {}
        read = tokio::io::AsyncReadExt::read_exact(&mut reading, &mut status) => drop(read.unwrap()),
    }
    assert_eq!(&status, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_silent_connection_is_closed_without_a_word() {
    let server = Server::start(echo(), short());
    let mut caller = server.call().await;
    caller.assert_end().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let limits = Limits {
        idle: Duration::from_millis(150),
        ..Limits::default()
    };
    let server = Server::start(echo(), limits);
    let mut caller = server.call().await;
    caller.send(get("/")).await;
    let answer = caller.answer().await;
    assert!(!answer.closes(), "{answer:?}");
    caller.assert_end().await;
}

#[tokio::test]
async fn a_line_end_behind_a_body_is_no_half_head() {
    let limits = Limits {
        idle: Duration::from_millis(150),
        ..short()
    };
    let server = Server::start(echo(), limits);
    let mut caller = server.call().await;
    caller.send(post("/", "body") + "\r\n").await;
    assert_eq!(caller.answer().await.body, "POST / body");
    caller.assert_end().await;
}

/// Each head alone on its connection, which then ends in order.
async fn check(status: u16, head: impl AsRef<[u8]>) {
    let server = Server::start(echo(), Limits::default());
    let mut caller = server.call().await;
    caller.send(head).await;
    let answer = caller.answer().await;
    answer.assert_refusal(status);
    assert!(answer.closes(), "{answer:?}");
    caller.assert_end().await;
}

#[tokio::test]
async fn headers_of_100_kib_get_431() {
    let large = format!(
        "GET / HTTP/1.1\r\nhost: here\r\nx: {}\r\n\r\n",
        "y".repeat(100 * 1024)
    );
    check(431, large).await;
    let endless = format!(
        "GET / HTTP/1.1\r\nhost: here\r\nx: {}",
        "y".repeat(100 * 1024)
    );
    check(431, endless).await;
}

#[tokio::test]
async fn more_than_100_headers_get_431() {
    let server = Server::start(echo(), Limits::default());
    let mut caller = server.call().await;
    let head = |count| {
        format!(
            "GET / HTTP/1.1\r\nhost: here\r\n{}\r\n",
            "x: y\r\n".repeat(count)
        )
    };
    caller.send(head(99)).await;
    assert_eq!(caller.answer().await.status, 200);
    caller.send(head(100)).await;
    caller.answer().await.assert_refusal(431);
}

#[tokio::test]
async fn a_url_of_20_kib_gets_414() {
    let url = format!("/{}", "u".repeat(20 * 1024));
    check(414, get(&url)).await;
    check(414, format!("GET {url}")).await;
    check(414, get(&"/".repeat(8 * 1024 + 1))).await;
    let server = Server::start(echo(), Limits::default());
    let mut caller = server.call().await;
    caller.send(get(&"/".repeat(8 * 1024))).await;
    assert_eq!(caller.answer().await.status, 200);
}

#[tokio::test]
async fn host_must_be_given_once() {
    check(400, "GET / HTTP/1.1\r\n\r\n").await;
    check(400, "GET / HTTP/1.1\r\nhost: a\r\nHOST: b\r\n\r\n").await;
    check(400, "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n").await;
}

#[tokio::test]
async fn an_ambiguous_length_gets_400() {
    let line = "POST / HTTP/1.1\r\nhost: here\r\n";
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5\r\ncontent-length: 5\r\n",
        "content-length: 5, 5\r\n",
        "content-length: +5\r\n",
        "content-length: \r\n",
        "content-length: 99999999999999999999\r\n",
    ] {
        check(400, format!("{line}{headers}\r\n0\r\n\r\n")).await;
    }
    check(
        400,
        "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    )
    .await;
}

#[tokio::test]
async fn what_is_not_implemented_gets_501() {
    check(501, "CONNECT other:443 HTTP/1.1\r\nhost: other\r\n\r\n").await;
    for coding in [
        "gzip",
        "gzip, chunked",
        "chunked\r\ntransfer-encoding: chunked",
    ] {
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {coding}\r\n\r\n");
        check(501, head).await;
    }
}

#[tokio::test]
async fn an_unknown_expectation_gets_417() {
    check(
        417,
        "POST / HTTP/1.1\r\nhost: a\r\nexpect: tea\r\ncontent-length: 1\r\n\r\n",
    )
    .await;
}

#[tokio::test]
async fn what_is_no_http_1_gets_an_answer_at_once() {
    check(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    check(400, [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]).await;
    check(400, "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n").await;
    check(400, "GET / HTTP/1.1\r\nhost : a\r\n\r\n").await;
    check(400, "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n folded\r\n\r\n").await;
    check(400, "GET http:// HTTP/1.1\r\nhost: a\r\n\r\n").await;
}

#[tokio::test]
async fn a_refused_head_request_gets_no_body() {
    let server = Server::start(echo(), Limits::default());
    let mut caller = server.call().await;
    caller.send("HEAD / HTTP/1.1\r\n\r\n").await;
    caller.half_close().await;
    let mut all = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut caller.stream, &mut all)
        .await
        .unwrap();
    assert!(
        all.starts_with("HTTP/1.1 400") && all.ends_with("\r\n\r\n"),
        "{all}"
    );
}

#[tokio::test]
async fn http_1_0_needs_no_host() {
    let server = Server::start(echo(), Limits::default());
    let mut caller = server.call().await;
    caller.send("GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!(caller.answer().await.body, "GET /health ");
    caller.assert_end().await;
}

#[tokio::test]
async fn a_refusal_waits_for_the_answers_before_it() {
    let server = Server::start(echo(), Limits::default());
    let mut caller = server.call().await;
    let last = "GET / HTTP/1.1\r\n\r\n";
    caller
        .send(post("/1", "one") + &get("/2") + last + &get("/never"))
        .await;
    assert_eq!(caller.answer().await.body, "POST /1 one");
    assert_eq!(caller.answer().await.body, "GET /2 ");
    caller.answer().await.assert_refusal(400);
    caller.assert_end().await;
}
