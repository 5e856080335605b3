//! Lifecycle functions that somebody replays (E28, E51).

use std::sync::Arc;

use runner::engine::ReplayFrom;
use runner::instance::InstanceStatus;
use runner::record::{Function, InvokedBy, ResultType, Status};
use sdk::id::ExecutionId;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{ExecutionReport, Result, SimulatedInstance, Simulation};

use crate::bench::{Bench as _, log, refusal, results, statuses};

#[derive(ConfigVars)]
struct Config {
    /// Which functions fail.
    fails: Vec<String>,
}

fn config(fails: &[&str]) -> Config {
    Config {
        fails: fails.iter().map(ToString::to_string).collect(),
    }
}

async fn try_it(context: &Context<Config>, which: &str) -> sdk::Result<()> {
    let fails = &context.config().fails;
    context.log().info(format!("{which} {fails:?}"));
    let more = |count: Option<u32>| count.unwrap_or(0) + 1;
    context.cross_flow_state().merge(which, more).await?;
    if fails.iter().any(|it| it == which) {
        return Err(Error::new("no"));
    }
    Ok(())
}

struct Hooks;

#[flow(key = "hooks", lifecycle_retry = Retry::times(1).every(seconds(5)))]
impl Hooks {
    #[on_instance_deploy]
    async fn deploy(context: &Context<Config>) -> sdk::Result<()> {
        context.step("look", async || Ok(1)).await?;
        context.sleep(seconds(1)).await;
        try_it(context, "deploy").await
    }

    #[on_first_deploy]
    async fn first(context: &Context<Config>) -> sdk::Result<()> {
        try_it(context, "first").await
    }

    #[on_instance_remove]
    async fn remove(context: &Context<Config>) -> sdk::Result<()> {
        try_it(context, "remove").await
    }

    #[on_execution]
    async fn run(_context: &Context<Config>, body: Value) -> sdk::Result<Value> {
        Ok(body)
    }
}

struct Last;

#[flow(key = "last")]
impl Last {
    #[on_instance_deploy]
    async fn deploy(context: &Context<Config>) -> sdk::Result<()> {
        try_it(context, "last").await
    }
}

fn lab() -> Simulation<Config> {
    Simulation::of(Integration::new("i").flow::<Hooks>().flow::<Last>())
}

/// Deploys with functions that fail; returns the instance.
async fn failing(lab: &Simulation<Config>, fails: &[&str]) -> Result<SimulatedInstance<Config>> {
    refusal(lab.deploy(config(fails)).await);
    Ok(lab.instances().await?.pop().ok_or("an instance")?)
}

async fn of(instance: &SimulatedInstance<Config>, function: Function) -> Vec<ExecutionReport> {
    let mut all = instance.timeline().await.executions;
    all.retain(|it| it.function == function);
    all
}

async fn status(
    lab: &Simulation<Config>,
    of: &SimulatedInstance<Config>,
) -> Result<InstanceStatus> {
    let found = lab.runner().await?.engine.instances.find(of.id());
    Ok(found.ok_or("an instance")?.facts.status)
}

async fn replay(lab: &Simulation<Config>, id: &ExecutionId) -> Result<ExecutionId> {
    Ok(lab.replay(id, ReplayFrom::Start).await?)
}

async fn refused(lab: &Simulation<Config>, id: &ExecutionId) -> String {
    let refusal = lab.replay(id, ReplayFrom::Start).await.unwrap_err();
    let text = refusal.to_string();
    let beginning = format!("execution `{id}` cannot be replayed: ");
    text.strip_prefix(&beginning).unwrap().to_owned()
}

