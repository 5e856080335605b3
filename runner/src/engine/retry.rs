//! What follows an execution: its retry (E21, E22), or the slices of a page (E6).

use std::sync::Arc;

use sdk::Timestamp;
use sdk::id::ExecutionId;
use serde_json::Value;

use super::drive::{FollowUp, Verdict};
use super::{Engine, Job, lock};
use crate::record::{
    Execution, Function, InvokedBy, ResultType, Status, StoredPayload, TriggerEnd,
};
use crate::store::{Accept, Finish, Write};

impl FollowUp {
    /// Returns the writes that record what follows, for the commit that records the end.
    pub(super) fn writes(&self) -> impl Iterator<Item = Write> {
        let accept = |job: &Job| {
            let execution = job.execution.clone();
            Write::Accept(Box::new(Accept {
                execution,
                payload: job.payload.clone(),
                answer: None,
                claims: Vec::new(),
            }))
        };
        self.retry.iter().chain(&self.slices).map(accept)
    }
}

impl Engine {
    /// Works out what follows an end.
    pub(super) fn follow_up(&self, job: &Job, verdict: &Verdict, now: Timestamp) -> FollowUp {
        let slices = match &verdict.page {
            Some(page) => self.slices(job, page, now),
            None => Vec::new(),
        };
        FollowUp {
            retry: self.retry_of(job, verdict, now),
            slices,
        }
    }

    fn retry_of(&self, job: &Job, verdict: &Verdict, now: Timestamp) -> Option<Job> {
        let retryable = job.execution.function == Function::OnExecution
            && !job.execution.synchronous
            && matches!(verdict.result, ResultType::Error | ResultType::TimedOut);
        let error = verdict.error.as_ref().filter(|_| retryable)?;
        let wait = job
            .flow
            .options
            .retry
            .wait_after(job.execution.attempt, error)?;
        let before = &job.execution;
        let execution = Execution {
            id: self.ports.entropy.execution_id(now),
            invoked_by: InvokedBy::Retry,
            status: Status::Pending,
            accepted_at: now,
            run_at: Some(now + wait),
            started_at: None,
            attempt: before.attempt + 1,
            starts: 0,
            first: Some(before.first_of_chain().clone()),
            parent: before.parent.clone(),
            ..before.clone()
        };
        let payload = job.payload.clone();
        Some(Job {
            execution,
            payload,
            counted: false,
            resumed: true,
            ..job.clone()
        })
    }

    fn slices(&self, job: &Job, page: &sdk::response::Page, now: Timestamp) -> Vec<Job> {
        let size = job.flow.options.batch_size.max(1);
        let mut slices: Vec<Job> = page
            .items
            .chunks(size)
            .map(|items| {
                let body = match items {
                    [only] if size == 1 => only.clone(),
                    several => Value::Array(several.to_vec()),
                };
                let payload = StoredPayload {
                    trigger_body: Some(body.to_string()),
                    triggered: Some(TriggerEnd::PassedOn),
                    ..payload_for_slice(job)
                };
                self.slice(job, payload, now)
            })
            .collect();
        if let Some(cursor) = &page.cursor {
            let payload = StoredPayload {
                cursor: Some(cursor.clone()),
                triggered: None,
                ..payload_for_slice(job)
            };
            slices.push(self.slice(job, payload, now));
        }
        slices
    }

    fn slice(&self, job: &Job, payload: StoredPayload, now: Timestamp) -> Job {
        let id = self.ports.entropy.execution_id(now);
        let execution = Execution {
            id: id.clone(),
            status: Status::Queued,
            position: self.take_position(),
            accepted_at: now,
            run_at: None,
            started_at: None,
            attempt: 1,
            starts: 0,
            journal: id,
            first: None,
            parent: Some(job.execution.id.clone()),
            ..job.execution.clone()
        };
        Job {
            execution,
            payload: Some(Arc::new(payload)),
            counted: false,
            resumed: false,
            ..job.clone()
        }
    }

    /// Takes up an execution that another one has brought with it.
    pub(super) fn take_up_new(self: &Arc<Self>, job: Job) {
        let Some(lane) = job.lane() else {
            return self.start(job);
        };
        let entry = self
            .lanes
            .enter(&lane, &job.queue(), job.execution.position);
        self.take_up(job, Some(lane), entry);
    }

