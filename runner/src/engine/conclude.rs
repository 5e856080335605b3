//! Records how a run ended, and does what follows.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sdk::Error;
use sdk::host::LogLevel;
use sdk::id::ExecutionId;
use sdk::queue::Poison;
use sdk::state::StateScope;

use super::control::refreshed;
use super::drive::STORE_PAUSE;
use super::{Engine, Job, Outcome, lock};
use crate::envelope::store_output;
use crate::execution::{Ended, Finished, state_full, time_limit_text};
use crate::lane::{Entry, Hold, LaneId, poison};
use crate::record::{CallerError, Function, InvokedBy, ResultType, Status, StoredOutput};
use crate::store::{Commit, Committed, Finish, Point, StateChange, StoreError, Write};

/// What is to be recorded of a run that has ended.
pub(super) struct Verdict {
    pub(super) status: Status,
    pub(super) result: ResultType,
    pub(super) error: Option<Error>,
    pub(super) output: Option<StoredOutput>,
    pub(super) page: Option<sdk::response::Page>,
    /// What caused the first attempt, of the retry of a page: what is cut from it is no retry.
    pub(super) cause: Option<InvokedBy>,
}

/// What becomes of a run whose functions have returned.
pub(super) enum Concluded {
    /// Its end is recorded; it is the turn of these.
    Recorded(Vec<Job>),
    /// Its functions run again, on state that has changed.
    Again(Box<Job>),
}

/// What a recorded end brings with it.
#[derive(Default)]
pub(super) struct FollowUp {
    pub(super) retry: Option<Job>,
    /// A retry that has given way already (E22).
    pub(super) needless_retry: Option<Job>,
    /// With the place that each has in its lane already.
    pub(super) slices: Vec<(Job, Option<(LaneId, Entry)>)>,
}

/// What came of recording an end.
enum Recorded {
    Done,
    /// A value of the state has changed: nothing was done.
    StateChanged,
    /// The state of the instance would be larger than its limit: nothing was done.
    StateFull,
    /// The engine stops, and the store does not answer: the execution is found again at the next start.
    Abandoned,
}

impl Engine {
    /// Records the end of a run, with its changes of state; says when the functions must run again on changed state.
    pub(super) async fn conclude(self: &Arc<Self>, job: Job, finished: Finished) -> Concluded {
        let mut verdict = self.verdict(&job, &finished);
        if verdict.page.is_some() {
            verdict.cause = self.cause_of(&job).await;
        }
        let mut lines = Vec::new();
        let (mut noted, mut too_large) = (false, false);
        loop {
            let changes = match finished.state_changes().await {
                _ if too_large => Vec::new(),
                Ok(changes) => changes,
                Err(_) if self.store_fails().await => continue,
                Err(error) => {
                    verdict = Verdict::failed(copy(&error, &finished), ResultType::Error);
                    Vec::new()
                }
            };
            let guarded = changes.iter().any(|change| change.expected.is_some());
            if let Some(error) = verdict.error.as_ref().filter(|_| !noted) {
                finished.note(LogLevel::Error, error.chain());
                noted = true;
            }
            lines.extend(finished.take_lines());
            let mut writes = self.state_writes(&job, changes);
            writes.extend(lines.clone());
            let newer = self.newer_than_retry_of(&job, &verdict).await;
            let (follow_up, writes) = self.end(&job, &verdict, newer.as_ref(), writes);
            match self.commit_end(&job, &writes).await {
                Recorded::StateChanged if guarded => {
                    self.give_up_follow_up(follow_up);
                    if finished.changes_only_merge().await {
                        continue;
                    }
                    return Concluded::Again(Box::new(job.again()));
                }
                Recorded::StateFull => {
                    self.give_up_follow_up(follow_up);
                    let error = state_full(self.ports.settings.state_bytes);
                    verdict = Verdict::failed(error, ResultType::Error);
                    (noted, too_large) = (false, true);
                }
                Recorded::Abandoned => return Concluded::Recorded(Vec::new()),
                _ => return Concluded::Recorded(self.after(&job, verdict, follow_up)),
            }
        }
    }

    /// Returns the writes that change the state, with the limit that they must keep (E42).
    fn state_writes(&self, job: &Job, changes: Vec<StateChange>) -> Vec<Write> {
        let lasts = |change: &StateChange| change.key.scope != StateScope::Execution;
        let limit = changes.iter().any(lasts).then(|| Write::StateLimit {
            instance: job.execution.instance.clone(),
            bytes: self.ports.settings.state_bytes,
        });
        let changes = changes.into_iter().map(Write::State);
        changes.chain(limit).collect()
    }

    /// Says whether the store fails at the moment and it is worth while to ask it again; waits a little if so.
    async fn store_fails(&self) -> bool {
        let fails = self.ports.store.check().await.is_err();
        if fails {
            self.ports.clock.sleep(STORE_PAUSE).await;
        }
        fails && !self.abandoning.load(Ordering::Relaxed)
    }

