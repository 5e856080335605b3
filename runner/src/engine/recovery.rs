//! What a crash or a failing store left behind, and the stop of the engine (G1, G2, G8).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sdk::Error;
use sdk::id::ExecutionId;
use sdk::queue::{Poison, Queue};

use super::conclude::Verdict;
use super::drive::STORE_PAUSE;
use super::job::standing;
use super::{Engine, Job, lock};
use crate::clock;
use crate::lane::{Entry, LaneId, Standing, poison};
use crate::record::{CallerError, Execution, Function, InvokedBy, ResultType, Status};
use crate::store::{ExecutionFilter, Point, StoreError, StoreResult};

/// Why the retry of a lifecycle function, or of what a removal triggers, is not made.
const LOST_RETRY: &str = "the process stopped while this function waited for its retry; deploy or remove the instance again";

/// How many executions are read at once.
pub(super) const PAGE: u32 = 1000;

/// What the store holds of an execution, once it answers.
pub(super) enum Found {
    Nothing,
    Unfinished,
    Final,
    /// The engine stops: whatever it is, it is found at the next start.
    Stopped,
}

impl Engine {
    /// Takes up everything that has not ended, in the order in which it was accepted. Must be done before anything new is accepted, so
    /// that order is kept (G5). Returns how many there were.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn recover(self: &Arc<Self>) -> StoreResult<usize> {
        for instance in self.instances.all() {
            self.keep_limit(&instance.id);
        }
        let last = self.ports.store.last_position().await?;
        self.next_position.store(last + 1, Ordering::Relaxed);
        let (mut after, mut count) = (0, 0);
        let mut found = Vec::new();
        loop {
            let page = self.ports.store.unfinished(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            count += page.len();
            found.extend(page);
        }
        let mut found = Box::pin(self.without_needless(found)).await?;
        // A retry that waits for its time holds its lane before anything behind it can start.
        for execution in found
            .iter()
            .filter(|execution| execution.status == Status::Pending)
        {
            if let Some(job) = self.recovered(execution.clone())
                && let Some(lane) = job.lane()
            {
                self.lanes.hold(&lane, &job.queue(), job.hold_for_retry());
            }
        }
        self.hold_for_dead_letters().await?;
        // The pages of the run that has the turn come before a run that waits for it, although that came first (E15).
        found.sort_by_key(|execution| self.standing(execution));
        for execution in found {
            Box::pin(self.take_up_recovered(execution)).await;
        }
        Ok(count)
    }

    /// Returns where an execution stands in its lane.
    pub(super) fn standing(&self, execution: &Execution) -> Standing {
        let flow = self.ports.integration.flow(execution.flow.as_str());
        let queue = flow.map_or(&Queue::Parallel, |flow| &flow.options.queue);
        standing(queue, execution, execution.position)
    }

