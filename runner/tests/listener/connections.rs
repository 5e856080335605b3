//! Callers that leave, wait, do not read, or come in numbers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use runner::server::{Body, Limits, Peer};
use tokio::sync::{Semaphore, mpsc};

use crate::caller::{By, CROWD, Caller, Server, describe, echo, get, in_time, post, text};

#[tokio::test]
async fn a_caller_that_half_closes_gets_its_answer() {
    let release = Arc::new(Semaphore::new(0));
    let (entered, mut entries) = mpsc::unbounded_channel();
    let held = Arc::clone(&release);
    let handler = By(move |request: Request<Bytes>| {
        let (held, entered) = (Arc::clone(&held), entered.clone());
        async move {
            entered.send(()).unwrap();
            drop(held.acquire().await.unwrap());
            text(describe(&request))
        }
    });
    let server = Server::start(handler, Limits::default());
    let mut caller = server.call().await;
    caller.send(post("/", "all")).await;
    caller.half_close().await;
    in_time(entries.recv()).await.unwrap();
    release.add_permits(1);
    assert_eq!(caller.answer().await.body, "POST / all");
    caller.assert_end().await;
}

#[tokio::test]
async fn a_handler_ends_though_its_caller_has_left() {
    for resets in [false, true] {
        let release = Arc::new(Semaphore::new(0));
        let (told, mut tales) = mpsc::unbounded_channel();
        let held = Arc::clone(&release);
        let handler = By(move |_: Request<Bytes>| {
            let (held, told) = (Arc::clone(&held), told.clone());
            async move {
                told.send("entered").unwrap();
                drop(held.acquire().await.unwrap());
                told.send("ended").unwrap();
                text("")
            }
        });
        let server = Server::start(handler, Limits::default());
        let mut caller = server.call().await;
        caller.send(post("/", "all")).await;
        assert_eq!(in_time(tales.recv()).await, Some("entered"));
        if resets {
            caller.stream.set_zero_linger().unwrap();
        }
        drop(caller);
        release.add_permits(1);
        assert_eq!(in_time(tales.recv()).await, Some("ended"));
    }
}

#[tokio::test]
async fn a_crowd_that_nobody_accepts_yet_is_connected_and_answered_in_the_end() {
    let server = Server::start(echo(), Limits::default());
    // On this runtime of one thread nothing is accepted before this test waits. The standard library lets 128 connections wait; the
    // next one would not come about.
    let callers: Vec<Caller> = (0..CROWD)
        .map(|number| Caller::send_at_once(server.address, &get(&format!("/{number}"))).unwrap())
        .collect();
    for (number, mut caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.answer().await.body, format!("GET /{number} "));
    }
}

/// Tells when it is dropped.
struct Fuse(mpsc::UnboundedSender<()>);

