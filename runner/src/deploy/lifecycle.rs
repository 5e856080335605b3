//! Runs the lifecycle functions of an instance, and the flows that its deploy or removal triggers.

use std::sync::Arc;
use std::time::Duration;

use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::integration::FlowParts;
use sdk::retry::Retry;
use sdk::trigger::TriggerKind;
use sdk::{Payload, Timestamp};

use super::{DeployError, Deployer};
use crate::engine::{Accepted, Invocation};
use crate::instance::Instance;
use crate::record::{Execution, Function, InvokedBy, ResultType};
use crate::store::ExecutionFilter;

/// As many attempts as there can be: the retries of a flow, and the first.
const PAGE: u32 = Retry::MOST + 1;

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
#[derive(Clone, Debug)]
pub struct LifecycleEnd {
    /// The flow.
    pub flow: FlowKey,
    /// Which of its functions.
    pub function: Function,
    /// The execution in which it ran; that of its last attempt.
    pub execution_id: ExecutionId,
    /// How it ended.
    pub result: ResultType,
    /// Why it failed.
    pub error: Option<String>,
    /// Its attempts, the first one first; none if the store could not be read for them.
    pub attempts: Vec<Attempt>,
}

/// One attempt of a lifecycle function.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which one; 1 is the first.
    pub number: u32,
    /// The execution in which it ran.
    pub execution_id: ExecutionId,
    /// How it ended; `None` if it has not.
    pub result: Option<ResultType>,
    /// Why it failed.
    pub error: Option<String>,
}

impl LifecycleEnd {
    /// Says whether the function failed.
    pub fn failed(&self) -> bool {
        self.result != ResultType::Completed
    }
}

impl From<Execution> for Attempt {
    fn from(execution: Execution) -> Self {
        Self {
            number: execution.attempt,
            execution_id: execution.id,
            result: execution.result,
            error: execution.caller_error.map(|error| error.text),
        }
    }
}

/// No attempt begins later after its deploy or removal began, whatever the error of the one before it asks for (E51).
pub(super) const LONGEST: Duration = Duration::from_mins(10);

/// A deploy or a removal that is under way.
pub(super) struct Undertaking {
    instance: Arc<Instance>,
    invoked_by: InvokedBy,
    /// The latest moment at which an attempt begins.
    tried_until: Timestamp,
}

impl Undertaking {
    pub(super) fn new(instance: Arc<Instance>, invoked_by: InvokedBy, began_at: Timestamp) -> Self {
        Self {
            instance,
            invoked_by,
            tried_until: began_at + LONGEST,
        }
    }
}

impl Deployer {
    /// Runs every `#[on_instance_deploy]` one after another, in the author's order, each followed by its flow's `#[on_first_deploy]`
    /// if that has not succeeded before. The first that fails is the last that runs (E51, E2).
    pub(super) async fn run_deploy_functions(
        &self,
        deploy: &Undertaking,
    ) -> Result<Vec<LifecycleEnd>, DeployError> {
        let mut ends = Vec::new();
        for flow in &self.engine.ports.integration.flows {
            let mut done = deploy.instance.facts.first_deploys.iter();
            let first = !done.any(|done| done.as_str() == flow.options.key);
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
                ends.push(self.run(deploy, flow, function).await?);
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
        removal: &Undertaking,
    ) -> Result<Vec<LifecycleEnd>, DeployError> {
        let mut ends = Vec::new();
        let flows = self.engine.ports.integration.flows.iter();
        for flow in flows.filter(|flow| flow.functions.on_instance_remove.is_some()) {
            ends.push(self.run(removal, flow, Function::OnInstanceRemove).await?);
        }
        Ok(ends)
    }

    /// Runs the flows that a removal triggers to their end: what they need is erased after them (E52).
    pub(super) async fn run_remove_flows(
        &self,
        removal: &Undertaking,
    ) -> Result<Vec<LifecycleEnd>, DeployError> {
        let mut ends = Vec::new();
        let flows = self.engine.ports.integration.flows.iter();
        for flow in flows.filter(|flow| matches!(flow.options.trigger, TriggerKind::InstanceRemove))
        {
            ends.push(self.run(removal, flow, Function::OnExecution).await?);
        }
        Ok(ends)
    }

    /// Cancels what was accepted before the removal began, which could keep all places of the instance; waits for what the remove
    /// functions have started, which is part of the cleaning up, for as long as a lifecycle function may take; then cancels everything
    /// of the instance that has not ended (E52).
    pub(super) async fn clear_out(
        &self,
        instance: &InstanceId,
        began_at: Timestamp,
    ) -> Result<(), DeployError> {
        self.engine.cancel_all_of(instance, Some(began_at)).await?;
        let limit = Duration::from_secs(self.engine.ports.settings.lifecycle_seconds);
        let deadline = self.engine.ports.clock.now() + limit;
        self.engine
            .wait_for_all_since(instance, began_at, deadline)
            .await?;
        self.engine.cancel_all_of(instance, None).await?;
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
            // On the heap, as the other one: it is rare, and a deploy is large as it is.
            Box::pin(self.engine.accept(invocation)).await?;
        }
        Ok(())
    }

