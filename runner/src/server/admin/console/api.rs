//! Asks the management API, in this process.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tower_service::Service as _;

use super::refused::Refused;

/// The management API.
pub(super) struct Api(Router);

/// What stands in a segment of a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Writes a text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Writes what was asked for behind a path; what is empty is left out.
pub(super) fn with_query<'a>(
    path: &str,
    query: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut written = form_urlencoded::Serializer::new(String::new());
    for (name, value) in query {
        if !value.is_empty() {
            written.append_pair(name, value);
        }
    }
    match written.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

impl Api {
    /// Takes the routes, without what guards them: who asks here has a session.
    pub(super) fn new(routes: Router) -> Self {
        Self(routes)
    }

    /// Returns what is at a path.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.call(Method::GET, path, &Value::Null).await
    }

    /// Does something.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Refused> {
        self.call(Method::POST, path, body).await
    }

    /// Does something with this body, or without one if it is null.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, Refused> {
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let (status, body) = self.ask(method, path, body).await?;
        let bytes = to_bytes(body, usize::MAX)
            .await
            .map_err(|fault| Refused::broken(&fault.to_string()))?;
        let value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|fault| Refused::broken(&fault.to_string()))?
        };
        if status.is_success() {
            Ok(value)
        } else {
            Err(Refused::new(status, value))
        }
    }

    /// Opens a stream.
    pub(super) async fn open(&self, path: &str) -> Result<Body, Refused> {
        let (status, body) = self.ask(Method::GET, path, Body::empty()).await?;
        if status.is_success() {
            Ok(body)
        } else {
            let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let value = serde_json::from_slice(&bytes).unwrap_or_default();
            Err(Refused::new(status, value))
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<(StatusCode, Body), Refused> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|fault| Refused::broken(&fault.to_string()))?;
        // A router is ready at any time, and fails never.
        let response = match self.0.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        Ok((parts.status, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_stays_one_segment_and_one_value() {
        assert_eq!(segment("../a b/ö?"), "..%2Fa%20b%2F%C3%B6%3F");
        let query = [("flow", "a&b=c"), ("status", ""), ("cursor", "x")];
        assert_eq!(
            with_query("/api/executions", query),
            "/api/executions?flow=a%26b%3Dc&cursor=x"
        );
        assert_eq!(with_query("/api", [("a", "")]), "/api");
    }
}
