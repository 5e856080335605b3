//! Flows that call other flows of their instance (E5).

use runner::record::{InvokedBy, ResultType};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Simulation};

use crate::bench::results;

struct Doubles;

#[flow(key = "doubles", queue = Queue::sequential())]
impl Doubles {
    #[on_execution]
    async fn double(_context: &Context, number: i64) -> sdk::Result<i64> {
        match number {
            0 => Err(Error::new("nothing to double")),
            number => Ok(number * 2),
        }
    }
}

struct NotListed;

#[flow(key = "not-listed")]
impl NotListed {
    #[on_execution]
    async fn run(_context: &Context) -> sdk::Result<()> {
        Ok(())
    }
}

struct Calls;

#[flow(key = "calls")]
impl Calls {
    #[on_execution]
    async fn call(context: &Context, number: i64) -> sdk::Result<Value> {
        if number < 0 {
            let id = context.start::<NotListed>(&json!(1)).await?;
            return Ok(json!(id));
        }
        let started = context.start::<Doubles>(&json!(number + 1)).await?;
        let doubled = context.call::<Doubles>(&json!(number)).await?;
        Ok(json!([started, doubled]))
    }
}

fn lab() -> Simulation<()> {
    Simulation::of(Integration::new("i").flow::<Calls>().flow::<Doubles>())
}

/// E5: one call returns an id at once, the other waits for the result; both are executions of their own that name their caller.
#[tokio::test]
async fn a_flow_starts_another_and_waits_for_another() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Calls>().json(4).send().await;
    let caller = report.execution.ok_or("an execution")?;
    let runs = instance.executions::<Doubles>().await;
    let started = runs
        .iter()
        .find(|run| run.output == 10)
        .ok_or("the one that was started")?;
    assert_eq!(caller.output, json!([started.id, 8]));
    assert!(
        runs.iter()
            .all(|run| run.invoked_by == InvokedBy::CrossFlow)
    );
    let runner = lab.runner().await?;
    for run in &runs {
        let stored = runner
            .engine
            .ports
            .store
            .execution(&run.id)
            .await?
            .ok_or("a record")?;
        assert_eq!(stored.parent.as_ref(), Some(&caller.id));
    }
    Ok(())
}

/// E5: the failure of a flow that is waited for is an error with its text.
#[tokio::test]
async fn the_failure_of_a_called_flow_comes_back_with_its_text() -> Result {
    let instance_lab = lab();
    let instance = instance_lab.deploy(()).await?;
    let report = instance.webhook::<Calls>().json(0).send().await;
    let error = report.execution.and_then(|run| run.error);
    assert_eq!(error.as_deref(), Some("nothing to double"));
    assert_eq!(
        results(&instance.executions::<Doubles>().await),
        [ResultType::Completed, ResultType::Error]
    );
    Ok(())
}

/// E5: a flow that the integration does not list is named, with those that it does.
#[tokio::test]
async fn an_unknown_flow_is_an_error_that_names_those_there_are() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Calls>().json(-1).send().await;
    let error = report.execution.and_then(|run| run.error);
    assert_eq!(
        error.as_deref(),
        Some("the integration has no flow `not-listed`; it has `calls`, `doubles`")
    );
    Ok(())
}
