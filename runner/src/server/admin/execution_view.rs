//! What is shown of an execution.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use sdk::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::content::{Content, MASK};
use super::words;
use crate::decode::{BodyLimits, JsonAs};
use crate::record::{
    Execution, Function, HeaderBytes, InvokedBy, ResultType, Status, StepRecord, StoredAnswer,
    StoredOutput, StoredPayload,
};
use crate::redaction::{Redactor, names_a_secret};

/// An execution in a list (W51, W52).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Execution")]
pub(super) struct ExecutionView {
    /// Its id.
    id: String,
    /// The instance.
    instance: String,
    /// The key of the flow.
    flow: String,
    /// Which of its functions.
    #[schemars(schema_with = "words::function")]
    function: Function,
    /// What caused it.
    #[schemars(schema_with = "words::invoked_by")]
    invoked_by: InvokedBy,
    /// Whether a caller waits, or waited, for the result.
    synchronous: bool,
    /// How far it is.
    #[schemars(schema_with = "words::status")]
    status: Status,
    /// How it ended; null if it has not.
    #[schemars(schema_with = "words::result_or_null")]
    result: Option<ResultType>,
    /// Why it failed.
    error: Option<String>,
    /// Which attempt it is; 1 is the first.
    attempt: u32,
    /// When it was accepted.
    #[schemars(schema_with = "words::moment")]
    accepted_at: Timestamp,
    /// The earliest time at which it may start.
    #[schemars(schema_with = "words::moment_or_null")]
    run_at: Option<Timestamp>,
    /// When it was last started.
    #[schemars(schema_with = "words::moment_or_null")]
    started_at: Option<Timestamp>,
    /// When it ended.
    #[schemars(schema_with = "words::moment_or_null")]
    ended_at: Option<Timestamp>,
    /// Whether it is out of attempts and neither replayed nor dismissed (E28).
    dead_letter: bool,
    /// The execution that it repeats: the first attempt of a retry, the original of a replay or of a duplicate (W53).
    first: Option<String>,
    /// The execution that called it.
    parent: Option<String>,
    /// The newer execution with the same unique id that it gave way to, instead of running (E22).
    canceled_by: Option<String>,
}

/// An execution with everything that is kept of it (W50).
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ExecutionDetail {
    #[serde(flatten)]
    pub(super) execution: ExecutionView,
    /// What it continues and what repeats it.
    pub(super) lineage: Lineage,
    /// The finished steps of its journal, in the order in which they ended.
    pub(super) steps: Vec<StepView>,
    /// What the caller was answered, if the author chose it (W21).
    pub(super) response: Option<ResponseView>,
    /// What it gave back; null if there is nothing or it is no longer kept.
    pub(super) output: Option<OutputView>,
    /// What it was given; null if it is no longer kept.
    pub(super) payload: Option<PayloadView>,
}

/// What an execution continues and what repeats it (W53).
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Lineage {
    /// The execution that it repeats.
    pub(super) first: Option<String>,
    /// The execution that called it.
    pub(super) parent: Option<String>,
    /// The retries, replays and duplicates of it, newest first, at most 100.
    pub(super) repeated_by: Vec<Repetition>,
}

/// An execution that repeats another.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Repetition {
    id: String,
    #[schemars(schema_with = "words::invoked_by")]
    invoked_by: InvokedBy,
    attempt: u32,
    #[schemars(schema_with = "words::status")]
    status: Status,
    #[schemars(schema_with = "words::result_or_null")]
    result: Option<ResultType>,
}

/// A finished step (E20).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
pub(super) struct StepView {
    /// Its name.
    name: String,
    /// How many steps of this name were begun before it.
    count: u32,
    /// The execution that ran it: another one, if its result was taken over.
    execution: String,
    #[schemars(schema_with = "words::moment")]
    began_at: Timestamp,
    #[schemars(schema_with = "words::moment")]
    ended_at: Timestamp,
    /// How often its work was tried.
    attempts: u32,
    /// Its result; null if it failed, or if the instance whose secrets it may hold is removed.
    result: Value,
    /// Why it failed.
    error: Option<String>,
}

/// What the caller of a webhook was answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Response")]
pub(super) struct ResponseView {
    status: u16,
    headers: BTreeMap<String, Vec<String>>,
    /// Null is the default body.
    body: Option<Content>,
}

/// What an execution gave back.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Output")]
pub(super) struct OutputView {
    /// The status for the caller, if the author chose one.
    status: Option<u16>,
    headers: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    content: Content,
}

/// What an execution was given. Headers and parameters that carry credentials or signatures are masked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Payload")]
pub(super) struct PayloadView {
    method: String,
    headers: BTreeMap<String, Vec<String>>,
    /// The path after the endpoint id.
    path_fragment: String,
    query: BTreeMap<String, Vec<String>>,
    body: Content,
    /// The moment of the schedule (E17).
    tick: Option<TickView>,
}

/// The moment of a schedule.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PayloadTick")]
struct TickView {
    #[schemars(schema_with = "words::moment")]
    nominal: Timestamp,
    #[schemars(schema_with = "words::moment")]
    actual: Timestamp,
    #[schemars(schema_with = "words::moment_or_null")]
    previous: Option<Timestamp>,
    #[schemars(schema_with = "words::moment_or_null")]
    next: Option<Timestamp>,
}

