//! Flows that call other flows of their instance (E5).

use std::sync::Arc;

use sdk::host::{BoxFuture, Called};
use sdk::id::{ExecutionId, FlowKey};
use sdk::{Error, Payload, Result};
use tokio::sync::oneshot;

use super::{AcceptError, Accepted, Engine, Invocation, Outcome, lock};
use crate::envelope::load_output;
use crate::execution::{Caller, Dispatch};
use crate::record::InvokedBy;

/// As many executions may wait for one another, each for the one that it called: a recursion that has no end is told so.
const DEEPEST_CALL: usize = 1000;

impl Dispatch for Engine {
    fn call(
        &self,
        caller: Caller,
        flow: FlowKey,
        payload: Payload,
        wait: bool,
    ) -> BoxFuture<'static, Result<Called>> {
        let engine = self.me.upgrade();
        Box::pin(async move {
            let engine = engine.ok_or_else(|| Error::new("the runner is stopping"))?;
            engine.call_flow(caller, flow, payload, wait).await
        })
    }
}

impl Engine {
    async fn call_flow(
        self: Arc<Self>,
        caller: Caller,
        flow: FlowKey,
        payload: Payload,
        wait: bool,
    ) -> Result<Called> {
        let instance = self
            .instances
            .get(&caller.instance)
            .ok_or_else(|| Error::new("the instance is removed"))?;
        let flow = self
            .ports
            .integration
            .flow(flow.as_str())
            .ok_or_else(|| unknown_flow(&self, &flow))?;
        if wait && self.depth_of(&caller.execution) >= DEEPEST_CALL {
            let key = flow.options.key;
            let text = format!(
                "flow `{key}` is called by the last of {DEEPEST_CALL} executions that wait for one another; end the recursion, or `start` the flow instead of waiting for it"
            );
            return Err(Error::new(text).permanent());
        }
        let mut invocation =
            Invocation::new(instance, Arc::clone(flow), InvokedBy::CrossFlow, payload);
        invocation.parent = Some(caller.execution);
        invocation.synchronous = wait;
        match self.accept_whole(invocation).await? {
            Accepted::New { id, outcome: None } | Accepted::Duplicate(id) => Ok(Called {
                execution_id: id,
                output: None,
            }),
            Accepted::New {
                id,
                outcome: Some(outcome),
            } => {
                let outcome = outcome
                    .await
                    .map_err(|_| Error::new("the runner stopped while the called flow ran"))?;
                output_of(outcome).map(|output| Called {
                    execution_id: id,
                    output: Some(output),
                })
            }
            Accepted::TickTaken => Err(Error::new("the called flow was not accepted")),
        }
    }

    /// Returns how many executions wait for the end of this one, it included.
    fn depth_of(&self, execution: &ExecutionId) -> usize {
        let running = lock(&self.running);
        let waiting = |id: &&ExecutionId| running.get(*id).and_then(|it| it.waiting.as_ref());
        std::iter::successors(Some(execution), waiting).count()
    }

    /// Accepts in a task of its own: a run may end, or stop waiting, while what it calls is on its way to the disk.
    async fn accept_whole(self: Arc<Self>, invocation: Invocation) -> Result<Accepted> {
        let (sender, accepted) = oneshot::channel();
        let engine = Arc::clone(&self);
        self.ports.spawn.engine(Box::pin(async move {
            // Whoever called may have gone.
            let _ = sender.send(engine.accept(invocation).await);
        }));
        let accepted = accepted.await;
        Ok(accepted.map_err(|_| AcceptError::Stopping)??)
    }
}

fn output_of(outcome: Outcome) -> Result<sdk::Output> {
    match (outcome.error, outcome.output) {
        (Some(error), _) => Err(Error::new(error.text)),
        (None, Some(output)) => Ok(load_output(&output)),
        (None, None) => Ok(sdk::Output::default()),
    }
}

fn unknown_flow(engine: &Engine, asked: &FlowKey) -> Error {
    let known: Vec<String> = engine
        .ports
        .integration
        .flows
        .iter()
        .map(|flow| format!("`{}`", flow.options.key))
        .collect();
    Error::new(format!(
        "the integration has no flow `{asked}`; it has {}",
        known.join(", ")
    ))
    .permanent()
}
