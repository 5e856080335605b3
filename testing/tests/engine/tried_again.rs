//! Lifecycle functions that fail are tried again while their deploy or removal waits (E51).

use std::sync::Arc;

use runner::clock::Clock as _;
use runner::deploy::{DeployRequest, LifecycleEnd};
use runner::instance::InstanceStatus;
use runner::record::{Execution, Function, InvokedBy, ResultType, Status};
use runner::settings::Settings;
use runner::store::{ExecutionFilter, Store as _};
use sdk::prelude::*;
use sdk::{Integration, Timestamp};
use testing::{ExecutionReport, Result, SimulatedInstance, Simulation};

use crate::bench::{log, refusal, results};
use crate::world::{Fault, Lasting, World};

#[derive(ConfigVars)]
struct Config {
    /// How many attempts fail.
    fails: u32,
    /// How they fail: `plain`, `permanent`, `later`, `much later`.
    how: String,
    /// Which function it is.
    which: String,
}

fn config(fails: u32, how: &str) -> Config {
    config_of("subscribe", fails, how)
}

fn config_of(which: &str, fails: u32, how: &str) -> Config {
    Config {
        fails,
        how: how.to_owned(),
        which: which.to_owned(),
    }
}

async fn try_it(context: &Context<Config>, which: &str) -> sdk::Result<()> {
    context.log().info(format!("attempt {}", context.attempt()));
    let more = |count: Option<u32>| count.unwrap_or(0) + 1;
    context.instance_state().merge("attempts", more).await?;
    let config = context.config();
    if context.attempt() > config.fails || config.which != which {
        return Ok(());
    }
    let error = Error::new("not yet");
    Err(match config.how.as_str() {
        "permanent" => error.permanent(),
        "later" => error.retry_after(seconds(90)),
        "much later" => error.retry_after(minutes(11)),
        _ => error,
    })
}

struct Subscribes;

#[flow(key = "subscribes", lifecycle_retry = Retry::times(3).every(seconds(2)).with_backoff())]
impl Subscribes {
    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> sdk::Result<()> {
        context.step("ask", async || Ok(context.attempt())).await?;
        try_it(context, "subscribe").await
    }

    #[on_instance_remove]
    async fn unsubscribe(context: &Context<Config>) -> sdk::Result<()> {
        try_it(context, "unsubscribe").await
    }
}

struct Once;

#[flow(key = "once")]
impl Once {
    #[on_instance_deploy]
    async fn deploy(context: &Context<Config>) -> sdk::Result<()> {
        try_it(context, "once").await
    }
}

struct Leaves;

#[flow(key = "leaves", trigger = Trigger::instance_remove(), retry = Retry::times(1).every(seconds(30)))]
impl Leaves {
    #[on_execution]
    async fn leave(context: &Context<Config>) -> sdk::Result<()> {
        try_it(context, "leaves").await
    }
}

fn integration() -> Integration<Config> {
    let integration = Integration::new("i").flow::<Subscribes>();
    integration.flow::<Once>().flow::<Leaves>()
}

fn lab() -> Simulation<Config> {
    Simulation::of(integration())
}

/// When each attempt began, in seconds after the first one.
fn times(attempts: &[ExecutionReport]) -> Vec<u64> {
    let at = |it: &ExecutionReport| it.started_at.unwrap_or(it.accepted_at);
    let began: Vec<Timestamp> = attempts.iter().map(at).collect();
    let first = began.first().copied().unwrap_or_default();
    began.iter().map(|at| at.since(first).as_secs()).collect()
}

async fn only(lab: &Simulation<Config>) -> Result<SimulatedInstance<Config>> {
    Ok(lab.instances().await?.pop().ok_or("an instance")?)
}

