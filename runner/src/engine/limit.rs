//! The limits of an instance: how many of its executions run at once (E50), and how many wait (W33).

use std::sync::Arc;

use sdk::id::InstanceId;

use super::{AcceptError, Accepted, Engine, Job};
use crate::store::DedupeClaim;

impl Engine {
    /// Keeps an instance to the limit that it was deployed with last, from now on: what it lets start is started, what runs goes on. The
    /// limit of an instance that is gone is forgotten.
    pub fn keep_limit(self: &Arc<Self>, instance: &InstanceId) {
        let found = self.instances.get(instance);
        let own = found.and_then(|found| found.facts.concurrency);
        let started = self.lanes.limit(instance, own);
        self.start_all(started);
    }

    /// Returns the limit of an instance of which so many executions run: nobody can wait for one more.
    pub fn full_at(&self, instance: &InstanceId) -> Option<usize> {
        self.lanes.full_at(instance)
    }

    /// Returns how many instances are at their limit.
    pub fn at_limit(&self) -> usize {
        self.lanes.at_limit()
    }

    /// Says whether one more of an instance may wait (W33). Half of the backlog is for whoever comes first; of the other half each
    /// instance has a share that no flood of another can take.
    pub(super) fn has_room_to_wait(&self, instance: &InstanceId) -> bool {
        let backlog = self.ports.settings.backlog;
        let waiting = self.lanes.waiting();
        let first_half = backlog / 2;
        if waiting < first_half || waiting >= backlog {
            return waiting < backlog;
        }
        match self.instances.count().saturating_sub(1) {
            0 => true,
            others => {
                let share = ((backlog - first_half) / others).max(1);
                self.lanes.waiting_of(instance) < share
            }
        }
    }

    /// Takes a place of its instance for an execution that starts at once, if it needs one.
    pub(super) fn enter_instance(&self, job: &Job) -> Result<(), usize> {
        if job.takes_place() {
            self.lanes.enter_instance(&job.execution.instance)
        } else {
            Ok(())
        }
    }

    /// Gives the place back that an execution took by [`enter_instance`](Self::enter_instance); returns what may start now.
    pub(super) fn leave_instance(&self, job: &Job) -> Vec<Job> {
        if job.takes_place() {
            self.lanes.leave_instance(&job.execution.instance)
        } else {
            Vec::new()
        }
    }

    /// Refuses an invocation for which there is no place, unless it came before: then nothing would run for it either.
    pub(super) async fn refuse_at_limit(
        &self,
        job: &Job,
        claims: &[DedupeClaim],
        limit: usize,
    ) -> Result<Accepted, AcceptError> {
        let now = self.ports.clock.now();
        for claim in claims {
            let first = self.ports.store.claimant(&claim.value, now).await;
            if let Some(first) = first.map_err(AcceptError::Store)? {
                self.record_duplicate(job, &first).await;
                return Ok(Accepted::Duplicate(first));
            }
        }
        Err(AcceptError::Concurrency(limit))
    }
}