/// E28, E51, W53: a replay runs the function again with the config of now, as an execution of its own that is linked to the first; an
/// instance whose deploy failed stays closed, because the functions behind it have not run.
#[tokio::test]
async fn a_deploy_function_is_replayed_and_deploys_nothing() -> Result {
    let lab = lab();
    let instance = failing(&lab, &["deploy"]).await?;
    let failed = instance.executions::<Hooks>().await;
    assert_eq!(failed.len(), 2, "it was tried again");
    // What the operator has put right: the config.
    refusal(instance.redeploy(config(&["last"])).await);
    let before = instance.executions::<Hooks>().await.len();

    let id = replay(&lab, &failed[0].id).await?;
    lab.advance(seconds(1)).await?;
    let runs = instance.executions::<Hooks>().await;
    assert_eq!(runs.len(), before + 1);
    let again = runs.iter().find(|run| run.id == id).ok_or("the replay")?;
    assert_eq!(again.invoked_by, InvokedBy::Replay);
    assert_eq!(again.function, Function::OnInstanceDeploy);
    assert_eq!(again.repeats.as_ref(), Some(&failed[0].id));
    assert_eq!(again.result, Some(ResultType::Completed));
    assert_eq!(log(again), ["deploy [\"last\"]"]);
    assert_eq!(status(&lab, &instance).await?, InstanceStatus::DeployFailed);
    assert_eq!(instance.webhook::<Hooks>().send().await.status(), 503);

    instance.redeploy(config(&[])).await?;
    assert_eq!(status(&lab, &instance).await?, InstanceStatus::Active);
    replay(&lab, &failed[0].id).await?;
    lab.advance(seconds(1)).await?;
    assert_eq!(status(&lab, &instance).await?, InstanceStatus::Active);
    Ok(())
}

/// E28, E20: from the failed step, what had finished keeps its result.
#[tokio::test]
async fn a_function_is_replayed_from_its_failed_step() -> Result {
    let lab = lab();
    let instance = failing(&lab, &["deploy"]).await?;
    let failed = instance.executions::<Hooks>().await;
    for (from, own) in [(ReplayFrom::Start, true), (ReplayFrom::FailedStep, false)] {
        let id = lab.replay(&failed[1].id, from).await?;
        lab.advance(minutes(1)).await?;
        let store = &lab.runner().await?.engine.ports.store;
        let steps = store.steps(&id).await?;
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].execution == id, own, "{from:?}");
    }
    Ok(())
}

/// E51, E21: a replay is tried again as its function is, and one thing at a time happens to an instance until its last attempt.
#[tokio::test]
async fn nothing_else_happens_to_an_instance_while_a_function_is_replayed() -> Result {
    let lab = lab();
    let instance = failing(&lab, &["deploy"]).await?;
    let failed = instance.executions::<Hooks>().await;
    let id = replay(&lab, &failed[0].id).await?;
    lab.advance(seconds(3)).await?;
    let waiting = instance
        .executions::<Hooks>()
        .await
        .pop()
        .ok_or("a retry")?;
    assert_eq!((waiting.status, waiting.attempt), (Status::Pending, 2));
    assert_eq!(waiting.repeats, Some(id));

    let busy = "something else happens to its instance; try again when that has ended";
    assert_eq!(refused(&lab, &failed[1].id).await, busy);
    for text in [
        refusal(instance.redeploy(config(&[])).await),
        refusal(instance.remove().await),
    ] {
        assert!(text.ends_with("try again when that has ended"), "{text}");
    }
    lab.advance(minutes(1)).await?;
    instance.redeploy(config(&[])).await?;
    Ok(())
}

/// E2, E28: a first deploy function that succeeds in a replay has succeeded; it does not run at the next deploy.
#[tokio::test]
async fn a_first_deploy_function_that_is_replayed_runs_no_more() -> Result {
    let lab = lab();
    let instance = failing(&lab, &["first"]).await?;
    refusal(instance.redeploy(config(&["deploy"])).await);
    let first = of(&instance, Function::OnFirstDeploy).await;
    assert_eq!(first.len(), 2);
    replay(&lab, &first[0].id).await?;
    instance.redeploy(config(&[])).await?;
    assert_eq!(of(&instance, Function::OnFirstDeploy).await.len(), 3);
    assert_eq!(instance.timeline().await.state["cross_flow: first"], 1);
    Ok(())
}