/// E51, W53: each attempt is an execution of its own with its log, linked to the first, at its exact time; the deploy waits for the last.
#[tokio::test]
async fn a_deploy_waits_for_the_attempts_of_its_functions() -> Result {
    let lab = lab();
    let instance = lab.deploy(config(2, "plain")).await?;
    let attempts = instance.executions::<Subscribes>().await;
    let (error, completed) = (ResultType::Error, ResultType::Completed);
    assert_eq!(results(&attempts), [error, error, completed]);
    assert_eq!(times(&attempts), [0, 2, 6], "2 s and then twice as long");
    for (number, attempt) in (1..).zip(&attempts) {
        assert_eq!(attempt.attempt, number);
        assert_eq!(attempt.function, Function::OnInstanceDeploy);
        let retry = number > 1;
        let cause = if retry {
            InvokedBy::Retry
        } else {
            InvokedBy::DeployFlow
        };
        assert_eq!(attempt.invoked_by, cause);
        assert_eq!(attempt.repeats, retry.then(|| attempts[0].id.clone()));
        assert_eq!(log(attempt)[0], format!("attempt {number}"));
    }
    let steps: Vec<_> = attempts.iter().map(|it| it.steps.len()).collect();
    assert_eq!(
        steps,
        [1, 0, 0],
        "E20: what had finished does not run again"
    );
    // E41: what a failed attempt wrote is not saved.
    assert_eq!(
        instance.timeline().await.state["instance of subscribes: attempts"],
        1
    );
    Ok(())
}

/// E51: without a retry, after a permanent error, and when the attempts are used up, the deploy fails.
#[tokio::test]
async fn a_function_that_is_not_tried_again_fails_its_deploy() -> Result {
    for (which, how, attempts) in [
        ("subscribe", "plain", 4),
        ("subscribe", "permanent", 1),
        ("once", "plain", 1),
    ] {
        let lab = lab();
        let text = refusal(lab.deploy(config_of(which, 9, how)).await);
        assert!(text.ends_with("failed: not yet"), "{which}: {text}");
        let instance = only(&lab).await?;
        let ran = instance.timeline().await.executions;
        let failed = ran.iter().filter(|it| it.result == Some(ResultType::Error));
        assert_eq!(failed.count(), attempts, "{which} {how}");
        lab.advance(hours(2)).await?;
        let later = instance.timeline().await.executions;
        assert_eq!(later.len(), ran.len(), "{which} {how}: nothing follows");
    }
    Ok(())
}

/// E51, E21: an error that names a time is heeded; one that asks for more patience than a deploy has ends it.
#[tokio::test]
async fn an_error_may_name_when_its_function_is_tried_again() -> Result {
    let lab = lab();
    let instance = lab.deploy(config(1, "later")).await?;
    let attempts = instance.executions::<Subscribes>().await;
    assert_eq!(times(&attempts), [0, 90]);

    let impatient = self::lab();
    let text = refusal(impatient.deploy(config(1, "much later")).await);
    assert_eq!(
        text,
        "`#[on_instance_deploy]` of flow `subscribes` failed: not yet"
    );
    let attempts = only(&impatient).await?.executions::<Subscribes>().await;
    assert_eq!(attempts.len(), 1);
    Ok(())
}

/// E51: no attempt begins more than ten minutes after its deploy began, whatever its errors ask for.
#[tokio::test]
async fn a_deploy_does_not_wait_for_ever() -> Result {
    struct Patient;

    #[flow(key = "patient", lifecycle_retry = Retry::times(10).every(seconds(1)))]
    impl Patient {
        #[on_instance_deploy]
        async fn deploy(_context: &Context) -> sdk::Result<()> {
            Err(Error::new("later").retry_after(minutes(4)))
        }
    }

    let lab = Simulation::of(Integration::<()>::new("i").flow::<Patient>());
    refusal(lab.deploy(()).await);
    let instance = lab.instances().await?.pop().ok_or("an instance")?;
    let attempts = instance.executions::<Patient>().await;
    assert_eq!(times(&attempts), [0, 240, 480]);
    Ok(())
}

/// E51, E52: a removal waits for its functions and for the flows that it triggers, each by its own retry.
#[tokio::test]
async fn a_removal_waits_for_attempts_too() -> Result {
    for (how, waits) in [("unsubscribe", vec![0, 2]), ("leaves", vec![0, 30])] {
        let lab = lab();
        let instance = lab.deploy(config_of(how, 1, "plain")).await?;
        let removed = instance.remove().await?.executions;
        let tried: Vec<_> = removed
            .into_iter()
            .filter(|run| run.attempt > 1 || run.result == Some(ResultType::Error))
            .collect();
        assert_eq!(times(&tried), waits, "{how}");
        assert_eq!(tried[1].result, Some(ResultType::Completed), "{how}");
        let runner = lab.runner().await?;
        assert!(runner.engine.instances.find(instance.id()).is_none());
    }
    Ok(())
}

