//! Lets pages of other origins call the endpoints from a browser, where the operator says so (`cors_origins`).
//!
//! Nothing is asked of a browser that it could be made to send by itself: cookies and other credentials of the page are never allowed.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request, Response, StatusCode};

use super::METHODS;
use super::answer::Answer;

/// How long a browser may remember the answer to a preflight request: ten minutes.
const SECONDS: HeaderValue = HeaderValue::from_static("600");

/// The page that sent a request, if it may.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// What the browser is told: the origin, or `*`.
    origin: HeaderValue,
}

/// Returns the page that sent a request, if it comes from one of these origins.
pub(super) fn page(origins: &[String], request: &Request<Bytes>) -> Option<Page> {
    if origins.is_empty() {
        return None;
    }
    let origin = request.headers().get(ORIGIN)?;
    let is_listed = |listed: &String| listed.as_bytes() == origin.as_bytes();
    if origins.iter().any(is_listed) {
        let origin = origin.clone();
        return Some(Page { origin });
    }
    let everyone = origins.iter().any(|listed| listed == "*");
    everyone.then_some(Page {
        origin: HeaderValue::from_static("*"),
    })
}

/// Answers the question that a browser asks before it sends the request itself; `None` if this is none. Nothing runs.
pub(super) fn preflight(request: &Request<Bytes>) -> Option<Answer> {
    let headers = request.headers();
    if request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let told = answer.headers_mut();
    told.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(METHODS),
    );
    if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        told.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    told.insert(ACCESS_CONTROL_MAX_AGE, SECONDS);
    Some(answer)
}

impl Page {
    /// Lets the page read an answer; what a flow says of this itself stays.
    pub(super) fn admit(&self, answer: &mut Answer, prefix: &str) {
        let headers = answer.headers_mut();
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.append(VARY, HeaderValue::from_static("origin"));
        let shown = format!("{prefix}-executionid, location, retry-after");
        if let Ok(shown) = HeaderValue::from_str(&shown) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, shown);
        }
    }
}
