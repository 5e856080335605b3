//! What the management API shows where flows share an endpoint (W2, W3, W5, E50).

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use runner::store::{MemoryStore, Store};
use sdk::endpoint::{Field, InstanceEndpoint, SharedEndpoint};
use serde_json::{Value, json};

use crate::caller::{Server, text};
use crate::flows::{CANARY, integration};

fn customer(id: &str) -> Value {
    json!({"customer": {"id": id}, "config": {"api_secret": CANARY, "breaks": "none"}})
}

async fn of_all(store: Arc<dyn Store>) -> Server {
    let endpoint =
        SharedEndpoint::customer_from(Field::body("/account")).flow_from(Field::header("X-Flow"));
    Server::of(integration().shared_endpoint(endpoint), store).await
}

/// Sends JSON to a URL through the front door; returns the status and the id of the execution that the answer names.
async fn send(server: &Server, url: &str, flow: &str, body: &Value) -> (u16, String) {
    let request = Request::post(url)
        .header("content-type", "application/json")
        .header("x-flow", flow)
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let answer = server.runner.ingress.receive(request).await;
    let named = answer.headers().get("prismatic-executionid");
    let id = named.map_or("", |id| id.to_str().unwrap());
    (answer.status().as_u16(), id.to_owned())
}

#[tokio::test]
async fn the_integration_says_how_a_request_names_its_flow() {
    let server = of_all(Arc::new(MemoryStore::new())).await;
    let shown = server.get("/api/integration").await.expect(200);
    let expected = json!({
        "layout": "shared",
        "customer_from": {"place": "body", "name": "/account"},
        "flow_from": {"place": "header", "name": "x-flow"},
        "routed_by": null,
    });
    assert_eq!(shown["endpoint"], expected);
    let shown = Server::start().await.get("/api/integration").await;
    assert_eq!(shown.expect(200)["endpoint"]["layout"], "flow");
}

#[tokio::test]
async fn instances_show_the_url_that_all_share_and_a_customer_has_one_instance() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let server = of_all(Arc::clone(&store)).await;
    let deploy = async |customer: &Value| server.post("/api/instances", customer.clone()).await;
    let acme = deploy(&customer("acme")).await.expect(201);
    let mut patient = customer("globex");
    patient["rate_per_second"] = json!(7);
    patient["concurrency"] = json!(3);
    let globex = deploy(&patient).await.expect(201);
    let urls = acme["webhook_urls"].as_object().unwrap();
    assert_eq!(urls["greet"], urls["leaks"], "W5");
    assert!(!urls.contains_key("nightly"), "a schedule has no URL");
    assert_eq!(acme["webhook_urls"], globex["webhook_urls"]);
    assert_eq!(
        (&acme["rate_per_second"], &globex["rate_per_second"]),
        (&json!(0), &json!(7))
    );
    assert_eq!(
        (&acme["concurrency"], &globex["concurrency"]),
        (&json!(0), &json!(3)),
        "E50"
    );
    let refused = deploy(&customer("acme")).await.expect(409);
    let error = text(&refused["error"]);
    assert!(error.starts_with("customer `acme` has instance"), "{error}");
    let path = format!("/api/instances/{}", text(&globex["id"]));
    let taken = server
        .call(Method::PUT, &path, Some(customer("acme")))
        .await;
    taken.expect(409);

    let url = text(&urls["greet"]);
    let (status, id) = send(&server, &url, "greet", &json!({"account": "globex"})).await;
    assert_eq!(status, 200);
    let ended = server.ended(&id).await;
    assert_eq!(ended["instance"], globex["id"]);

    // W1: the endpoint outlives instances and processes.
    for instance in [&acme, &globex] {
        let path = format!("/api/instances/{}", text(&instance["id"]));
        server.delete(&path).await.expect(200);
    }
    let server = of_all(store).await;
    let (status, _) = send(&server, &url, "greet", &json!({"account": "acme"})).await;
    assert_eq!(status, 404);
    let again = server.post("/api/instances", customer("acme")).await;
    assert_eq!(again.expect(201)["webhook_urls"]["greet"], url);
    let (status, _) = send(&server, &url, "greet", &json!({"account": "acme"})).await;
    assert_eq!(status, 200);
    assert_eq!(
        server.get("/api/instances").await.expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_request_that_found_no_flow_is_looked_up_like_any_execution() {
    let server = of_all(Arc::new(MemoryStore::new())).await;
    let deployed = server
        .post("/api/instances", customer("acme"))
        .await
        .expect(201);
    let url = text(&deployed["webhook_urls"]["greet"]);
    let (status, lost) = send(&server, &url, "greet", &json!({"account": CANARY})).await;
    assert_eq!(status, 404);
    let (_, unknown) = send(&server, &url, CANARY, &json!({"account": "acme"})).await;

    let listed = server
        .get("/api/executions?instance=shared&status=ERROR")
        .await
        .expect(200);
    assert_eq!(listed["items"][0]["id"], lost);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let shown = server
        .get(&format!("/api/executions/{unknown}"))
        .await
        .expect(200);
    assert_eq!(
        (&shown["instance"], &shown["flow"]),
        (&deployed["id"], &json!("(unrouted)"))
    );
    assert_eq!(
        (&shown["status"], &shown["result"]),
        (&json!("ERROR"), &json!("ERROR"))
    );
    assert_eq!(
        (&shown["invoked_by"], &shown["payload"]),
        (&json!("WEBHOOK"), &Value::Null)
    );
    let error = text(&shown["error"]);
    assert!(
        error.ends_with("the integration has `greet`, `leaks`, `fails`, `slow`, `subscribes`"),
        "{error}"
    );
    let logs = server
        .get(&format!("/api/executions/{unknown}/logs"))
        .await
        .expect(200);
    assert_eq!(text(&logs["items"][0]["text"]), error);
    // What was not kept cannot be repeated.
    let replay = server
        .post(&format!("/api/executions/{unknown}/replay"), json!({}))
        .await;
    replay.expect(409);
}

#[tokio::test]
async fn an_instance_has_one_url_and_keeps_those_from_before() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let server = Server::with(Arc::clone(&store)).await;
    let before = server
        .post("/api/instances", customer("acme"))
        .await
        .expect(201);
    let old = text(&before["webhook_urls"]["greet"]);
    let path = format!("/api/instances/{}", text(&before["id"]));

    let routed = || {
        let endpoint = InstanceEndpoint::flow_from(Field::header("x-flow"));
        integration().instance_endpoint(endpoint)
    };
    let server = Server::of(routed(), Arc::clone(&store)).await;
    let shown = server.get(&path).await.expect(200);
    assert_eq!(
        shown["webhook_urls"]["greet"], old,
        "until it is deployed again"
    );
    let after = server
        .call(Method::PUT, &path, Some(json!({})))
        .await
        .expect(200);
    let new = text(&after["webhook_urls"]["greet"]);
    assert_eq!(after["webhook_urls"]["leaks"], new);
    assert_ne!(new, old);
    for url in [&old, &new] {
        let (status, _) = send(&server, url, "greet", &json!({})).await;
        assert_eq!(status, 200, "{url}");
    }
    let server = Server::of(routed(), store).await;
    let (status, _) = send(&server, &new, "fails", &json!({})).await;
    assert_eq!(status, 200, "after a restart");
}
