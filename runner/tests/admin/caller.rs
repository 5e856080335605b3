//! A caller of the management API: each answer is held against the OpenAPI document, and searched for the canary.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use runner::Runner;
use runner::clock::{Clock as _, ManualClock};
use runner::entropy::Entropy;
use runner::outbound::HttpOutbound;
use runner::ports::Ports;
use runner::server::admin::{Access, router};
use runner::server::{Body, Handler as _, Peer};
use runner::settings::Settings;
use runner::spawn::Runtimes;
use runner::store::{MemoryStore, Store};
use runner::vault::Vault;
use sdk::{Integration, Secret, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use crate::document::Document;
use crate::flows::{CANARY, Config, integration};

pub(crate) const TOKEN: &str = "the-token-of-the-tests-0123456789";

/// A runner with its management API.
pub(crate) struct Server {
    pub(crate) runner: Arc<Runner>,
    pub(crate) clock: ManualClock,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) router: axum::Router,
    document: Option<Document>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Arc::new(MemoryStore::new())).await
    }

    pub(crate) async fn with(store: Arc<dyn Store>) -> Self {
        Self::of(integration(), store).await
    }

    pub(crate) async fn of(integration: Integration<Config>, store: Arc<dyn Store>) -> Self {
        let clock = ManualClock::at("2026-03-27T16:50:00Z".parse().unwrap());
        let handle = tokio::runtime::Handle::current();
        let ports = Ports {
            integration: integration.build().unwrap(),
            settings: Settings::default(),
            public_url: "https://hooks.example".to_owned(),
            clock: Arc::new(clock.clone()),
            // Keys must differ in the letters that a mask hides.
            entropy: Entropy::system(),
            spawn: Arc::new(Runtimes::new(handle.clone(), handle)),
            store,
            outbound: Arc::new(HttpOutbound::new(Duration::from_secs(1), 1)),
            vault: Vault::clear(),
            tail: broadcast::Sender::new(16),
        };
        let runner = Arc::new(Runner::start(ports).await.unwrap());
        let (stop, stopping) = watch::channel(false);
        let access = Access::with_token(&Secret::new(TOKEN))
            .for_address("192.0.2.7:3001".parse().unwrap())
            .for_host("runner.example");
        let router = router(Arc::clone(&runner), access, stopping);
        let mut server = Self {
            runner,
            clock,
            stop,
            router,
            document: None,
        };
        let document = server.get("/api/openapi.json").await.expect(200);
        server.document = Some(Document(document));
        server
    }

    pub(crate) fn document(&self) -> &Document {
        self.document.as_ref().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(with_token(method, path, body)).await
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = read(self.router.handle(request).await).await;
        assert!(!answer.text.contains(CANARY), "{path}: {}", answer.text);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        // The document describes the API; the console is pages.
        let is_console = path == "/" || path.starts_with("/console");
        if let Some(document) = self.document.as_ref().filter(|_| !is_console) {
            document.check(&method, &path, answer.status, &answer.json);
        }
        answer
    }

    /// Deploys an instance with the canary as its secret.
    pub(crate) async fn deploy(&self) -> String {
        let answer = self.post("/api/instances", deploy_body("none")).await;
        text(&answer.expect(201)["id"])
    }

    /// Runs a flow by hand to its end and returns its execution.
    pub(crate) async fn run(&self, instance: &str, flow: &str, mut body: Value) -> Value {
        body["wait"] = json!(true);
        let path = format!("/api/instances/{instance}/flows/{flow}/test");
        self.post(&path, body).await.expect(200)["execution"].clone()
    }

    /// Starts a flow by hand and returns the id of its execution.
    pub(crate) async fn begin(&self, instance: &str, flow: &str) -> String {
        let path = format!("/api/instances/{instance}/flows/{flow}/test");
        text(&self.post(&path, json!({})).await.expect(202)["execution_id"])
    }

    /// Waits until an execution has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        self.until(id, |execution| !execution["ended_at"].is_null())
            .await
    }

    /// Waits until an execution looks like this.
    pub(crate) async fn until(&self, id: &str, looks: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/executions/{id}");
        loop {
            let execution = self.get(&path).await.expect(200);
            if looks(&execution) {
                return execution;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, length: Duration) {
        self.clock.advance_to(self.now() + length);
    }
}

impl Answer {
    /// Returns the body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json
    }

    /// Returns the sentence of a refusal with this status.
    #[track_caller]
    pub(crate) fn refusal(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        let text = text(&self.json["error"]);
        assert!(!text.is_empty(), "a refusal says why");
        text
    }
}

/// Returns the text that a value is.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Returns the items of a list.
#[track_caller]
pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array().unwrap()
}

pub(crate) fn deploy_body(breaks: &str) -> Value {
    json!({
        "customer": {"id": "acme", "name": "Acme"},
        "config": {"api_secret": CANARY, "breaks": breaks},
    })
}

/// Begins a request as one that comes through the listener.
pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    let peer: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:3001")
        .extension(Peer(peer))
}

/// Makes a request without the token.
pub(crate) fn bare(method: Method, path: &str) -> Request<Bytes> {
    request(method, path).body(Bytes::new()).unwrap()
}

/// Makes a request with the token.
pub(crate) fn with_token(method: Method, path: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    request(method, path)
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(body.into())
        .unwrap()
}

async fn read(response: http::Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        json: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}
