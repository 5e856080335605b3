//! What the listener answers without asking the handler.

use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::body::Body;

/// A request that the handler does not get to see, or whose handler gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("the request line and headers did not arrive in time; send them at once")]
    HeadTooSlow,
    #[error("the request body did not arrive in time; send it without pauses")]
    BodyTooSlow,
    #[error("the request body is larger than the limit of {limit} bytes; send less")]
    BodyTooLarge { limit: usize },
    #[error("the URL is longer than the limit of {limit} bytes; move data to the body")]
    UrlTooLong { limit: usize },
    #[error("the expectation is unknown; only `100-continue` can be met")]
    UnknownExpectation,
    #[error("the request line and headers are larger than the limit of {limit} bytes; send less")]
    HeadTooLarge { limit: usize },
    #[error("the request has more than {limit} headers; send fewer")]
    TooManyHeaders { limit: usize },
    #[error("the request failed inside the server; try again")]
    Panicked,
    #[error("{0}")]
    NotImplemented(&'static str),
    #[error("the server stopped before the request was finished; try again")]
    Stopped,
    #[error("the HTTP version is not supported; use HTTP/1.1")]
    UnknownVersion,
}

impl Refusal {
    pub(super) const BODY_BROKEN: Self =
        Self::Malformed("the request body is cut short or its chunks are malformed; send it again");

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::HeadTooSlow | Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UrlTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::UnknownExpectation => StatusCode::EXPECTATION_FAILED,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnknownVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// Whether the request was read to its end, so that another can follow it.
    fn keeps_connection(&self) -> bool {
        matches!(self, Self::Panicked)
    }

    /// The answer, in the form that every error has on the wire.
    pub(super) fn into_response(self) -> Response<Body> {
        let text = serde_json::json!({ "error": self.to_string() }).to_string();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if matches!(self, Self::Stopped) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if !self.keeps_connection() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