/// E51: whoever cancels the attempt that a deploy waits for ends the deploy.
#[tokio::test]
async fn a_deploy_ends_when_the_attempt_that_it_waits_for_is_cancelled() -> Result {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let deploy = begin_deploy(&world).await;
    let [_, waiting] = executions(&lasting).await.try_into().unwrap();
    assert_eq!((waiting.status, waiting.attempt), (Status::Pending, 2));
    let engine = Arc::clone(&world.runner.engine);
    let id = waiting.id.clone();
    world
        .drive(async move { engine.cancel(&id).await })
        .await
        .unwrap()?;
    let [end] = deploy.await?.try_into().unwrap();
    assert_eq!(end.result, ResultType::Canceled);
    let attempts: Vec<_> = end
        .attempts
        .iter()
        .map(|it| (it.number, it.result))
        .collect();
    let (error, canceled) = (Some(ResultType::Error), Some(ResultType::Canceled));
    assert_eq!(attempts, [(1, error), (2, canceled)]);
    assert_eq!(end.execution_id, waiting.id);
    Ok(())
}

struct Steady;

#[flow(key = "steady", lifecycle_retry = Retry::times(2).every(seconds(2)))]
impl Steady {
    #[on_instance_deploy]
    async fn deploy(context: &Context) -> sdk::Result<()> {
        context.instance_state().set("deployed", &true).await?;
        match context.attempt() {
            3 => Ok(()),
            _ => Err(Error::new("not yet")),
        }
    }

    #[on_instance_remove]
    async fn remove(context: &Context) -> sdk::Result<()> {
        match context.attempt() {
            2 => Ok(()),
            _ => Err(Error::new("not yet")),
        }
    }
}

/// E51, G1 to G3: a crash at any durable write of a deploy whose functions are tried again changes nothing about what is left of it.
#[tokio::test]
async fn a_crash_anywhere_between_attempts_does_no_harm() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Steady>());
    let instance = lab.deploy(()).await?;
    instance.redeploy_as_is().await?;
    instance.remove().await?;
    let sweep = lab.survives_a_crash_anywhere().await?;
    let ends = sweep.points.iter().filter(|point| **point == "finish");
    assert_eq!(ends.count(), 3 + 3 + 2);
    Ok(())
}

fn lasting() -> Lasting {
    Lasting::new(integration().build().unwrap(), Settings::default())
}

/// Begins a deploy whose first attempt fails, and lets it come to where it waits.
async fn begin_deploy(world: &World) -> impl Future<Output = Result<Vec<LifecycleEnd>>> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let deployer = Arc::clone(&world.runner.deployer);
    let request = DeployRequest {
        config: Some(config(1, "plain").encode()),
        ..DeployRequest::default()
    };
    let deploy = async move {
        let report = deployer.deploy(None, request).await;
        let _ = sender.send(report.map(|report| report.functions));
    };
    assert_eq!(world.drive(deploy).await, None, "it waits for the retry");
    async { Ok(receiver.await??) }
}

async fn executions(lasting: &Lasting) -> Vec<Execution> {
    let all = ExecutionFilter::default();
    let mut found = lasting.disk.executions(&all, None, 100).await.unwrap();
    found.sort_by_key(|execution| execution.attempt);
    found
}

/// E51, G8: a process that is asked to stop does not let a deploy wait for a retry; the next one ends what is left of it.
#[tokio::test]
async fn g8_a_deploy_that_waits_for_a_retry_ends_when_the_process_is_asked_to_stop() -> Result {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let deploy = begin_deploy(&world).await;
    let began_at = lasting.clock.now();
    world.runner.drain();
    world.settle().await;
    let [end] = deploy.await?.try_into().unwrap();
    assert_eq!(lasting.clock.now(), began_at, "at once");
    let text = "the runner stopped before it had ended";
    assert_eq!(end.error.as_deref(), Some(text));
    world.kill();
    ends_at_the_next_start(&lasting, InstanceStatus::DeployFailed).await;
    Ok(())
}

/// E51, G2: a crash while a deploy waits leaves nothing that waits for ever: the attempt is ended, and the instance deployed again.
#[tokio::test]
async fn g2_a_crash_while_a_deploy_waits_for_a_retry_leaves_nothing_waiting() -> Result {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    drop(begin_deploy(&world).await);
    world.kill();
    ends_at_the_next_start(&lasting, InstanceStatus::Deploying).await;
    Ok(())
}

