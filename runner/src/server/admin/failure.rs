//! Why a request got no answer, and the answer that says so: always `{"error":"…"}`.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use sdk::config::ConfigFault;
use serde::Serialize;

use super::deployed::FunctionEnd;
use crate::deploy::DeployError;
use crate::engine::{AcceptError, ControlError};
use crate::store::StoreError;

/// An answer that says why not. Made by the `From` of the error of each room below.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
    body: Box<ErrorBody>,
}

/// What every error answer holds.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody {
    /// What is wrong, and what to do.
    error: String,
    /// The config variables that do not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault>,
    /// How each lifecycle function ended, when one of them failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    functions: Vec<FunctionEnd>,
    /// The instance that a failed deploy or removal left behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// What is wrong with one config variable.
#[derive(Debug, Serialize, JsonSchema)]
struct Fault {
    /// The variable, or the path to a part of it.
    variable: String,
    /// What is wrong with it, after its name.
    text: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let body = ErrorBody {
            error: error.into(),
            ..ErrorBody::default()
        };
        Self {
            status,
            header: None,
            body: Box::new(body),
        }
    }

    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
            .with(RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// A lifecycle function of this instance failed.
    pub(super) fn functions(error: &str, id: &str, functions: Vec<FunctionEnd>) -> Self {
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, error);
        failure.body.functions = functions;
        failure.body.id = Some(id.to_owned());
        failure
    }

    pub(super) fn foreign_host() -> Self {
        let text = "this name is not one of the server's; use the address that it listens on, or `localhost`";
        Self::new(StatusCode::MISDIRECTED_REQUEST, text)
    }

    pub(super) fn foreign_origin() -> Self {
        let text = "pages of another origin may not use the management API";
        Self::new(StatusCode::FORBIDDEN, text)
    }

    pub(super) fn no_token() -> Self {
        Self::unauthorized("send the token of the management API: `Authorization: Bearer <token>`")
    }

    pub(super) fn wrong_token() -> Self {
        Self::unauthorized("the token is not the one of this server; read it from its token file")
    }

    fn unauthorized(text: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(super) fn too_many_attempts(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        let text = format!("too many wrong tokens from this address; try again in {seconds} s");
        let value = u64::try_from(seconds).unwrap_or(u64::MAX);
        Self::new(StatusCode::TOO_MANY_REQUESTS, text).with(RETRY_AFTER, HeaderValue::from(value))
    }

    fn at_limit(text: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, text)
            .with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Says whether it is the server that cannot do it now.
    pub(super) fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// Returns the sentence.
    pub(super) fn text(&self) -> &str {
        &self.body.error
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<StoreError> for Failure {
    fn from(fault: StoreError) -> Self {
        tracing::warn!(%fault, "the management API could not use the store");
        if let StoreError::Full(_) = fault {
            // Whoever may use this API is the one who can do something about it.
            return Self::unavailable(fault.to_string());
        }
        Self::unavailable(
            "the store does not answer now; try again later, the log of the server says why",
        )
    }
}

impl From<AcceptError> for Failure {
    fn from(refusal: AcceptError) -> Self {
        match refusal {
            AcceptError::Store(fault) => fault.into(),
            AcceptError::Concurrency(_) => Self::at_limit(refusal.to_string()),
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<ControlError> for Failure {
    fn from(refusal: ControlError) -> Self {
        match refusal {
            ControlError::Unknown(_) => Self::not_found(refusal.to_string()),
            ControlError::Ended(_) | ControlError::NotReplayable(..) => {
                Self::conflict(refusal.to_string())
            }
            ControlError::Refused(refusal) => refusal.into(),
            ControlError::Store(fault) => fault.into(),
        }
    }
}

impl From<DeployError> for Failure {
    fn from(refusal: DeployError) -> Self {
        let text = refusal.to_string();
        match refusal {
            DeployError::Unknown(_) | DeployError::UnknownFlow(_) => Self::not_found(text),
            DeployError::Busy(_)
            | DeployError::WrongStatus(..)
            | DeployError::Removed { .. }
            | DeployError::CustomerTaken { .. } => Self::conflict(text),
            DeployError::Config(faults) => {
                let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, text);
                failure.body.faults = faults.0.into_iter().map(Fault::from).collect();
                failure
            }
            DeployError::Schedule { .. }
            | DeployError::KeyMissing(_)
            | DeployError::Key(_)
            | DeployError::CustomerId(_)
            | DeployError::Name { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, text),
            DeployError::Refused(refusal) => refusal.into(),
            DeployError::Store(fault) => fault.into(),
        }
    }
}

impl From<ConfigFault> for Fault {
    fn from(fault: ConfigFault) -> Self {
        Self {
            variable: fault.variable,
            text: fault.text,
        }
    }
}