impl Drop for Fuse {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_cut() {
    let (burnt, mut ends) = mpsc::unbounded_channel();
    let handler = By(move |_: Request<Bytes>| {
        let fuse = Fuse(burnt.clone());
        async move {
            let piece = Bytes::from(vec![0; 64 * 1024]);
            http::Response::new(Body::stream(stream::repeat_with(move || {
                let _ = &fuse;
                Ok::<_, std::io::Error>(piece.clone())
            })))
        }
    });
    let limits = Limits {
        write_stall: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Server::start(handler, limits);
    let mut caller = server.call().await;
    caller.send(get("/")).await;
    in_time(ends.recv()).await.unwrap();
}

#[tokio::test]
async fn a_quiet_stream_is_no_stall() {
    let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let handler = By(move |_: Request<Bytes>| {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move {
            http::Response::new(Body::stream(stream::unfold(
                receiver,
                async |mut receiver| {
                    let event = receiver.recv().await?;
                    Some((Ok::<_, std::io::Error>(event), receiver))
                },
            )))
        }
    });
    let limits = Limits {
        write_stall: Duration::from_millis(50),
        idle: Duration::from_millis(50),
        header_read: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = Server::start(handler, limits);
    let mut caller = server.call().await;
    caller.send(get("/events")).await;
    sender.send(Bytes::from_static(b"first")).unwrap();
    // As long as another connection lives until its own limit, this one is quiet.
    server.call().await.assert_end().await;
    sender.send(Bytes::from_static(b"second")).unwrap();
    drop(sender);
    let answer = caller.answer().await;
    assert_eq!(answer.body, "5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(echo(), Limits::default());
    let mut caller = server.call().await;
    let requests: String = (0..50)
        .map(|count| post(&format!("/{count}"), "body"))
        .collect();
    caller.send(requests).await;
    for count in 0..50 {
        assert_eq!(caller.answer().await.body, format!("POST /{count} body"));
    }
}

#[tokio::test]
async fn callers_over_the_cap_wait_for_their_turn() {
    let (told, mut tales) = mpsc::unbounded_channel();
    let handler = By(move |request: Request<Bytes>| {
        told.send(request.uri().path().to_owned()).unwrap();
        async { text("") }
    });
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = Server::start(handler, limits);
    let mut first = server.call().await;
    first.send(get("/1")).await;
    first.answer().await;
    let mut second = server.call().await;
    second.send(get("/2")).await;
    first.send(get("/3")).await;
    first.answer().await;
    drop(first);
    second.answer().await;
    for path in ["/1", "/3", "/2"] {
        assert_eq!(tales.recv().await.as_deref(), Some(path));
    }
}

#[tokio::test]
async fn a_panic_gets_500_and_the_connection_lives() {
    let handler = By(|request: Request<Bytes>| async move {
        assert_eq!(
            request.uri().path(),
            "/well",
            "a panic that this test wants"
        );
        text("well")
    });
    let server = Server::start(handler, Limits::default());
    let mut caller = server.call().await;
    caller.send(get("/ill")).await;
    let answer = caller.answer().await;
    answer.assert_refusal(500);
    assert!(!answer.body.contains("wants"), "{answer:?}");
    caller.send(get("/well")).await;
    assert_eq!(caller.answer().await.body, "well");
}

#[tokio::test]
async fn a_stream_that_fails_does_not_look_whole() {
    let handler = By(|_: Request<Bytes>| async {
        let pieces = [
            Ok(Bytes::from_static(b"part")),
            Err(std::io::Error::other("lost")),
        ];
        http::Response::new(Body::stream(stream::iter(pieces)))
    });
    let server = Server::start(handler, Limits::default());
    let mut caller = server.call().await;
    caller.send(get("/")).await;
    let mut all = Vec::new();
    in_time(tokio::io::AsyncReadExt::read_to_end(
        &mut caller.stream,
        &mut all,
    ))
    .await
    .unwrap();
    assert!(
        !all.ends_with(b"0\r\n\r\n"),
        "{}",
        String::from_utf8_lossy(&all)
    );
}

#[tokio::test]
async fn a_request_knows_its_peer() {
    let handler = By(|request: Request<Bytes>| async move {
        text(request.extensions().get::<Peer>().unwrap().0.to_string())
    });
    let server = Server::start(handler, Limits::default());
    let mut caller = server.call().await;
    caller.send(get("/")).await;
    let address = caller.stream.local_addr().unwrap();
    assert_eq!(caller.answer().await.body, address.to_string());
}

#[tokio::test]
async fn an_upgrade_that_nobody_wants_is_a_request_like_any() {
    let server = Server::start(echo(), Limits::default());
    let mut caller = server.call().await;
    let upgrade = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n";
    caller
        .send(format!("GET / HTTP/1.1\r\nhost: here\r\n{upgrade}\r\n"))
        .await;
    assert_eq!(caller.answer().await.body, "GET / ");
    caller.send(get("/again")).await;
    assert_eq!(caller.answer().await.body, "GET /again ");
}

#[tokio::test]
async fn a_router_is_a_handler() {
    let router = axum::Router::new().route("/api", axum::routing::post(async |body: String| body));
    let server = Server::start(router, Limits::default());
    let mut caller = server.call().await;
    caller.send(post("/api", "routed")).await;
    assert_eq!(caller.answer().await.body, "routed");
    caller.send(get("/api")).await;
    assert_eq!(caller.answer().await.status, 405);
}
