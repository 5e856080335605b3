//! Instances, their keys and their state.

use http::Method;
use serde_json::{Value, json};

use crate::caller::{Server, deploy_body, items, text, with_token};
use crate::flows::CANARY;

#[tokio::test]
async fn the_integration_is_shown_with_its_flows_and_its_config_schema() {
    let server = Server::start().await;
    let shown = server.get("/api/integration").await.expect(200);
    assert_eq!(shown["name"], "managed");
    assert_eq!(shown["version"], "1.2.3");
    let [greet, leaks, fails, _, nightly, subscribes] = items(&shown["flows"]) else {
        panic!("{shown}")
    };
    // W43: only the flow that did not say what it verifies is warned of.
    let warning = text(&greet["warnings"][0]);
    assert!(
        warning.starts_with("flow `greet` verifies nothing"),
        "{warning}"
    );
    assert_eq!(leaks["warnings"], json!([]));
    assert_eq!(fails["warnings"], json!([]));
    assert_eq!(leaks["trigger"]["kind"], "webhook");
    let queue = json!({"kind": "order_by", "limit": null, "pointer": "/id", "on_poison": "park"});
    assert_eq!(leaks["queue"], queue);
    let retry =
        json!({"max_attempts": 1, "delay_seconds": 120.0, "backoff": false, "unique_by": null});
    assert_eq!(fails["retry"], retry);
    assert_eq!(fails["time_limit_seconds"], 900.0);
    assert_eq!(nightly["trigger"]["kind"], "schedule");
    let functions = json!(["on_instance_deploy", "on_instance_remove"]);
    assert_eq!(subscribes["functions"], functions);
    assert_eq!(shown["config_schema"]["required"], json!(["api_secret"]));
}

#[tokio::test]
async fn a_first_deploy_is_201_and_tells_how_each_function_ended() {
    let server = Server::start().await;
    let deployed = server.post("/api/instances", deploy_body("none")).await;
    let deployed = deployed.expect(201);
    assert_eq!(deployed["status"], "ACTIVE");
    assert_eq!(deployed["customer"], json!({"id": "acme", "name": "Acme"}));
    let [end] = items(&deployed["functions"]) else {
        panic!("{deployed}")
    };
    assert_eq!(end["flow"], "subscribes");
    assert_eq!(end["function"], "on_instance_deploy");
    assert_eq!(end["result"], "COMPLETED");
    let path = format!("/api/executions/{}", text(&end["execution_id"]));
    assert_eq!(
        server.get(&path).await.expect(200)["invoked_by"],
        "DEPLOY_FLOW"
    );
}

#[tokio::test]
async fn a_redeploy_keeps_the_urls_and_what_is_not_given() {
    let server = Server::start().await;
    let path = format!("/api/instances/{}", server.deploy().await);
    let shown = server.get(&path).await.expect(200);
    let urls = shown["webhook_urls"].as_object().unwrap();
    assert!(text(&urls["greet"]).starts_with("https://hooks.example/trigger/"));
    assert!(!urls.contains_key("nightly"), "a schedule has no URL");
    let config = json!({"api_secret": "********", "breaks": "none"});
    assert_eq!(shown["config"], config);
    assert_eq!(shown["health"]["state"], "healthy");

    let change = Some(json!({"name": "Acme two"}));
    let again = server.call(Method::PUT, &path, change).await.expect(200);
    assert_eq!(again["id"], shown["id"]);
    assert_eq!(again["name"], "Acme two");
    assert_eq!(again["webhook_urls"], shown["webhook_urls"], "W1");
    assert_eq!(again["config"], shown["config"]);
}

#[tokio::test]
async fn a_schedule_is_shown_with_its_next_five_times_in_its_zone() {
    let server = Server::start().await;
    let path = format!("/api/instances/{}", server.deploy().await);
    let shown = server.get(&path).await.expect(200);
    let [nightly] = items(&shown["schedules"]) else {
        panic!("{shown}")
    };
    assert_eq!(nightly["flow"], "nightly");
    assert_eq!(nightly["time_zone"], "Europe/Paris");
    let next: Vec<String> = items(&nightly["next"])
        .iter()
        .map(|tick| text(&tick["nominal"]))
        .collect();
    // Clocks in Paris go forward on the 29th.
    let expected = [
        "2026-03-28T02:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-30T01:00:00Z",
        "2026-03-31T01:00:00Z",
        "2026-04-01T01:00:00Z",
    ];
    assert_eq!(next, expected);
    let paused = server.post(&format!("{path}/pause"), json!({})).await;
    // W7: a paused instance is not scheduled.
    assert_eq!(paused.expect(200)["schedules"][0]["next"], json!([]));
}

