//! Lifecycle functions with their attempts, their replays, and instances that are removed and not erased yet (E28, E51, E52).

use std::sync::Arc;

use http::Method;
use runner::instance::InstanceStatus;
use runner::store::{Commit, MemoryStore, Point, Store as _, Write};
use sdk::prelude::*;
use serde_json::{Value, json};

use crate::caller::{Server, deploy_body, items, text};
use crate::flows::Config;

struct Unsteady;

#[flow(key = "unsteady", lifecycle_retry = Retry::times(1).every(seconds(0)))]
impl Unsteady {
    #[on_instance_deploy]
    async fn deploy(context: &Context<Config>) -> Result<()> {
        match (context.config().breaks.as_str(), context.attempt()) {
            ("once", 1) | ("always", _) => Err(Error::new("not yet")),
            _ => Ok(()),
        }
    }

    #[on_execution]
    async fn run(_context: &Context<Config>, body: Value) -> Result<Value> {
        Ok(body)
    }
}

async fn server() -> Server {
    let integration = Integration::new("unsteady").flow::<Unsteady>();
    Server::of(integration, Arc::new(MemoryStore::new())).await
}

/// Deploys an instance whose deploy function fails in all its attempts; returns its path and its executions.
async fn failed(server: &Server) -> (String, Vec<String>) {
    let answer = server.post("/api/instances", deploy_body("always")).await;
    let failed = answer.json.clone();
    answer.refusal(422);
    let attempts = items(&failed["functions"][0]["attempts"]);
    let ids = attempts
        .iter()
        .map(|it| text(&it["execution_id"]))
        .collect();
    (format!("/api/instances/{}", text(&failed["id"])), ids)
}