    /// Keeps an execution until its time comes.
    pub(super) fn wait_for_time(self: &Arc<Self>, job: Job) {
        let id = job.execution.id.clone();
        let at = job.execution.run_at.unwrap_or_default();
        let engine = Arc::clone(self);
        let waiting = id.clone();
        // The lock is held until the entry stands, so that the task cannot look for it before.
        let mut pending = lock(&self.pending);
        let handle = self.ports.spawn.engine(Box::pin(async move {
            engine.ports.clock.sleep_until(at).await;
            let due = lock(&engine.pending).remove(&waiting);
            if let Some((job, _)) = due {
                engine.start_due(job);
            }
        }));
        pending.insert(id, (job, handle));
    }

    fn start_due(self: &Arc<Self>, job: Job) {
        let Some(lane) = job.lane() else {
            return self.start(job);
        };
        let (queue, position) = (job.queue(), job.execution.position);
        let started = self.lanes.reenter(&lane, &queue, position, job);
        self.start_all(started);
    }

    /// Cancels the waiting retries that an execution with the same unique id makes needless (E22).
    pub(super) fn cancel_waiting_retries(self: &Arc<Self>, newer: &Job) -> Vec<Write> {
        let Some(unique_id) = &newer.execution.unique_id else {
            return Vec::new();
        };
        let same = |execution: &Execution| {
            execution.instance == newer.execution.instance
                && execution.flow == newer.execution.flow
                && execution.unique_id.as_ref() == Some(unique_id)
        };
        let mut pending = lock(&self.pending);
        let ids: Vec<ExecutionId> = pending
            .iter()
            .filter(|(_, (job, _))| same(&job.execution))
            .map(|(id, _)| id.clone())
            .collect();
        let gone: Vec<Job> = ids
            .iter()
            .filter_map(|id| pending.remove(id))
            .map(|(job, handle)| {
                handle.abort();
                job
            })
            .collect();
        drop(pending);
        let now = self.ports.clock.now();
        gone.into_iter()
            .map(|job| {
                self.release_lane(&job);
                Write::Finish(Box::new(Finish {
                    id: job.execution.id,
                    status: Status::Success,
                    result: ResultType::CanceledAsDuplicate,
                    at: now,
                    error: None,
                    output: None,
                    dead_letter: false,
                }))
            })
            .collect()
    }

    /// Lets those go on that wait behind an execution that will not run.
    pub(super) fn release_lane(self: &Arc<Self>, job: &Job) {
        if let Some(lane) = job.lane() {
            let started = self.lanes.release(&lane);
            self.start_all(started);
        }
    }

    /// Records that a delivery came again (E25).
    pub(super) async fn record_duplicate(&self, job: &Job, first: &ExecutionId) {
        let now = self.ports.clock.now();
        let execution = Execution {
            position: self.take_position(),
            status: Status::Success,
            result: Some(ResultType::CanceledAsDuplicate),
            first: Some(first.clone()),
            started_at: None,
            ended_at: Some(now),
            starts: 0,
            ..job.execution.clone()
        };
        let accept = Accept {
            execution,
            payload: None,
            answer: None,
            claims: Vec::new(),
        };
        // Only a note: the answer does not depend on it.
        let _ = self
            .ports
            .store
            .commit(crate::store::Commit::new(
                "duplicate",
                vec![Write::Accept(Box::new(accept))],
            ))
            .await;
    }
}

impl Execution {
    /// Returns the first attempt.
    pub fn first_of_chain(&self) -> &ExecutionId {
        match (&self.first, self.invoked_by) {
            (Some(first), InvokedBy::Retry) => first,
            _ => &self.id,
        }
    }
}

fn payload_for_slice(job: &Job) -> StoredPayload {
    let whole = job.payload.as_deref().cloned();
    let mut payload = whole.unwrap_or_else(|| StoredPayload::of(&sdk::Payload::empty(), None));
    payload.trigger_state.clear();
    payload.cursor = None;
    payload
}
