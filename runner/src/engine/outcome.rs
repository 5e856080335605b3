//! How an execution ended, for whoever waits for it.

use std::sync::Arc;

use sdk::id::ExecutionId;

use crate::record::{CallerError, ResultType, StoredOutput};

/// How an execution ended, for whoever waits for it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The execution.
    pub id: ExecutionId,
    /// How it ended.
    pub result: ResultType,
    /// What it gave back, if it ended well.
    pub output: Option<Arc<StoredOutput>>,
    /// Why it failed.
    pub error: Option<CallerError>,
    /// Whether the end is on disk; if not, the store did not take it yet.
    pub recorded: bool,
}
