//! What an operator does with single executions: cancel and dismiss (E28).

use std::sync::Arc;

use sdk::Timestamp;
use sdk::id::{ExecutionId, InstanceId};
use tokio::sync::oneshot;

use super::recovery::{Found, PAGE};
use super::{AcceptError, Engine, Job, Outcome, lock};
use crate::clock;
use crate::lane::LaneId;
use crate::record::{
    CallerError, Execution, Function, PendingState, ResultType, Status, StoredPayload,
};
use crate::store::{Commit, ExecutionFilter, Finish, Point, StoreError, StoreResult, Write};

/// Why an execution could not be cancelled or replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is no such execution.
    #[error("there is no execution `{0}`")]
    Unknown(ExecutionId),
    /// It has ended.
    #[error("execution `{0}` has ended already")]
    Ended(ExecutionId),
    /// It cannot be replayed.
    #[error("execution `{0}` cannot be replayed: {1}")]
    NotReplayable(ExecutionId, &'static str),
    /// The replay was not accepted.
    #[error(transparent)]
    Refused(#[from] AcceptError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Cancels an execution that waits or runs.
    ///
    /// # Errors
    ///
    /// There is none, it has ended, or the store cannot take the change.
    pub async fn cancel(self: &Arc<Self>, id: &ExecutionId) -> Result<(), ControlError> {
        if let Some(outcome) = self.cancel_running(id) {
            // The run records its own end.
            return match outcome.await {
                Ok(end) if !end.recorded => {
                    let text = "the end of the execution is not recorded yet";
                    Err(StoreError::Unavailable(text.to_owned()).into())
                }
                Ok(end) if end.result != ResultType::Canceled => {
                    Err(ControlError::Ended(id.clone()))
                }
                _ => Ok(()),
            };
        }
        let execution = self
            .ports
            .store
            .execution(id)
            .await?
            .ok_or_else(|| ControlError::Unknown(id.clone()))?;
        if execution.status.is_final() {
            return Err(ControlError::Ended(id.clone()));
        }
        let taken = self.take_waiting(&execution);
        if matches!(taken, Taken::Nothing) {
            lock(&self.doomed).insert(id.clone());
        }
        let text = "the execution was cancelled";
        let error = CallerError {
            text: text.to_owned(),
            status: None,
        };
        let finish = Finish {
            id: id.clone(),
            status: Status::Error,
            result: ResultType::Canceled,
            at: self.ports.clock.now(),
            error: Some(text.to_owned()),
            caller_error: Some(error.clone()),
            output: None,
            dead_letter: false,
            canceled_by: None,
        };
        let commit = Commit::new(Point::Cancel, vec![Write::Finish(Box::new(finish))]);
        if let Err(fault) = self.ports.store.commit(commit).await {
            self.settle_cancel(id.clone(), taken, &fault);
            return Err(fault.into());
        }
        self.let_go(taken);
        self.tell(
            id,
            &Outcome {
                id: id.clone(),
                result: ResultType::Canceled,
                output: None,
                error: Some(error),
                recorded: true,
            },
        );
        Ok(())
    }

    /// Waits until what was accepted for an instance since then has ended, but for what waits for its retry; until `deadline` at most.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn wait_for_all_since(
        &self,
        instance: &InstanceId,
        since: Timestamp,
        deadline: Timestamp,
    ) -> StoreResult<()> {
        for status in [Status::Queued, Status::Running] {
            let filter = ExecutionFilter {
                instance: Some(instance.clone()),
                status: Some(status),
                since: Some(since),
                ..ExecutionFilter::default()
            };
            let store = &self.ports.store;
            for execution in store.executions(&filter, None, PAGE).await? {
                // The waiter is there before the store is asked: its end is seen whichever way it comes.
                let outcome = self.wait_for(&execution.id);
                let found = store.execution(&execution.id).await?;
                if found.is_some_and(|found| !found.status.is_final()) {
                    let _ = clock::until(&*self.ports.clock, deadline, outcome).await;
                }
                self.tidy_waiters(&execution.id);
            }
        }
        Ok(())
    }

    /// Cancels everything of an instance that has not ended, before the instance is erased (E52), also what the others start until they
    /// are cancelled; with `until`, only what was accepted before then.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or cannot take a change.
    pub async fn cancel_all_of(
        self: &Arc<Self>,
        instance: &InstanceId,
        until: Option<Timestamp>,
    ) -> StoreResult<()> {
        while self.cancel_found(instance, until).await? {}
        Ok(())
    }

    /// Cancels what is found of an instance: what waits first, so that nothing starts in the place of what ends. Returns whether there was
    /// anything.
    async fn cancel_found(
        self: &Arc<Self>,
        instance: &InstanceId,
        until: Option<Timestamp>,
    ) -> StoreResult<bool> {
        let mut found = false;
        for status in [Status::Queued, Status::Pending, Status::Running] {
            let filter = ExecutionFilter {
                instance: Some(instance.clone()),
                status: Some(status),
                until,
                ..ExecutionFilter::default()
            };
            let mut cursor = None;
            loop {
                let page = self.ports.store.executions(&filter, cursor.as_ref(), PAGE);
                let page = page.await?;
                let Some(last) = page.last() else { break };
                found = true;
                cursor = Some((last.accepted_at, last.id.clone()));
                for execution in page {
                    // One that has ended meanwhile is as good as cancelled.
                    if let Err(ControlError::Store(fault)) = self.cancel(&execution.id).await {
                        return Err(fault);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Cancels an execution that runs; returns how it ends. One whose end is being recorded is waited for.
    fn cancel_running(&self, id: &ExecutionId) -> Option<oneshot::Receiver<Outcome>> {
        let mut running = lock(&self.running);
        let entry = running.get_mut(id)?;
        let outcome = self.wait_for(id);
        if let Some(cancel) = entry.cancel.take() {
            // One that has just ended needs no cancelling.
            let _ = cancel.send(());
        }
        Some(outcome)
    }

    /// Takes an execution out of where it waits, so that it does not start while it is cancelled. What it holds stays closed.
    fn take_waiting(&self, execution: &Execution) -> Taken {
        if let Some(job) = lock(&self.pending).take(&execution.id) {
            return Taken::Pending(Box::new(job));
        }
        let lane = LaneId {
            instance: execution.instance.clone(),
            flow: execution.flow.clone(),
            key: execution.order_key.clone(),
        };
        let is_flow = execution.function == Function::OnExecution;
        let queued = is_flow.then(|| self.lanes.take(&lane, self.standing(execution)));
        match queued.flatten() {
            Some(job) => Taken::Queued(Box::new(job)),
            None => Taken::Nothing,
        }
    }

    /// Lets those go on that wait behind an execution that was cancelled.
    fn let_go(self: &Arc<Self>, taken: Taken) {
        match taken {
            Taken::Pending(job) => self.release_lanes(&[*job]),
            Taken::Queued(job) => {
                lock(&self.pending).forget(&job);
                self.release_lanes(&[*job]);
            }
            Taken::Nothing => {}
        }
    }

    /// Puts an execution back whose cancellation the store did not take.
    fn settle_cancel(self: &Arc<Self>, id: ExecutionId, taken: Taken, fault: &StoreError) {
        if matches!(fault, StoreError::Full(_)) {
            return self.put_back_waiting(&id, taken);
        }
        let engine = Arc::clone(self);
        self.ports.spawn.engine(Box::pin(async move {
            match engine.find(&id).await {
                Found::Final => engine.let_go(taken),
                Found::Unfinished | Found::Nothing => engine.put_back_waiting(&id, taken),
                Found::Stopped => {}
            }
        }));
    }

    fn put_back_waiting(self: &Arc<Self>, id: &ExecutionId, taken: Taken) {
        match taken {
            Taken::Pending(job) => self.wait_for_retry(*job),
            // It waits for its turn, with its time behind it, and may have been missed by a newer execution.
            Taken::Queued(job) if job.gives_way() => self.wait_for_retry(*job),
            Taken::Queued(job) => self.start_due(*job),
            Taken::Nothing => {
                lock(&self.doomed).remove(id);
            }
        }
    }

    /// Takes an execution off the list of dead letters, and lets go on what waits behind it.
    ///
    /// # Errors
    ///
    /// There is none, or the store cannot take the change.
    pub async fn dismiss(self: &Arc<Self>, id: &ExecutionId) -> Result<(), ControlError> {
        let execution = self
            .ports
            .store
            .execution(id)
            .await?
            .ok_or_else(|| ControlError::Unknown(id.clone()))?;
        if !execution.dead_letter {
            return Ok(());
        }
        let dismiss = Write::DeadLetter {
            id: id.clone(),
            dead: false,
        };
        let commit = Commit::new(Point::Dismiss, vec![dismiss]);
        let job = self.kept(execution);
        if let Err(fault) = self.ports.store.commit(commit).await {
            self.settle_dismissal(id.clone(), job, &fault);
            return Err(fault.into());
        }
        self.release_lanes(job.as_slice());
        Ok(())
    }

    /// Finds out whether a dismissal that the store did not confirm is there after all.
    fn settle_dismissal(self: &Arc<Self>, id: ExecutionId, job: Option<Job>, fault: &StoreError) {
        if matches!(fault, StoreError::Full(_)) {
            return;
        }
        let engine = Arc::clone(self);
        self.ports.spawn.engine(Box::pin(async move {
            engine.find(&id).await;
            let found = engine.ports.store.execution(&id).await;
            if matches!(found, Ok(Some(execution)) if !execution.dead_letter) {
                engine.release_lanes(job.as_slice());
            }
        }));
    }
}

/// Returns the payload for functions that run once more on changed state: `#[on_trigger]` too, if it made state from what has changed.
pub(super) fn refreshed(payload: &Arc<StoredPayload>) -> Arc<StoredPayload> {
    let stale = |change: &PendingState| change.expected.is_some();
    if payload.trigger_state.iter().any(stale) {
        Arc::new(payload.before_trigger())
    } else {
        Arc::clone(payload)
    }
}

/// An execution that was taken out of where it waits.
enum Taken {
    /// It waited for its time.
    Pending(Box<Job>),
    /// It waited in its lane.
    Queued(Box<Job>),
    /// It was nowhere: it is on its way from the disk.
    Nothing,
}
