//! Bodies that are too large, late or cut short (W17).

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, request};
use runner::server::{Body, Handler, Limits};
use tokio::io::AsyncWriteExt as _;

use crate::caller::{By, Caller, Server, describe, echo, in_time, post, text};

fn small() -> Limits {
    Limits {
        body_bytes: 10,
        ..Limits::default()
    }
}

fn declare(length: u64, headers: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: {length}\r\n{headers}\r\n")
}

fn chunked(chunks: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")
}

async fn call(limits: Limits) -> Caller {
    Server::start(echo(), limits).call().await
}

#[tokio::test]
async fn a_declared_terabyte_gets_413_before_a_byte_of_it() {
    let mut caller = call(Limits::default()).await;
    caller.send(declare(1 << 40, "")).await;
    let answer = caller.answer().await;
    answer.assert_refusal(413);
    assert!(answer.closes(), "{answer:?}");
    caller.assert_end().await;
}

#[tokio::test]
async fn an_expected_body_over_the_limit_gets_413_instead_of_100() {
    let mut caller = call(small()).await;
    caller.send(declare(11, "expect: 100-continue\r\n")).await;
    caller.answer().await.assert_refusal(413);
    caller.assert_end().await;
}

#[tokio::test]
async fn an_expected_body_within_the_limit_is_asked_for() {
    let mut caller = call(small()).await;
    caller.send(declare(10, "expect: 100-continue\r\n")).await;
    assert_eq!(caller.answer().await.status, 100);
    caller.send("0123456789").await;
    assert_eq!(caller.answer().await.body, "POST / 0123456789");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let mut caller = call(small()).await;
    caller.send(post("/", "0123456789")).await;
    assert_eq!(caller.answer().await.body, "POST / 0123456789");
    caller
        .send(chunked("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"))
        .await;
    assert_eq!(caller.answer().await.body, "POST / 0123456789");
    caller.send(post("/", "0123456789X")).await;
    caller.answer().await.assert_refusal(413);
}

#[tokio::test]
async fn chunks_over_the_limit_get_413_without_being_read() {
    let limits = Limits {
        body_bytes: 256 * 1024,
        ..Limits::default()
    };
    let mut caller = call(limits).await;
    caller.send(chunked("")).await;
    let chunk = format!("10000\r\n{}\r\n", "c".repeat(0x10000));
    let mut sent = 0;
    // Sends without end; what ends it is the answer, and then the close after it.
    let endless = async {
        let (mut reading, mut writing) = caller.stream.split();
        let flood = async {
            while writing.write_all(chunk.as_bytes()).await.is_ok() {
                sent += chunk.len();
            }
            std::future::pending::<()>().await;
        };
        let mut head = [0; 12];
        tokio::select! {
            () = flood => {}
            read = tokio::io::AsyncReadExt::read_exact(&mut reading, &mut head) => drop(read.unwrap()),
        }
        assert_eq!(&head, b"HTTP/1.1 413");
    };
    in_time(endless).await;
}

#[tokio::test]
async fn an_answer_of_413_survives_the_body_behind_it() {
    for _ in 0..20 {
        let mut caller = call(small()).await;
        // More than the sockets hold, sent whatever the server thinks of it.
        caller.send(post("/", &"b".repeat(4 << 20))).await;
        caller.answer().await.assert_refusal(413);
        caller.assert_end().await;
    }
}

#[tokio::test]
async fn a_body_that_pauses_gets_408() {
    let mut caller = call(Limits {
        body_idle: Duration::from_millis(150),
        ..Limits::default()
    })
    .await;
    caller.send(declare(10, "") + "01234").await;
    caller.answer().await.assert_refusal(408);
    caller.assert_end().await;
}

#[tokio::test]
async fn a_dripping_body_gets_408() {
    let mut caller = call(Limits {
        body_total: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    caller.send(declare(1 << 20, "")).await;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let answer = loop {
        tokio::select! {
            readable = caller.stream.readable() => {
                readable.unwrap();
                break caller.answer().await;
            }
            _ = pace.tick() => caller.send("d").await,
        }
    };
    answer.assert_refusal(408);
}

#[tokio::test]
async fn a_body_cut_short_gets_400() {
    let mut caller = call(Limits::default()).await;
    caller.send(declare(10, "") + "01234").await;
    caller.half_close().await;
    caller.answer().await.assert_refusal(400);
    caller.assert_end().await;
}

#[tokio::test]
async fn malformed_chunks_get_400() {
    for chunks in ["x\r\n", "1\r\nab", "1\na\n0\n\n", "fffffffffffffffff\r\n"] {
        let mut caller = call(Limits::default()).await;
        caller.send(chunked(chunks)).await;
        caller.answer().await.assert_refusal(400);
        caller.assert_end().await;
    }
}

#[tokio::test]
async fn chunked_requests_can_follow_each_other() {
    let mut caller = call(Limits::default()).await;
    let first = chunked("3;x=y\r\none\r\n0\r\ntrailer: t\r\n\r\n");
    caller
        .send(first + &chunked("3\r\ntwo\r\n0\r\n\r\n") + &post("/", "three"))
        .await;
    for body in ["one", "two", "three"] {
        let answer = caller.answer().await;
        assert_eq!(answer.body, format!("POST / {body}"));
        assert!(!answer.closes(), "{answer:?}");
    }
}

#[tokio::test]
async fn nothing_is_taken_for_a_request_behind_chunks_whose_end_is_doubtful() {
    for chunks in [
        "0\r\nx: a\ny: b\r\n\r\n",
        "0\r\na\n\r\n",
        "0\r\n\n",
        "0\n\n",
    ] {
        let mut caller = call(Limits::default()).await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nhost: here\r\n\r\n";
        caller.send(chunked(chunks) + smuggled).await;
        caller.half_close().await;
        caller.answer().await.assert_refusal(400);
        caller.assert_end().await;
    }
}

#[tokio::test]
async fn a_body_is_the_same_however_it_is_split() {
    let mut caller = call(Limits::default()).await;
    let whole = chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    for split in 1..whole.len() {
        let (first, second) = whole.split_at(split);
        caller.send(first).await;
        tokio::task::yield_now().await;
        caller.send(second).await;
        assert_eq!(caller.answer().await.body, "POST / hello world");
    }
}

#[derive(Clone)]
struct Generous;

impl Handler for Generous {
    async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        text(describe(&request))
    }

    fn body_limit(&self, head: &request::Parts) -> Option<usize> {
        (head.uri.path() == "/large").then_some(20)
    }
}

#[tokio::test]
async fn a_handler_can_set_another_limit() {
    let server = Server::start(Generous, small());
    let mut caller = server.call().await;
    caller.send(post("/large", "01234567890123456789")).await;
    assert_eq!(caller.answer().await.status, 200);
    caller.send(post("/", "01234567890123456789")).await;
    caller.answer().await.assert_refusal(413);
}

#[tokio::test]
async fn a_body_is_handed_on_whole() {
    let numbers: Vec<String> = (0..1 << 20).map(|count| format!("{count:06x}")).collect();
    let body = numbers.concat();
    let expected = body.clone();
    let handler = By(move |request: Request<Bytes>| {
        let is_whole = request.body() == expected.as_bytes();
        async move { text(is_whole.to_string()) }
    });
    let server = Server::start(handler, Limits::default());
    let mut caller = server.call().await;
    caller.send(post("/", &body)).await;
    assert_eq!(caller.answer().await.body, "true");
}
