//! What an operator does with single executions of an instance: look at them, cancel, replay, dismiss (E28).

use std::panic::Location;

use runner::engine::{ControlError, ReplayFrom};
use runner::record::{Execution, Function};
use runner::store::{ExecutionFilter, Store, StoreResult};
use sdk::id::{ExecutionId, FlowKey, InstanceId};

use crate::error::SimulationError;
use crate::instance::SimulatedInstance;
use crate::report::ExecutionReport;
use crate::script::{Act, Deed, Which};

impl<C> SimulatedInstance<C> {
    /// Returns what is recorded of an execution now: `report.execution().id` names that of a webhook.
    ///
    /// # Panics
    ///
    /// There is none of this id.
    #[track_caller]
    pub fn execution(&self, id: &ExecutionId) -> impl Future<Output = ExecutionReport> {
        // What is awaited does not know its caller.
        let caller = Location::caller();
        async move {
            let found = self.world().execution(id).await;
            #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
            found.unwrap_or_else(|| panic!("there is no execution `{id}` ({caller})"))
        }
    }

    /// Returns the executions that are out of attempts and were neither replayed nor dismissed, in the order in which they were accepted.
    pub async fn dead_letters(&self) -> Vec<ExecutionReport> {
        let filter = ExecutionFilter {
            instance: Some(self.id().clone()),
            dead_letters: true,
            ..ExecutionFilter::default()
        };
        let found = self.world().store().executions(&filter, None, u32::MAX);
        let newest_first = found.await.unwrap_or_default().into_iter();
        let ids = newest_first.rev().map(|execution| execution.id).collect();
        self.world().reports(ids).await
    }

    /// Cancels an execution that waits or runs.
    ///
    /// # Errors
    ///
    /// There is none of this id, or it has ended.
    pub async fn cancel(&self, id: &ExecutionId) -> Result<(), SimulationError> {
        self.control(id, Deed::Cancel).await.map(|_| ())
    }

    /// Runs an execution that has ended again, from the start, with the payload that it had; returns the id of the replay.
    ///
    /// # Errors
    ///
    /// There is none of this id, it has not ended, or it cannot be replayed; the text says why.
    pub async fn replay(&self, id: &ExecutionId) -> Result<ExecutionId, SimulationError> {
        self.control(id, Deed::Replay(ReplayFrom::Start)).await
    }

    /// As [`replay`](Self::replay): steps that had finished are not run again, their recorded results are returned.
    ///
    /// # Errors
    ///
    /// As for [`replay`](Self::replay).
    pub async fn replay_from_failed_step(
        &self,
        id: &ExecutionId,
    ) -> Result<ExecutionId, SimulationError> {
        self.control(id, Deed::Replay(ReplayFrom::FailedStep)).await
    }

    /// Takes an execution off the dead letters; what waits behind it goes on.
    ///
    /// # Errors
    ///
    /// There is none of this id.
    pub async fn dismiss(&self, id: &ExecutionId) -> Result<(), SimulationError> {
        self.control(id, Deed::Dismiss).await.map(|_| ())
    }

    /// Returns the id of the execution that it is about, or of the replay.
    async fn control(&self, id: &ExecutionId, deed: Deed) -> Result<ExecutionId, SimulationError> {
        let world = self.world();
        let which = which(world.store(), self.id(), id).await;
        let which = which.ok_or_else(|| ControlError::Unknown(id.clone()))?;
        world.did(Act::Control {
            instance: self.number(),
            which,
            deed,
        });
        let (runner, id) = (world.runner(), id.clone());
        let done = world.drive(async move { deed.of(&runner, &id).await });
        let done = done.await.ok_or(SimulationError::Stuck)??;
        world.settle().await;
        Ok(done)
    }
}

/// Says which execution of an instance this is, by what is the same when the script is done again; `None` if it is none of it.
async fn which(store: &dyn Store, instance: &InstanceId, id: &ExecutionId) -> Option<Which> {
    let all = all_of(store, instance).await.ok()?;
    let own = all.iter().find(|execution| execution.id == *id)?;
    let first = own.first.as_ref().unwrap_or(id);
    let mut originals = all
        .iter()
        .filter(|other| is_like(other, &own.flow, own.function));
    let mut family = all.iter().filter(|other| is_of(other, first));
    Some(Which {
        flow: own.flow.clone(),
        function: own.function,
        original: originals.position(|other| other.id == *first)?,
        repeat: family.position(|other| other.id == *id)?,
    })
}

impl Which {
    /// Finds the execution in another run of the script.
    pub(crate) async fn find(
        &self,
        store: &dyn Store,
        instance: &InstanceId,
    ) -> StoreResult<Option<ExecutionId>> {
        let all = all_of(store, instance).await?;
        let alike = |other: &&Execution| is_like(other, &self.flow, self.function);
        let mut originals = all.iter().filter(alike);
        let Some(first) = originals.nth(self.original) else {
            return Ok(None);
        };
        let mut family = all.iter().filter(|other| is_of(other, &first.id));
        Ok(family.nth(self.repeat).map(|found| found.id.clone()))
    }
}

/// Says whether an execution is a first attempt of this function of a flow.
fn is_like(execution: &Execution, flow: &FlowKey, function: Function) -> bool {
    execution.first.is_none() && execution.flow == *flow && execution.function == function
}

/// Says whether an execution is this first attempt, or a retry or replay of it.
fn is_of(execution: &Execution, first: &ExecutionId) -> bool {
    execution.id == *first || execution.first.as_ref() == Some(first)
}

/// Returns the executions of an instance in the order in which they were accepted.
async fn all_of(store: &dyn Store, instance: &InstanceId) -> StoreResult<Vec<Execution>> {
    let filter = ExecutionFilter {
        instance: Some(instance.clone()),
        ..ExecutionFilter::default()
    };
    let mut found = store.executions(&filter, None, u32::MAX).await?;
    found.reverse();
    Ok(found)
}