/// E51, W53: the report shows each function with its attempts, and each of them is an execution in the list.
#[tokio::test]
async fn a_deploy_tells_the_attempts_of_its_functions() {
    let server = server().await;
    let deployed = server.post("/api/instances", deploy_body("once")).await;
    let deployed = deployed.expect(201);
    let [end] = items(&deployed["functions"]) else {
        panic!("{deployed}")
    };
    let [first, second] = items(&end["attempts"]) else {
        panic!("{end}")
    };
    assert_eq!(
        (&first["attempt"], &second["attempt"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (&first["result"], &first["error"]),
        (&json!("ERROR"), &json!("not yet"))
    );
    assert_eq!(
        (&second["result"], &second["error"]),
        (&json!("COMPLETED"), &Value::Null)
    );
    assert_eq!(end["execution_id"], second["execution_id"]);
    assert_eq!(end["result"], "COMPLETED");

    let path = format!("/api/executions?first={}", text(&first["execution_id"]));
    let listed = server.get(&path).await.expect(200);
    let [retry] = items(&listed["items"]) else {
        panic!("{listed}")
    };
    assert_eq!(retry["id"], second["execution_id"]);
    assert_eq!(retry["invoked_by"], "RETRY");
    assert_eq!(retry["function"], "on_instance_deploy");
    let shown = server.get("/api/integration").await.expect(200);
    let retry =
        json!({"max_attempts": 1, "delay_seconds": 0.0, "backoff": false, "unique_by": null});
    assert_eq!(shown["flows"][0]["lifecycle_retry"], retry);
}

/// E28, E51: a deploy function is replayed, alone or among others; the instance stays as it is until it is deployed again.
#[tokio::test]
async fn a_deploy_function_is_replayed() {
    let server = server().await;
    let (instance, attempts) = failed(&server).await;
    let dead = server.get("/api/executions?dead_letters=true").await;
    assert_eq!(dead.expect(200)["items"], json!([]), "it is no dead letter");
    let path = format!("/api/executions/{}", attempts[0]);
    server
        .post(&format!("{path}/dismiss"), json!({}))
        .await
        .refusal(409);

    let replayed = server.post(&format!("{path}/replay"), json!({})).await;
    let replay = text(&replayed.expect(201)["execution_id"]);
    let replay = server.ended(&replay).await;
    assert_eq!(replay["invoked_by"], "REPLAY");
    assert_eq!(replay["lineage"]["first"], attempts[0]);
    let [retry] = items(&replay["lineage"]["repeated_by"]) else {
        panic!("{replay}")
    };
    server.ended(&text(&retry["id"])).await;
    assert_eq!(
        server.get(&instance).await.expect(200)["status"],
        "DEPLOY_FAILED"
    );

    // The last attempt of each: that of the deploy, and that of the replay. One thing at a time happens to their instance.
    let all = json!({"instance": instance.rsplit('/').next(), "status": "ERROR"});
    let bulk = server.post("/api/executions/replay", all).await.expect(200);
    let chosen = items(&bulk["items"]);
    assert_eq!(chosen.len(), 2, "{bulk}");
    let last_of_deploy = |item: &Value| item["id"] == attempts[1].as_str();
    assert!(chosen.iter().any(last_of_deploy), "{bulk}");
    for item in chosen {
        let busy = item["error"].as_str().unwrap_or_default();
        assert!(item["execution_id"].is_string() || busy.ends_with("when that has ended"));
    }

    let again = loop {
        let deploy = deploy_body("none");
        let again = server.call(Method::PUT, &instance, Some(deploy)).await;
        if again.status != 409 {
            break again;
        }
    };
    again.expect(200);

    // What succeeded is not among what a replay of many runs again.
    let done = json!({"instance": instance.rsplit('/').next(), "result": "COMPLETED"});
    let bulk = server
        .post("/api/executions/replay", done)
        .await
        .expect(200);
    assert_eq!(bulk["replayed"], 0, "{bulk}");
    let sentence = "a lifecycle function that succeeded is replayed by its own id alone";
    let refused = |item: &Value| item["error"] == sentence;
    assert!(items(&bulk["items"]).iter().any(refused), "{bulk}");
}

/// E52: a removed instance is shown with its time, nothing is done to it, and a deploy brings it back.
#[tokio::test]
async fn a_removed_instance_is_kept_until_it_is_erased() {
    let server = server().await;
    let id = server.deploy().await;
    let path = format!("/api/instances/{id}");
    let shown = server.get(&path).await.expect(200);
    assert_eq!(shown["erase_at"], Value::Null);
    let ran = server.run(&id, "unsteady", json!({"body": 1})).await;

    let removed = server.delete(&format!("{path}?keep_seconds=3600")).await;
    let erase_at = json!("2026-03-27T17:50:00Z");
    assert_eq!(removed.expect(200)["erase_at"], erase_at);
    let listed = server.get("/api/instances").await.expect(200);
    for shown in [&listed["items"][0], &server.get(&path).await.expect(200)] {
        assert_eq!(
            (&shown["status"], &shown["erase_at"]),
            (&json!("REMOVED"), &erase_at)
        );
    }
    let execution = format!("/api/executions/{}", text(&ran["id"]));
    assert_eq!(
        server.get(&execution).await.expect(200)["status"],
        "SUCCESS"
    );
    for (method, path) in [
        (Method::POST, format!("{path}/flows/unsteady/test")),
        (Method::POST, format!("{path}/flows/unsteady/keys")),
        (Method::POST, format!("{path}/pause")),
        (Method::POST, format!("{path}/resume")),
        (Method::POST, format!("{execution}/replay")),
        (Method::DELETE, path.clone()),
    ] {
        let answer = server.call(method, &path, Some(json!({}))).await;
        let refusal = answer.refusal(409);
        assert!(!refusal.contains("try again"), "{refusal}");
    }

    let change = Some(json!({"name": "Back"}));
    let back = server.call(Method::PUT, &path, change).await.expect(200);
    assert_eq!(
        (&back["status"], &back["erase_at"]),
        (&json!("ACTIVE"), &Value::Null)
    );
    assert_eq!(back["webhook_urls"], shown["webhook_urls"]);
    assert_eq!(back["config"], shown["config"]);

    server
        .delete(&format!("{path}?keep_seconds=60"))
        .await
        .expect(200);
    let erased = server.delete(&format!("{path}?keep_seconds=0")).await;
    let erased = erased.expect(200);
    assert_eq!(erased, json!({"id": id, "erase_at": null, "functions": []}));
    server.get(&path).await.refusal(404);
    server
        .delete(&format!("{path}?keep_seconds=soon"))
        .await
        .refusal(400);
}

/// E50, W6: an id that cannot be a customer's, a name that nobody could read and a key that nobody could send are refused with a sentence.
#[tokio::test]
async fn an_impossible_customer_name_or_key_is_422() {
    let server = server().await;
    for id in ["", " acme", "a\u{7}"] {
        let mut deploy = deploy_body("none");
        deploy["customer"]["id"] = json!(id);
        let refusal = server.post("/api/instances", deploy).await.refusal(422);
        assert!(refusal.starts_with("the id of the customer "), "{refusal}");
    }
    for (name, of) in [("/name", "instance"), ("/customer/name", "customer")] {
        for impossible in ["", " Acme", "a\u{7}", &"n".repeat(257)] {
            let mut deploy = deploy_body("none");
            deploy["name"] = json!("Acme");
            deploy["customer"]["name"] = json!("Acme");
            *deploy.pointer_mut(name).unwrap() = json!(impossible);
            let refusal = server.post("/api/instances", deploy).await.refusal(422);
            let text = format!("the name of the {of} ");
            assert!(refusal.starts_with(&text), "{refusal}");
        }
    }
    for key in ["", "two words", "clé"] {
        let mut deploy = deploy_body("none");
        deploy["api_keys"] = json!({"unsteady": ["k-1", key]});
        let refusal = server.post("/api/instances", deploy).await.refusal(422);
        assert!(
            refusal.starts_with("an API key of flow `unsteady`"),
            "{refusal}"
        );
    }
    let mut deploy = deploy_body("none");
    let path = format!("/api/instances/{}", server.deploy().await);
    deploy["customer"]["id"] = json!("");
    server
        .call(Method::PUT, &path, Some(deploy))
        .await
        .refusal(422);
}

/// E51: an instance that waits for somebody says so, and what is to be done; the store is the one that another process has left.
#[tokio::test]
async fn a_deploy_that_was_cut_off_is_told_and_not_called_one_that_goes_on() {
    let store = MemoryStore::new();
    let integration = || Integration::new("unsteady").flow::<Unsteady>();
    let server = Server::of(integration(), Arc::new(store.clone())).await;
    let id = server.deploy().await;
    let path = format!("/api/instances/{id}");
    let first_warning = |shown: &Value| text(&shown["warnings"][0]);
    let shown = server.get(&path).await.expect(200);
    assert!(!first_warning(&shown).contains("deploy"), "{shown}");
    let mut record = (*store.instances().await.unwrap().remove(0)).clone();
    record.open["status"] = serde_json::to_value(InstanceStatus::Deploying).unwrap();
    let put = vec![Write::PutInstance(Arc::new(record))];
    store.commit(Commit::new(Point::Deploy, put)).await.unwrap();

    let server = Server::of(integration(), Arc::new(store)).await;
    let shown = server.get(&path).await.expect(200);
    assert_eq!(shown["status"], "DEPLOYING");
    assert!(first_warning(&shown).contains("cut off by the end of the process"));
    let test = format!("{path}/flows/unsteady/test");
    let refusal = server.post(&test, json!({})).await.refusal(409);
    assert!(refusal.contains("deploy it again"), "{refusal}");

    let (path, _) = failed(&server).await;
    let shown = server.get(&path).await.expect(200);
    assert!(first_warning(&shown).contains("its last deploy failed"));
}
