//! Short ways to say what the tests of the rows say often.

use runner::engine::{ControlError, ReplayFrom};
use runner::record::{ResultType, Status};
use sdk::ConfigVars;
use sdk::id::ExecutionId;
use serde_json::{Value, json};
use testing::{ExecutionReport, Result, Settings, Simulation, SimulationError};

/// What the tests do to single executions.
pub(crate) trait Bench {
    async fn cancel(&self, id: &ExecutionId) -> Result<(), ControlError>;
    async fn replay(&self, id: &ExecutionId, from: ReplayFrom)
    -> Result<ExecutionId, ControlError>;
    async fn dismiss(&self, id: &ExecutionId) -> Result<(), ControlError>;
}

impl<C: ConfigVars> Bench for Simulation<C> {
    async fn cancel(&self, id: &ExecutionId) -> Result<(), ControlError> {
        let canceled = self.runner().await.unwrap().engine.cancel(id).await;
        self.advance(std::time::Duration::ZERO).await.unwrap();
        canceled
    }

    async fn replay(
        &self,
        id: &ExecutionId,
        from: ReplayFrom,
    ) -> Result<ExecutionId, ControlError> {
        let replayed = self.runner().await.unwrap().deployer.replay(id, from).await;
        self.advance(std::time::Duration::ZERO).await.unwrap();
        replayed
    }

    async fn dismiss(&self, id: &ExecutionId) -> Result<(), ControlError> {
        let dismissed = self.runner().await.unwrap().engine.dismiss(id).await;
        self.advance(std::time::Duration::ZERO).await.unwrap();
        dismissed
    }
}

/// Settings without a rate limit.
pub(crate) fn settings() -> Settings {
    Settings {
        rate_per_second: 0,
        ..Settings::default()
    }
}

pub(crate) fn results(executions: &[ExecutionReport]) -> Vec<ResultType> {
    executions.iter().filter_map(|it| it.result).collect()
}

pub(crate) fn outputs(executions: &[ExecutionReport]) -> Vec<Value> {
    executions.iter().map(|it| it.output.clone()).collect()
}

pub(crate) fn statuses(executions: &[ExecutionReport]) -> Vec<Status> {
    executions.iter().map(|it| it.status).collect()
}

pub(crate) fn log(execution: &ExecutionReport) -> Vec<&str> {
    execution
        .log
        .iter()
        .map(|line| line.text.as_str())
        .collect()
}

/// The answer to an asynchronous webhook.
pub(crate) fn accepted(id: &ExecutionId) -> Value {
    json!({ "executionId": id })
}

/// Why a lifecycle function stopped what was asked for.
#[track_caller]
pub(crate) fn refusal<T>(done: Result<T, SimulationError>) -> String {
    match done {
        Ok(_) => panic!("it was done"),
        Err(refusal) => refusal.to_string(),
    }
}
