//! What an operator does with single executions: cancel, replay, dismiss (E28).

use std::sync::Arc;

use sdk::id::ExecutionId;

use super::{AcceptError, Engine, Job, lock};
use crate::record::{
    Execution, Function, InvokedBy, ResultType, Status, StepRecord, StoredPayload,
};
use crate::store::{Accept, Commit, Finish, StoreError, Write};

/// From where a replay begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayFrom {
    /// From the start: everything runs again.
    #[default]
    Start,
    /// From the step that failed: finished steps keep their results.
    FailedStep,
}

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
        let sender = lock(&self.running)
            .get_mut(id)
            .and_then(|running| running.cancel.take());
        if let Some(cancel) = sender {
            let outcome = self.wait_for(id);
            if cancel.send(()).is_ok() {
                // The run records its own end; the waiter is told then.
                let _ = outcome.await;
                return Ok(());
            }
            drop(outcome);
            self.tidy_waiters(id);
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
        let pending = lock(&self.pending).remove(id).map(|(job, handle)| {
            handle.abort();
            job
        });
        let queued = || {
            recovered_lane(&execution).and_then(|lane| self.lanes.take(&lane, execution.position))
        };
        let job = pending.or_else(queued);
        let finish = Finish {
            id: id.clone(),
            status: Status::Error,
            result: ResultType::Canceled,
            at: self.ports.clock.now(),
            error: Some("the execution was cancelled".to_owned()),
            output: None,
            dead_letter: false,
        };
        self.ports
            .store
            .commit(Commit::new("cancel", vec![Write::Finish(Box::new(finish))]))
            .await?;
        if let Some(job) = job {
            self.release_lane(&job);
        }
        Ok(())
    }

    /// Runs an execution again with the payload that it had, as an execution of its own (W53). It is not verified and not compared
    /// with earlier deliveries again.
    ///
    /// # Errors
    ///
    /// There is none, it has not ended, its payload, instance or flow is gone, or the store cannot take the replay.
    pub async fn replay(
        self: &Arc<Self>,
        id: &ExecutionId,
        from: ReplayFrom,
    ) -> Result<ExecutionId, ControlError> {
        let store = &self.ports.store;
        let original = store
            .execution(id)
            .await?
            .ok_or_else(|| ControlError::Unknown(id.clone()))?;
        let refuse = |why| ControlError::NotReplayable(id.clone(), why);
        if !original.status.is_final() {
            return Err(refuse("it has not ended yet; cancel it first"));
        }
        if original.function != Function::OnExecution {
            return Err(refuse(
                "it is a lifecycle function; deploy the instance again",
            ));
        }
        let payload = store
            .payload(id)
            .await?
            .ok_or_else(|| refuse("its payload is no longer kept"))?;
        let instance = self
            .instances
            .get(&original.instance)
            .ok_or_else(|| refuse("its instance is removed"))?;
        let flow = self
            .ports
            .integration
            .flow(original.flow.as_str())
            .ok_or_else(|| refuse("its flow is gone"))?;
        let steps = match from {
            ReplayFrom::Start => Vec::new(),
            ReplayFrom::FailedStep => store.steps(&original.journal).await?,
        };
        let job = Job {
            execution: self.replay_of(&original),
            instance,
            flow: Arc::clone(flow),
            payload: Some(replayed(&payload, from)),
            read: None,
            counted: false,
            resumed: !steps.is_empty(),
        };
        let replay = job.execution.id.clone();
        let mut writes = vec![Write::Accept(Box::new(Accept {
            execution: job.execution.clone(),
            payload: job.payload.clone(),
            answer: None,
            claims: Vec::new(),
        }))];
        writes.extend(
            steps
                .into_iter()
                .filter(|step| step.end.is_ok())
                .map(|step| {
                    Write::Step(Box::new(StepRecord {
                        journal: replay.clone(),
                        ..step
                    }))
                }),
        );
        if original.dead_letter {
            writes.push(Write::DeadLetter {
                id: id.clone(),
                dead: false,
            });
        }
        store.commit(Commit::new("replay", writes)).await?;
        if original.dead_letter {
            self.release_lane(&job);
        }
        self.take_up_new(job);
        Ok(replay)
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
        let dismiss = Write::DeadLetter {
            id: id.clone(),
            dead: false,
        };
        self.ports
            .store
            .commit(Commit::new("dismiss", vec![dismiss]))
            .await?;
        if let Some(job) = self.recovered(execution) {
            self.release_lane(&job);
        }
        Ok(())
    }

    fn replay_of(&self, original: &Execution) -> Execution {
        let now = self.ports.clock.now();
        let id = self.ports.entropy.execution_id(now);
        Execution {
            id: id.clone(),
            invoked_by: InvokedBy::Replay,
            synchronous: false,
            status: Status::Queued,
            result: None,
            position: self.take_position(),
            accepted_at: now,
            run_at: None,
            started_at: None,
            ended_at: None,
            attempt: 1,
            starts: 0,
            journal: id,
            first: Some(original.id.clone()),
            parent: None,
            error: None,
            dead_letter: false,
            ..original.clone()
        }
    }
}

/// Returns the payload of a replay: from the start, `#[on_trigger]` runs again on what came.
fn replayed(payload: &Arc<StoredPayload>, from: ReplayFrom) -> Arc<StoredPayload> {
    match from {
        ReplayFrom::FailedStep => Arc::clone(payload),
        ReplayFrom::Start => {
            let from_start = StoredPayload {
                trigger_body: None,
                triggered: None,
                trigger_state: Vec::new(),
                ..payload.as_ref().clone()
            };
            Arc::new(from_start)
        }
    }
}

fn recovered_lane(execution: &Execution) -> Option<crate::lane::LaneId> {
    (execution.function == Function::OnExecution).then(|| crate::lane::LaneId {
        instance: execution.instance.clone(),
        flow: execution.flow.clone(),
        key: execution.order_key.clone(),
    })
}
