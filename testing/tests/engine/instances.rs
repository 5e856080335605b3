//! The life of an instance: deploy, redeploy, pause, remove (E51 to E53).

use runner::record::{InvokedBy, Status};
use sdk::prelude::*;
use testing::{Result, Simulation};

use crate::bench::{refusal, statuses};

#[derive(ConfigVars)]
struct Config {
    /// Which function fails: `deploy`, `remove`, or none.
    fails: String,
}

fn config(fails: &str) -> Config {
    Config {
        fails: fails.to_owned(),
    }
}

async fn unless(context: &Context<Config>, function: &str) -> sdk::Result<()> {
    context
        .log()
        .info(format!("{function} {}", context.flow().key));
    if context.config().fails == format!("{function} {}", context.flow().key) {
        return Err(Error::new("no"));
    }
    let more = |count: Option<u32>| count.unwrap_or(0) + 1;
    context.cross_flow_state().merge(function, more).await
}

macro_rules! lives {
    ($($name:ident $key:tt),+) => {
        $(
            struct $name;

            #[flow(key = $key)]
            impl $name {
                #[on_instance_deploy]
                async fn deploy(context: &Context<Config>) -> sdk::Result<()> {
                    unless(context, "deploy").await
                }

                #[on_instance_remove]
                async fn remove(context: &Context<Config>) -> sdk::Result<()> {
                    unless(context, "remove").await
                }

                #[on_execution]
                async fn run(_context: &Context<Config>) -> sdk::Result<()> {
                    Ok(())
                }
            }
        )+
    };
}

lives!(First "first", Second "second", Third "third");

struct AfterDeploy;

#[flow(key = "after-deploy", trigger = Trigger::instance_deploy())]
impl AfterDeploy {
    #[on_execution]
    async fn run(context: &Context<Config>) -> sdk::Result<()> {
        let deploys: Option<u32> = context.cross_flow_state().get("deploy").await?;
        context.log().info(format!("after {deploys:?}"));
        Ok(())
    }
}

struct AfterRemove;

#[flow(key = "after-remove", trigger = Trigger::instance_remove())]
impl AfterRemove {
    #[on_execution]
    async fn run(context: &Context<Config>) -> sdk::Result<()> {
        let removes: Option<u32> = context.cross_flow_state().get("remove").await?;
        context.log().info(format!("after {removes:?}"));
        Ok(())
    }
}

struct Ticks;

#[flow(key = "ticks", trigger = Schedule::every(minutes(1)))]
impl Ticks {
    #[on_execution]
    async fn run(_context: &Context<Config>) -> sdk::Result<()> {
        Ok(())
    }
}

fn lab() -> Simulation<Config> {
    let integration = Integration::new("i").flow::<First>().flow::<AfterDeploy>();
    let integration = integration
        .flow::<Second>()
        .flow::<AfterRemove>()
        .flow::<Third>();
    Simulation::of(integration.flow::<Ticks>())
}

async fn lines(instance: &testing::SimulatedInstance<Config>) -> Vec<String> {
    let all = instance.timeline().await.executions;
    all.iter()
        .flat_map(|run| &run.log)
        .map(|line| line.text.clone())
        .collect()
}

/// E51: the deploy functions one after another in the author's order, then the flows that a deploy triggers; a redeploy does it again.
#[tokio::test]
async fn a_deploy_runs_its_functions_in_order_and_then_the_flows_it_triggers() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("")).await?;
    let expected = [
        "deploy first",
        "deploy second",
        "deploy third",
        "after Some(3)",
    ];
    assert_eq!(lines(&instance).await, expected);
    instance.redeploy(config("")).await?;
    let again = [
        "deploy first",
        "deploy second",
        "deploy third",
        "after Some(6)",
    ];
    assert_eq!(lines(&instance).await, [expected, again].concat());
    let causes = instance.timeline().await.executions;
    assert!(
        causes
            .iter()
            .all(|run| run.invoked_by == InvokedBy::DeployFlow)
    );
    Ok(())
}

/// E51: an error stops the deploy and names the flow; nothing after it runs, the instance is closed, and a redeploy opens it.
#[tokio::test]
async fn a_deploy_function_that_fails_stops_the_deploy() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("")).await?;
    let text = refusal(instance.redeploy(config("deploy second")).await);
    assert_eq!(text, "`#[on_instance_deploy]` of flow `second` failed: no");
    let ran = lines(&instance).await;
    assert_eq!(ran[4..], ["deploy first", "deploy second", "no"]);
    assert_eq!(instance.webhook::<First>().send().await.status(), 503);
    lab.advance(minutes(5)).await?;
    assert!(instance.executions::<Ticks>().await.is_empty());
    instance.redeploy(config("")).await?;
    assert_eq!(instance.webhook::<First>().send().await.status(), 200);
    Ok(())
}

/// E52: schedules and endpoints off, the remove functions, the flows that a removal triggers, then state and secrets are erased.
#[tokio::test]
async fn a_removal_cleans_up_and_erases_everything() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("")).await?;
    let request = instance.webhook::<First>().request();
    instance.remove().await?;
    let ran = lines(&instance).await;
    assert_eq!(
        ran[4..],
        [
            "remove first",
            "remove second",
            "remove third",
            "after Some(3)"
        ]
    );
    assert!(instance.timeline().await.state.is_empty());
    let runner = lab.runner().await?;
    assert!(runner.engine.ports.store.instances().await?.is_empty());
    assert_eq!(instance.send(request).await.status(), 404);
    lab.advance(minutes(5)).await?;
    assert!(instance.executions::<Ticks>().await.is_empty());
    Ok(())
}

/// E52: a remove function that fails leaves the instance there, closed, with everything it has; the others have run.
#[tokio::test]
async fn a_removal_that_fails_can_be_done_again() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("remove first")).await?;
    let text = refusal(instance.remove().await);
    assert_eq!(text, "`#[on_instance_remove]` of flow `first` failed: no");
    let ran = lines(&instance).await;
    assert_eq!(
        ran[4..],
        ["remove first", "no", "remove second", "remove third"]
    );
    assert_eq!(instance.webhook::<First>().send().await.status(), 404);
    assert_eq!(instance.timeline().await.state["cross_flow: remove"], 2);
    instance.redeploy(config("")).await?;
    instance.remove().await?;
    Ok(())
}

/// E53: while an instance is paused nothing is accepted and nothing ticks, and what was accepted before runs to its end.
#[tokio::test]
async fn a_paused_instance_takes_nothing_new() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("")).await?;
    lab.advance(minutes(1)).await?;
    instance.pause().await?;
    assert!(instance.pause().await.is_err());
    assert_eq!(instance.webhook::<First>().send().await.status(), 503);
    lab.advance(minutes(10)).await?;
    assert_eq!(instance.executions::<Ticks>().await.len(), 1);
    instance.resume().await?;
    lab.advance(minutes(2)).await?;
    let ticks = instance.executions::<Ticks>().await;
    assert_eq!(statuses(&ticks), [Status::Success; 3]);
    assert_eq!(instance.webhook::<First>().send().await.status(), 200);
    Ok(())
}