async fn ends_at_the_next_start(lasting: &Lasting, status: InstanceStatus) {
    let world = World::start(lasting, None).await;
    let [_, waited] = executions(lasting).await.try_into().unwrap();
    assert_eq!(waited.result, Some(ResultType::Error));
    let text = "the process stopped while this function waited for its retry; deploy or remove the instance again";
    assert_eq!(waited.error.as_deref(), Some(text));
    assert!(!waited.dead_letter, "E28");
    let [instance] = world.runner.engine.instances.all().try_into().unwrap();
    assert_eq!(instance.facts.status, status);
    let (deployer, id) = (Arc::clone(&world.runner.deployer), instance.id.clone());
    let request = DeployRequest {
        config: Some(config(0, "plain").encode()),
        ..DeployRequest::default()
    };
    let again = async move { deployer.deploy(Some(id), request).await };
    let report = world.drive(again).await.unwrap().unwrap();
    assert!(report.succeeded);
    world.advance(hours(1), |_| {}).await;
    assert_eq!(
        executions(lasting).await.len(),
        4,
        "nothing comes behind it"
    );
}

/// E51, G3: where the end of an attempt cannot be stored for a while, the deploy has gone when its retry would run: it does not run.
#[tokio::test]
async fn g3_an_attempt_for_which_nobody_waits_any_more_does_not_run() -> Result {
    let lasting = lasting();
    // The instance and the first attempt are stored, its end is not.
    let world = World::start(&lasting, Some((2, Fault::Full))).await;
    let deployer = Arc::clone(&world.runner.deployer);
    let request = DeployRequest {
        config: Some(config(1, "plain").encode()),
        ..DeployRequest::default()
    };
    let deploy = async move { deployer.deploy(None, request).await };
    let report = world.drive(deploy).await.unwrap().unwrap();
    let text = "the store did not take its outcome";
    assert_eq!(report.functions[0].error.as_deref(), Some(text));
    world.advance(minutes(1), |_| {}).await;
    let [first, second] = executions(&lasting).await.try_into().unwrap();
    assert_eq!(first.error.as_deref(), Some("not yet"));
    let text = "the deploy or removal that waited for it has ended; do that again";
    assert_eq!(second.error.as_deref(), Some(text));
    assert_eq!(second.starts, 0);
    Ok(())
}

/// E51: a lifecycle function that has failed for good is no dead letter: its instance says that it is not deployed.
#[tokio::test]
async fn e28_a_lifecycle_function_that_failed_is_no_dead_letter() -> Result {
    let lab = lab();
    refusal(lab.deploy(config(9, "plain")).await);
    let dead = ExecutionFilter {
        dead_letters: true,
        ..ExecutionFilter::default()
    };
    let store = &lab.runner().await?.engine.ports.store;
    assert_eq!(store.executions(&dead, None, 10).await?, []);
    Ok(())
}

struct Impossible;

#[flow(key = "impossible", lifecycle_retry = Retry::times(3).every(minutes(2)).unique_by("/id"))]
impl Impossible {
    #[on_instance_deploy]
    async fn deploy(_context: &Context) -> sdk::Result<()> {
        Ok(())
    }
}

struct Idle;

#[flow(
    key = "idle",
    trigger = Trigger::instance_remove(),
    lifecycle_retry = Retry::times(11).every(seconds(1)),
    retry = Retry::times(1).every(hours(1))
)]
impl Idle {
    #[on_execution]
    async fn run(_context: &Context) -> sdk::Result<()> {
        Ok(())
    }
}

/// E51: what a deploy would wait for too long, and what makes no sense, is refused when the integration is built.
#[test]
fn a_retry_for_which_a_deploy_would_wait_too_long_is_refused() {
    let integration = Integration::<()>::new("i")
        .flow::<Impossible>()
        .flow::<Idle>();
    let faults = integration.build().unwrap_err().0;
    let expected = [
        "flow `impossible`: a lifecycle function has no payload; remove `unique_by` from `lifecycle_retry`",
        "flow `impossible`: a deploy or removal waits for the retries of `lifecycle_retry`, which come to 360 s; make it 300 s at most",
        "flow `idle`: it has no lifecycle function to try again; remove `lifecycle_retry`",
        "flow `idle`: it asks for 11 retries of its lifecycle functions; at most 10 are possible",
        "flow `idle`: the removal waits for the retries of `retry`, which come to 3600 s; make it 300 s at most",
    ];
    assert_eq!(faults, expected);
}
