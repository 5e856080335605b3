//! What is left of a run: durable writes, state, executions, and who wrote last where.

use std::collections::BTreeMap;

use runner::record::{Execution, Function, InvokedBy, ResultType};
use runner::store::{ExecutionFilter, Store as _};
use sdk::state::StateScope;
use serde_json::Value;

use super::crash_store::Point;
use super::order::{Last, Written};
use super::picture::{Picture, Sent};
use super::player::Player;
use crate::error::SimulationError;
use crate::report::StateReport;
use crate::world::Lasting;

/// What is left of a run.
pub(super) struct Run {
    /// Each durable write.
    pub(super) points: Vec<Point>,
    /// The flow of each execution that can be tried again.
    pub(super) attempts: Vec<String>,
    pub(super) picture: Picture,
}

impl Player {
    /// Lets everything end, and looks at what is left.
    pub(super) async fn finish(mut self) -> Result<Run, SimulationError> {
        self.run_until_idle().await?;
        let points = self.store.points();
        let filter = ExecutionFilter::default();
        let executions = self
            .store
            .executions(&filter, None, u32::MAX)
            .await
            .unwrap_or_default();
        let mut picture = Picture {
            answers: self.answers.iter().map(|answer| answer.status).collect(),
            lifecycle: self.lifecycle.clone(),
            requests: self.lasting.requests(&executions),
            last: self.last(&executions),
            state: self.state().await,
            ..Picture::default()
        };
        for execution in &executions {
            // What a deploy or a removal starts is started again when that is done again.
            let repeatable = matches!(
                execution.invoked_by,
                InvokedBy::DeployFlow | InvokedBy::TearDownFlow
            );
            let duplicate = execution.result == Some(ResultType::CanceledAsDuplicate);
            if execution.function == Function::OnExecution && !repeatable && !duplicate {
                *picture.executions.entry(shown(execution)).or_default() += 1;
            }
        }
        Ok(Run {
            points,
            attempts: self.failures.flows(),
            picture,
        })
    }

    /// Returns the state of each instance.
    async fn state(&self) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        for (number, instance) in self.instances.iter().enumerate() {
            for (key, entry) in self.store.states(instance).await.unwrap_or_default() {
                if key.scope != StateScope::Execution {
                    let place = place(&StateReport::place(&key), number);
                    state.insert(place, self.lasting.witness.value(entry.value));
                }
            }
        }
        state
    }

    /// Returns who wrote last where: in the state, and in other systems by requests that replace what is there.
    fn last(&self, executions: &[Execution]) -> Last {
        let witness = &self.lasting.witness;
        let by_id: BTreeMap<_, _> = executions.iter().map(|it| (&it.id, it)).collect();
        let number = |of: &Execution| self.instances.iter().position(|id| *id == of.instance);
        let written = |by: &Execution, place: String, value: Value| Written {
            place,
            value,
            flow: by.flow.to_string(),
            position: by.position,
        };
        let mut all = Vec::new();
        for (id, changes) in witness.all_changes() {
            let Some((by, number)) = by_id.get(&id).and_then(|by| Some((*by, number(by)?))) else {
                continue;
            };
            all.extend(changes.into_iter().map(|change| {
                let place = format!("the state {}", place(&change.key, number));
                written(by, place, witness.value(change.value))
            }));
        }
        let sent = self.lasting.outbound.sent_from(0);
        for (request, sender) in sent.into_iter().zip(self.lasting.outbound.senders()) {
            let replaces = ["PUT", "PATCH", "DELETE"].contains(&request.method.as_str());
            let arrived = request
                .status
                .is_some_and(|status| (200..300).contains(&status));
            if let Some(by) = sender.and_then(|id| by_id.get(&id).copied())
                && replaces
                && arrived
            {
                // A DELETE leaves something else than a PUT without a body.
                let left = serde_json::json!({(request.method): request.body});
                let place = format!("what was sent last to `{}`", request.path);
                all.push(written(by, place, left));
            }
        }
        Last::of(all)
    }
}

/// Names a place in the state of the instance of this number, counted from 0.
fn place(place: &str, number: usize) -> String {
    format!("`{place}` (instance {})", number + 1)
}

fn shown(execution: &Execution) -> String {
    let end = serde_json::to_value(execution.result).unwrap_or_default();
    let attempt = if execution.attempt > 1 {
        format!(", attempt {}", execution.attempt)
    } else {
        String::new()
    };
    let error = execution
        .error
        .as_ref()
        .map(|error| format!(" ({error})"))
        .unwrap_or_default();
    format!(
        "flow `{}`{attempt} ended {}{error}",
        execution.flow,
        end.as_str().unwrap_or("not at all")
    )
}

impl Lasting {
    /// Counts the requests that were sent to other systems, by the flow and the step that sent them.
    fn requests(&self, executions: &[Execution]) -> BTreeMap<Sent, usize> {
        let by_id: BTreeMap<_, _> = executions
            .iter()
            .map(|execution| (&execution.id, execution))
            .collect();
        let mut counts = BTreeMap::new();
        for (report, sender) in self
            .outbound
            .sent_from(0)
            .into_iter()
            .zip(self.outbound.senders())
        {
            // What the runner asks for itself, such as a token, it may ask for again.
            if sender.is_none() {
                continue;
            }
            let execution = sender.as_ref().and_then(|id| by_id.get(id));
            let sent = Sent {
                what: format!("{} {}", report.method, report.path),
                flow: execution
                    .map(|execution| execution.flow.to_string())
                    .unwrap_or_default(),
                step: report.step,
                lifecycle: execution
                    .is_some_and(|execution| execution.function != Function::OnExecution),
            };
            *counts.entry(sent).or_default() += 1;
        }
        counts
    }
}
