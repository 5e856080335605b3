//! The schemas of words and moments that are written by rooms below.

use schemars::{Schema, SchemaGenerator, json_schema};
use sdk::host::LogLevel;
use sdk::options::{Respond, Security};
use serde::Serialize;
use serde_json::Value;

use crate::engine::ReplayFrom;
use crate::record::{Function, InvokedBy, ResultType, Status};

fn words<W: Serialize>(all: &[W]) -> Schema {
    let words: Vec<Value> = all
        .iter()
        .filter_map(|word| serde_json::to_value(word).ok())
        .collect();
    json_schema!({"type": "string", "enum": words})
}

/// As [`words`], where there may be none.
fn or_null(schema: &Schema) -> Schema {
    json_schema!({"anyOf": [schema, {"type": "null"}]})
}

pub(super) fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

pub(super) fn moment_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "format": "date-time"})
}

pub(super) fn status(_: &mut SchemaGenerator) -> Schema {
    use Status::{Error, Pending, Queued, Running, Success};
    words(&[Pending, Queued, Running, Success, Error])
}

pub(super) fn status_or_null(generator: &mut SchemaGenerator) -> Schema {
    or_null(&status(generator))
}

pub(super) const RESULTS: [ResultType; 7] = [
    ResultType::Completed,
    ResultType::Error,
    ResultType::PolledNoChanges,
    ResultType::CanceledAsDuplicate,
    ResultType::Canceled,
    ResultType::TimedOut,
    ResultType::Skipped,
];

pub(super) fn result(_: &mut SchemaGenerator) -> Schema {
    words(&RESULTS)
}

pub(super) fn result_or_null(generator: &mut SchemaGenerator) -> Schema {
    or_null(&result(generator))
}

pub(super) fn invoked_by(_: &mut SchemaGenerator) -> Schema {
    words(&[
        InvokedBy::Webhook,
        InvokedBy::Scheduled,
        InvokedBy::DeployFlow,
        InvokedBy::TearDownFlow,
        InvokedBy::CrossFlow,
        InvokedBy::Retry,
        InvokedBy::Replay,
        InvokedBy::Test,
    ])
}

pub(super) fn function(_: &mut SchemaGenerator) -> Schema {
    words(&[
        Function::OnExecution,
        Function::OnInstanceDeploy,
        Function::OnInstanceRemove,
        Function::OnFirstDeploy,
    ])
}

pub(super) fn level(_: &mut SchemaGenerator) -> Schema {
    use LogLevel::{Debug, Error, Info, Trace, Warn};
    words(&[Trace, Debug, Info, Warn, Error])
}

pub(super) fn level_or_null(generator: &mut SchemaGenerator) -> Schema {
    or_null(&level(generator))
}

pub(super) fn security(_: &mut SchemaGenerator) -> Schema {
    words(&[
        Security::Unsecured,
        Security::CustomerOptional,
        Security::CustomerRequired,
        Security::Organization,
    ])
}

pub(super) fn respond(_: &mut SchemaGenerator) -> Schema {
    words(&[Respond::Accepted, Respond::WithResult, Respond::Directly])
}

pub(super) fn replay_from(_: &mut SchemaGenerator) -> Schema {
    let default = match ReplayFrom::default() {
        ReplayFrom::Start => "start",
        ReplayFrom::FailedStep => "failed_step",
    };
    json_schema!({"type": "string", "enum": ["start", "failed_step"], "default": default})
}