    /// Closes what poisoned executions keep closed until they are replayed or dismissed (E24).
    async fn hold_for_dead_letters(&self) -> StoreResult<()> {
        let flows = self.ports.integration.flows.iter();
        for flow in flows.filter(|flow| poison(&flow.options.queue) != Poison::Skip) {
            let filter = ExecutionFilter {
                flow: Some(flow.options.key.into()),
                dead_letters: true,
                ..ExecutionFilter::default()
            };
            let mut cursor = None;
            loop {
                let page = self.ports.store.executions(&filter, cursor.as_ref(), PAGE);
                let page = page.await?;
                let Some(last) = page.last() else { break };
                cursor = Some((last.accepted_at, last.id.clone()));
                for job in page.into_iter().filter_map(|found| self.kept(found)) {
                    if let (Some(lane), Some(hold)) = (job.lane(), job.hold_of_poisoned()) {
                        self.lanes.hold(&lane, &job.queue(), hold);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn recovered(&self, execution: Execution) -> Option<Job> {
        let is_there = self.instances.get(&execution.instance).is_some();
        self.kept(execution).filter(|_| is_there)
    }

    /// As [`recovered`](Self::recovered), also of an instance that is removed and not erased yet: what holds its lanes holds them when a
    /// deploy brings it back (E52).
    pub(super) fn kept(&self, execution: Execution) -> Option<Job> {
        let instance = self.instances.find(&execution.instance)?;
        let flow = Arc::clone(self.ports.integration.flow(execution.flow.as_str())?);
        // One that was never started, goes on with nothing and had no trigger has left neither steps nor lines. A replay may have
        // brought steps with it.
        let untouched = execution.started_at.is_none()
            && execution.invoked_by != InvokedBy::Replay
            && execution.journal == execution.id
            && flow.functions.on_trigger.is_none();
        Some(Job {
            execution,
            instance,
            flow,
            payload: None,
            read: None,
            counted: false,
            resumed: !untouched,
            tried_until: None,
        })
    }

    async fn take_up_recovered(self: &Arc<Self>, mut execution: Execution) {
        let lifecycle = execution.function != Function::OnExecution;
        let status = execution.status;
        // What is synchronous is tried again only because a deploy or a removal waits for it, and that has gone (E51).
        if !lifecycle && execution.synchronous && status == Status::Pending {
            return self
                .end_unrun(&execution, LOST_RETRY.to_owned(), false)
                .await;
        }
        // Nobody waits for a synchronous run any more; it is finished like any other, in its lane.
        execution.synchronous = false;
        let Some(job) = self.recovered(execution.clone()) else {
            return self.end_orphan(&execution).await;
        };
        if lifecycle {
            let text = match status {
                Status::Pending => LOST_RETRY,
                _ => {
                    "the process stopped while this function ran; deploy or remove the instance again"
                }
            };
            let verdict = Verdict::failed(Error::new(text).permanent(), ResultType::Error);
            let started = self.record(job, verdict, Vec::new()).await;
            return self.start_all(started);
        }
        if status == Status::Pending {
            self.wait_for_time(job);
        } else {
            self.take_up_new(job);
        }
    }

    /// Ends an execution whose flow or instance is gone.
    async fn end_orphan(&self, execution: &Execution) {
        let known = self
            .ports
            .integration
            .flow(execution.flow.as_str())
            .is_some();
        let error = if known {
            format!("instance `{}` is removed", execution.instance)
        } else {
            format!(
                "this version of the integration has no flow `{}`",
                execution.flow
            )
        };
        let dead_letter = execution.function == Function::OnExecution;
        self.end_unrun(execution, error, dead_letter).await;
    }

    /// Ends an execution that runs no more and stands in no lane.
    async fn end_unrun(&self, execution: &Execution, error: String, dead_letter: bool) {
        let finish = crate::store::Finish {
            id: execution.id.clone(),
            status: Status::Error,
            result: ResultType::Error,
            at: self.ports.clock.now(),
            error: Some(error.clone()),
            caller_error: Some(CallerError {
                text: error,
                status: None,
            }),
            output: None,
            dead_letter,
            canceled_by: None,
        };
        self.commit_persistently(
            Point::Finish,
            &[crate::store::Write::Finish(Box::new(finish))],
        )
        .await;
    }

    /// Finds out, once the store answers again, whether an execution that it did not confirm is there after all. Its place is kept
    /// until then, so that order is kept; so are the retries that were to give way to it.
    pub(super) fn settle_unknown(
        self: &Arc<Self>,
        job: Job,
        place: Option<LaneId>,
        entry: Entry,
        giving_way: Vec<Job>,
        fault: &StoreError,
    ) {
        if matches!(fault, StoreError::Full(_)) {
            self.wait_on(giving_way);
            return self.give_up_place(&job, place.as_ref(), entry);
        }
        let engine = Arc::clone(self);
        self.ports.spawn.engine(Box::pin(async move {
            match engine.find(&job.execution.id).await {
                Found::Unfinished => {
                    engine.release_lanes(&giving_way);
                    engine.end_late_retries(&job);
                    engine.take_up(job, place, entry);
                }
                Found::Final => {
                    engine.release_lanes(&giving_way);
                    engine.end_late_retries(&job);
                    engine.give_up_place(&job, place.as_ref(), entry);
                }
                Found::Nothing => {
                    engine.wait_on(giving_way);
                    engine.give_up_place(&job, place.as_ref(), entry);
                }
                Found::Stopped => {}
            }
        }));
    }

    /// Looks for an execution until the store answers, or the engine stops.
    pub(super) async fn find(&self, id: &ExecutionId) -> Found {
        while !self.stopping.load(Ordering::Relaxed) {
            self.ports.clock.sleep(STORE_PAUSE).await;
            match self.ports.store.execution(id).await {
                Ok(None) => return Found::Nothing,
                Ok(Some(execution)) if execution.status.is_final() => return Found::Final,
                Ok(Some(_)) => return Found::Unfinished,
                Err(_) => {}
            }
        }
        Found::Stopped
    }

    /// Starts nothing more but what somebody waits for: whatever else is accepted, due or next in its lane is left to the next start
    /// (G8). What runs goes on. A deploy or a removal that waits for a retry waits no longer.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        let awaited = lock(&self.pending).take_awaited();
        for id in awaited {
            self.forget_waiters(&id);
        }
    }

    /// Takes no new work, gives what runs this much time, and leaves the rest to the next start (G8).
    pub async fn stop(&self, grace: Duration) {
        self.drain();
        self.stopping.store(true, Ordering::Relaxed);
        let deadline = self.ports.clock.now() + grace;
        if clock::until(&*self.ports.clock, deadline, self.idle())
            .await
            .is_err()
        {
            self.abandoning.store(true, Ordering::Relaxed);
            for running in lock(&self.running).values_mut() {
                if let Some(cancel) = running.cancel.take() {
                    // One that has just ended needs no stop.
                    let _ = cancel.send(());
                }
            }
            let deadline = self.ports.clock.now() + STORE_PAUSE;
            let _ = clock::until(&*self.ports.clock, deadline, self.idle()).await;
        }
        lock(&self.pending).abort_all();
    }

    /// Waits until nothing runs.
    pub async fn idle(&self) {
        let mut active = self.active.subscribe();
        // The sender lives as long as the engine does.
        let _ = active.wait_for(|active| *active == 0).await;
    }

    /// Says whether the engine drains or stops.
    pub fn is_stopping(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
