//! What a simulated request or a stretch of time brought about: everything in a stable order, with ids and times that are the same in
//! every run, so that a snapshot needs no redaction. Secrets show as the names of their config variables (G10).

mod check;
mod execution;
mod story;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use serde::Serialize;
use serde_json::Value;

pub use self::check::Expectations;
pub(crate) use self::execution::Recorded;
pub use self::execution::{ExecutionReport, LogReport, StepReport};
use crate::body::body_value;
use crate::outbound::RequestReport;
pub use crate::witness::StateReport;
use crate::witness::{Told, Witness};

/// What one request brought about: the answer, the execution with its steps, state changes and log, the other executions that came of
/// it, and the requests sent meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the caller got.
    pub response: ResponseReport,
    /// The execution, if the answer names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionReport>,
    /// The other executions of the instance that were accepted meanwhile: retries that wait, flows that were called, ticks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<ExecutionReport>,
    /// The requests that the instance sent to other systems meanwhile, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestReport>,
    #[serde(skip)]
    pub(crate) told: Told,
}

/// What a caller got.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResponseReport {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body: parsed if it is JSON, a string if it is text, `{"base64": …}` otherwise, null if it is empty.
    pub body: Value,
}

/// What a deploy or a removal brought about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LifecycleReport {
    /// The lifecycle functions in the order in which they ran, and the flows that the deploy or removal triggered.
    pub executions: Vec<ExecutionReport>,
    /// The requests that the instance sent to other systems meanwhile, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestReport>,
}

/// Everything that is recorded of an instance: its executions in the order in which they were accepted, its state, and the requests
/// sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// The executions.
    pub executions: Vec<ExecutionReport>,
    /// The state, by scope and key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Value>,
    /// The requests that the instance sent to other systems, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestReport>,
}

impl Report {
    /// Returns the status of the answer.
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// Returns the body of the answer as `T`.
    ///
    /// # Panics
    ///
    /// The body does not fit; the report is shown.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
    pub fn body<T: serde::de::DeserializeOwned>(&self) -> T {
        match serde_json::from_value(self.response.body.clone()) {
            Ok(body) => body,
            Err(fault) => {
                self.told.tell();
                panic!("the body of the answer does not fit: {fault}\n{self}")
            }
        }
    }

    /// Demands that the answer has this status.
    ///
    /// # Panics
    ///
    /// It has another; the report is shown.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        self.check(|it| it.status(status))
    }

    /// Demands that the request was refused with this status before anything was recorded (G6).
    ///
    /// # Panics
    ///
    /// It has another status, or it left something; the report is shown.
    #[track_caller]
    pub fn assert_refused(&self, status: u16) -> &Self {
        let untouched = self.execution.is_none() && self.further.is_empty();
        self.assert_status(status)
            .check(|it| it.that(untouched, "a refusal that leaves no execution"))
    }

    /// Returns the execution that the answer names.
    ///
    /// # Panics
    ///
    /// It names none; the report is shown.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
    pub fn execution(&self) -> &ExecutionReport {
        match &self.execution {
            Some(execution) => execution,
            None => {
                self.told.tell();
                panic!("the answer names no execution:\n{self}")
            }
        }
    }
}

impl ResponseReport {
    /// Reads an answer as it came.
    pub fn of(response: &Response<Bytes>) -> Self {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in response.headers() {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers
                .entry(name.to_string())
                .and_modify(|all| *all = format!("{all}, {text}"))
                .or_insert(text);
        }
        // What a socket adds: the length always, the date never.
        headers.insert(
            "content-length".to_owned(),
            response.body().len().to_string(),
        );
        headers.remove("date");
        Self {
            status: response.status().as_u16(),
            headers,
            body: body_value(response.headers(), response.body()),
        }
    }

    /// Takes the secrets out.
    pub(crate) fn redacted(mut self, witness: &Witness) -> Self {
        for value in self.headers.values_mut() {
            *value = witness.text(value);
        }
        self.body = witness.value(self.body);
        self
    }
}
