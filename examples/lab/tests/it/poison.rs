//! Flows that do what no flow should (F14, E27): they harm nobody else.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::caller::{Answer, call, get, post, spawn};
use crate::process::{Home, PATIENCE, Server, eventually};

/// The time in which others are served meanwhile; of a build without optimization on shared processors.
const QUICKLY: Duration = Duration::from_secs(1);

async fn invoke(home: &Home, server: &Server, flow_and_query: &str, synchronous: bool) -> Answer {
    let (flow, query) = flow_and_query.split_once('?').unwrap();
    let path = format!("{}?{query}", home.endpoint(flow));
    let mut request = post(&path, &json!({"number": 0}));
    let synchronous = if synchronous { "true" } else { "false" };
    let headers = request.headers_mut();
    headers.insert("prismatic-synchronous", synchronous.try_into().unwrap());
    call(server.ingress, request).await
}

async fn assert_serves_others(home: &Home, server: &Server) {
    let request = || post(&home.endpoint("echo"), &json!({"number": 1}));
    for _ in 0..20 {
        let answer = timeout(QUICKLY, call(server.ingress, request())).await;
        assert_eq!(answer.expect("an answer in time").status, 200);
    }
    for path in ["/api/executions", "/api/integration"] {
        let answer = timeout(QUICKLY, server.api(path)).await;
        assert_eq!(answer.expect("an answer in time").status, 200);
    }
    let ready = timeout(QUICKLY, call(server.ingress, get("/readyz"))).await;
    assert_eq!(ready.expect("an answer in time").status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e27_a_panic_is_a_failed_execution_with_its_text_and_the_process_lives() {
    let home = Home::new("rate_per_second = 0\n").await;
    let mut server = home.start().await;
    let all: Vec<_> = (0..20)
        .map(|number| {
            let path = format!("{}?text=ouch-{number}", home.endpoint("panic"));
            let address = server.ingress;
            spawn(async move { call(address, post(&path, &json!({}))).await })
        })
        .collect();
    assert_serves_others(&home, &server).await;
    for (number, answer) in all.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
        let execution = server.outcome(answer.execution().unwrap()).await;
        assert_eq!(execution["status"], "ERROR");
        let text = execution["error"].as_str().unwrap();
        assert!(text.contains(&format!("ouch-{number}")), "{text}");
    }
    assert!(server.lives());
    assert!(server.stop().await.success());
    assert!(!home.log().contains("ouch"), "{}", home.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e27_flows_that_block_every_thread_do_not_hold_up_ingress_management_or_the_stop() {
    let home = Home::new("rate_per_second = 0\nflow_threads = 2\ngrace_seconds = 1\n").await;
    let server = home.start().await;
    let mut blocking = Vec::new();
    for _ in 0..6 {
        let answer = invoke(&home, &server, "slow?ms=20000&blocking=true", false).await;
        blocking.push(answer.execution().unwrap().to_owned());
    }
    assert_serves_others(&home, &server).await;
    server.terminate();
    let end = server.end_within(Duration::from_secs(6)).await;
    assert_eq!(end.code(), Some(0));
    let server = home.start().await;
    for id in blocking {
        let execution = server.api(&format!("/api/executions/{id}")).await.json();
        assert_ne!(execution["status"], "SUCCESS", "it is found again");
        assert_eq!(execution["error"], json!(null), "{execution}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e27_fifty_flows_that_block_leave_the_others_a_thread() {
    let home = Home::new("rate_per_second = 0\n").await;
    let server = home.start().await;
    for _ in 0..50 {
        let answer = invoke(&home, &server, "slow?ms=30000&blocking=true", false).await;
        assert_eq!(answer.status, 200);
    }
    let request = post(&home.endpoint("counter"), &json!({}));
    let answer = timeout(Duration::from_secs(15), call(server.ingress, request)).await;
    assert_eq!(answer.expect("an answer in time").status, 303);
    server.kill().await;
}

/// Lets the process die as soon as this execution has been started in it, and starts the next one.
async fn die_of(home: &Home, server: Server, poison: &str, last_start: &mut Value) -> Server {
    let path = format!("/api/executions/{poison}");
    *last_start = eventually(PATIENCE, "the next start", || async {
        let start = server.api(&path).await.json()["started_at"].clone();
        (start != *last_start).then_some(start)
    })
    .await;
    server.kill().await;
    home.start().await
}

/// The lab has no flow that kills its process; here the process dies while a flow runs, which is all that the next start can see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_what_runs_while_the_process_dies_three_times_is_set_aside_and_the_rest_goes_on() {
    let home = Home::new("rate_per_second = 0\n").await;
    let mut server = home.start().await;
    let poison = invoke(&home, &server, "slow?ms=600000", false).await;
    let poison = poison.execution().unwrap().to_owned();
    let mut last_start = json!(null);
    for _ in 0..3 {
        server = die_of(&home, server, &poison, &mut last_start).await;
    }
    let execution = server.outcome(&poison).await;
    assert_eq!(execution["status"], "ERROR");
    assert_eq!(execution["dead_letter"], true);
    let text = execution["error"].as_str().unwrap();
    assert!(text.contains("died 3 times"), "{text}");
    assert_serves_others(&home, &server).await;

    // A fourth death does not bring it back.
    server.kill().await;
    let server = home.start().await;
    assert_eq!(server.outcome(&poison).await, execution);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_those_that_run_beside_it_are_not_set_aside_with_it() {
    let home = Home::new("rate_per_second = 0\n").await;
    let mut server = home.start().await;
    let mut innocent = Vec::new();
    for _ in 0..4 {
        let answer = invoke(&home, &server, "slow?ms=1000", false).await;
        innocent.push(answer.execution().unwrap().to_owned());
    }
    let poison = invoke(&home, &server, "slow?ms=600000", false).await;
    let poison = poison.execution().unwrap().to_owned();
    let mut last_start = json!(null);
    for _ in 0..3 {
        server = die_of(&home, server, &poison, &mut last_start).await;
    }
    assert_eq!(server.outcome(&poison).await["status"], "ERROR");
    for id in innocent {
        let execution = server.outcome(&id).await;
        assert_eq!(execution["status"], "SUCCESS", "{execution}");
    }
}
