//! Retries that wait for their time, and those that a newer execution would make needless until they start (E21, E22).

use std::collections::HashMap;

use sdk::id::{ExecutionId, FlowKey, InstanceId};
use tokio::task::AbortHandle;

use super::Job;
use crate::lane::{LaneId, Standing};
use crate::record::InvokedBy;

/// Retries that wait.
#[derive(Default)]
pub(super) struct Pending {
    /// Those that wait for their time.
    jobs: HashMap<ExecutionId, (Job, AbortHandle)>,
    /// Those that give way to a newer execution, whether they wait for their time or, after that, for their turn in a lane.
    giving_way: HashMap<UniqueId, Vec<Waiting>>,
}

/// What executions are about, of which only the newest need be tried again: an instance, a flow, a value.
type UniqueId = (InstanceId, FlowKey, String);

/// Where a retry is found that gives way to a newer execution.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) id: ExecutionId,
    pub(super) lane: LaneId,
    pub(super) standing: Standing,
}

impl Pending {
    /// Keeps a retry until its time comes.
    pub(super) fn insert(&mut self, job: Job, handle: AbortHandle) {
        let id = job.execution.id.clone();
        if let (Some(unique), Some(lane)) = (unique_of_retry(&job), job.lane()) {
            let waiting = self.giving_way.entry(unique).or_default();
            if waiting.iter().all(|other| other.id != id) {
                waiting.push(Waiting {
                    id: id.clone(),
                    lane,
                    standing: job.standing(),
                });
            }
        }
        self.jobs.insert(id, (job, handle));
    }

    /// Takes out a retry whose time has come; it still gives way to a newer execution until it [starts](Self::forget).
    pub(super) fn take_due(&mut self, id: &ExecutionId) -> Option<Job> {
        self.jobs.remove(id).map(|(job, _)| job)
    }

    /// Takes out a retry before its time.
    pub(super) fn take(&mut self, id: &ExecutionId) -> Option<Job> {
        let (job, handle) = self.jobs.remove(id)?;
        handle.abort();
        self.forget(&job);
        Some(job)
    }

    /// Forgets where a retry waits: it starts, or will never run.
    pub(super) fn forget(&mut self, job: &Job) {
        let Some(unique) = unique_of_retry(job) else {
            return;
        };
        if let Some(waiting) = self.giving_way.get_mut(&unique) {
            waiting.retain(|other| other.id != job.execution.id);
            if waiting.is_empty() {
                self.giving_way.remove(&unique);
            }
        }
    }

    /// Returns the retries that an execution makes needless, the oldest first.
    pub(super) fn giving_way_to(&self, newer: &Job) -> Vec<Waiting> {
        let position = newer.execution.position;
        // Whatever waits now came before one that has no position yet.
        let arrives = position == 0;
        let waiting = unique_of(newer).and_then(|unique| self.giving_way.get(&unique));
        let waiting = waiting.into_iter().flatten();
        let older = waiting.filter(|it| arrives || it.standing.position < position);
        let mut older: Vec<Waiting> = older.cloned().collect();
        older.sort_by_key(|it| it.standing.position);
        older
    }

    /// Returns what waits for its time.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|(job, _)| job)
    }

    /// Takes out those for which a deploy or a removal waits.
    pub(super) fn take_awaited(&mut self) -> Vec<ExecutionId> {
        let awaited = self
            .jobs
            .extract_if(|_, (job, _)| job.tried_until.is_some());
        let abort = |(id, (_, handle)): (ExecutionId, (Job, AbortHandle))| {
            handle.abort();
            id
        };
        awaited.map(abort).collect()
    }

    /// Lets nothing come due any more.
    pub(super) fn abort_all(&mut self) {
        for (_, (_, handle)) in self.jobs.drain() {
            handle.abort();
        }
    }
}

fn unique_of(job: &Job) -> Option<UniqueId> {
    let execution = &job.execution;
    let value = execution.unique_id.clone()?;
    Some((execution.instance.clone(), execution.flow.clone(), value))
}

fn unique_of_retry(job: &Job) -> Option<UniqueId> {
    unique_of(job).filter(|_| job.gives_way())
}

impl Job {
    /// Says whether it gives way to a newer execution for as long as it waits. A deploy or a removal that waits for it knows of no other.
    pub(super) fn gives_way(&self) -> bool {
        let execution = &self.execution;
        execution.invoked_by == InvokedBy::Retry
            && execution.unique_id.is_some()
            && self.tried_until.is_none()
    }
}
