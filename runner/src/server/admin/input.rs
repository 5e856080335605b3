//! What a request says: path, query and body, each refused with `{"error":"…"}` when it cannot be read.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};

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
        read_object(&bytes).map(Self).map_err(Failure::bad_request)
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

/// Reads an object; a list would be taken for one, its items for the fields in their order.
fn read_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let fault = match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) if !bytes.trim_ascii_start().starts_with(b"{") => {
            return Err("the body is JSON, but no object; send one like `{}`".to_owned());
        }
        Ok(_) => match serde_json::from_slice(bytes) {
            Ok(read) => return Ok(read),
            Err(fault) => fault,
        },
        Err(fault) => {
            let (line, column) = (fault.line(), fault.column());
            return Err(format!(
                "the body is not JSON: it goes wrong in line {line}, column {column}"
            ));
        }
    };
    let text = without_value(&fault.to_string());
    Err(format!(
        "the body is JSON of another shape than is expected here: {text}"
    ))
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
    use std::collections::BTreeMap;

    use super::*;

    fn refusal<T: DeserializeOwned>(body: &str) -> String {
        let read = read_object::<T>(body.as_bytes());
        read.err().unwrap()
    }

    #[derive(serde::Deserialize)]
    struct Replayed {
        #[expect(dead_code, reason = "it is never read so far")]
        from: From,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum From {
        Start,
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        let text = refusal::<BTreeMap<String, u8>>("{\"a\":\"s3cret\\\", expected x\"}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("expected u8"), "{text}");
    }

    #[test]
    fn what_is_no_json_is_placed_and_what_is_json_is_not_called_none() {
        assert_eq!(
            refusal::<Replayed>("[1,"),
            "the body is not JSON: it goes wrong in line 1, column 3"
        );
        assert_eq!(
            refusal::<Replayed>("{\"from\":null}"),
            "the body is JSON of another shape than is expected here: expected value at line 1 column 9"
        );
    }

    #[test]
    fn a_list_is_no_object() {
        for body in ["[]", " [\"start\"]", "null", "7"] {
            assert_eq!(
                refusal::<Replayed>(body),
                "the body is JSON, but no object; send one like `{}`"
            );
        }
        assert!(read_object::<Replayed>(b"{\"from\":\"start\"}").is_ok());
    }
}