    /// Runs a function until an attempt succeeds or is the last one.
    async fn run(
        &self,
        undertaking: &Undertaking,
        flow: &Arc<FlowParts>,
        function: Function,
    ) -> Result<LifecycleEnd, DeployError> {
        let mut invocation = Invocation::new(
            Arc::clone(&undertaking.instance),
            Arc::clone(flow),
            undertaking.invoked_by,
            Payload::empty(),
        );
        invocation.function = function;
        invocation.synchronous = true;
        invocation.tried_until = Some(undertaking.tried_until);
        let (first, outcome) = match Box::pin(self.engine.accept(invocation)).await? {
            Accepted::New {
                id,
                outcome: Some(outcome),
            } => (id, outcome.await.ok()),
            Accepted::New { id, outcome: None } | Accepted::Duplicate(id) => (id, None),
            Accepted::TickTaken => {
                return Err(DeployError::Busy(undertaking.instance.id.clone()));
            }
        };
        let (execution_id, result, error) = match outcome {
            Some(outcome) if outcome.recorded => {
                let error = outcome.error.map(|error| error.text);
                (outcome.id, outcome.result, error)
            }
            Some(outcome) => {
                let text = "the store did not take its outcome";
                (outcome.id, ResultType::Error, Some(text.to_owned()))
            }
            None => {
                let text = "the runner stopped before it had ended";
                (first.clone(), ResultType::Error, Some(text.to_owned()))
            }
        };
        let last = Attempt {
            number: 1,
            execution_id: execution_id.clone(),
            result: Some(result),
            error: error.clone(),
        };
        Ok(LifecycleEnd {
            flow: FlowKey::new(flow.options.key),
            function,
            attempts: self.attempts(&first, last).await,
            execution_id,
            result,
            error,
        })
    }

    /// Returns the attempts that began with this execution; none if the store cannot be read, for which a deploy need not fail.
    async fn attempts(&self, first: &ExecutionId, last: Attempt) -> Vec<Attempt> {
        if last.execution_id == *first {
            return vec![last];
        }
        let filter = ExecutionFilter {
            first: Some(first.clone()),
            ..ExecutionFilter::default()
        };
        let store = &self.engine.ports.store;
        let (Ok(Some(original)), Ok(later)) = (
            store.execution(first).await,
            store.executions(&filter, None, PAGE).await,
        ) else {
            return Vec::new();
        };
        let retries = later
            .into_iter()
            .filter(|execution| execution.invoked_by == InvokedBy::Retry);
        let mut attempts: Vec<Attempt> = retries.chain([original]).map(Attempt::from).collect();
        attempts.sort_by_key(|attempt| attempt.number);
        attempts
    }
}
