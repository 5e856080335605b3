//! Executions: run by hand, looked up, replayed, cancelled, dismissed.

use sdk::time::minutes;
use serde_json::json;

use crate::caller::{Server, items, text};

const BULK: &str = "/api/executions/replay";

#[tokio::test]
async fn a_flow_is_run_by_hand_as_if_a_webhook_had_come() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let call = json!({
        "body": {"name": "Ada"},
        "headers": {"x-trace": ["one", "two"], "authorization": "Bearer of bad news"},
        "query": {"page": "2", "access_token": "hush"},
        "path_fragment": "orders/1",
    });
    let execution = server.run(&id, "greet", call).await;
    assert_eq!(execution["status"], "SUCCESS");
    assert_eq!(execution["result"], "COMPLETED");
    assert_eq!(execution["invoked_by"], "TEST");
    let hello = json!({"hello": {"name": "Ada"}, "account": "main", "count": 1});
    assert_eq!(execution["output"]["encoding"], "json");
    assert_eq!(execution["output"]["data"], hello);
    let payload = &execution["payload"];
    let headers = json!({"x-trace": ["one", "two"], "authorization": ["[masked]"]});
    assert_eq!(payload["headers"], headers);
    let query = json!({"page": ["2"], "access_token": ["[masked]"]});
    assert_eq!(payload["query"], query);
    assert_eq!(payload["path_fragment"], "orders/1");
    assert_eq!(payload["body"]["data"], json!({"name": "Ada"}));
}

#[tokio::test]
async fn a_body_by_hand_is_read_by_its_content_type() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let path = format!("/api/instances/{id}/flows/greet/test");
    let plain = json!({"body": "plain", "headers": {"content-type": "text/plain"}});
    let shown = server.run(&id, "greet", plain).await;
    assert_eq!(shown["payload"]["body"]["data"], "plain");
    let broken = json!({"body": "{", "headers": {"content-type": "application/json"}});
    let refusal = server.post(&path, broken).await.refusal(400);
    assert_eq!(refusal, "Received malformed JSON payload.");
    let wrong = json!({"headers": {"bad name": "x"}});
    server.post(&path, wrong).await.refusal(400);
}

#[tokio::test]
async fn a_paused_instance_can_be_tried_by_hand() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let pause = format!("/api/instances/{id}/pause");
    server.post(&pause, json!({})).await.expect(200);
    server.run(&id, "greet", json!({})).await;
}

#[tokio::test]
async fn executions_are_listed_newest_first_page_by_page() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let mut run = Vec::new();
    for _ in 0..5 {
        server.advance(minutes(1));
        let execution = server.run(&id, "greet", json!({})).await;
        run.push(text(&execution["id"]));
    }
    run.reverse();
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/executions?instance={id}&flow=greet&limit=2{cursor}");
        let page = server.get(&path).await.expect(200);
        listed.extend(items(&page["items"]).iter().map(|item| text(&item["id"])));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(listed, run);
}

#[tokio::test]
async fn executions_are_filtered() {
    let server = Server::start().await;
    let id = server.deploy().await;
    for _ in 0..3 {
        server.advance(minutes(1));
        server.run(&id, "greet", json!({})).await;
    }
    // The deploy function is one of them.
    for (query, count) in [
        ("status=SUCCESS&result=COMPLETED", 4),
        ("status=RUNNING", 0),
        ("instance=other", 0),
        ("flow=subscribes", 1),
        ("since=2026-03-27T16:52:00Z", 2),
        ("until=2026-03-27T16:52:00Z", 2),
        ("dead_letters=true", 0),
        ("first=none", 0),
    ] {
        let page = server.get(&format!("/api/executions?{query}")).await;
        assert_eq!(items(&page.expect(200)["items"]).len(), count, "{query}");
    }
    for wrong in [
        "status=DONE",
        "since=yesterday",
        "limit=0",
        "cursor=x",
        "colour=red",
    ] {
        let path = format!("/api/executions?{wrong}");
        server.get(&path).await.refusal(400);
    }
}

#[tokio::test]
async fn a_failed_execution_shows_its_retry_and_its_steps() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let first = server.begin(&id, "fails").await;
    let failed = server.ended(&first).await;
    assert_eq!(failed["status"], "ERROR");
    assert_eq!(failed["error"], "no luck");
    assert_eq!(failed["dead_letter"], false, "it is tried again");
    let [retry] = items(&failed["lineage"]["repeated_by"]) else {
        panic!("{failed}")
    };
    assert_eq!(retry["status"], "PENDING");
    assert_eq!(retry["attempt"], 2);

    server.advance(minutes(2));
    let retried = server.ended(&text(&retry["id"])).await;
    assert_eq!(retried["invoked_by"], "RETRY");
    assert_eq!(retried["lineage"]["first"], first);
    let [step] = items(&retried["steps"]) else {
        panic!("{retried}")
    };
    // E20: the step ran in the first attempt and not again.
    assert_eq!(step["execution"], first);
    assert_eq!(step["result"], 1);
    assert_eq!(retried["dead_letter"], true);
}

/// Lets an execution fail in all its attempts and returns the last.
pub(crate) async fn dead_letter(server: &Server, instance: &str) -> String {
    let first = server.begin(instance, "fails").await;
    let failed = server.ended(&first).await;
    let retry = text(&failed["lineage"]["repeated_by"][0]["id"]);
    server.advance(minutes(2));
    server.ended(&retry).await;
    retry
}

