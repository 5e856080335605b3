//! What the management API says of a running server.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use crate::caller::{Answer, Broken, Caller, call, get, request};
use crate::process::{PATIENCE, Server, eventually};

impl Server {
    /// Asks the management API.
    pub(crate) async fn api(&self, path: &str) -> Answer {
        call(self.admin, self.authorized(path)).await
    }

    /// Asks the management API to do something.
    pub(crate) async fn change(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.ask(method, path, body).await.unwrap()
    }

    /// As [`change`](Self::change), where it may die of it.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, Broken> {
        let request = request(method, path, "application/json", body.to_string().into());
        let mut caller = Caller::that_hangs_up();
        caller.send(self.admin, self.with_token(request)).await
    }

    fn authorized(&self, path: &str) -> Request<Bytes> {
        self.with_token(get(path))
    }

    fn with_token(&self, mut request: Request<Bytes>) -> Request<Bytes> {
        let token = format!("Bearer {}", self.token.trim());
        let headers = request.headers_mut();
        headers.insert("authorization", token.try_into().unwrap());
        request
    }

    /// Returns the path of each endpoint of the local instance, by flow.
    pub(crate) async fn endpoints(&self) -> BTreeMap<String, String> {
        let instances = self.api("/api/instances").await.json();
        let id = instances["items"][0]["id"].as_str().unwrap();
        let instance = self.api(&format!("/api/instances/{id}")).await.json();
        let urls = instance["webhook_urls"].as_object().unwrap();
        let path = |(flow, url): (&String, &Value)| {
            let url = url.as_str().unwrap();
            (
                flow.clone(),
                url[url.find("/trigger/").unwrap()..].to_owned(),
            )
        };
        urls.iter().map(path).collect()
    }

    /// Returns an execution once it has ended.
    pub(crate) async fn outcome(&self, id: &str) -> Value {
        let path = format!("/api/executions/{id}");
        eventually(PATIENCE, &format!("an outcome of {id}"), || async {
            let execution = self.api(&path).await.json();
            let has_ended = matches!(execution["status"].as_str(), Some("SUCCESS" | "ERROR"));
            has_ended.then_some(execution)
        })
        .await
    }

    /// Waits until every execution has its outcome.
    pub(crate) async fn until_idle(&self) {
        for status in ["PENDING", "QUEUED", "RUNNING"] {
            let path = format!("/api/executions?status={status}");
            eventually(PATIENCE, &format!("nothing is {status}"), || async {
                let list = self.api(&path).await.json();
                list["items"].as_array().unwrap().is_empty().then_some(())
            })
            .await;
        }
    }

    /// Exchanges every id that callers hold for its execution (W50); returns those that are not found or have no good end.
    pub(crate) async fn not_found(&self, held: &[String]) -> Vec<Value> {
        let mut caller = Caller::that_stays();
        let mut missing = Vec::new();
        for id in held {
            let request = self.authorized(&format!("/api/executions/{id}"));
            let execution = caller.send(self.admin, request).await.unwrap().json();
            if execution["id"] != **id || execution["status"] != "SUCCESS" {
                missing.push(execution);
            }
        }
        missing
    }
}
