//! From a place among the running ones to the first call: starts are counted on disk, and what the process died of is set aside (G2).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{SemaphorePermit, oneshot};

use super::conclude::Verdict;
use super::{Engine, Job, Running, lock};
use crate::store::{Point, Write};

impl Engine {
    pub(super) fn start_all(self: &Arc<Self>, jobs: Vec<Job>) {
        for job in jobs {
            self.start(job);
        }
    }

    /// Starts an execution that has its place among the running ones.
    pub(super) fn start(self: &Arc<Self>, job: Job) {
        if self.is_stopping() && !job.counted {
            // It is on disk and waits for the next start of the process.
            return self.forget_waiters(&job.execution.id);
        }
        if job.gives_way() {
            lock(&self.pending).forget(&job);
        }
        self.active.send_modify(|active| *active += 1);
        let engine = Arc::clone(self);
        let cancel = self.enroll(&job);
        self.ports.spawn.engine(Box::pin(async move {
            let started = engine.drive(job, cancel).await;
            engine.active.send_modify(|active| *active -= 1);
            engine.start_all(started);
        }));
    }

    /// Counts an execution among the running ones; the receiver is told when somebody cancels it.
    pub(super) fn enroll(&self, job: &Job) -> oneshot::Receiver<()> {
        let (sender, cancel) = oneshot::channel();
        let running = Running {
            cancel: Some(sender),
            instance: job.execution.instance.clone(),
            flow: job.execution.flow.clone(),
            waiting: job
                .execution
                .parent
                .clone()
                .filter(|_| job.execution.synchronous),
        };
        lock(&self.running).insert(job.execution.id.clone(), running);
        cancel
    }

    /// Counts a start on disk before anything runs; a suspect waits first until it may run alone. `Err` if it does not run at all:
    /// those whose turn it is then.
    pub(super) async fn admit(
        self: &Arc<Self>,
        mut job: Job,
        cancel: &mut oneshot::Receiver<()>,
    ) -> Result<(Job, Option<SemaphorePermit<'_>>), Vec<Job>> {
        if job.counted {
            return Ok((job, None));
        }
        let id = job.execution.id.clone();
        let not_run = || lock(&self.running).remove(&id);
        if let Some(limit) = self.set_aside_after(&job) {
            let verdict = Verdict::set_aside(limit);
            // On the heap, as everything rare that an execution may wait for: what all of them wait for stays small.
            return Err(Box::pin(self.record(job, verdict, Vec::new())).await);
        }
        if job.tried_until.is_some() && !self.is_awaited(&id) {
            return Err(Box::pin(self.record(job, Verdict::forsaken(), Vec::new())).await);
        }
        let mut alone = None;
        if self.is_suspect(&job) {
            tokio::select! {
                biased;
                Ok(()) = cancel => {
                    if self.abandoning.load(Ordering::Relaxed) {
                        not_run();
                        return Err(Vec::new());
                    }
                    let recorded = self.record(job, Verdict::canceled(), Vec::new());
                    return Err(Box::pin(recorded).await);
                }
                permit = self.suspects.acquire() => alone = permit.ok(),
            }
            if self.is_stopping() {
                not_run();
                return Err(Vec::new());
            }
        }
        job.count_start(self.ports.clock.now());
        let start = Write::Start {
            id: id.clone(),
            at: job.execution.started_at.unwrap_or_default(),
            starts: job.execution.starts,
        };
        if self
            .commit_persistently(Point::Start, &[start])
            .await
            .is_none()
        {
            not_run();
            return Err(Vec::new());
        }
        Ok((job, alone))
    }

    /// Says whether one more death of the process sets the execution aside. Those run one at a time: what kills the process is
    /// started together with others that are innocent, and would otherwise take them with it.
    fn is_suspect(&self, job: &Job) -> bool {
        let (starts, deaths) = (job.execution.starts, self.ports.settings.deaths);
        deaths > 0 && starts > 0 && starts + 1 >= deaths
    }

    fn set_aside_after(&self, job: &Job) -> Option<u32> {
        let deaths = self.ports.settings.deaths;
        (deaths > 0 && job.execution.starts >= deaths).then_some(deaths)
    }
}
