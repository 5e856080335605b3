//! Requests that came to an endpoint of several flows and found none (W3).

use sdk::host::LogLevel;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use serde_json::Value;

use super::Engine;
use crate::record::{Execution, Function, InvokedBy, LogRecord, ResultType, Status};
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
        // Nobody listening is no fault.
        let _ = self.ports.tail.send(line.clone());
        lines.push(line);
        let execution = Execution {
            id: unrouted.id.clone(),
            instance: unrouted.instance,
            flow: unrouted.flow,
            function: Function::OnExecution,
            invoked_by: InvokedBy::Webhook,
            synchronous: false,
            status: Status::Error,
            result: Some(ResultType::Error),
            position: self.take_position(),
            order_key: None,
            accepted_at: now,
            run_at: None,
            started_at: None,
            ended_at: Some(now),
            attempt: 1,
            starts: 0,
            journal: unrouted.id,
            first: None,
            parent: None,
            unique_id: None,
            error: Some(unrouted.error),
            caller_error: None,
            dead_letter: false,
            canceled_by: None,
        };
        let accept = Accept {
            execution,
            payload: None,
            answer: None,
            claims: Vec::new(),
        };
        let writes = vec![Write::Accept(Box::new(accept)), Write::Log(lines)];
        self.ports
            .store
            .commit(Commit::new(Point::Accept, writes))
            .await
            .map(drop)
    }
}
