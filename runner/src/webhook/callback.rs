//! Where providers of OAuth 2.0 send back whoever has authorised a connection (E55). What stands in the request comes from anybody, so none
//! of it is answered.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use http::{HeaderName, Method, Request, Response, StatusCode};

use super::answer::Answer;
pub(super) use crate::connection::CALLBACK as PATH;
use crate::connection::{CallbackError, Connections};
use crate::decode::read_query;

/// What a browser must not do with the page: keep it, take it for something else, put it into another, tell where it was.
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "text/plain; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "no-referrer"),
    (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        http::header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// Answers with one sentence for whoever sits before the browser.
pub(super) async fn serve(connections: &Connections, request: &Request<Bytes>) -> Answer {
    if request.method() != Method::GET {
        let mut answer = page(
            StatusCode::METHOD_NOT_ALLOWED,
            "This page is read with GET.",
        );
        answer
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return answer;
    }
    let query = read_query(request.uri().query());
    // Who says no may send a code as well.
    let code = match (query.get("error"), query.get("code")) {
        (None, Some(code)) if !code.is_empty() => Ok(code),
        (refusal, _) => Err(refusal.unwrap_or_default()),
    };
    let state = query.get("state").unwrap_or_default();
    match connections.take_back(state, code).await {
        Ok(()) => page(
            StatusCode::OK,
            "The connection is authorised. You can close this page.",
        ),
        Err(fault) => page(status(&fault), &fault.to_string()),
    }
}

fn status(fault: &CallbackError) -> StatusCode {
    match fault {
        CallbackError::Unknown | CallbackError::Denied | CallbackError::Changed => {
            StatusCode::BAD_REQUEST
        }
        CallbackError::NotConfirmed => StatusCode::BAD_GATEWAY,
        CallbackError::NotStored => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn page(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Bytes::from(format!("{text}\n")));
    *answer.status_mut() = status;
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}
