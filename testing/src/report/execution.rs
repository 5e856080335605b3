//! Executions, as reports show them.

use runner::record::{
    Execution, Function, InvokedBy, LogRecord, ResultType, Status, StepRecord, StoredOutput,
};
use sdk::Timestamp;
use sdk::host::LogLevel;
use sdk::id::ExecutionId;
use serde::Serialize;
use serde_json::Value;

use crate::body::body_value;
use crate::witness::{StateReport, Told, Witness};

/// One execution, with everything that is recorded of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExecutionReport {
    /// Its id.
    pub id: ExecutionId,
    /// The flow.
    pub flow: String,
    /// Which function of the flow, if it is one of its lifecycle.
    #[serde(skip_serializing_if = "is_flow")]
    pub function: Function,
    /// What caused it.
    pub invoked_by: InvokedBy,
    /// The execution that called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_by: Option<ExecutionId>,
    /// The first attempt, if it is a retry or a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<ExecutionId>,
    /// The newer execution with the same unique id that it gave way to, instead of running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canceled_by: Option<ExecutionId>,
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
    /// When it was started, if that was later than its acceptance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended, if that was later than its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it gave back.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// The steps that it ran itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepReport>,
    /// What it changed in the state, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<StateReport>,
    /// Its log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogReport>,
    #[serde(skip)]
    pub(crate) told: Told,
}

/// A step that has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// How many of this name came before it, inside the same step.
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
    /// The step in which it was written, if it was in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What it says.
    pub text: String,
    /// Values beside the text.
    #[serde(skip_serializing_if = "is_empty")]
    pub fields: Value,
}

/// What is recorded of an execution.
pub(crate) struct Recorded {
    pub(crate) execution: Execution,
    pub(crate) output: Option<StoredOutput>,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) log: Vec<LogRecord>,
}

impl ExecutionReport {
    /// Puts a report together from what is recorded, without any secret.
    pub(crate) fn of(recorded: Recorded, witness: &Witness) -> Self {
        let Recorded {
            execution,
            output,
            steps,
            log,
        } = recorded;
        let own = steps.iter().filter(|step| step.execution == execution.id);
        let own = own.map(|step| StepReport::of(step, witness)).collect();
        let started_at = execution.started_at.unwrap_or(execution.accepted_at);
        let output = output.map_or(Value::Null, |output| output_value(&output));
        Self {
            flow: execution.flow.to_string(),
            function: execution.function,
            invoked_by: execution.invoked_by,
            called_by: execution.parent,
            canceled_by: execution.canceled_by,
            repeats: execution.first,
            attempt: execution.attempt,
            status: execution.status,
            result: execution.result,
            accepted_at: execution.accepted_at,
            run_at: execution
                .run_at
                .filter(|_| execution.status == Status::Pending),
            started_at: Some(started_at).filter(|at| *at != execution.accepted_at),
            ended_at: execution.ended_at.filter(|at| *at != started_at),
            error: execution.error.map(|error| witness.text(&error)),
            output: witness.value(output),
            steps: own,
            state: witness
                .changes_of(&execution.id)
                .into_iter()
                .map(|change| change.redacted(witness))
                .collect(),
            log: log.iter().map(LogReport::of).collect(),
            told: witness.told().clone(),
            id: execution.id,
        }
    }

    /// Demands that the execution has ended well.
    ///
    /// # Panics
    ///
    /// It has failed, or it has not ended; the execution is shown.
    #[track_caller]
    pub fn assert_completed(&self) -> &Self {
        self.check(|it| it.completed())
    }

    /// Demands that the execution has failed with an error that holds this text.
    ///
    /// # Panics
    ///
    /// It has not, or with another text; the execution is shown.
    #[track_caller]
    pub fn assert_failed(&self, text: &str) -> &Self {
        self.check(|it| it.failed(text))
    }

    /// Returns the result of a step; of the last one if there are several of the name.
    ///
    /// # Panics
    ///
    /// The execution ran no such step to a result; the execution is shown.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
    pub fn step(&self, name: &str) -> &Value {
        let found = self.steps.iter().rev().find(|step| step.name == name);
        match found.and_then(|step| step.result.as_ref()) {
            Some(result) => result,
            None => {
                self.told.tell();
                panic!("no result of a step `{name}`:\n{self}")
            }
        }
    }

    /// Returns the result as `T`.
    ///
    /// # Panics
    ///
    /// The result does not fit; the execution is shown.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
    pub fn output<T: serde::de::DeserializeOwned>(&self) -> T {
        match serde_json::from_value(self.output.clone()) {
            Ok(output) => output,
            Err(fault) => {
                self.told.tell();
                panic!("the result does not fit: {fault}\n{self}")
            }
        }
    }
}

impl StepReport {
    fn of(step: &StepRecord, witness: &Witness) -> Self {
        Self {
            name: step.step.own_name(),
            count: step.step.count,
            result: step.end.clone().ok().map(|value| witness.value(value)),
            error: step
                .end
                .as_ref()
                .err()
                .map(|error| witness.text(error.as_str())),
        }
    }
}

impl LogReport {
    fn of(line: &LogRecord) -> Self {
        Self {
            level: line.level,
            step: line.step.clone(),
            text: line.text.clone(),
            fields: line.fields.clone(),
        }
    }
}

fn output_value(output: &StoredOutput) -> Value {
    let mut headers = http::HeaderMap::new();
    if let Ok(content_type) = output.content_type.parse() {
        headers.insert(http::header::CONTENT_TYPE, content_type);
    }
    body_value(&headers, &output.data)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_flow(function: &Function) -> bool {
    *function == Function::OnExecution
}

fn is_empty(fields: &Value) -> bool {
    fields.as_object().is_none_or(serde_json::Map::is_empty)
}
