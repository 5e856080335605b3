//! Drives one execution from its start to its recorded end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sdk::Error;
use sdk::host::LogLevel;
use sdk::queue::Poison;
use tokio::sync::oneshot;

use super::{Engine, Job, Outcome, OutcomeError, lock};
use crate::decode::BodyLimits;
use crate::envelope::store_output;
use crate::execution::{self, Dispatch, Ended, Finished, Run, time_limit_text};
use crate::lane::poison;
use crate::record::{Function, ResultType, Status, StoredOutput, StoredPayload};
use crate::store::{Commit, Committed, Finish, StoreError, StoreResult, Write};

/// How long the engine waits before it asks a store that failed again.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What is to be recorded of a run that has ended.
pub(super) struct Verdict {
    pub(super) status: Status,
    pub(super) result: ResultType,
    pub(super) error: Option<Error>,
    pub(super) output: Option<StoredOutput>,
    pub(super) page: Option<sdk::response::Page>,
}

impl Engine {
    /// Runs an execution until its end is recorded; returns those whose turn it is then.
    pub(super) async fn drive(
        self: &Arc<Self>,
        job: Job,
        mut cancel: oneshot::Receiver<()>,
    ) -> Vec<Job> {
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
                    lock(&self.running).remove(&job.execution.id);
                    let verdict = Verdict {
                        error: Some(error),
                        ..Verdict::error(ResultType::Error)
                    };
                    return self.record(job, verdict, Vec::new()).await;
                }
            };
            lock(&self.running).remove(&job.execution.id);
            if self.abandoning.load(Ordering::Relaxed) && matches!(finished.ended, Ended::Canceled)
            {
                return self.put_back(job, &finished).await;
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
            .commit(Commit::new("requeue", writes))
            .await;
        Vec::new()
    }

    /// Puts together what the functions are called with; reads what is not in memory.
    async fn prepare(&self, job: &mut Job) -> Result<Run, Error> {
        let stored = self.payload_of(job).await?;
        // Kept from here on: what follows this execution, such as its retry, is given the same.
        job.payload = Some(Arc::clone(&stored));
        let payload = match job.read.take() {
            Some(payload) => payload,
            None => stored.to_payload(&self.body_limits())?,
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
        let settings = &self.ports.settings;
        let time_limit = match (execution.function, job.flow.options.time_limit) {
            (Function::OnExecution, Some(limit)) => limit,
            (Function::OnExecution, None) => Duration::from_secs(settings.run_seconds),
            _ => Duration::from_secs(settings.lifecycle_seconds),
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
            time_limit,
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

    /// Records the end of a run, with its changes of state; says when the functions must run again on changed state.
    async fn conclude(self: &Arc<Self>, job: Job, finished: Finished) -> Concluded {
        loop {
            let changes = match finished.state_changes().await {
                Ok(changes) => changes,
                Err(error) => {
                    let verdict = Verdict {
                        error: Some(error),
                        ..Verdict::error(ResultType::Error)
                    };
                    return Concluded::Recorded(self.record(job, verdict, Vec::new()).await);
                }
            };
            let verdict = self.verdict(&job, &finished);
            if let Some(error) = &verdict.error {
                finished.note(LogLevel::Error, error.chain());
            }
            let mut writes: Vec<Write> = changes.into_iter().map(Write::State).collect();
            let guarded = writes
                .iter()
                .any(|write| matches!(write, Write::State(change) if change.expected.is_some()));
            writes.extend(finished.take_lines());
            if !guarded {
                return Concluded::Recorded(self.record(job, verdict, writes).await);
            }
            match self.try_record(&job, &verdict, &writes).await {
                Ok(None) => {
                    if finished.changes_only_merge().await {
                        continue;
                    }
                    let job = Job {
                        resumed: true,
                        ..job
                    };
                    return Concluded::Again(Box::new(job));
                }
                Ok(Some(follow_up)) => {
                    return Concluded::Recorded(self.after(&job, verdict, follow_up));
                }
                Err(_) => {
                    self.ports.clock.sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    fn verdict(&self, job: &Job, finished: &Finished) -> Verdict {
        let failed = |error: Error, result| Verdict {
            error: Some(error),
            ..Verdict::error(result)
        };
        match &finished.ended {
            Ended::Output(output) => {
                let stored = store_output(output);
                let limit = self.ports.settings.result_bytes;
                if stored.data.len() > limit {
                    let text = format!(
                        "the result is {} bytes, more than the limit of {limit}",
                        stored.data.len()
                    );
                    return failed(Error::new(text).permanent(), ResultType::Error);
                }
                Verdict {
                    output: Some(stored),
                    ..Verdict::success(ResultType::Completed)
                }
            }
            Ended::NothingNew => Verdict::success(ResultType::PolledNoChanges),
            Ended::Page(page) => Verdict {
                page: Some(page.clone()),
                ..Verdict::success(ResultType::Completed)
            },
            Ended::Failed(error) => failed(copy(error), ResultType::Error),
            Ended::Panicked(text) => failed(Error::new(text.clone()), ResultType::Error),
            Ended::TimedOut => {
                let limit = job
                    .flow
                    .options
                    .time_limit
                    .unwrap_or(Duration::from_secs(self.ports.settings.run_seconds));
                failed(Error::new(time_limit_text(limit)), ResultType::TimedOut)
            }
            Ended::Canceled => canceled(),
        }
    }

    /// Commits the end of an execution with these further writes, until the store takes it; returns those whose turn it is then.
    pub(super) async fn record(
        self: &Arc<Self>,
        job: Job,
        verdict: Verdict,
        writes: Vec<Write>,
    ) -> Vec<Job> {
        loop {
            match self.try_record(&job, &verdict, &writes).await {
                Ok(follow_up) => {
                    return self.after(&job, verdict, follow_up.unwrap_or_default());
                }
                Err(_) => {
                    self.answer_unrecorded(&job);
                    if self.abandoning.load(Ordering::Relaxed) {
                        return Vec::new();
                    }
                    self.ports.clock.sleep(STORE_PAUSE).await;
                }
            }
        }
    }

    /// Tries to commit the end of an execution once; `None` if a value of the state has changed.
    async fn try_record(
        self: &Arc<Self>,
        job: &Job,
        verdict: &Verdict,
        writes: &[Write],
    ) -> StoreResult<Option<FollowUp>> {
        let now = self.ports.clock.now();
        let follow_up = self.follow_up(job, verdict, now);
        let failed = verdict.status == Status::Error;
        let finish = Finish {
            id: job.execution.id.clone(),
            status: verdict.status,
            result: verdict.result,
            at: now,
            error: verdict
                .error
                .as_ref()
                .map(|error| job.instance.redactor.text(&error.chain())),
            output: verdict.output.clone(),
            dead_letter: failed
                && follow_up.retry.is_none()
                && verdict.result != ResultType::Canceled
                && !job.execution.synchronous,
        };
        let mut all = writes.to_vec();
        all.push(Write::Finish(Box::new(finish)));
        all.extend(follow_up.writes());
        match self.ports.store.commit(Commit::new("finish", all)).await? {
            Committed::Done => Ok(Some(follow_up)),
            _ => Ok(None),
        }
    }

    /// What follows a recorded end: the caller is told, the lane goes on, the retry waits for its time.
    fn after(self: &Arc<Self>, job: &Job, verdict: Verdict, follow_up: FollowUp) -> Vec<Job> {
        let out_of_attempts = verdict.status == Status::Error && follow_up.retry.is_none();
        let parked = out_of_attempts
            && verdict.result != ResultType::Canceled
            && poison(&job.flow.options.queue) != Poison::Skip;
        self.counts.ended(&job.execution.flow, verdict.result);
        self.tell(
            job,
            &Outcome {
                id: job.execution.id.clone(),
                result: verdict.result,
                output: verdict.output.map(Arc::new),
                error: verdict.error.map(|error| OutcomeError {
                    text: job.instance.redactor.text(error.caller_text()),
                    status: error.status(),
                }),
                recorded: true,
            },
        );
        let hold = follow_up.retry.is_some() || parked;
        let lane = job.lane().filter(|_| !job.execution.synchronous);
        let started = lane
            .map(|lane| self.lanes.end(&lane, hold))
            .unwrap_or_default();
        if let Some(retry) = follow_up.retry {
            self.wait_for_time(retry);
        }
        for slice in follow_up.slices {
            self.take_up_new(slice);
        }
        started
    }

    fn tell(&self, job: &Job, outcome: &Outcome) {
        let waiters = lock(&self.waiters).remove(&job.execution.id);
        for waiter in waiters.into_iter().flatten() {
            // Whoever waited may have gone.
            let _ = waiter.send(outcome.clone());
        }
    }

    /// Tells a waiting caller that the end is not on disk: it gets a 503, the engine goes on trying (W33).
    fn answer_unrecorded(&self, job: &Job) {
        let id = job.execution.id.clone();
        self.tell(
            job,
            &Outcome {
                id,
                result: ResultType::Error,
                output: None,
                error: None,
                recorded: false,
            },
        );
    }

    /// Commits until the store takes it; `None` if the engine stops before.
    pub(super) async fn commit_persistently(
        &self,
        point: &'static str,
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
    async fn persistently<'a, T>(
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

enum Concluded {
    Recorded(Vec<Job>),
    Again(Box<Job>),
}

/// What a recorded end brings with it.
#[derive(Default)]
pub(super) struct FollowUp {
    pub(super) retry: Option<Job>,
    pub(super) slices: Vec<Job>,
}

impl Verdict {
    fn success(result: ResultType) -> Self {
        Self {
            status: Status::Success,
            result,
            error: None,
            output: None,
            page: None,
        }
    }

    pub(super) fn error(result: ResultType) -> Self {
        Self {
            status: Status::Error,
            ..Self::success(result)
        }
    }
}

pub(super) fn canceled() -> Verdict {
    Verdict {
        error: Some(Error::new("the execution was cancelled").permanent()),
        ..Verdict::error(ResultType::Canceled)
    }
}

/// Errors are not `Clone`: what the record needs of one is copied.
fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.chain()).for_caller(error.caller_text());
    if error.is_permanent() {
        copy = copy.permanent();
    }
    if let Some(wait) = error.wait() {
        copy = copy.retry_after(wait);
    }
    match error.status() {
        Some(status) => copy.with_status(status),
        None => copy,
    }
}
