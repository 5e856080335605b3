//! Requests that came to an endpoint of several flows and found none (W3).

use sdk::host::LogLevel;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use serde_json::Value;

use super::Engine;
use crate::record::{Execution, LogRecord, ResultType, Status};
use crate::store::{Accept, Commit, Point, StoreResult, Write};

/// A request that found no flow.
#[derive(Debug)]
pub struct Unrouted {
    /// The id of the execution that is recorded of it.
    pub id: ExecutionId,
    /// The instance, or what stands for none.
    pub instance: InstanceId,
    /// The flow that could not route it.
    pub flow: FlowKey,
    /// Why it found none, for the log and the management API.
    pub error: String,
    /// What a routing flow logged.
    pub begun: Option<Write>,
}

impl Engine {
    /// Records a request that found no flow: a failed execution that never ran, with its log and without its payload, which anybody may
    /// have sent (W3, W32).
    ///
    /// # Errors
    ///
    /// The store did not take it.
    pub async fn record_unrouted(&self, unrouted: Unrouted) -> StoreResult<()> {
        let now = self.ports.clock.now();
        let mut lines = match unrouted.begun {
            Some(Write::Log(lines)) => lines,
            _ => Vec::new(),
        };
        let line = LogRecord {
            execution: unrouted.id.clone(),
            number: u32::try_from(lines.len()).unwrap_or(u32::MAX),
            at: now,
            level: LogLevel::Error,
            step: None,
            text: unrouted.error.clone(),
            fields: Value::Null,
        };
        lines.push(line);
        let execution = Execution {
            status: Status::Error,
            result: Some(ResultType::Error),
            position: self.take_position(),
            ended_at: Some(now),
            error: Some(unrouted.error),
            ..Execution::queued(unrouted.id, unrouted.instance, unrouted.flow, now)
        };
        let accept = Accept {
            execution,
            payload: None,
            answer: None,
            claims: Vec::new(),
        };
        let writes = vec![Write::Accept(Box::new(accept)), Write::Log(lines.clone())];
        self.ports
            .store
            .commit(Commit::new(Point::Accept, writes))
            .await?;
        self.ports.show(&lines);
        Ok(())
    }
}
