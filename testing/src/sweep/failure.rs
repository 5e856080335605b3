//! First attempts that fail because the sweep wants them to.

use std::sync::{Arc, Mutex, PoisonError};

use sdk::Error;
use sdk::id::ExecutionId;
use sdk::integration::{BuiltIntegration, FlowParts};

use super::Side;

/// Counts the first attempts of executions that can be tried again, and lets one of them fail. Clones count together.
#[derive(Clone, Default)]
pub(super) struct Failures {
    seen: Arc<Mutex<Vec<(ExecutionId, String)>>>,
    fails: Option<(usize, Side)>,
}

impl Failures {
    /// Lets the first attempt of this number fail, counted from 0; none if there is none.
    pub(super) fn new(fails: Option<(usize, Side)>) -> Self {
        Self {
            fails,
            ..Self::default()
        }
    }

    /// Returns the flow of each first attempt so far.
    pub(super) fn flows(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(_, flow)| flow.clone()).collect()
    }

    /// Puts itself around the flows that are tried again.
    pub(super) fn around(&self, mut integration: BuiltIntegration) -> BuiltIntegration {
        for flow in &mut integration.flows {
            let retry = &flow.options.retry;
            if retry.wait_after(1, &failure()).is_none() {
                continue;
            }
            let mut parts = FlowParts::clone(flow);
            let failures = self.clone();
            parts.functions.on_execution = parts.functions.on_execution.map(|function| {
                function.wrapped(move |function, call, payload| {
                    let side = failures.side_of(&call.facts);
                    let run = function.call(call, payload);
                    Box::pin(async move {
                        match side {
                            None => run.await,
                            Some(Side::Before) => Err(failure()),
                            // What fails by itself fails as it does.
                            Some(Side::After) => run.await.and_then(|_| Err(failure())),
                        }
                    })
                })
            });
            *flow = Arc::new(parts);
        }
        integration
    }

    /// Says where an execution fails, if it does.
    fn side_of(&self, facts: &sdk::context::ExecutionFacts) -> Option<Side> {
        if facts.attempt > 1 {
            return None;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.iter().position(|(id, _)| *id == facts.execution_id);
        let number = known.unwrap_or_else(|| {
            seen.push((facts.execution_id.clone(), facts.flow.key.to_string()));
            seen.len() - 1
        });
        let (fails, side) = self.fails?;
        (fails == number).then_some(side)
    }
}

fn failure() -> Error {
    Error::new("the sweep lets this attempt fail")
}
