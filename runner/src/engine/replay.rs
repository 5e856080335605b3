//! Runs an execution again, as one of its own (E28, W53).

use std::sync::Arc;

use sdk::Timestamp;
use sdk::id::ExecutionId;
use tokio::sync::oneshot;

use super::control::ControlError;
use super::recovery::Found;
use super::{AcceptError, Engine, Job, Outcome, lock};
use crate::record::{Execution, Function, InvokedBy, StepRecord, StoredPayload};
use crate::store::{Accept, Commit, Point, StoreError, Write};

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

impl Engine {
    /// Runs an execution again with the payload that it had, as an execution of its own (W53). It is not verified and not compared
    /// with earlier deliveries again. [`Deployer::replay`](crate::deploy::Deployer::replay) replays lifecycle functions as well.
    ///
    /// # Errors
    ///
    /// There is none, it has not ended, it is of a lifecycle function, its payload, instance or flow is gone, or the store cannot take
    /// the replay.
    pub async fn replay(
        self: &Arc<Self>,
        id: &ExecutionId,
        from: ReplayFrom,
    ) -> Result<ExecutionId, ControlError> {
        let (replay, _) = self.replay_until(id, from, None).await?;
        Ok(replay)
    }

    /// As [`replay`](Self::replay), of a lifecycle function: no attempt begins later than this. Returns the end of the last attempt too.
    /// Whoever calls this sees to it that nothing else happens to the instance until then.
    ///
    /// # Errors
    ///
    /// As for [`replay`](Self::replay).
    pub async fn replay_function(
        self: &Arc<Self>,
        id: &ExecutionId,
        from: ReplayFrom,
        tried_until: Timestamp,
    ) -> Result<(ExecutionId, Option<oneshot::Receiver<Outcome>>), ControlError> {
        if self.is_stopping() {
            return Err(AcceptError::Stopping.into());
        }
        self.replay_until(id, from, Some(tried_until)).await
    }

    async fn replay_until(
        self: &Arc<Self>,
        id: &ExecutionId,
        from: ReplayFrom,
        tried_until: Option<Timestamp>,
    ) -> Result<(ExecutionId, Option<oneshot::Receiver<Outcome>>), ControlError> {
        let _turn = self.take_turn(id)?;
        let store = &self.ports.store;
        let original = store
            .execution(id)
            .await?
            .ok_or_else(|| ControlError::Unknown(id.clone()))?;
        let refuse = |why| ControlError::NotReplayable(id.clone(), why);
        if !original.status.is_final() {
            return Err(refuse("it has not ended yet; cancel it first"));
        }
        if original.function != Function::OnExecution && tried_until.is_none() {
            return Err(refuse(
                "it is a lifecycle function, and so part of a deploy",
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
        let in_place = self.is_held_for(&original);
        let mut job = Job {
            execution: self.replay_of(&original),
            instance,
            flow: Arc::clone(flow),
            payload: Some(replayed(&original, &payload, from)),
            read: None,
            counted: false,
            resumed: !steps.is_empty(),
            tried_until,
        };
        let place = if in_place {
            None
        } else {
            self.place_for(&mut job)
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
        let outcome = tried_until.map(|_| self.wait_for_last(&replay));
        let committed = store.commit(Commit::new(Point::Replay, writes)).await;
        match (committed, place) {
            (Ok(_), None) => self.start_due(job),
            (Ok(_), Some((lane, entry))) => self.take_up(job, Some(lane), entry),
            (Err(fault), None) => {
                self.forget_waiters(&replay);
                self.settle_replay(job, &fault);
                return Err(fault.into());
            }
            (Err(fault), Some((lane, entry))) => {
                self.settle_unknown(job, Some(lane), entry, Vec::new(), &fault);
                return Err(fault.into());
            }
        }
        Ok((replay, outcome))
    }

    /// Finds out whether a replay of what keeps its lane closed is there after all, though the store did not confirm it.
    fn settle_replay(self: &Arc<Self>, job: Job, fault: &StoreError) {
        if matches!(fault, StoreError::Full(_)) {
            return;
        }
        let engine = Arc::clone(self);
        self.ports.spawn.engine(Box::pin(async move {
            if matches!(engine.find(&job.execution.id).await, Found::Unfinished) {
                engine.start_due(job);
            }
        }));
    }

    fn is_held_for(&self, execution: &Execution) -> bool {
        let job = self.recovered(execution.clone());
        job.filter(|job| job.execution.dead_letter)
            .and_then(|job| job.lane())
            .is_some_and(|lane| self.lanes.is_held_by(&lane, execution.position))
    }

    /// Takes the right to replay an execution: two at once would both take its place.
    fn take_turn(&self, id: &ExecutionId) -> Result<Turn<'_>, ControlError> {
        if lock(&self.replaying).insert(id.clone()) {
            Ok(Turn(self, id.clone()))
        } else {
            Err(ControlError::NotReplayable(
                id.clone(),
                "somebody else replays it at this moment",
            ))
        }
    }

    /// Makes the execution of a replay, in the place of the original.
    fn replay_of(&self, original: &Execution) -> Execution {
        let now = self.ports.clock.now();
        let id = self.ports.entropy.execution_id(now);
        let (instance, flow) = (original.instance.clone(), original.flow.clone());
        Execution {
            function: original.function,
            invoked_by: InvokedBy::Replay,
            position: original.position,
            order_key: original.order_key.clone(),
            first: Some(original.id.clone()),
            parent: original.parent.clone(),
            unique_id: original.unique_id.clone(),
            ..Execution::queued(id, instance, flow, now)
        }
    }
}

/// Returns the payload of a replay: from the start, `#[on_trigger]` runs again on what came. A slice of a page starts with its items.
fn replayed(
    original: &Execution,
    payload: &Arc<StoredPayload>,
    from: ReplayFrom,
) -> Arc<StoredPayload> {
    let is_slice = original.parent.is_some() && payload.triggered.is_some();
    match from {
        ReplayFrom::Start if !is_slice => Arc::new(payload.before_trigger()),
        _ => Arc::clone(payload),
    }
}

/// The right to replay an execution; the next one may when this is dropped.
struct Turn<'a>(&'a Engine, ExecutionId);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.replaying).remove(&self.1);
    }
}
