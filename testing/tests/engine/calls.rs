//! Flows that call other flows of their instance (E5).

use runner::record::{InvokedBy, ResultType};
use sdk::prelude::*;
use serde::{Deserialize, Serialize};
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
            let id = context.handle::<NotListed>().start(&()).await?;
            return Ok(json!(id));
        }
        let started = context.handle::<Doubles>().start(&(number + 1)).await?;
        let doubled: i64 = context.handle::<Doubles>().call(&number).await?;
        Ok(json!([started, doubled]))
    }
}

/// What is handed from flow to flow.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Parcel {
    /// Grams; read under another name than the field's.
    #[serde(rename = "grams")]
    weight: u32,
    to: Option<String>,
}

struct Addresses;

#[flow(key = "addresses")]
impl Addresses {
    #[on_trigger]
    async fn take(_context: &Context, to: String) -> sdk::Result<Parcel> {
        Ok(Parcel {
            weight: 500,
            to: Some(to),
        })
    }

    #[on_execution]
    async fn address(_context: &Context, parcel: Parcel) -> sdk::Result<Parcel> {
        Ok(parcel)
    }
}

struct Weighs;

#[flow(key = "weighs")]
impl Weighs {
    #[on_execution]
    async fn weigh(_context: &Context, parcel: Parcel) -> sdk::Result<Option<u32>> {
        Ok(parcel.to.map(|_| parcel.weight))
    }
}

struct Silent;

#[flow(key = "silent")]
impl Silent {
    #[on_execution]
    async fn say(_context: &Context) -> std::result::Result<Output, std::fmt::Error> {
        Ok(Output::text("nothing").with_content_type("text/x-silence"))
    }
}

struct Rings;

/// Says that it returns a number, and writes a text.
#[flow(key = "rings")]
impl Rings {
    #[on_execution]
    async fn ring(_context: &Context) -> sdk::Result<Crooked> {
        Ok(Crooked(7))
    }
}

#[derive(Debug, Deserialize)]
struct Crooked(u32);

impl Serialize for Crooked {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str("seven")
    }
}

struct Asks;

/// Calls flows with values of their types.
#[flow(key = "asks")]
impl Asks {
    #[on_execution]
    async fn ask(context: &Context, what: String) -> sdk::Result<Value> {
        if what == "crooked" {
            let rung = context.handle::<Rings>().call(&()).await?;
            return Ok(json!(rung.0));
        }
        let parcel = context.handle::<Addresses>().call(&what).await?;
        let weighed = context.handle::<Weighs>().call(&parcel).await?;
        let nowhere = Parcel { to: None, ..parcel };
        let not_weighed = context.handle::<Weighs>().call(&nowhere).await?;
        let silence = context.handle::<Silent>().call(&()).await?;
        Ok(json!([
            nowhere.weight,
            weighed,
            not_weighed,
            silence.effective_content_type()
        ]))
    }
}

fn lab() -> Simulation<()> {
    let integration = Integration::new("i").flow::<Calls>().flow::<Doubles>();
    let integration = integration
        .flow::<Asks>()
        .flow::<Addresses>()
        .flow::<Weighs>();
    Simulation::of(integration.flow::<Silent>().flow::<Rings>())
}

/// E5: a call takes what the flow takes and gives what it returns, with the types of that flow: the trigger's payload if it has one,
/// nothing as `()`, a missing value as `None`, an `Output` as it is.
#[tokio::test]
async fn a_call_has_the_types_of_the_flow_that_is_called() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Asks>().json("Ada").send().await;
    let output = &report.execution().assert_completed().output;
    assert_eq!(*output, json!([500, 500, null, "text/x-silence"]));
    Ok(())
}

/// E5: a result that does not read as it was written is an error that names flow and type.
#[tokio::test]
async fn a_result_that_cannot_be_read_again_is_an_error() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Asks>().json("crooked").send().await;
    let failed = report.execution().assert_failed("flow `rings` was called");
    let error = failed.error.as_deref().unwrap_or_default();
    assert!(
        error.contains("Crooked") && error.contains("expected u32"),
        "{error}"
    );
    Ok(())
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
        Some(
            "the integration has no flow `not-listed`; it has `calls`, `doubles`, `asks`, `addresses`, `weighs`, `silent`, `rings`"
        )
    );
    Ok(())
}

struct Descends;

#[flow(key = "descends")]
impl Descends {
    #[on_execution]
    async fn run(context: &Context, steps: Option<u32>) -> sdk::Result<u32> {
        if steps == Some(0) {
            return Ok(0);
        }
        let left = steps.map(|steps| steps - 1);
        Ok(context.handle::<Self>().call(&left).await? + 1)
    }
}

/// E5: a flow may call itself, a thousand deep; a recursion that has no end is told so instead of filling the memory.
#[tokio::test]
async fn a_recursion_without_an_end_is_an_error() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Descends>());
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Descends>().json(999).send().await;
    assert_eq!(report.execution().assert_completed().output, 999);

    let report = instance
        .webhook::<Descends>()
        .json(Value::Null)
        .send()
        .await;
    report.execution().assert_failed(
        "flow `descends` is called by the last of 1000 executions that wait for one another; end the recursion, or `start` the flow instead of waiting for it",
    );
    Ok(())
}
