//! The answers of a process that stands by while another one is active.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};

use super::front::health;
use super::{Body, Handler};

/// After how many seconds a caller may try again: somebody may be active by then.
const SECONDS: u64 = 5;

/// Says that the process is alive, and to everything else that it is not the active one.
#[derive(Clone, Copy, Debug)]
pub struct Standby;

impl Handler for Standby {
    async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let text = "another process is active; this one stands by";
        match request.uri().path() {
            "/healthz" => health(StatusCode::OK, "alive"),
            "/readyz" => health(StatusCode::SERVICE_UNAVAILABLE, text),
            _ => {
                let body = serde_json::json!({ "error": format!("{text}; try again later") });
                let mut response = Response::new(Body::from(body.to_string()));
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(RETRY_AFTER, HeaderValue::from(SECONDS));
                response
            }
        }
    }
}
