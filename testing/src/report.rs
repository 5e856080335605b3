//! What a simulated request or a stretch of time brought about: everything in a stable order, with ids and times that are the same in
//! every run, so that a snapshot needs no redaction.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Response};
use runner::record::{
    Execution, InvokedBy, LogRecord, ResultType, Status, StepRecord, StoredOutput,
};
use sdk::Timestamp;
use sdk::host::LogLevel;
use sdk::id::ExecutionId;
use serde::Serialize;
use serde_json::{Value, json};

use crate::outbound::RequestReport;

/// What one request brought about: the answer, the execution with its steps, log and retries, and the requests sent meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the caller got.
    pub response: ResponseReport,
    /// The execution, if the answer names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionReport>,
    /// The requests that were sent to other systems meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestReport>,
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

/// One execution, with everything that is recorded of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExecutionReport {
    /// Its id.
    pub id: ExecutionId,
    /// The flow.
    pub flow: String,
    /// What caused it.
    pub invoked_by: InvokedBy,
    /// Which attempt it is.
    pub attempt: u32,
    /// How far it is.
    pub status: Status,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultType>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it will run, if it waits for its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it gave back.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// The steps that it ran itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepReport>,
    /// Its log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogReport>,
}

/// A step that has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// How many of this name came before it.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: u32,
    /// Its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogReport {
    /// How urgent it is.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
    /// Values beside the text.
    #[serde(skip_serializing_if = "is_empty")]
    pub fields: Value,
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
    /// The requests that were sent to other systems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestReport>,
}

impl Report {
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
            Err(fault) => panic!("the body of the answer does not fit: {fault}\n{self:#?}"),
        }
    }

    /// Returns the status of the answer.
    pub fn status(&self) -> u16 {
        self.response.status
    }
}

impl ResponseReport {
    /// Reads an answer.
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
}

impl ExecutionReport {
    /// Puts a report together from what is recorded.
    pub fn of(
        execution: &Execution,
        output: Option<&StoredOutput>,
        steps: &[StepRecord],
        log: &[LogRecord],
    ) -> Self {
        let own = steps.iter().filter(|step| step.execution == execution.id);
        Self {
            id: execution.id.clone(),
            flow: execution.flow.to_string(),
            invoked_by: execution.invoked_by,
            attempt: execution.attempt,
            status: execution.status,
            result: execution.result,
            accepted_at: execution.accepted_at,
            run_at: execution
                .run_at
                .filter(|_| execution.status == Status::Pending),
            error: execution.error.clone(),
            output: output.map_or(Value::Null, output_value),
            steps: own.map(StepReport::of).collect(),
            log: log.iter().map(LogReport::of).collect(),
        }
    }
}

impl StepReport {
    fn of(step: &StepRecord) -> Self {
        Self {
            name: step.step.name.clone(),
            count: step.step.count,
            result: step.end.as_ref().ok().cloned(),
            error: step.end.as_ref().err().cloned(),
        }
    }
}

impl LogReport {
    fn of(line: &LogRecord) -> Self {
        Self {
            level: line.level,
            text: line.text.clone(),
            fields: line.fields.clone(),
        }
    }
}

fn output_value(output: &StoredOutput) -> Value {
    let mut headers = HeaderMap::new();
    if let Ok(content_type) = output.content_type.parse() {
        headers.insert(http::header::CONTENT_TYPE, content_type);
    }
    body_value(&headers, &output.data)
}

/// Shows bytes as a value: parsed if they are JSON, a string if they are text, `{"base64": …}` otherwise, null if there are none.
pub(crate) fn body_value(headers: &HeaderMap, body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    let content_type = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if content_type.contains("json")
        && let Ok(value) = serde_json::from_slice(body)
    {
        return value;
    }
    match std::str::from_utf8(body) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(body) }),
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn is_empty(fields: &Value) -> bool {
    fields.as_object().is_none_or(serde_json::Map::is_empty)
}