#[tokio::test]
async fn a_deploy_function_that_fails_is_422_and_the_instance_can_be_deployed_again() {
    let server = Server::start().await;
    let answer = server.post("/api/instances", deploy_body("deploy")).await;
    let failed = answer.json.clone();
    assert!(answer.refusal(422).contains("a deploy function failed"));
    let [end] = items(&failed["functions"]) else {
        panic!("{failed}")
    };
    assert_eq!(end["error"], "cannot deploy with [api_secret]");
    let path = format!("/api/instances/{}", text(&failed["id"]));
    let shown = server.get(&path).await.expect(200);
    assert_eq!(shown["status"], "DEPLOY_FAILED");
    assert_eq!(shown["health"]["state"], "down");
    let test = format!("{path}/flows/greet/test");
    server.post(&test, json!({})).await.refusal(409);
    let again = Some(deploy_body("none"));
    server.call(Method::PUT, &path, again).await.expect(200);
}

#[tokio::test]
async fn config_values_that_do_not_fit_are_422_with_every_fault() {
    let server = Server::start().await;
    let wrong = json!({"config": {"account": 5, "colour": "red"}});
    let answer = server.post("/api/instances", wrong).await;
    let faults = items(&answer.json["faults"]);
    for variable in ["account", "colour", "api_secret"] {
        let fault = faults.iter().find(|fault| fault["variable"] == variable);
        assert!(fault.unwrap()["text"].is_string());
    }
    answer.refusal(422);
    let keys = json!({"config": {"api_secret": CANARY}, "api_keys": {"nothing": ["k"]}});
    let refusal = server.post("/api/instances", keys).await.refusal(422);
    assert!(refusal.contains("no flow `nothing`"), "{refusal}");
    let listed = server.get("/api/instances").await.expect(200);
    assert_eq!(listed, json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_400_and_not_repeated() {
    let server = Server::start().await;
    let misplaced = format!("{{\"config\": \"{CANARY}\"}}");
    for body in ["{", "[]", "{\"colour\": 1}", &misplaced, "\u{1}"] {
        let request = with_token(Method::POST, "/api/instances", body.to_owned());
        server.send(request).await.refusal(400);
    }
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let missing_flow = format!("/api/instances/{id}/flows/nothing");
    for (method, path) in [
        (Method::GET, "/api/instances/none"),
        (Method::PUT, "/api/instances/none"),
        (Method::DELETE, "/api/instances/none"),
        (Method::POST, "/api/instances/none/pause"),
        (Method::POST, "/api/instances/none/resume"),
        (Method::GET, "/api/instances/none/state"),
        (Method::DELETE, "/api/instances/none/state"),
        (Method::POST, "/api/instances/none/flows/greet/test"),
        (Method::GET, "/api/instances/none/flows/greet/keys"),
        (Method::POST, &format!("{missing_flow}/test")),
        (Method::GET, &format!("{missing_flow}/keys")),
        (Method::POST, &format!("{missing_flow}/keys")),
        (Method::DELETE, &format!("{missing_flow}/keys?id=x")),
        (Method::GET, "/api/executions/none"),
        (Method::GET, "/api/executions/none/logs"),
        (Method::POST, "/api/executions/none/replay"),
        (Method::POST, "/api/executions/none/cancel"),
        (Method::POST, "/api/executions/none/dismiss"),
        (Method::GET, "/api/nothing"),
    ] {
        let answer = server.call(method.clone(), path, Some(json!({}))).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        answer.refusal(404);
    }
    let wrong_method = server.call(Method::PATCH, "/api/instances", None).await;
    assert!(wrong_method.headers.contains_key("allow"));
    wrong_method.refusal(405);
}

#[tokio::test]
async fn instances_are_listed_page_by_page() {
    let server = Server::start().await;
    let mut deployed = Vec::new();
    for _ in 0..5 {
        deployed.push(server.deploy().await);
    }
    deployed.sort();
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/instances?limit=2{cursor}");
        let page = server.get(&path).await.expect(200);
        assert!(items(&page["items"]).len() <= 2);
        listed.extend(items(&page["items"]).iter().map(|item| text(&item["id"])));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(listed, deployed);
    for wrong in [
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=!",
        "cursor=AAAA",
        "colour=red",
    ] {
        let path = format!("/api/instances?{wrong}");
        server.get(&path).await.refusal(400);
    }
}

#[tokio::test]
async fn an_instance_is_paused_and_goes_on() {
    let server = Server::start().await;
    let path = format!("/api/instances/{}", server.deploy().await);
    let (pause, resume) = (format!("{path}/pause"), format!("{path}/resume"));
    server.post(&resume, json!({})).await.refusal(409);
    let paused = server.post(&pause, json!({})).await.expect(200);
    assert_eq!(paused["status"], "PAUSED");
    server.post(&pause, json!({})).await.refusal(409);
    let resumed = server.post(&resume, json!({})).await.expect(200);
    assert_eq!(resumed["status"], "ACTIVE");
}

#[tokio::test]
async fn a_removal_reports_its_functions_and_one_that_fails_can_be_forced() {
    let server = Server::start().await;
    let path = format!("/api/instances/{}", server.deploy().await);
    let removed = server.delete(&path).await.expect(200);
    assert_eq!(removed["functions"][0]["function"], "on_instance_remove");
    server.get(&path).await.refusal(404);

    let stubborn = server.post("/api/instances", deploy_body("remove")).await;
    let path = format!("/api/instances/{}", text(&stubborn.expect(201)["id"]));
    let kept = server.delete(&path).await;
    let error = &kept.json["functions"][0]["error"];
    assert_eq!(*error, "cannot remove with [api_secret]");
    assert!(kept.refusal(422).contains("still there"));
    assert_eq!(server.get(&path).await.expect(200)["status"], "REMOVING");
    let forced = server.delete(&format!("{path}?force=true")).await;
    assert_eq!(forced.expect(200)["functions"][0]["result"], "ERROR");
    server.get(&path).await.refusal(404);
}

#[tokio::test]
async fn an_api_key_is_shown_once_and_masked_ever_after() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let path = format!("/api/instances/{id}/flows/greet/keys");
    let made = server.post(&path, json!({})).await.expect(201);
    let key = text(&made["key"]);
    assert_eq!(key.len(), 24);
    let listed = server.get(&path).await.expect(200);
    assert_eq!(listed["items"][0]["id"], made["id"]);
    let shown = server.get(&format!("/api/instances/{id}")).await;
    assert!(!listed.to_string().contains(&key) && !shown.text.contains(&key));
    // W43: the key verifies, so there is nothing to warn of any more.
    assert_eq!(shown.json["warnings"], json!([]));
    let masked = format!("********{}", &key[20..]);
    assert_eq!(shown.json["keys"]["greet"][0]["key"], masked);

    let one = format!("{path}?id={}", text(&made["id"]));
    server.delete(&one).await.expect(204);
    server.delete(&one).await.refusal(404);
    server.delete(&path).await.refusal(400);
}

#[tokio::test]
async fn state_is_listed_page_by_page_and_erased_in_whole_or_in_part() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let path = format!("/api/instances/{id}/state");
    server.run(&id, "greet", json!({})).await;
    let first = server.get(&format!("{path}?limit=1")).await.expect(200);
    let count = json!({
        "scope": "instance", "owner": "greet", "key": "count", "value": 1, "version": 1,
    });
    assert_eq!(first["items"], json!([count]));
    let cursor = text(&first["next_cursor"]);
    let second = server.get(&format!("{path}?limit=1&cursor={cursor}")).await;
    let second = second.expect(200);
    assert_eq!(second["items"][0]["key"], "last");
    assert_eq!(second["next_cursor"], Value::Null);

    server
        .delete(&format!("{path}?scope=instance"))
        .await
        .refusal(400);
    let part = format!("{path}?scope=instance&owner=greet");
    server.delete(&part).await.expect(204);
    let left = server.get(&path).await.expect(200);
    assert_eq!(items(&left["items"]).len(), 1);
    server.delete(&path).await.expect(204);
    assert_eq!(server.get(&path).await.expect(200)["items"], json!([]));
}
