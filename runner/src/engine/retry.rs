//! What follows an execution: its retry (E21, E22), or the slices of a page (E6).

use std::sync::Arc;
use std::time::Duration;

use sdk::id::ExecutionId;
use sdk::retry::Retry;
use sdk::{Body, Timestamp};
use serde_json::Value;

use super::conclude::{FollowUp, Verdict};
use super::{Engine, Invocation, Job, lock, order_key, unique_id};
use crate::lane::{Entry, LaneId};
use crate::record::{
    Execution, Function, InvokedBy, ResultType, Status, StoredBody, StoredPayload, TriggerEnd,
};
use crate::store::{Accept, Write};

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
        let slices = self.slices.iter().map(|(slice, _)| slice);
        let retries = self.retry.iter().chain(&self.needless_retry);
        retries.chain(slices).map(accept)
    }
}

impl Engine {
    /// Works out what follows an end. A retry that would give way to a newer execution at once is only recorded (E22).
    pub(super) fn follow_up(
        &self,
        job: &Job,
        verdict: &Verdict,
        newer: Option<&ExecutionId>,
        now: Timestamp,
    ) -> FollowUp {
        let slices = match &verdict.page {
            Some(page) => {
                let cause = verdict.cause.unwrap_or(job.execution.invoked_by);
                self.slices(job, page, (cause, now))
            }
            None => Vec::new(),
        };
        // What arrives from now on comes behind them, though they are not on disk yet (G5).
        let place = |mut slice: Job| {
            let place = self.place_for(&mut slice);
            (slice, place)
        };
        let slices = slices.into_iter().map(place).collect();
        let retry = self.retry_of(job, verdict, now);
        let (needless_retry, retry) = match newer {
            Some(newer) => (retry.map(|retry| retry.given_way(newer, now)), None),
            None => (None, retry),
        };
        FollowUp {
            retry,
            needless_retry,
            slices,
        }
    }

