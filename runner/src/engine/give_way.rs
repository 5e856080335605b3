//! Retries give way to a newer execution with the same unique id (E22).
//!
//! Whichever comes first, the retry or the newer execution, the one that comes second finds the other: a newer execution looks for
//! waiting retries before its accept, to end them in the same commit, and once more behind it; a failed run looks for a newer execution
//! before it records its retry, and once more when the retry waits. So whatever happens in between, one of them sees the other. What a
//! crash leaves undone is done at the next start.

use std::sync::Arc;

use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::ExecutionId;

use super::conclude::Verdict;
use super::pending::{Pending, Waiting};
use super::{Engine, Job, lock};
use crate::record::{Execution, ResultType, Status};
use crate::store::{ExecutionFilter, Finish, Point, StoreResult, Write};

impl Engine {
    /// Takes out the waiting retries that an execution makes needless. Their lanes stay closed until it is on disk: then
    /// [`release_lanes`](Self::release_lanes), or else [`wait_on`](Self::wait_on).
    pub(super) fn take_waiting_retries(&self, newer: &Job) -> Vec<Job> {
        if newer.execution.unique_id.is_none() {
            return Vec::new();
        }
        let mut pending = lock(&self.pending);
        let giving_way = pending.giving_way_to(newer).into_iter();
        giving_way
            .filter_map(|waiting| self.take_retry(&mut pending, &waiting))
            .collect()
    }

    /// Takes a retry out of where it waits: for its time, or for its turn in a lane. One that starts at this moment is not waiting.
    fn take_retry(&self, pending: &mut Pending, waiting: &Waiting) -> Option<Job> {
        let early = pending.take(&waiting.id);
        early.or_else(|| {
            let due = self.lanes.take(&waiting.lane, waiting.standing)?;
            pending.forget(&due);
            Some(due)
        })
    }

    /// Returns the writes that end retries which give way to a newer execution.
    pub(super) fn give_way(&self, retries: &[Job], newer: &ExecutionId) -> Vec<Write> {
        let ids = retries.iter().map(|retry| &retry.execution.id);
        ids.map(|id| self.end_of_needless(id, newer)).collect()
    }

    fn end_of_needless(&self, retry: &ExecutionId, newer: &ExecutionId) -> Write {
        Write::Finish(Box::new(Finish {
            id: retry.clone(),
            status: Status::Success,
            result: ResultType::CanceledAsDuplicate,
            at: self.ports.clock.now(),
            error: None,
            caller_error: None,
            output: None,
            dead_letter: false,
            canceled_by: Some(newer.clone()),
        }))
    }

    /// Lets retries wait on that were taken out for nothing; another newer execution may have come meanwhile, and not have found them.
    pub(super) fn wait_on(self: &Arc<Self>, retries: Vec<Job>) {
        for job in retries {
            self.wait_for_retry(job);
        }
    }

    /// Lets those go on that wait behind executions that will not run.
    pub(super) fn release_lanes(self: &Arc<Self>, jobs: &[Job]) {
        for job in jobs {
            if let Some(lane) = job.lane() {
                let started = self.lanes.release(&lane, job.execution.position);
                self.start_all(started);
            }
        }
    }

    /// Ends the retries that began to wait while an execution with the same unique id was on its way to the disk.
    pub(super) fn end_late_retries(self: &Arc<Self>, newer: &Job) {
        let late = self.take_waiting_retries(newer);
        if !late.is_empty() {
            self.end_retries(late, newer.execution.id.clone());
        }
    }

    /// Lets a retry wait for its time, unless a newer execution came while it was on its way to the disk.
    pub(super) fn wait_for_retry(self: &Arc<Self>, retry: Job) {
        let (execution, standing) = (retry.execution.clone(), retry.standing());
        let lane = retry.lane().filter(|_| retry.gives_way());
        self.wait_for_time(retry);
        let Some(lane) = lane else { return };
        let engine = Arc::clone(self);
        self.ports.spawn.engine(Box::pin(async move {
            let ask = || Box::pin(engine.newer_than(&execution)) as BoxFuture<'_, _>;
            let newer = engine.persistently(ask).await;
            if let Ok(Some(newer)) = newer {
                let id = execution.id.clone();
                let waiting = Waiting { id, lane, standing };
                let retry = engine.take_retry(&mut lock(&engine.pending), &waiting);
                if let Some(retry) = retry {
                    engine.end_retries(vec![retry], newer);
                }
            }
        }));
    }

    /// Ends retries in a commit of their own. Their lanes stay closed until it is done; an engine that stops before does it at its next
    /// start.
    fn end_retries(self: &Arc<Self>, retries: Vec<Job>, newer: ExecutionId) {
        let engine = Arc::clone(self);
        self.ports.spawn.engine(Box::pin(async move {
            let writes = engine.give_way(&retries, &newer);
            let ended = engine.commit_persistently(Point::Cancel, &writes).await;
            if ended.is_some() {
                engine.release_lanes(&retries);
            }
        }));
    }

    /// Returns the newer execution to which the retry of a run gives way that has ended like this. If the store cannot tell now, it is
    /// asked again when the retry waits.
    pub(super) async fn newer_than_retry_of(
        &self,
        job: &Job,
        verdict: &Verdict,
    ) -> Option<ExecutionId> {
        job.wait_after(verdict)
            .filter(|_| job.tried_until.is_none())?;
        self.newer_than(&job.execution).await.unwrap_or_default()
    }

    /// Returns the latest execution with the same unique id that came behind one, whether it has ended or not.
    async fn newer_than(&self, execution: &Execution) -> StoreResult<Option<ExecutionId>> {
        let Some(unique_id) = &execution.unique_id else {
            return Ok(None);
        };
        let filter = ExecutionFilter {
            instance: Some(execution.instance.clone()),
            flow: Some(execution.flow.clone()),
            superseding: Some((unique_id.clone(), execution.position)),
            ..ExecutionFilter::default()
        };
        let found = self.ports.store.executions(&filter, None, 1).await?;
        Ok(found.into_iter().next().map(|newer| newer.id))
    }

    /// Ends the retries that a crash left waiting although they were to give way; returns the others.
    pub(super) async fn without_needless(
        &self,
        found: Vec<Execution>,
    ) -> StoreResult<Vec<Execution>> {
        let mut needed = Vec::with_capacity(found.len());
        for execution in found {
            let waits = execution.status == Status::Pending;
            let newer = if waits {
                self.newer_than(&execution).await?
            } else {
                None
            };
            match newer {
                Some(newer) => {
                    let end = self.end_of_needless(&execution.id, &newer);
                    self.commit_persistently(Point::Cancel, &[end]).await;
                }
                None => needed.push(execution),
            }
        }
        Ok(needed)
    }
}

impl Job {
    /// Makes a retry that ends before it waits.
    pub(super) fn given_way(mut self, newer: &ExecutionId, now: Timestamp) -> Self {
        let execution = &mut self.execution;
        execution.status = Status::Success;
        execution.result = Some(ResultType::CanceledAsDuplicate);
        execution.ended_at = Some(now);
        execution.canceled_by = Some(newer.clone());
        self
    }
}