impl From<&Execution> for ExecutionView {
    fn from(execution: &Execution) -> Self {
        Self {
            id: execution.id.to_string(),
            instance: execution.instance.to_string(),
            flow: execution.flow.to_string(),
            function: execution.function,
            invoked_by: execution.invoked_by,
            synchronous: execution.synchronous,
            status: execution.status,
            result: execution.result,
            error: execution.error.clone(),
            attempt: execution.attempt,
            accepted_at: execution.accepted_at,
            run_at: execution.run_at,
            started_at: execution.started_at,
            ended_at: execution.ended_at,
            dead_letter: execution.dead_letter,
            first: execution.first.as_ref().map(ToString::to_string),
            parent: execution.parent.as_ref().map(ToString::to_string),
            canceled_by: execution.canceled_by.as_ref().map(ToString::to_string),
        }
    }
}

impl ExecutionView {
    /// Takes the secrets that the instance has now out of the error; those that it had then are out already.
    pub(super) fn clean(&mut self, redactor: Option<&Redactor>) {
        if let (Some(error), Some(redactor)) = (&mut self.error, redactor) {
            *error = redactor.text(error);
        }
    }
}

impl From<&Execution> for Repetition {
    fn from(execution: &Execution) -> Self {
        Self {
            id: execution.id.to_string(),
            invoked_by: execution.invoked_by,
            attempt: execution.attempt,
            status: execution.status,
            result: execution.result,
        }
    }
}

impl StepView {
    pub(super) fn of(step: StepRecord, redactor: Option<&Redactor>) -> Self {
        let (result, error) = match (step.end, redactor) {
            (Ok(result), Some(redactor)) => (redactor.value(result), None),
            (Ok(_), None) => (Value::Null, None),
            (Err(error), _) => (Value::Null, Some(error)),
        };
        Self {
            name: step.step.name,
            count: step.step.count,
            execution: step.execution.to_string(),
            began_at: step.began_at,
            ended_at: step.ended_at,
            attempts: step.attempts,
            result,
            error,
        }
    }
}

impl ResponseView {
    pub(super) fn of(answer: &StoredAnswer, redactor: Option<&Redactor>) -> Self {
        let content_type = answer
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map(|(_, value)| text_of(value));
        Self {
            status: answer.status,
            headers: headers(&answer.headers, redactor),
            body: answer
                .body
                .clone()
                .map(|body| Content::of(content_type.as_deref(), &body.into(), redactor)),
        }
    }
}

impl OutputView {
    pub(super) fn of(output: &StoredOutput, redactor: Option<&Redactor>) -> Self {
        Self {
            status: output.status,
            headers: headers(&output.headers, redactor),
            content: Content::of(Some(&output.content_type), &output.data, redactor),
        }
    }
}

impl PayloadView {
    pub(super) fn of(
        stored: &StoredPayload,
        limits: &BodyLimits,
        redactor: Option<&Redactor>,
    ) -> Self {
        let query = stored
            .query
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()));
        Self {
            method: stored.method.clone(),
            headers: headers(&stored.headers, redactor),
            path_fragment: shown(&stored.path_fragment, redactor),
            query: by_name(query, redactor),
            body: body(stored, limits, redactor),
            tick: stored.tick.as_ref().map(|tick| TickView {
                nominal: tick.nominal,
                actual: tick.actual,
                previous: tick.previous,
                next: tick.next,
            }),
        }
    }
}

/// Shows the body that came, not the one that `#[on_trigger]` made of it.
fn body(stored: &StoredPayload, limits: &BodyLimits, redactor: Option<&Redactor>) -> Content {
    let content_type = stored.content_type.as_deref();
    let came = stored.before_trigger().to_payload(limits, JsonAs::Value);
    match came.map(|payload| payload.body) {
        Ok(body @ (sdk::Body::Json(_) | sdk::Body::Form(_) | sdk::Body::Multipart(_))) => {
            Content::of_value(content_type, &stored.raw_body, body.to_json(), redactor)
        }
        _ => Content::of(content_type, &stored.raw_body, redactor),
    }
}

fn headers(
    headers: &[(String, HeaderBytes)],
    redactor: Option<&Redactor>,
) -> BTreeMap<String, Vec<String>> {
    let texts = headers
        .iter()
        .map(|(name, value)| (name.as_str(), text_of(value)));
    by_name(texts, redactor)
}

fn by_name<'a>(
    pairs: impl Iterator<Item = (&'a str, String)>,
    redactor: Option<&Redactor>,
) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        let clean = if names_a_secret(name) {
            MASK.to_owned()
        } else {
            shown(&value, redactor)
        };
        values.entry(name.to_owned()).or_default().push(clean);
    }
    values
}

/// Without the secrets of the instance, nothing can be taken out.
fn shown(text: &str, redactor: Option<&Redactor>) -> String {
    redactor.map_or_else(|| MASK.to_owned(), |redactor| redactor.text(text))
}

fn text_of(value: &HeaderBytes) -> String {
    match value {
        HeaderBytes::Text(text) => text.clone(),
        HeaderBytes::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}
