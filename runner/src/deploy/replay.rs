//! Replays an execution; that of a lifecycle function while nothing else happens to its instance (E28, E51).

use std::sync::Arc;

use sdk::id::ExecutionId;
use tokio::sync::oneshot;

use super::Deployer;
use super::lifecycle::LONGEST;
use crate::engine::{AcceptError, ControlError, ReplayFrom};
use crate::instance::InstanceStatus;
use crate::record::{Execution, Function, ResultType};
use crate::store::Point;

type Replayed = Result<ExecutionId, ControlError>;

impl Deployer {
    /// Runs an execution again with the payload that it had, as an execution of its own (W53): one of a flow as
    /// [`Engine::replay`](crate::engine::Engine::replay) does; one of a lifecycle function with the config that the instance has now, while
    /// nothing else happens to the instance.
    ///
    /// The replay of a lifecycle function changes nothing about what the instance does: one whose deploy failed stays closed until it is
    /// deployed again, because the functions behind the one that failed have not run; one whose removal failed stays until it is
    /// removed again. An `#[on_first_deploy]` that succeeds does not run at the next deploy.
    ///
    /// # Errors
    ///
    /// There is none, it has not ended, its payload, instance, flow or function is gone, something else happens to the instance, or the
    /// store cannot take the replay.
    pub async fn replay(self: &Arc<Self>, id: &ExecutionId, from: ReplayFrom) -> Replayed {
        let engine = &self.engine;
        let found = engine.ports.store.execution(id).await?;
        let Some(original) = found.filter(|found| found.function != Function::OnExecution) else {
            return engine.replay(id, from).await;
        };
        let (sender, accepted) = oneshot::channel();
        let deployer = Arc::clone(self);
        // It keeps the instance to itself until its last attempt has ended, whether somebody waits for that or not.
        engine.ports.spawn.engine(Box::pin(async move {
            deployer.replay_function(original, from, sender).await;
        }));
        accepted
            .await
            .unwrap_or_else(|_| Err(AcceptError::Stopping.into()))
    }

    async fn replay_function(
        &self,
        original: Execution,
        from: ReplayFrom,
        told: oneshot::Sender<Replayed>,
    ) {
        let refuse = |why| ControlError::NotReplayable(original.id.clone(), why);
        let accepted = async {
            let busy = "something else happens to its instance; try again when that has ended";
            let turn = self
                .take_turn(&original.instance)
                .map_err(|_| refuse(busy))?;
            self.check_replay(&original).map_err(refuse)?;
            let until = self.engine.ports.clock.now() + LONGEST;
            let (replay, outcome) = self
                .engine
                .replay_function(&original.id, from, until)
                .await?;
            Ok((replay, outcome, turn))
        };
        let (replay, outcome, _turn) = match accepted.await {
            Ok(accepted) => accepted,
            Err(refusal) => {
                // Whoever asked may have gone, here and below.
                let _ = told.send(Err(refusal));
                return;
            }
        };
        let _ = told.send(Ok(replay));
        let Some(outcome) = outcome else { return };
        let succeeded =
            matches!(outcome.await, Ok(end) if end.recorded && end.result == ResultType::Completed);
        if succeeded && original.function == Function::OnFirstDeploy {
            self.note_first_deploy(&original).await;
        }
    }

    /// Says why a lifecycle function cannot run again as its instance is now.
    fn check_replay(&self, original: &Execution) -> Result<(), &'static str> {
        let instance = self.engine.instances.find(&original.instance);
        let instance = instance.ok_or("its instance is removed")?;
        let flow = self.engine.ports.integration.flow(original.flow.as_str());
        let functions = &flow.ok_or("its flow is gone")?.functions;
        let is_there = match original.function {
            Function::OnExecution => functions.on_execution.is_some(),
            Function::OnInstanceDeploy => functions.on_instance_deploy.is_some(),
            Function::OnInstanceRemove => functions.on_instance_remove.is_some(),
            Function::OnFirstDeploy => functions.on_first_deploy.is_some(),
        };
        if !is_there {
            return Err("its flow does not have this function any more");
        }
        let removes = original.function == Function::OnInstanceRemove;
        match instance.facts.status {
            InstanceStatus::Removed => {
                Err("its instance is removed; deploy it again to bring it back")
            }
            InstanceStatus::Removing if !removes => {
                Err("its instance is being removed; remove it again, or deploy it again")
            }
            InstanceStatus::Removing => Ok(()),
            _ if removes => Err(
                "its instance was deployed again, and this would undo that; remove the instance",
            ),
            _ => Ok(()),
        }
    }

    /// Remembers that the first deploy function of a flow has succeeded. One that the store does not take runs once more at the next
    /// deploy.
    async fn note_first_deploy(&self, original: &Execution) {
        let noted = self.change(&original.instance, Point::Deployed, |facts, _| {
            if !facts.first_deploys.contains(&original.flow) {
                facts.first_deploys.push(original.flow.clone());
            }
        });
        if let Err(fault) = noted.await {
            tracing::warn!(instance = %original.instance, %fault, "that a first deploy function has succeeded could not be stored");
        }
    }
}
