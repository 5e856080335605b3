//! What the runs of one schedule do to one another (E15).

use std::sync::Arc;

use sdk::id::{ExecutionId, FlowKey, InstanceId};

use super::{AcceptError, Accepted, Engine, Invocation, Job, lock};
use crate::lane::LaneId;
use crate::record::{Execution, ResultType, Status};
use crate::store::{Accept, Commit, Committed, Point, Write};

impl Engine {
    /// Says whether a flow of an instance has an execution that runs, waits for its turn, or waits for its retry. Synchronous ones do
    /// not count.
    pub fn is_going(&self, instance: &InstanceId, flow: &FlowKey) -> bool {
        lanes_of(instance, flow).any(|lane| self.lanes.is_busy(&lane))
            || !self.waiting_retries(instance, flow).is_empty()
    }

    /// Returns the executions of a flow of an instance that run, wait for their turn, or wait for their retry.
    pub fn going(&self, instance: &InstanceId, flow: &FlowKey) -> Vec<ExecutionId> {
        let mut ids = self.waiting_retries(instance, flow);
        if !lanes_of(instance, flow).any(|lane| self.lanes.is_busy(&lane)) {
            return ids;
        }
        let id = |job: &Job| job.execution.id.clone();
        ids.extend(lanes_of(instance, flow).flat_map(|lane| self.lanes.waiting_in(&lane, id)));
        let running = lock(&self.running);
        let of_flow = running
            .iter()
            .filter(|(_, running)| running.instance == *instance && running.flow == *flow);
        ids.extend(of_flow.map(|(id, _)| id.clone()));
        ids
    }

    /// Records that a tick was passed over because the run before it was still going: an execution that never ran, `SKIPPED`. The tick
    /// is claimed with it.
    ///
    /// # Errors
    ///
    /// The runner is stopping, or the store did not take it.
    pub async fn record_skipped(
        self: &Arc<Self>,
        invocation: Invocation,
    ) -> Result<Accepted, AcceptError> {
        if self.is_stopping() {
            return Err(AcceptError::Stopping);
        }
        let tick = invocation.tick.clone();
        let (job, _) = self.job(invocation);
        let id = job.execution.id.clone();
        let execution = Execution {
            position: self.take_position(),
            status: Status::Success,
            result: Some(ResultType::Skipped),
            ended_at: Some(job.execution.accepted_at),
            ..job.execution
        };
        let accept = Accept {
            execution,
            payload: None,
            answer: None,
            claims: Vec::new(),
        };
        let mut writes: Vec<Write> = tick.map(Write::Tick).into_iter().collect();
        writes.push(Write::Accept(Box::new(accept)));
        let committed = self
            .ports
            .store
            .commit(Commit::new(Point::Skip, writes))
            .await;
        match committed.map_err(AcceptError::Store)? {
            Committed::Done => Ok(Accepted::New { id, outcome: None }),
            Committed::Duplicate(first) => Ok(Accepted::Duplicate(first)),
            _ => Ok(Accepted::TickTaken),
        }
    }

    fn waiting_retries(&self, instance: &InstanceId, flow: &FlowKey) -> Vec<ExecutionId> {
        let pending = lock(&self.pending);
        let executions = pending.jobs().map(|job| &job.execution);
        let of_flow = executions.filter(|it| it.instance == *instance && it.flow == *flow);
        of_flow.map(|execution| execution.id.clone()).collect()
    }
}

/// Returns the lanes in which runs of a schedule can be: a schedule has no order but that of its own ticks.
fn lanes_of(instance: &InstanceId, flow: &FlowKey) -> impl Iterator<Item = LaneId> {
    [None, Some(String::new())]
        .map(|key| LaneId {
            instance: instance.clone(),
            flow: flow.clone(),
            key,
        })
        .into_iter()
}
