//! Gaps of the system that we replace, closed: what is kept from call to call, and what is not (TH-22 to 24, TH-39).

use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Simulation};

/// Counts in its trigger and in its execution.
#[derive(Debug)]
struct Counts;

#[flow(key = "counts", trigger = Webhook::unsigned())]
impl Counts {
    #[on_trigger]
    async fn begin(context: &Context, fails: bool) -> sdk::Result<bool> {
        context
            .instance_state()
            .update("triggers", one_more)
            .await?;
        Ok(fails)
    }

    #[on_execution]
    async fn count(context: &Context, fails: bool) -> sdk::Result<Value> {
        let triggers: u32 = context.instance_state().get("triggers").await?.unwrap_or(0);
        let runs = context.integration_state().update("runs", one_more).await?;
        context.log().info(format!("run {runs}"));
        if fails {
            return Err(Error::new("after all that"));
        }
        Ok(json!({"triggers": triggers, "runs": runs}))
    }
}

fn one_more(count: Option<u32>) -> u32 {
    count.unwrap_or(0) + 1
}

fn counts() -> Simulation<()> {
    Simulation::of(Integration::new("counts").flow::<Counts>()).at("2026-03-27T16:50:00Z")
}

/// TH-22, TH-23: `#[on_execution]` sees what the trigger wrote, and the next call what the last one wrote.
#[tokio::test]
async fn state_is_kept_from_the_trigger_to_the_execution_and_to_the_next_call() -> Result {
    let lab = counts();
    let instance = lab.deploy(()).await?;
    for expected in 1..=3 {
        let report = instance.webhook::<Counts>().json(false).send().await;
        assert_eq!(
            report.execution().output,
            json!({"triggers": expected, "runs": expected})
        );
    }
    Ok(())
}

/// TH-24: a run that fails saves nothing (E41), not what its trigger wrote either.
#[tokio::test]
async fn a_run_that_fails_saves_nothing() -> Result {
    let lab = counts();
    let instance = lab.deploy(()).await?;
    let failed = instance.webhook::<Counts>().json(true).send().await;
    failed.execution().assert_failed("after all that");
    assert_eq!(failed.execution().state, []);
    assert_eq!(instance.integration_state().get::<u32>("runs").await, None);
    assert_eq!(
        instance
            .instance_state::<Counts>()
            .get::<u32>("triggers")
            .await,
        None
    );
    Ok(())
}

/// TH-39: the timeline holds each run with its result, its log and its changes of state, in the order in which they came about.
#[tokio::test]
async fn a_timeline_tells_everything_in_order() -> Result {
    let lab = counts();
    let instance = lab.deploy(()).await?;
    instance.webhook::<Counts>().json(false).send().await;
    lab.advance(hours(1)).await?;
    instance.webhook::<Counts>().json(true).send().await;
    lab.advance(hours(1)).await?;
    instance.webhook::<Counts>().json(false).send().await;
    insta::assert_yaml_snapshot!(instance.timeline().await);
    Ok(())
}

/// TH-39: a test that fails says what there was.
#[tokio::test]
async fn assertions_show_the_report() -> Result {
    let lab = counts();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Counts>().json(true).send().await;
    let said = |fails: &(dyn Fn() + std::panic::RefUnwindSafe)| {
        let panic = std::panic::catch_unwind(fails).expect_err("a panic");
        *panic.downcast::<String>().expect("a text")
    };
    let (report, execution) = (&report, report.execution());
    for (text, begins) in [
        (
            said(&|| {
                report.assert_status(201);
            }),
            "the answer has status 200, not 201:\n{",
        ),
        (
            said(&|| {
                report.assert_refused(200);
            }),
            "the request was refused and left an execution:\n{",
        ),
        (
            said(&|| {
                execution.assert_completed();
            }),
            "the execution has not completed:\n{",
        ),
        (
            said(&|| {
                execution.assert_failed("something else");
            }),
            "the execution has not failed with `something else`:\n{",
        ),
        (
            said(&|| {
                execution.step("none");
            }),
            "no result of a step `none`:\n{",
        ),
    ] {
        assert!(text.starts_with(begins), "{text}");
        assert!(text.contains("after all that"), "{text}");
    }
    Ok(())
}