    fn verdict(&self, job: &Job, finished: &Finished) -> Verdict {
        match &finished.ended {
            Ended::Output(output) => {
                let stored = store_output(output);
                let limit = self.ports.settings.result_bytes;
                if stored.data.len() > limit {
                    let text = format!(
                        "the result is {} bytes, more than the limit of {limit}",
                        stored.data.len()
                    );
                    return Verdict::failed(Error::new(text).permanent(), ResultType::Error);
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
            Ended::Failed(error) => Verdict::failed(copy(error, finished), ResultType::Error),
            Ended::Panicked(text) => {
                Verdict::failed(Error::new(finished.redact_error(text)), ResultType::Error)
            }
            Ended::TimedOut => {
                let text = time_limit_text(self.time_limit(job));
                Verdict::failed(Error::new(text), ResultType::TimedOut)
            }
            Ended::Canceled => Verdict::canceled(),
        }
    }

    /// Returns how long a run may take (E26).
    pub(super) fn time_limit(&self, job: &Job) -> Duration {
        let settings = &self.ports.settings;
        match (job.execution.function, job.flow.options.time_limit) {
            (Function::OnExecution, Some(limit)) => limit,
            (Function::OnExecution, None) => Duration::from_secs(settings.run_seconds),
            _ => Duration::from_secs(settings.lifecycle_seconds),
        }
    }

    /// Commits the end of an execution with these further writes, until the store takes it; returns those whose turn it is then.
    pub(super) async fn record(
        self: &Arc<Self>,
        job: Job,
        verdict: Verdict,
        writes: Vec<Write>,
    ) -> Vec<Job> {
        let newer = self.newer_than_retry_of(&job, &verdict).await;
        let (follow_up, writes) = self.end(&job, &verdict, newer.as_ref(), writes);
        match self.commit_end(&job, &writes).await {
            Recorded::Abandoned => Vec::new(),
            Recorded::Done | Recorded::StateChanged | Recorded::StateFull => {
                self.after(&job, verdict, follow_up)
            }
        }
    }

    /// Puts together what is committed at the end of an execution: always the same, however often it has to be tried.
    fn end(
        &self,
        job: &Job,
        verdict: &Verdict,
        newer: Option<&ExecutionId>,
        mut writes: Vec<Write>,
    ) -> (FollowUp, Vec<Write>) {
        let now = self.ports.clock.now();
        let follow_up = self.follow_up(job, verdict, newer, now);
        let dead_letter = verdict.status == Status::Error
            && follow_up.retry.is_none()
            && follow_up.needless_retry.is_none()
            && verdict.result != ResultType::Canceled
            && !job.execution.synchronous
            && job.execution.function == Function::OnExecution;
        let error = verdict.error.as_ref();
        writes.push(Write::Finish(Box::new(Finish {
            id: job.execution.id.clone(),
            status: verdict.status,
            result: verdict.result,
            at: now,
            error: error.map(|error| job.instance.redactor.error(&error.chain())),
            caller_error: job.caller_error(verdict),
            output: verdict.output.clone(),
            dead_letter,
            canceled_by: None,
        })));
        writes.extend(follow_up.writes());
        (follow_up, writes)
    }

    /// Commits the end of an execution until the store takes it. After an answer that got lost it looks first whether the commit was
    /// done: it would bring its changes and its retry twice (G3).
    async fn commit_end(&self, job: &Job, writes: &[Write]) -> Recorded {
        let mut in_doubt = false;
        loop {
            let id = &job.execution.id;
            let found = if in_doubt {
                self.ports.store.execution(id).await
            } else {
                Ok(None)
            };
            let fault = match found {
                Ok(Some(execution)) if execution.status.is_final() => return Recorded::Done,
                Ok(_) => {
                    let commit = Commit::new(Point::Finish, writes.to_vec());
                    match self.ports.store.commit(commit).await {
                        Ok(Committed::Done) => return Recorded::Done,
                        Ok(Committed::StateFull) => return Recorded::StateFull,
                        Ok(_) => return Recorded::StateChanged,
                        Err(fault) => fault,
                    }
                }
                Err(fault) => fault,
            };
            in_doubt |= !matches!(fault, StoreError::Full(_));
            self.answer_unrecorded(job);
            if self.abandoning.load(Ordering::Relaxed) {
                return Recorded::Abandoned;
            }
            self.ports.clock.sleep(STORE_PAUSE).await;
        }
    }

    /// What follows a recorded end: the caller is told, the lane goes on, the retry waits for its time.
    fn after(self: &Arc<Self>, job: &Job, verdict: Verdict, mut follow_up: FollowUp) -> Vec<Job> {
        // A retry that was on disk before this was known may have been cancelled there.
        let doomed = |retry: &Job| lock(&self.doomed).remove(&retry.execution.id);
        let retry_is_gone = follow_up.retry.take_if(|retry| doomed(retry)).is_some();
        let hold = hold_of(job, &verdict, &follow_up).filter(|_| !retry_is_gone);
        // Who wants to cancel it from now on finds its end in the store.
        lock(&self.running).remove(&job.execution.id);
        self.counts.ended(&job.execution.flow, verdict.result);
        let outcome = Outcome {
            id: job.execution.id.clone(),
            result: verdict.result,
            error: job.caller_error(&verdict),
            output: verdict.output.map(Arc::new),
            recorded: true,
        };
        match &follow_up.retry {
            Some(retry) => self.tell_of_attempt(&outcome, &retry.execution.id),
            None => self.tell(&outcome.id, &outcome),
        }
        let started = self.end_in_lane(job, hold);
        if let Some(retry) = follow_up.retry {
            self.wait_for_retry(retry);
        }
        for (slice, place) in follow_up.slices {
            self.end_late_retries(&slice);
            match place {
                Some((lane, entry)) => self.take_up(slice, Some(lane), entry),
                None => self.start(slice),
            }
        }
        started
    }

    /// Gives up its place; returns those whose turn it is then.
    pub(super) fn end_in_lane(&self, job: &Job, hold: Option<Hold>) -> Vec<Job> {
        match job.lane().filter(|_| !job.execution.synchronous) {
            Some(lane) => self.lanes.end(&lane, hold),
            None => self.leave_instance(job),
        }
    }

    /// Tells a waiting caller that the end is not on disk: it gets a 503, the engine goes on trying (W33).
    fn answer_unrecorded(&self, job: &Job) {
        let id = job.execution.id.clone();
        self.tell(
            &job.execution.id,
            &Outcome {
                id,
                result: ResultType::Error,
                output: None,
                error: None,
                recorded: false,
            },
        );
    }
}

/// Returns what an execution that has ended keeps closed: its lane for its retry, or what its flow says of a poisoned one (E24).
fn hold_of(job: &Job, verdict: &Verdict, follow_up: &FollowUp) -> Option<Hold> {
    if let Some(retry) = &follow_up.retry {
        return Some(retry.hold_for_retry());
    }
    // What waits behind it goes on: the newer one is there, perhaps in this lane.
    if follow_up.needless_retry.is_some() {
        return None;
    }
    let poisoned = verdict.status == Status::Error && verdict.result != ResultType::Canceled;
    job.hold_of_poisoned().filter(|_| poisoned)
}

impl Job {
    /// The functions run once more on changed state. If `#[on_trigger]` has changed state from what it was before, it runs again too.
    fn again(self) -> Self {
        Self {
            resumed: true,
            payload: self.payload.as_ref().map(refreshed),
            ..self
        }
    }

    /// Returns what the caller may read of an error (W29).
    fn caller_error(&self, verdict: &Verdict) -> Option<CallerError> {
        verdict.error.as_ref().map(|error| CallerError {
            text: self.instance.redactor.error(error.caller_text()),
            status: error.status(),
        })
    }

    /// The lane is closed until the retry has run.
    pub(super) fn hold_for_retry(&self) -> Hold {
        Hold {
            position: self.execution.position,
            whole_flow: false,
        }
    }

    /// What an execution that is out of attempts keeps closed until it is replayed or dismissed.
    pub(super) fn hold_of_poisoned(&self) -> Option<Hold> {
        let whole_flow = match poison(&self.flow.options.queue) {
            Poison::Skip => return None,
            Poison::Park => false,
            Poison::Block => true,
        };
        Some(Hold {
            position: self.execution.position,
            whole_flow,
        })
    }
}

impl Verdict {
    fn success(result: ResultType) -> Self {
        Self {
            status: Status::Success,
            result,
            error: None,
            output: None,
            page: None,
            cause: None,
        }
    }

    pub(super) fn failed(error: Error, result: ResultType) -> Self {
        Self {
            status: Status::Error,
            error: Some(error),
            ..Self::success(result)
        }
    }

    pub(super) fn canceled() -> Self {
        let error = Error::new("the execution was cancelled").permanent();
        Self::failed(error, ResultType::Canceled)
    }

    /// Nobody waits any more for an attempt that is only made because somebody does.
    pub(super) fn forsaken() -> Self {
        let text = "the deploy or removal that waited for it has ended; do that again";
        Self::failed(Error::new(text).permanent(), ResultType::Error)
    }

    pub(super) fn set_aside(deaths: u32) -> Self {
        let text = format!(
            "the process died {deaths} times while this execution ran, so it was set aside; replay it when the cause is gone"
        );
        Self::failed(Error::new(text).permanent(), ResultType::Error)
    }
}

/// Errors are not `Clone`: what the record needs of one is copied, without secrets of the instance and of the request.
fn copy(error: &Error, finished: &Finished) -> Error {
    let caller_text = finished.redact_error(error.caller_text());
    let mut copy = Error::new(finished.redact_error(&error.chain())).for_caller(caller_text);
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
