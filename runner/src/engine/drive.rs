//! Drives one execution from its start to its recorded end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sdk::Error;
use tokio::sync::oneshot;

use super::conclude::{Concluded, Verdict};
use super::{Engine, Job, lock};
use crate::decode::BodyLimits;
use crate::envelope::json_as;
use crate::execution::{self, Dispatch, Ended, Finished, Run};
use crate::record::{ResultType, StoredPayload};
use crate::store::{Commit, Committed, Point, StoreError, StoreResult, Write};

/// How long the engine waits before it asks a store that failed again.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);

impl Engine {
    /// Runs an execution until its end is recorded; returns those whose turn it is then.
    pub(super) async fn drive(
        self: &Arc<Self>,
        job: Job,
        mut cancel: oneshot::Receiver<()>,
    ) -> Vec<Job> {
        if lock(&self.doomed).remove(&job.execution.id) {
            lock(&self.running).remove(&job.execution.id);
            return self.end_in_lane(&job, None);
        }
        let (mut job, _alone) = match self.admit(job, &mut cancel).await {
            Ok(admitted) => admitted,
            Err(started) => return started,
        };
        loop {
            let run = self.prepare(&mut job).await;
            let finished = match run {
                Ok(run) => {
                    let dispatch = Arc::clone(self) as Arc<dyn Dispatch>;
                    execution::run(&self.ports, &dispatch, run, cancel).await
                }
                Err(error) => {
                    let verdict = Verdict::failed(error, ResultType::Error);
                    return Box::pin(self.record(job, verdict, Vec::new())).await;
                }
            };
            if self.abandoning.load(Ordering::Relaxed) && matches!(finished.ended, Ended::Canceled)
            {
                return Box::pin(self.put_back(job, &finished)).await;
            }
            match self.conclude(job, finished).await {
                Concluded::Recorded(started) => return started,
                Concluded::Again(again) => {
                    job = *again;
                    cancel = self.enroll(&job);
                }
            }
        }
    }

    /// Puts an execution back that the stop of the process interrupted: it did nothing wrong, so its start does not count.
    async fn put_back(&self, job: Job, finished: &Finished) -> Vec<Job> {
        lock(&self.running).remove(&job.execution.id);
        self.forget_waiters(&job.execution.id);
        let starts = job.execution.starts.saturating_sub(1);
        let mut writes = vec![Write::Requeue {
            id: job.execution.id,
            starts,
        }];
        writes.extend(finished.take_lines());
        // A store that does not take this leaves the execution as it is: it is found again all the same.
        let _ = self
            .ports
            .store
            .commit(Commit::new(Point::Requeue, writes))
            .await;
        Vec::new()
    }

    /// Puts together what the functions are called with; reads what is not in memory.
    async fn prepare(&self, job: &mut Job) -> Result<Run, Error> {
        // A redeploy or a removal while it waited holds for it too (E50, E52).
        let id = &job.execution.instance;
        job.instance = self
            .instances
            .get(id)
            .ok_or_else(|| Error::new(format!("instance `{id}` is removed")).permanent())?;
        let stored = self.payload_of(job).await?;
        // Kept from here on: what follows this execution, such as its retry, is given the same.
        job.payload = Some(Arc::clone(&stored));
        let payload = match job.read.take() {
            Some(payload) => payload,
            None => {
                let layout = &self.ports.integration.layout;
                let json = json_as(layout, &job.flow, job.execution.function);
                stored.to_payload(&self.body_limits(), json)?
            }
        };
        let execution = &job.execution;
        let (steps, log_lines) = if job.resumed {
            let steps = self
                .persistently(|| self.ports.store.steps(&execution.journal))
                .await?;
            let lines = self
                .persistently(|| self.ports.store.logs(&execution.id, 0, u32::MAX))
                .await?;
            (steps, lines.last().map_or(0, |line| line.number + 1))
        } else {
            (Vec::new(), 0)
        };
        Ok(Run {
            id: execution.id.clone(),
            journal: execution.journal.clone(),
            instance: Arc::clone(&job.instance),
            flow: Arc::clone(&job.flow),
            function: execution.function,
            attempt: execution.attempt,
            invoked_by: execution.invoked_by,
            accepted_at: execution.accepted_at,
            invoke_url: stored.invoke_url.clone(),
            payload,
            triggered: stored.triggered.clone(),
            trigger_state: stored.trigger_state.clone(),
            steps,
            log_lines,
            time_limit: self.time_limit(job),
        })
    }

    async fn payload_of(&self, job: &Job) -> Result<Arc<StoredPayload>, Error> {
        if let Some(payload) = &job.payload {
            return Ok(Arc::clone(payload));
        }
        let stored = self
            .persistently(|| self.ports.store.payload(&job.execution.id))
            .await?;
        stored
            .ok_or_else(|| Error::new("the payload of the execution is no longer kept").permanent())
    }

    /// Returns the limits for reading a body; those of the ingress.
    pub fn body_limits(&self) -> BodyLimits {
        let settings = &self.ports.settings;
        BodyLimits {
            nesting: settings.json_depth,
            parts: settings.multipart_parts,
            size: settings.body_bytes,
            ..BodyLimits::default()
        }
    }

    /// Commits until the store takes it; `None` if the engine stops before.
    pub(super) async fn commit_persistently(
        &self,
        point: Point,
        writes: &[Write],
    ) -> Option<Committed> {
        loop {
            match self
                .ports
                .store
                .commit(Commit::new(point, writes.to_vec()))
                .await
            {
                Ok(committed) => return Some(committed),
                Err(_) if self.stopping.load(Ordering::Relaxed) => return None,
                Err(_) => self.ports.clock.sleep(STORE_PAUSE).await,
            }
        }
    }

    /// Asks the store until it answers, or the engine stops.
    pub(super) async fn persistently<'a, T>(
        &'a self,
        ask: impl Fn() -> sdk::host::BoxFuture<'a, StoreResult<T>>,
    ) -> Result<T, Error> {
        loop {
            match ask().await {
                Ok(found) => return Ok(found),
                Err(StoreError::Damaged(text)) => return Err(Error::new(text).permanent()),
                Err(fault) if self.stopping.load(Ordering::Relaxed) => {
                    return Err(Error::from(fault));
                }
                Err(_) => self.ports.clock.sleep(STORE_PAUSE).await,
            }
        }
    }
}
