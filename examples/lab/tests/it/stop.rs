//! SIGTERM under load (F16, G8): what was read is answered, the process goes in time, and the rest is found again.

use std::time::Duration;

use runner::record::Execution;
use serde_json::json;

use crate::caller::{Broken, Caller, Wire, call, get, post, spawn};
use crate::ledger::{Evidence, read_stored, violations};
use crate::load::{Load, MIXED};
use crate::process::{Home, PATIENCE, Server, eventually, number};

const SETTINGS: &str = "rate_per_second = 0\ngrace_seconds = 10\n";
/// The grace and what it takes to put everything down.
const IN_TIME: Duration = Duration::from_secs(15);

/// `LAB_STOPS` says how often (the release run: 200).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_sigterm_under_load_answers_what_was_read_and_loses_nothing() {
    let stops = number("LAB_STOPS", 20);
    let home = Home::new(SETTINGS).await;
    let load = Load::start(&home, MIXED, 200);
    for cycle in 0..stops {
        let server = home.start().await;
        load.send_to(server.ingress);
        let target = load.ledger.progress().accepted + 10 + cycle % 7;
        load.ledger.until(|it| it.accepted >= target).await;
        // The callers still send here while it stops.
        server.terminate();
        assert_ends_in_time(server).await;
        load.hold();
    }
    let server = home.start().await;
    load.send_to(server.ingress);
    let ledger = load.end().await;
    server.until_idle().await;
    server.terminate();
    assert_ends_in_time(server).await;
    let evidence = Evidence {
        deliveries: ledger.deliveries(),
        stored: read_stored(&*home.store().await).await,
        images: Vec::new(),
        effects: home.effects(),
        log: home.log(),
        // A request without an answer has no execution: it was never read.
        is_graceful: true,
        is_in_doubt: false,
    };
    assert_eq!(violations(&evidence), []);
}

async fn assert_ends_in_time(server: Server) {
    assert_eq!(server.end_within(IN_TIME).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_a_long_synchronous_request_gets_its_answer_and_a_second_sigterm_changes_nothing() {
    let home = Home::new(SETTINGS).await;
    let server = home.start().await;
    let path = format!("{}?ms=2000", home.endpoint("slow"));
    let mut caller = Wire::connect(server.ingress).await;
    caller.send(&format!("POST {path}&prismatic-prefer-direct-sync-response=true HTTP/1.1\r\nhost: lab\r\ncontent-length: 0\r\n\r\n")).await;
    // The request is on its way, and whoever has not read it yet must still do so.
    server.terminate();
    eventually(PATIENCE, "nobody listens", || async {
        let mut other = Caller::that_hangs_up();
        let answer = other.send(server.ingress, get("/healthz")).await;
        (answer.err() == Some(Broken::Refused)).then_some(())
    })
    .await;
    server.terminate();
    let answer = caller.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(
        answer.ends_with(r#"{"blocking":false,"ms":2000}"#),
        "{answer}"
    );
    assert_ends_in_time(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_what_takes_longer_than_the_grace_is_put_back_and_found_again() {
    let home = Home::new("grace_seconds = 1\n").await;
    let server = home.start().await;
    let path = format!("{}?ms=2500", home.endpoint("slow"));
    let mut request = post(&path, &json!({"number": 1}));
    let asynchronous = "false".try_into().unwrap();
    let headers = request.headers_mut();
    headers.insert("prismatic-synchronous", asynchronous);
    let answer = call(server.ingress, request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    server.terminate();
    assert_ends_in_time(server).await;
    let id = answer.execution().unwrap();
    let execution = stored(&home, id).await;
    assert!(!execution.status.is_final(), "{execution:?}");
    assert_eq!(execution.starts, 0, "its start does not count");

    home.set("grace_seconds = 10\n");
    let server = home.start().await;
    server.terminate();
    assert_ends_in_time(server).await;
    let execution = stored(&home, id).await;
    assert_eq!(execution.error, None);
    assert!(execution.status.is_final(), "{execution:?}");
}

/// G8, W30: nobody is told to try again what goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_who_waits_for_longer_than_the_grace_is_told_that_the_run_goes_on() {
    let home = Home::new("grace_seconds = 1\n").await;
    let server = home.start().await;
    let waits = |query: &str| {
        let path = format!("{}?{query}", home.endpoint("slow"));
        spawn(call(server.ingress, post(&path, &json!({}))))
    };
    let waiting = [waits("ms=20000"), waits("ms=20000&blocking=true")];
    eventually(PATIENCE, "both run", || async {
        let running = server.api("/api/executions?flow=slow&status=RUNNING").await;
        let count = running.json()["items"].as_array().map(Vec::len);
        (count == Some(2)).then_some(())
    })
    .await;
    server.terminate();
    assert_ends_in_time(server).await;
    for answer in waiting {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
        let text = "The runner is stopping; the run goes on at its next start.";
        assert_eq!(answer.json(), json!({ "error": text }));
        let execution = stored(&home, answer.execution().unwrap()).await;
        assert!(!execution.status.is_final(), "{execution:?}");
    }
}

async fn stored(home: &Home, id: &str) -> Execution {
    let found = home.store().await.execution(&id.into()).await.unwrap();
    found.expect("it is there")
}
