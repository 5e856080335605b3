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

/// Returns what a failing assertion says.
fn said(fails: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(fails));
    let text = panic.expect_err("a panic").downcast::<String>();
    *text.expect("a text")
}

/// TH-39: a test that fails says what was expected, what happened instead, and everything that led to it.
#[tokio::test]
async fn assertions_say_what_was_expected_and_what_happened() -> Result {
    let lab = counts();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Counts>().json(true).send().await;
    let execution = report.execution();
    let first_line = |fails: &dyn Fn()| {
        let text = said(fails);
        assert!(text.contains("log: info run 1"), "{text}");
        text.lines().next().unwrap_or_default().to_owned()
    };
    let all = [
        first_line(&|| _ = report.assert_status(201)),
        first_line(&|| _ = report.assert_refused(200)),
        first_line(&|| _ = execution.assert_completed()),
        first_line(&|| _ = execution.assert_failed("something else")),
        first_line(&|| _ = execution.step("none")),
    ];
    insta::assert_snapshot!(all.join("\n"));
    Ok(())
}

/// TH-39: all expectations that are not met are told at once, with what happened, a line for each thing.
#[tokio::test]
async fn all_that_is_not_as_expected_is_told_at_once() -> Result {
    let lab = counts();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Counts>().json(false).send().await;
    report.check(|it| {
        it.status(200);
        it.completed();
        it.output(json!({"triggers": 1, "runs": 1}));
        it.state("triggers", 1);
        it.state("integration: runs", 1);
        it.requests([]);
        it.that(report.further.is_empty(), "no further execution");
    });
    let text = said(|| {
        report.check(|it| {
            it.status(202);
            it.completed();
            it.failed("a reason");
            it.output(json!({"triggers": 2}));
            it.step("one", 1);
            it.state("triggers", 2);
            it.state("other", 2);
            it.requests(["POST /orders"]);
            it.that(false, "a friendly answer");
        });
    });
    // The lines of this file may move.
    let without_line = |line: &str| match line.rsplit_once(".rs:") {
        Some((line, _)) => format!("{line}.rs:_)"),
        None => line.to_owned(),
    };
    let text: Vec<String> = text.lines().map(without_line).collect();
    insta::assert_snapshot!(text.join("\n"));
    Ok(())
}

/// TH-39: what a test prints that fails by an assertion of its own.
#[tokio::test]
async fn a_story_tells_each_instance_and_no_more_than_is_read() -> Result {
    let lab = counts();
    assert_eq!(lab.story(), "");
    let instance = lab.deploy(()).await?;
    lab.deploy_for("other", ()).await?;
    instance.webhook::<Counts>().json(true).send().await;
    insta::assert_snapshot!(lab.story());
    for _ in 0..40 {
        instance.webhook::<Counts>().json(false).send().await;
    }
    let story = lab.story();
    assert!(story.starts_with("instance 1 (after 11 earlier executions):\n"));
    assert_eq!(story.matches("flow `counts`").count(), 30);
    Ok(())
}
