//! What came of a deploy or a removal.

use schemars::JsonSchema;
use serde::Serialize;

use super::instance_view::InstanceDetail;
use super::words;
use crate::deploy::LifecycleEnd;
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
    /// The execution in which it ran.
    execution_id: String,
    /// How it ended.
    #[schemars(schema_with = "words::result")]
    result: ResultType,
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
        }
    }
}