#[tokio::test]
async fn a_dead_letter_is_replayed_from_the_step_that_failed_and_counts_no_longer() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let dead = dead_letter(&server, &id).await;
    let shown = server
        .get(&format!("/api/instances/{id}"))
        .await
        .expect(200);
    assert_eq!(shown["health"]["state"], "degraded");
    assert_eq!(shown["health"]["dead_letters"], 1);

    let path = format!("/api/executions/{dead}");
    let how = json!({"from": "failed_step"});
    let replayed = server
        .post(&format!("{path}/replay"), how)
        .await
        .expect(201);
    assert_eq!(replayed["id"], dead);
    let replay = server.ended(&text(&replayed["execution_id"])).await;
    assert_eq!(replay["invoked_by"], "REPLAY");
    assert_eq!(replay["first"], dead);
    assert_eq!(
        replay["steps"][0]["execution"],
        shown_first(&server, &dead).await
    );
    let dismiss = format!("{path}/dismiss");
    server.post(&dismiss, json!({})).await.refusal(409);
}

async fn shown_first(server: &Server, id: &str) -> String {
    let shown = server.get(&format!("/api/executions/{id}")).await;
    text(&shown.expect(200)["first"])
}

#[tokio::test]
async fn a_dead_letter_is_dismissed_once() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let dead = dead_letter(&server, &id).await;
    let path = format!("/api/executions/{dead}/dismiss");
    let dismissed = server.post(&path, json!({})).await.expect(200);
    assert_eq!(dismissed["dead_letter"], false);
    server.post(&path, json!({})).await.refusal(409);
}

#[tokio::test]
async fn a_replay_from_the_start_runs_every_step_again() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let dead = dead_letter(&server, &id).await;
    let path = format!("/api/executions/{dead}/replay");
    let replayed = server.post(&path, json!({})).await.expect(201);
    let replay = server.ended(&text(&replayed["execution_id"])).await;
    assert_eq!(replay["steps"][0]["execution"], replay["id"]);
    let wrong = json!({"from": "the middle"});
    server.post(&path, wrong).await.refusal(400);
}

#[tokio::test]
async fn many_are_replayed_oldest_first_and_each_delivery_once() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let dead = [
        dead_letter(&server, &id).await,
        dead_letter(&server, &id).await,
    ];
    // Both attempts of both deliveries have failed, but only the last of each stands for it.
    let failed = server.get("/api/executions?flow=fails&status=ERROR").await;
    assert_eq!(items(&failed.expect(200)["items"]).len(), 4);
    let which = json!({"flow": "fails", "status": "ERROR"});
    let bulk = server.post(BULK, which).await.expect(200);
    let ids: Vec<String> = items(&bulk["items"])
        .iter()
        .map(|item| text(&item["id"]))
        .collect();
    assert_eq!(ids, dead);
    assert_eq!(bulk["replayed"], 2);
    for item in items(&bulk["items"]) {
        server.ended(&text(&item["execution_id"])).await;
    }
}

#[tokio::test]
async fn a_replay_of_many_must_say_which() {
    let server = Server::start().await;
    for wrong in [
        json!({}),
        json!({"from": "start"}),
        json!({"flow": "fails", "limit": 101}),
        json!({"flow": "fails", "cursor": "x"}),
    ] {
        server.post(BULK, wrong).await.refusal(400);
    }
}

#[tokio::test]
async fn what_cannot_be_replayed_of_many_says_why() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let removed = server.deploy().await;
    server.run(&removed, "greet", json!({})).await;
    let path = format!("/api/instances/{removed}");
    server.delete(&path).await.expect(200);
    let which = json!({"instance": removed, "flow": "greet"});
    let bulk = server.post(BULK, which).await.expect(200);
    assert_eq!(bulk["replayed"], 0);
    let [item] = items(&bulk["items"]) else {
        panic!("{bulk}")
    };
    let why = text(&item["error"]);
    assert!(why.ends_with("its instance is removed"), "{why}");

    let first = server.begin(&id, "fails").await;
    server.ended(&first).await;
    // The retry waits, so it has no end yet: the first attempt alone is chosen.
    let which = json!({"flow": "fails", "status": "ERROR"});
    let bulk = server.post(BULK, which).await.expect(200);
    let [item] = items(&bulk["items"]) else {
        panic!("{bulk}")
    };
    assert_eq!(item["id"], first);
    let why = text(&item["error"]);
    assert!(why.starts_with("a later attempt followed it"), "{why}");
}

#[tokio::test]
async fn a_running_and_a_queued_execution_are_cancelled() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let running = server.begin(&id, "slow").await;
    let queued = server.begin(&id, "slow").await;
    let runs = |execution: &serde_json::Value| execution["status"] == "RUNNING";
    server.until(&running, runs).await;
    for execution in [&queued, &running] {
        let path = format!("/api/executions/{execution}/cancel");
        let canceled = server.post(&path, json!({})).await.expect(200);
        assert_eq!(canceled["status"], "ERROR");
        assert_eq!(canceled["result"], "CANCELED");
        server.post(&path, json!({})).await.refusal(409);
    }
    let unfinished = server.begin(&id, "slow").await;
    server.until(&unfinished, runs).await;
    let replay = format!("/api/executions/{unfinished}/replay");
    server.post(&replay, json!({})).await.refusal(409);
}

#[tokio::test]
async fn whoever_waits_for_a_long_run_is_told_its_id() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let path = format!("/api/instances/{id}/flows/slow/test");
    let waiting = server.post(&path, json!({"wait": true}));
    let engine = &server.runner.engine;
    let pass_time = async {
        while engine.load().1 == 0 {
            tokio::task::yield_now().await;
        }
        server.advance(engine.ports.settings.synchronous_limit());
    };
    let (answer, ()) = tokio::join!(waiting, pass_time);
    let invoked = answer.expect(202);
    assert!(invoked["execution_id"].is_string());
    assert!(invoked["execution"].is_null());
}