/// E28, E52: a remove function is replayed while its instance is being removed, and deploy functions are not; the removal is done again.
#[tokio::test]
async fn a_remove_function_is_replayed_while_its_instance_is_being_removed() -> Result {
    let lab = lab();
    let instance = lab.deploy(config(&["remove"])).await?;
    let deployed = of(&instance, Function::OnInstanceDeploy).await;
    refusal(instance.remove().await);
    let failed = of(&instance, Function::OnInstanceRemove).await;
    let text = "its instance is being removed; remove it again, or deploy it again";
    assert_eq!(refused(&lab, &deployed[0].id).await, text);
    replay(&lab, &failed[1].id).await?;
    lab.advance(minutes(1)).await?;
    let removes = of(&instance, Function::OnInstanceRemove).await;
    assert_eq!(results(&removes), [ResultType::Error; 4]);
    assert_eq!(status(&lab, &instance).await?, InstanceStatus::Removing);

    instance.redeploy(config(&[])).await?;
    let text = "its instance was deployed again, and this would undo that; remove the instance";
    assert_eq!(refused(&lab, &failed[1].id).await, text);
    instance.remove_keeping(hours(1)).await?;
    let text = "its instance is removed; deploy it again to bring it back";
    assert_eq!(refused(&lab, &failed[1].id).await, text);
    assert_eq!(refused(&lab, &deployed[0].id).await, text);
    lab.advance(hours(1)).await?;
    let text = "its instance is removed";
    assert_eq!(refused(&lab, &deployed[0].id).await, text);
    Ok(())
}

/// E28: what is not there any more is said in a sentence.
#[tokio::test]
async fn a_function_that_is_gone_is_not_replayed() -> Result {
    struct Former;

    #[flow(key = "hooks")]
    impl Former {
        #[on_execution]
        async fn run(_context: &Context<Config>, body: Value) -> sdk::Result<Value> {
            Ok(body)
        }
    }

    let mut lasting = crate::world::Lasting::new(
        Integration::new("i")
            .flow::<Hooks>()
            .flow::<Last>()
            .build()?,
        crate::bench::settings(),
    );
    let world = crate::world::World::start(&lasting, None).await;
    let deployer = Arc::clone(&world.runner.deployer);
    let request = runner::deploy::DeployRequest {
        config: Some(config(&["last"]).encode()),
        ..runner::deploy::DeployRequest::default()
    };
    let deploy = world.drive(async move { deployer.deploy(None, request).await });
    assert!(deploy.await.is_none(), "it takes its second");
    world.advance(seconds(2), |_| {}).await;
    let all = runner::store::ExecutionFilter::default();
    let ran = world
        .runner
        .engine
        .ports
        .store
        .executions(&all, None, 10)
        .await?;
    world.kill();

    lasting.integration = Integration::new("i").flow::<Former>().build()?;
    let world = crate::world::World::start(&lasting, None).await;
    for (flow, why) in [
        ("hooks", "its flow does not have this function any more"),
        ("last", "its flow is gone"),
    ] {
        let id = ran.iter().find(|run| run.flow.as_str() == flow);
        let id = id.ok_or("an execution")?.id.clone();
        let deployer = Arc::clone(&world.runner.deployer);
        let text = format!("execution `{id}` cannot be replayed: {why}");
        let replay = async move { deployer.replay(&id, ReplayFrom::Start).await };
        let refusal = world.drive(replay).await.ok_or("an end")?.unwrap_err();
        assert_eq!(refusal.to_string(), text);
    }
    Ok(())
}

/// E28: the replay of a flow runs while its instance is busy, as ever.
#[tokio::test]
async fn the_replay_of_a_flow_does_not_wait_for_its_instance() -> Result {
    let lab = lab();
    let instance = lab.deploy(config(&[])).await?;
    let sent = instance.webhook::<Hooks>().json(json!(1)).send().await;
    let deployed = of(&instance, Function::OnInstanceDeploy).await;
    replay(&lab, &deployed[0].id).await?;
    replay(&lab, &sent.execution().id).await?;
    let flows = of(&instance, Function::OnExecution).await;
    assert_eq!(statuses(&flows), [Status::Success; 2]);
    Ok(())
}
