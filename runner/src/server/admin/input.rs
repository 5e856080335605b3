//! What a request says: path, query and body, each refused with `{"error":"…"}` when it cannot be read.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// The variables of the path.
#[derive(Debug)]
pub(super) struct PathOf<T>(pub(super) T);

/// The parameters of the query.
#[derive(Debug)]
pub(super) struct QueryOf<T>(pub(super) T);

/// The body as JSON; nothing stands for `{}`.
#[derive(Debug)]
pub(super) struct JsonOf<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(read)| Self(read))
            .map_err(|_| Failure::bad_request("the path is not text; encode it as UTF-8"))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(read)| Self(read))
            .map_err(|refusal| {
                let cause = std::error::Error::source(&refusal).map(ToString::to_string);
                let cause = cause.unwrap_or_else(|| refusal.to_string());
                Failure::bad_request(format!("the query is not right: {cause}"))
            })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonOf<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = read_bytes(request, state).await?;
        let bytes = if bytes.trim_ascii().is_empty() {
            Bytes::from_static(b"{}")
        } else {
            bytes
        };
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|fault| Failure::bad_request(body_fault(&fault)))
    }
}

async fn read_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    let from: HeaderMap = request.headers().clone();
    Bytes::from_request(request, state).await.map_err(|_| {
        let length = from
            .get("content-length")
            .and_then(|value| value.to_str().ok());
        let text = format!(
            "the body of {} bytes is too large or broke off",
            length.unwrap_or("unknown many")
        );
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    })
}

fn body_fault(fault: &serde_json::Error) -> String {
    if fault.is_data() {
        let text = without_value(&fault.to_string());
        format!("the body is JSON of another shape than is expected here: {text}")
    } else {
        format!(
            "the body is not JSON: it goes wrong in line {}, column {}",
            fault.line(),
            fault.column()
        )
    }
}

/// Takes the text out that was sent in the wrong place: it may be a secret.
fn without_value(text: &str) -> String {
    let shown = text
        .split_once(": string \"")
        .and_then(|(before, rest)| Some((before, rest.rsplit_once("\", expected ")?.1)));
    match shown {
        Some((before, expected)) => format!("{before}: string, expected {expected}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        let fault = serde_json::from_str::<Vec<u8>>("\"s3cret\\\", expected x\"").unwrap_err();
        let text = body_fault(&fault);
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("expected a sequence"), "{text}");
    }

    #[test]
    fn what_is_no_json_is_placed() {
        let fault = serde_json::from_str::<Vec<u8>>("[1,").unwrap_err();
        assert_eq!(
            body_fault(&fault),
            "the body is not JSON: it goes wrong in line 1, column 3"
        );
    }
}