    fn retry_of(&self, job: &Job, verdict: &Verdict, now: Timestamp) -> Option<Job> {
        let wait = job.wait_after(verdict)?;
        // Whoever waits for a deploy or a removal does not wait for ever, however late an error asks for.
        if job.tried_until.is_some_and(|until| now + wait > until) {
            return None;
        }
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

    /// Returns what caused the first attempt of a retry; `None` if it is none, or the first attempt is not kept any more.
    pub(super) async fn cause_of(&self, job: &Job) -> Option<InvokedBy> {
        let execution = &job.execution;
        let first = execution.first.as_ref();
        let first = first.filter(|_| execution.invoked_by == InvokedBy::Retry)?;
        let found = self.ports.store.execution(first).await;
        found.ok().flatten().map(|first| first.invoked_by)
    }

    fn slices(
        &self,
        job: &Job,
        page: &sdk::response::Page,
        born: (InvokedBy, Timestamp),
    ) -> Vec<Job> {
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
                    body: Some(StoredBody::Json(body.to_string())),
                    triggered: Some(TriggerEnd::PassedOn),
                    ..payload_for_slice(job)
                };
                self.slice(job, payload, &Body::Json(body), born)
            })
            .collect();
        if let Some(cursor) = &page.cursor {
            // The trigger is given what it was given for the first page, and the cursor.
            let payload = StoredPayload {
                cursor: Some(cursor.clone()),
                ..payload_for_slice(job)
            };
            slices.push(self.slice(job, payload, &Body::Empty, born));
        }
        slices
    }

    /// Makes the execution of a slice, or of the next page. It is one of its own: it keeps its own order, and nobody waits for it.
    fn slice(
        &self,
        job: &Job,
        payload: StoredPayload,
        body: &Body,
        (cause, now): (InvokedBy, Timestamp),
    ) -> Job {
        let id = self.ports.entropy.execution_id(now);
        let options = &job.flow.options;
        let in_turn = || job.execution.order_key.clone();
        let execution = Execution {
            id: id.clone(),
            invoked_by: cause,
            synchronous: false,
            status: Status::Queued,
            order_key: order_key(options, body).or_else(in_turn),
            unique_id: unique_id(options, body),
            // It gets its own with its place.
            position: 0,
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
            tried_until: None,
            ..job.clone()
        }
    }

    /// Takes a place behind those that came before, for an execution that nobody waits for and that is not on disk yet. None for one
    /// that is left to the next start of the process.
    pub(super) fn place_for(&self, job: &mut Job) -> Option<(LaneId, Entry)> {
        let lane = job.lane().filter(|_| !self.is_stopping());
        let Some(lane) = lane else {
            job.execution.position = self.take_position();
            return None;
        };
        let (position, entry) = self.arrive(&lane, job);
        job.execution.position = position;
        if entry == Entry::Start {
            job.count_start(self.ports.clock.now());
        }
        Some((lane, entry))
    }

    /// Gives up the places of what follows an end that was not recorded.
    pub(super) fn give_up_follow_up(self: &Arc<Self>, follow_up: FollowUp) {
        for (slice, place) in follow_up.slices {
            if let Some((lane, entry)) = place {
                self.give_up_place(&slice, Some(&lane), entry);
            }
        }
    }

    /// Takes up an execution that is on disk and has no place yet.
    pub(super) fn take_up_new(self: &Arc<Self>, job: Job) {
        let Some(lane) = job.lane() else {
            return self.start(job);
        };
        let entry = self.lanes.enter(&lane, &job.queue(), job.standing());
        self.take_up(job, Some(lane), entry);
    }

    /// Keeps an execution until its time comes.
    pub(super) fn wait_for_time(self: &Arc<Self>, job: Job) {
        let id = job.execution.id.clone();
        let at = job.execution.run_at.unwrap_or_default();
        let engine = Arc::clone(self);
        // The lock is held until the entry stands, so that the task cannot look for it before.
        let mut pending = lock(&self.pending);
        if job.tried_until.is_some() && self.is_stopping() {
            // Whoever waits is told at once that it will not come to that; it is found at the next start.
            return self.forget_waiters(&id);
        }
        let handle = self.ports.spawn.engine(Box::pin(async move {
            engine.ports.clock.sleep_until(at).await;
            // And until it stands in its lane, so that a newer execution finds it in one place or the other.
            let mut pending = lock(&engine.pending);
            let due = pending.take_due(&id);
            let started = due.map(|job| engine.reenter(job));
            drop(pending);
            engine.start_all(started.unwrap_or_default());
        }));
        pending.insert(job, handle);
    }

    /// Starts an execution at its place, in front of what came later, and opens what it held.
    pub(super) fn start_due(self: &Arc<Self>, job: Job) {
        let started = self.reenter(job);
        self.start_all(started);
    }

    fn reenter(&self, job: Job) -> Vec<Job> {
        let Some(lane) = job.lane().filter(|_| !job.execution.synchronous) else {
            return vec![job];
        };
        let (queue, standing) = (job.queue(), job.standing());
        self.lanes.reenter(&lane, &queue, standing, job)
    }

    /// Records that a delivery came again which was found to have come before it was accepted (W34).
    pub async fn note_duplicate(&self, invocation: Invocation, first: &ExecutionId) {
        let (job, _) = self.job(invocation);
        self.record_duplicate(&job, first).await;
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
                crate::store::Point::Duplicate,
                vec![Write::Accept(Box::new(accept))],
            ))
            .await;
    }
}

impl Job {
    /// Returns how long it waits for its retry after this end; `None` if it is not tried again (E21).
    pub(super) fn wait_after(&self, verdict: &Verdict) -> Option<Duration> {
        let failed = matches!(verdict.result, ResultType::Error | ResultType::TimedOut);
        let error = verdict.error.as_ref().filter(|_| failed)?;
        self.retry()?.wait_after(self.execution.attempt, error)
    }

    /// Returns when a failure is tried again, if it ever is: nothing for which a caller waits, but what a deploy or a removal waits for.
    fn retry(&self) -> Option<&Retry> {
        let options = &self.flow.options;
        let waits = self.tried_until.is_some();
        match self.execution.function {
            Function::OnExecution if waits || !self.execution.synchronous => Some(&options.retry),
            Function::OnExecution => None,
            _ => Some(&options.lifecycle_retry).filter(|_| waits),
        }
    }
}

/// Returns what a page was made from: headers, query, raw body.
fn payload_for_slice(job: &Job) -> StoredPayload {
    let whole = job.payload.as_deref().cloned();
    let whole = whole.unwrap_or_else(|| StoredPayload::received(&sdk::Payload::empty(), None));
    StoredPayload {
        cursor: None,
        ..whole.before_trigger()
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
