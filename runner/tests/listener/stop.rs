//! Graceful stop: no caller sees a reset for a request that was read (G8).

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::Request;
use runner::server::{Body, Handler, Limits, Stopped};
use tokio::sync::{Semaphore, mpsc};

use crate::caller::{By, CROWD, Caller, Server, echo, get, in_time, post, spawn, text};

/// A handler that tells when it is entered, and answers when it is let.
fn held() -> (impl Handler, mpsc::UnboundedReceiver<()>, Arc<Semaphore>) {
    let release = Arc::new(Semaphore::new(0));
    let (entered, entries) = mpsc::unbounded_channel();
    let held = Arc::clone(&release);
    let handler = By(move |_: Request<Bytes>| {
        let (held, entered) = (Arc::clone(&held), entered.clone());
        async move {
            entered.send(()).unwrap();
            drop(held.acquire().await.unwrap());
            text("let go")
        }
    });
    (handler, entries, release)
}

#[tokio::test]
async fn idle_connections_are_closed_at_the_stop() {
    let server = Server::start(echo(), Limits::default());
    let mut used = server.call().await;
    used.send(get("/")).await;
    used.answer().await;
    let mut fresh = server.call().await;
    let stopped = server.stop();
    used.assert_end().await;
    fresh.assert_end().await;
    drop((used, fresh));
    assert_eq!(stopped.await, Stopped::Drained);
}

#[tokio::test]
async fn what_was_read_is_answered_after_the_stop() {
    let (handler, mut entries, release) = held();
    let server = Server::start(handler, Limits::default());
    let address = server.address;
    let mut caller = server.call().await;
    caller.send(post("/", "body")).await;
    in_time(entries.recv()).await.unwrap();
    let mut idle = server.call().await;
    let stopped = server.stop();
    idle.assert_end().await;
    assert!(Caller::connect(address).await.is_err());
    release.add_permits(1);
    let answer = caller.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "let go"));
    assert!(answer.closes(), "{answer:?}");
    caller.assert_end().await;
    drop((caller, idle));
    assert_eq!(stopped.await, Stopped::Drained);
}

#[tokio::test]
async fn what_is_in_a_socket_at_the_stop_is_answered() {
    let server = Server::start(echo(), Limits::default());
    let mut used = server.call().await;
    used.send(get("/")).await;
    used.answer().await;
    // On this runtime of one thread, the server gets to see these and the stop at the same time.
    let mut fresh = Caller::send_at_once(server.address, &get("/fresh")).unwrap();
    used.send(get("/used")).await;
    let stopped = server.stop();
    assert_eq!(used.answer().await.body, "GET /used ");
    assert_eq!(fresh.answer().await.body, "GET /fresh ");
    used.assert_end().await;
    fresh.assert_end().await;
    drop((used, fresh));
    assert_eq!(stopped.await, Stopped::Drained);
}

// G8.
#[tokio::test]
async fn a_crowd_that_connects_at_the_moment_of_the_stop_is_answered() {
    let server = Server::start(echo(), Limits::default());
    let address = server.address;
    let callers = (0..CROWD).map(|number| {
        let request = get(&format!("/{number}"));
        Caller::send_at_once(address, &request).unwrap()
    });
    let callers: Vec<Caller> = callers.collect();
    let stopped = server.stop();
    for (number, mut caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.answer().await.body, format!("GET /{number} "));
        caller.assert_end().await;
    }
    assert_eq!(stopped.await, Stopped::Drained);
}

#[tokio::test]
async fn a_request_half_read_at_the_stop_is_finished() {
    let server = Server::start(echo(), Limits::default());
    let mut head = server.call().await;
    head.send("GET /half HTTP/1.1\r\nho").await;
    let mut body = server.call().await;
    body.send(
        "POST /half HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
    )
    .await;
    assert_eq!(body.answer().await.status, 100);
    let mut idle = server.call().await;
    let stopped = server.stop();
    idle.assert_end().await;
    head.send("st: here\r\n\r\n").await;
    assert_eq!(head.answer().await.body, "GET /half ");
    head.assert_end().await;
    body.send("body").await;
    assert_eq!(body.answer().await.body, "POST /half body");
    body.assert_end().await;
    drop((head, body, idle));
    assert_eq!(stopped.await, Stopped::Drained);
}

/// An answer that was begun before the stop does not say that the connection closes; it closes even so.
#[tokio::test]
async fn an_answer_that_was_begun_before_the_stop_is_the_last_of_its_connection() {
    let (pieces, receiver) = mpsc::unbounded_channel::<Bytes>();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let handler = By(move |_: Request<Bytes>| {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move {
            http::Response::new(Body::stream(unfold(receiver, async |mut receiver| {
                let piece = receiver.recv().await?;
                Some((Ok::<_, std::io::Error>(piece), receiver))
            })))
        }
    });
    let server = Server::start(handler, Limits::default());
    let mut caller = server.call().await;
    caller.send(get("/")).await;
    let head = caller.until("\r\n\r\n").await.unwrap().unwrap();
    assert!(!head.contains("connection: close"), "{head}");
    let mut idle = server.call().await;
    let stopped = server.stop();
    idle.assert_end().await;
    pieces.send(Bytes::from_static(b"last")).unwrap();
    drop(pieces);
    let body = caller.until("0\r\n\r\n").await.unwrap().unwrap();
    assert!(body.contains("last"), "{body}");
    caller.assert_end().await;
    drop((caller, idle));
    assert_eq!(stopped.await, Stopped::Drained);
}

