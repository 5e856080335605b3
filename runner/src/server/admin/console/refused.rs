//! A page in the place of the one that was asked for.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;
use serde_json::Value;

use super::answer::Answer as _;
use super::layout;

/// Why the management API did not do it.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    answer: Value,
}

impl Refused {
    /// Takes what it answered.
    pub(super) fn new(status: StatusCode, answer: Value) -> Self {
        Self { status, answer }
    }

    /// Says that this server does not understand itself.
    pub(super) fn broken(text: &str) -> Self {
        let answer = serde_json::json!({ "error": text });
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, answer)
    }

    /// Says what is wrong with what somebody typed.
    pub(super) fn typed(text: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            serde_json::json!({ "error": text }),
        )
    }
}

/// Answers a path that leads nowhere.
pub(super) async fn no_page() -> Refused {
    let answer = serde_json::json!({"error": "there is no such page; begin at the instances"});
    Refused::new(StatusCode::NOT_FOUND, answer)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let content = html! {
            h1 { "That did not work" }
            p.refusal role="alert" { (self.answer.text("/error")) }
            @if !self.answer.list("/faults").is_empty() {
                ul {
                    @for fault in self.answer.list("/faults") {
                        li { code { (fault.text("/variable")) } " " (fault.text("/text")) }
                    }
                }
            }
            @if !self.answer.list("/functions").is_empty() {
                (layout::functions(self.answer.list("/functions")))
            }
            @if !self.answer.text("/id").is_empty() {
                p { a href=(layout::instance_path(self.answer.text("/id"))) { "The instance" } }
            }
        };
        (self.status, layout::page("Refused", &content)).into_response()
    }
}
