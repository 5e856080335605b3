//! Answers to callers (section 3 of the wire contract).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use sdk::HttpResponse;
use sdk::id::ExecutionId;
use serde::Serialize;
use serde_json::json;

use crate::envelope::{load_headers, store_headers};
use crate::record::{StoredAnswer, StoredOutput};

/// An answer with a whole body.
pub type Answer = Response<Bytes>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers with `{"error": …}`.
pub(super) fn error(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Bytes::from(json!({ "error": text }).to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// Answers 503 with `Retry-After` (W7, W33).
pub(super) fn unavailable(text: &str, seconds: u64) -> Answer {
    let mut answer = error(StatusCode::SERVICE_UNAVAILABLE, text);
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// Answers 429: it was refused for how much the sender asks, and may be asked again in a second.
pub(super) fn come_later(text: &str) -> Answer {
    let mut answer = error(StatusCode::TOO_MANY_REQUESTS, text);
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(1_u64));
    answer
}

/// Answers 200 `{"executionId": …}` (W20).
pub(super) fn accepted(id: &ExecutionId) -> Answer {
    let mut answer = Response::new(default_body(id));
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// Answers what `#[on_trigger]` chose; without a body it gets the default one (W21).
pub(super) fn chosen(stored: &StoredAnswer, id: &ExecutionId) -> Answer {
    let headers = load_headers(&stored.headers);
    let mut answer = match &stored.body {
        Some(body) => Response::new(Bytes::from(body.clone())),
        None => accepted(id),
    };
    *answer.status_mut() = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    put_headers(answer.headers_mut(), headers);
    answer
}

/// Keeps the answer that `#[on_trigger]` chose.
pub(super) fn keep(response: &HttpResponse) -> StoredAnswer {
    StoredAnswer {
        status: response.code(),
        headers: store_headers(response.headers()),
        body: response.bytes().map(|body| body.to_vec()),
    }
}

/// Answers with the result itself: status, headers and content type as the flow set them (W25 to W28).
pub(super) fn result(output: &StoredOutput) -> Answer {
    let mut answer = Response::new(output.data.clone());
    *answer.status_mut() = output
        .status
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or(StatusCode::OK);
    if !output.data.is_empty() || output.status.is_none() {
        let content_type = HeaderValue::from_str(&output.content_type).unwrap_or(JSON);
        answer.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    put_headers(answer.headers_mut(), load_headers(&output.headers));
    answer
}

/// Sends the caller to the URL of the result: 303 without a body (W24).
pub(super) fn see_result(url: &str, output: &StoredOutput) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    put_headers(answer.headers_mut(), load_headers(&output.headers));
    if let Ok(url) = HeaderValue::from_str(url) {
        answer.headers_mut().insert(LOCATION, url);
    }
    answer
}

/// Names the execution that an answer belongs to.
pub(super) fn name_execution(answer: &mut Answer, prefix: &str, id: &ExecutionId) {
    let name = HeaderName::try_from(format!("{prefix}-executionid"));
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(id.as_str())) {
        answer.headers_mut().insert(name, value);
    }
}

fn default_body(id: &ExecutionId) -> Bytes {
    let body = DefaultBody { execution_id: id };
    serde_json::to_vec(&body).unwrap_or_default().into()
}

/// What an asynchronous caller gets; every accepted webhook writes one.
#[derive(Serialize)]
struct DefaultBody<'a> {
    #[serde(rename = "executionId")]
    execution_id: &'a ExecutionId,
}

/// What the connection itself decides is not the author's to set.
fn put_headers(headers: &mut HeaderMap, chosen: HeaderMap) {
    let connection = [
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "trailer",
    ];
    let mut last = None;
    for (name, value) in chosen {
        let Some(name) = name.or_else(|| last.clone()) else {
            continue;
        };
        if connection.contains(&name.as_str()) {
            continue;
        }
        if last.as_ref() == Some(&name) {
            headers.append(name.clone(), value);
        } else {
            headers.insert(name.clone(), value);
        }
        last = Some(name);
    }
}
