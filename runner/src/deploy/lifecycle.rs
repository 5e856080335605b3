//! Runs the lifecycle functions of an instance, and the flows that its deploy or removal triggers.

use std::sync::Arc;
use std::time::Duration;

use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::integration::FlowParts;
use sdk::trigger::TriggerKind;
use sdk::{Payload, Timestamp};

use super::{DeployError, Deployer};
use crate::engine::{Accepted, Invocation, Outcome};
use crate::instance::Instance;
use crate::record::{Function, InvokedBy, ResultType};

/// What came of a deploy or a removal.
#[derive(Clone, Debug)]
pub struct DeployReport {
    /// The instance.
    pub instance: Arc<Instance>,
    /// How each function ended, in the order in which they ran.
    pub functions: Vec<LifecycleEnd>,
    /// Whether all of them ended well.
    pub succeeded: bool,
}

/// How one lifecycle function ended.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LifecycleEnd {
    /// The flow.
    pub flow: FlowKey,
    /// Which of its functions.
    pub function: Function,
    /// The execution in which it ran.
    pub execution_id: ExecutionId,
    /// How it ended.
    pub result: ResultType,
    /// Why it failed.
    pub error: Option<String>,
}

impl LifecycleEnd {
    /// Says whether the function failed.
    pub fn failed(&self) -> bool {
        self.result != ResultType::Completed
    }
}

impl Deployer {
    /// Runs every `#[on_instance_deploy]` one after another, in the author's order, each followed by its flow's `#[on_first_deploy]`
    /// if that has not succeeded before. The first that fails is the last that runs (E51, E2).
    pub(super) async fn run_deploy_functions(
        &self,
        instance: &Arc<Instance>,
    ) -> Result<Vec<LifecycleEnd>, DeployError> {
        let mut ends = Vec::new();
        for flow in &self.engine.ports.integration.flows {
            let first = !instance
                .facts
                .first_deploys
                .iter()
                .any(|done| done.as_str() == flow.options.key);
            let functions = [
                (
                    flow.functions.on_instance_deploy.is_some(),
                    Function::OnInstanceDeploy,
                ),
                (
                    flow.functions.on_first_deploy.is_some() && first,
                    Function::OnFirstDeploy,
                ),
            ];
            for (_, function) in functions.into_iter().filter(|(due, _)| *due) {
                ends.push(
                    self.run(instance, flow, function, InvokedBy::DeployFlow)
                        .await?,
                );
                if ends.last().is_some_and(LifecycleEnd::failed) {
                    return Ok(ends);
                }
            }
        }
        Ok(ends)
    }

    /// Runs every `#[on_instance_remove]`, whatever becomes of the others: each cleans up its own (E52).
    pub(super) async fn run_remove_functions(
        &self,
        instance: &Arc<Instance>,
    ) -> Result<Vec<LifecycleEnd>, DeployError> {
        let mut ends = Vec::new();
        for flow in self
            .engine
            .ports
            .integration
            .flows
            .iter()
            .filter(|flow| flow.functions.on_instance_remove.is_some())
        {
            ends.push(
                self.run(
                    instance,
                    flow,
                    Function::OnInstanceRemove,
                    InvokedBy::TearDownFlow,
                )
                .await?,
            );
        }
        Ok(ends)
    }

    /// Runs the flows that a removal triggers to their end: what they need is erased after them (E52).
    pub(super) async fn run_remove_flows(
        &self,
        instance: &Arc<Instance>,
    ) -> Result<Vec<LifecycleEnd>, DeployError> {
        let mut ends = Vec::new();
        let flows = self.engine.ports.integration.flows.iter();
        for flow in flows.filter(|flow| matches!(flow.options.trigger, TriggerKind::InstanceRemove))
        {
            ends.push(
                self.run(
                    instance,
                    flow,
                    Function::OnExecution,
                    InvokedBy::TearDownFlow,
                )
                .await?,
            );
        }
        Ok(ends)
    }

    /// Waits for what the remove functions have started, which is part of the cleaning up, for as long as a lifecycle function may take;
    /// then cancels everything of the instance that has not ended (E52).
    pub(super) async fn clear_out(
        &self,
        instance: &InstanceId,
        began_at: Timestamp,
    ) -> Result<(), DeployError> {
        let limit = Duration::from_secs(self.engine.ports.settings.lifecycle_seconds);
        let deadline = self.engine.ports.clock.now() + limit;
        self.engine
            .wait_for_all_since(instance, began_at, deadline)
            .await?;
        self.engine.cancel_all_of(instance).await?;
        Ok(())
    }

    /// Starts the flows with a trigger of this kind, all at once, and waits for none (E51).
    pub(super) async fn start_flows(
        &self,
        instance: &Arc<Instance>,
        is_meant: impl Fn(&TriggerKind) -> bool,
        invoked_by: InvokedBy,
    ) -> Result<(), DeployError> {
        for flow in self
            .engine
            .ports
            .integration
            .flows
            .iter()
            .filter(|flow| is_meant(&flow.options.trigger))
        {
            let invocation = Invocation::new(
                Arc::clone(instance),
                Arc::clone(flow),
                invoked_by,
                Payload::empty(),
            );
            self.engine.accept(invocation).await?;
        }
        Ok(())
    }

    async fn run(
        &self,
        instance: &Arc<Instance>,
        flow: &Arc<FlowParts>,
        function: Function,
        invoked_by: InvokedBy,
    ) -> Result<LifecycleEnd, DeployError> {
        let mut invocation = Invocation::new(
            Arc::clone(instance),
            Arc::clone(flow),
            invoked_by,
            Payload::empty(),
        );
        invocation.function = function;
        invocation.synchronous = true;
        let flow = FlowKey::new(flow.options.key);
        let (execution_id, outcome) = match self.engine.accept(invocation).await? {
            Accepted::New {
                id,
                outcome: Some(outcome),
            } => (id, outcome.await.ok()),
            Accepted::New { id, outcome: None } | Accepted::Duplicate(id) => (id, None),
            Accepted::TickTaken => return Err(DeployError::Busy(instance.id.clone())),
        };
        let end = |result, error| LifecycleEnd {
            flow,
            function,
            execution_id,
            result,
            error,
        };
        Ok(match outcome {
            Some(Outcome {
                recorded: true,
                result,
                error,
                ..
            }) => end(result, error.map(|error| error.text)),
            Some(_) => end(
                ResultType::Error,
                Some("the store did not take its outcome".to_owned()),
            ),
            None => end(
                ResultType::Error,
                Some("the runner stopped while it ran".to_owned()),
            ),
        })
    }
}
