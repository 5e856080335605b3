//! The front door on a socket: health, then the webhooks.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::{Body, Handler};
use crate::Runner;

/// Answers the requests of the public listener.
#[derive(Clone, Debug)]
pub struct Front {
    runner: Arc<Runner>,
}

impl Front {
    /// Puts the front door of a runner on a socket.
    pub fn new(runner: Arc<Runner>) -> Self {
        Self { runner }
    }
}

impl Handler for Front {
    async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        match request.uri().path() {
            "/healthz" => health(StatusCode::OK, "alive"),
            "/readyz" => match self.runner.check_ready().await {
                Ok(()) => health(StatusCode::OK, "ready"),
                Err(not_ready) => health(StatusCode::SERVICE_UNAVAILABLE, &not_ready.to_string()),
            },
            _ => self.runner.ingress.receive(request).await.map(Body::from),
        }
    }
}

pub(super) fn health(status: StatusCode, text: &str) -> Response<Body> {
    let body = serde_json::json!({ "status": text }).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}
