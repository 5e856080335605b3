//! What came of a deploy or a removal.

use schemars::JsonSchema;
use sdk::Timestamp;
use serde::Serialize;

use super::instance_view::InstanceDetail;
use super::words;
use crate::deploy::{Attempt, LifecycleEnd};
use crate::record::{Function, ResultType};

/// An instance that was deployed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Deployed {
    #[serde(flatten)]
    pub(super) instance: InstanceDetail,
    /// How each lifecycle function ended, in the order in which they ran (E51).
    pub(super) functions: Vec<FunctionEnd>,
}

/// An instance that was removed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Removed {
    /// Its id.
    pub(super) id: String,
    /// When its state and secrets are erased; null if they are (E52).
    #[schemars(schema_with = "words::moment_or_null")]
    pub(super) erase_at: Option<Timestamp>,
    /// How each lifecycle function ended, in the order in which they ran (E52).
    pub(super) functions: Vec<FunctionEnd>,
}

/// How a lifecycle function ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FunctionEnd {
    /// The key of the flow.
    flow: String,
    /// Which of its functions.
    #[schemars(schema_with = "words::function")]
    function: Function,
    /// The execution in which it ran; that of its last attempt.
    execution_id: String,
    /// How it ended.
    #[schemars(schema_with = "words::result")]
    result: ResultType,
    /// Why it failed.
    error: Option<String>,
    /// Its attempts, the first one first (E51).
    attempts: Vec<AttemptView>,
}

/// One attempt of a lifecycle function: an execution of its own.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
struct AttemptView {
    /// Which one; 1 is the first.
    attempt: u32,
    /// The execution in which it ran.
    execution_id: String,
    /// How it ended; null if it has not.
    #[schemars(schema_with = "words::result_or_null")]
    result: Option<ResultType>,
    /// Why it failed.
    error: Option<String>,
}

impl From<&LifecycleEnd> for FunctionEnd {
    fn from(end: &LifecycleEnd) -> Self {
        Self {
            flow: end.flow.to_string(),
            function: end.function,
            execution_id: end.execution_id.to_string(),
            result: end.result,
            error: end.error.clone(),
            attempts: end.attempts.iter().map(AttemptView::from).collect(),
        }
    }
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        Self {
            attempt: attempt.number,
            execution_id: attempt.execution_id.to_string(),
            result: attempt.result,
            error: attempt.error.clone(),
        }
    }
}