/// Whoever waits for a place at the stop is not left waiting.
#[tokio::test]
async fn callers_that_wait_for_a_place_at_the_stop_are_turned_away() {
    let (handler, mut entries, release) = held();
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = Server::start(handler, limits);
    let address = server.address;
    let mut first = server.call().await;
    first.send(get("/")).await;
    in_time(entries.recv()).await.unwrap();
    let mut waiting = Caller::send_at_once(address, &get("/waiting")).unwrap();
    let stopped = server.stop();
    // In order or by a reset: it was not read, and can be sent again elsewhere.
    assert!(!matches!(waiting.try_answer().await, Ok(Some(_))));
    release.add_permits(1);
    assert_eq!(first.answer().await.body, "let go");
    first.assert_end().await;
    drop(first);
    assert_eq!(stopped.await, Stopped::Drained);
}

#[tokio::test]
async fn the_stop_waits_for_handlers_whose_caller_has_left() {
    let (handler, mut entries, release) = held();
    let server = Server::start(handler, Limits::default());
    let mut caller = server.call().await;
    caller.send(get("/")).await;
    in_time(entries.recv()).await.unwrap();
    drop(caller);
    let mut idle = server.call().await;
    let mut stopped = Box::pin(server.stop());
    idle.assert_end().await;
    drop(idle);
    assert!(futures_util::FutureExt::now_or_never(stopped.as_mut()).is_none());
    release.add_permits(1);
    assert_eq!(stopped.await, Stopped::Drained);
}

#[tokio::test]
async fn what_outlasts_the_grace_is_broken_off() {
    let (handler, mut entries, release) = held();
    let grace = Duration::from_millis(100);
    let server = Server::start_with_grace(handler, Limits::default(), grace);
    let mut caller = server.call().await;
    caller.send(get("/")).await;
    in_time(entries.recv()).await.unwrap();
    let mut reading = server.call().await;
    reading
        .send("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(reading.answer().await.status, 100);
    let stopped = server.stop();
    for mut caller in [caller, reading] {
        caller.answer().await.assert_refusal(503);
        caller.assert_end().await;
    }
    assert_eq!(stopped.await, Stopped::Cut { connections: 2 });
    // The handler is gone, and its share of the semaphore with it.
    assert_eq!(Arc::strong_count(&release), 1);
}

#[tokio::test]
async fn a_stream_without_an_end_is_broken_off_after_the_grace() {
    let handler = By(|_: Request<Bytes>| async {
        let silence = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        http::Response::new(Body::stream(silence))
    });
    let grace = Duration::from_millis(50);
    let server = Server::start_with_grace(handler, Limits::default(), grace);
    let mut caller = server.call().await;
    caller.send(get("/events")).await;
    assert!(caller.until("\r\n\r\n").await.unwrap().is_some());
    let stopped = server.stop();
    assert!(caller.until("0\r\n\r\n").await.unwrap().is_none());
    assert_eq!(stopped.await, Stopped::Cut { connections: 1 });
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_the_stop_beyond_its_own_limit() {
    let limits = Limits {
        header_read: Duration::from_millis(150),
        ..Limits::default()
    };
    let server = Server::start(echo(), limits);
    let mut caller = server.call().await;
    caller.send("GET / HTTP/1.1\r\n").await;
    let stopped = server.stop();
    caller.answer().await.assert_refusal(408);
    caller.assert_end().await;
    drop(caller);
    assert_eq!(stopped.await, Stopped::Drained);
}

/// Calls until the server is gone; returns the ids of the requests that were answered.
async fn call_on(address: SocketAddr, ids: Arc<AtomicU64>, answered: mpsc::UnboundedSender<u64>) {
    while let Ok(mut caller) = Caller::connect(address).await {
        loop {
            let id = ids.fetch_add(1, Ordering::Relaxed);
            let request = post(&format!("/{id}"), "body");
            if tokio::io::AsyncWriteExt::write_all(&mut caller.stream, request.as_bytes())
                .await
                .is_err()
            {
                break;
            }
            let Ok(Some(answer)) = caller.try_answer().await else {
                break;
            };
            assert_eq!(answer.body, id.to_string());
            answered.send(id).unwrap();
            if answer.closes() {
                caller.assert_end().await;
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_request_that_was_read_is_answered() {
    for _ in 0..10 {
        let read = Arc::new(Mutex::new(HashSet::new()));
        let log = Arc::clone(&read);
        let handler = By(move |request: Request<Bytes>| {
            let id = request.uri().path().trim_start_matches('/').to_owned();
            log.lock().unwrap().insert(id.parse::<u64>().unwrap());
            async move {
                tokio::task::yield_now().await;
                text(id)
            }
        });
        let server = Server::start(handler, Limits::default());
        let ids = Arc::new(AtomicU64::new(0));
        let (answered, mut answers) = mpsc::unbounded_channel();
        let callers: Vec<_> = (0..16)
            .map(|_| spawn(call_on(server.address, Arc::clone(&ids), answered.clone())))
            .collect();
        drop(answered);
        let mut held = HashSet::new();
        while held.len() < 300 {
            held.insert(in_time(answers.recv()).await.unwrap());
        }
        assert_eq!(server.stop().await, Stopped::Drained);
        while let Some(id) = in_time(answers.recv()).await {
            held.insert(id);
        }
        for caller in callers {
            in_time(caller).await.unwrap();
        }
        assert_eq!(held, *read.lock().unwrap());
    }
}
