//! Removals, limits, parked keys, cancels and crashes that meet (E24, E28, E50, E51, E52).

use std::sync::Arc;
use std::time::Duration;

use runner::deploy::{Customer, DeployRequest, Removal};
use runner::instance::{Instance, InstanceStatus};
use runner::record::{Execution, Function, ResultType, Status};
use runner::store::Store as _;
use sdk::id::InstanceId;
use sdk::prelude::*;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::bench::settings;
use crate::world::{Fault, Lasting, World};

struct Keyed;

#[flow(key = "keyed", queue = Queue::order_by("/key").on_poison(Poison::Park))]
impl Keyed {
    #[on_execution]
    async fn run(context: &Context, body: Value) -> Result<()> {
        context.sleep(seconds(5)).await;
        match body["fails"].as_bool() {
            Some(true) => Err(Error::new("it fails")),
            _ => Ok(()),
        }
    }
}

struct Slow;

#[flow(key = "slow")]
impl Slow {
    #[on_execution]
    async fn run(context: &Context) -> Result<()> {
        context.sleep(hours(1)).await;
        context.instance_state().set("slow", &true).await
    }
}

struct CleansUp;

#[flow(key = "cleans-up")]
impl CleansUp {
    #[on_execution]
    async fn run(context: &Context) -> Result<()> {
        context.sleep(seconds(5)).await;
        Ok(())
    }
}

struct Leaves;

#[flow(key = "leaves", trigger = Webhook::unsigned())]
impl Leaves {
    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Ok(())
    }

    #[on_instance_remove]
    async fn leave(context: &Context) -> Result<()> {
        context.handle::<CleansUp>().start(&()).await?;
        Ok(())
    }
}

fn lasting(integration: Integration<()>) -> Lasting {
    Lasting::new(integration.build().unwrap(), settings())
}

async fn post(world: &World, instance: &Arc<Instance>, flow: &str, body: Value) {
    let answer = world.post(instance, flow, &body).await;
    assert_eq!(answer.map(|(status, _)| status), Some(200));
}

/// Begins to remove an instance, and lets everything happen that can without time moving on.
async fn remove(world: &World, id: &InstanceId, keep: Duration) {
    let (deployer, id) = (Arc::clone(&world.runner.deployer), id.clone());
    let removal = Removal {
        keep: Some(keep),
        ..Removal::default()
    };
    let _ = world
        .drive(async move { deployer.remove(&id, removal).await })
        .await;
}

fn status(world: &World, id: &InstanceId) -> Option<InstanceStatus> {
    let found = world.runner.engine.instances.find(id);
    found.map(|found| found.facts.status)
}

/// An instance that is removed and kept, with one dead letter that has parked its key.
async fn removed_with_a_parked_key(lasting: &Lasting) -> (World, Arc<Instance>, Execution) {
    let world = World::start(lasting, None).await;
    let instance = world.deploy().await;
    post(&world, &instance, "keyed", json!({"key": 1, "fails": true})).await;
    world.advance(seconds(5), |_| {}).await;
    remove(&world, &instance.id, days(1)).await;
    assert_eq!(status(&world, &instance.id), Some(InstanceStatus::Removed));
    let parked = lasting.executions("keyed").await.remove(0);
    assert!(parked.dead_letter);
    (world, instance, parked)
}

/// E24, E28, E52: a dead letter that is dismissed while its instance is removed does not keep its key closed when it is brought back.
#[tokio::test]
async fn a_key_is_open_whose_dead_letter_was_dismissed_while_the_instance_was_removed() {
    let lasting = lasting(Integration::new("i").flow::<Keyed>());
    let (world, instance, parked) = removed_with_a_parked_key(&lasting).await;
    let engine = Arc::clone(&world.runner.engine);
    let dismissed = world.drive(async move { engine.dismiss(&parked.id).await });
    dismissed.await.unwrap().unwrap();
    world.deploy_at_most(Some(instance.id.clone()), None).await;
    post(&world, &instance, "keyed", json!({"key": 1})).await;
    world.advance(seconds(5), |_| {}).await;
    let ends = lasting.statuses("keyed").await;
    assert_eq!(ends, [Status::Error, Status::Success]);
}

/// E24, E52: a parked key is still parked when its instance is brought back, also by another process than the one that removed it.
#[tokio::test]
async fn a_key_stays_parked_while_its_instance_is_removed_and_the_process_starts_again() {
    let lasting = lasting(Integration::new("i").flow::<Keyed>());
    let (world, instance, parked) = removed_with_a_parked_key(&lasting).await;
    world.kill();
    let world = World::start(&lasting, None).await;
    world.deploy_at_most(Some(instance.id.clone()), None).await;
    post(&world, &instance, "keyed", json!({"key": 1})).await;
    post(&world, &instance, "keyed", json!({"key": 2})).await;
    world.advance(seconds(5), |_| {}).await;
    let ends = lasting.statuses("keyed").await;
    assert_eq!(ends, [Status::Error, Status::Queued, Status::Success]);
    let engine = Arc::clone(&world.runner.engine);
    let dismissed = world.drive(async move { engine.dismiss(&parked.id).await });
    dismissed.await.unwrap().unwrap();
    world.advance(seconds(5), |_| {}).await;
    let ends = lasting.statuses("keyed").await;
    assert_eq!(ends, [Status::Error, Status::Success, Status::Success]);
}

/// E50, E52: what a remove function has started gets its time, also when the instance is at its limit with work that is cancelled anyhow.
#[tokio::test]
async fn what_a_removal_starts_runs_though_the_instance_is_at_its_limit() {
    let integration = Integration::new("i")
        .flow::<Slow>()
        .flow::<CleansUp>()
        .flow::<Leaves>();
    let lasting = lasting(integration);
    let world = World::start(&lasting, None).await;
    let instance = world.deploy_at_most(None, Some(1)).await;
    post(&world, &instance, "slow", json!(null)).await;
    post(&world, &instance, "slow", json!(null)).await;
    world.advance(seconds(1), |_| {}).await;
    remove(&world, &instance.id, Duration::ZERO).await;
    world.advance(seconds(30), |_| {}).await;
    assert_eq!(status(&world, &instance.id), None);
    let cleaned = lasting.executions("cleans-up").await;
    assert_eq!(cleaned.len(), 1);
    assert_eq!(cleaned[0].result, Some(ResultType::Completed));
    for slow in lasting.executions("slow").await {
        assert_eq!(slow.result, Some(ResultType::Canceled));
    }
}

static GONE: Notify = Notify::const_new();

/// Tells of it when the run that holds it is cancelled.
struct TellsOfItsEnd;

impl Drop for TellsOfItsEnd {
    fn drop(&mut self) {
        GONE.notify_one();
    }
}

struct Cancelled;

#[flow(key = "cancelled")]
impl Cancelled {
    #[on_execution]
    async fn run(context: &Context) -> Result<()> {
        let _tells = TellsOfItsEnd;
        context.sleep(hours(1)).await;
        Ok(())
    }
}

struct StartsAnother;

#[flow(key = "starts-another")]
impl StartsAnother {
    #[on_execution]
    async fn run(context: &Context) -> Result<()> {
        GONE.notified().await;
        context.handle::<Slow>().start(&()).await?;
        context.sleep(hours(1)).await;
        Ok(())
    }

    #[on_instance_remove]
    async fn leave(context: &Context) -> Result<()> {
        context.handle::<StartsAnother>().start(&()).await?;
        context.handle::<Cancelled>().start(&()).await?;
        Ok(())
    }
}

/// E52: what an execution starts while the removal cancels the others is cancelled too; nothing writes state after the erasing.
#[tokio::test]
async fn nothing_runs_on_that_was_started_while_a_removal_cancelled() {
    let integration = Integration::new("i")
        .flow::<Slow>()
        .flow::<Cancelled>()
        .flow::<StartsAnother>();
    let lasting = lasting(integration);
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    remove(&world, &instance.id, Duration::ZERO).await;
    world.advance(seconds(30), |_| {}).await;
    assert_eq!(status(&world, &instance.id), None);
    assert_eq!(lasting.statuses("slow").await, [Status::Error]);
    world.advance(hours(2), |_| {}).await;
    assert_eq!(lasting.disk.states(&instance.id).await.unwrap(), []);
}

/// E24, E28: an execution that could not be cancelled keeps its place in its lane, whatever ends meanwhile.
#[tokio::test]
async fn a_cancel_that_fails_leaves_the_order_of_its_lane() {
    let lasting = lasting(Integration::new("i").flow::<Keyed>());
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    for _ in 0..3 {
        post(&world, &instance, "keyed", json!({"key": 1})).await;
    }
    world.advance(millis(4500), |_| {}).await;
    let second = lasting.executions("keyed").await.remove(1).id;
    world.store.arm(0, Fault::LostBefore);
    let engine = Arc::clone(&world.runner.engine);
    let cancelled = world.drive(async move { engine.cancel(&second).await });
    assert!(cancelled.await.unwrap().is_err());
    world.advance(seconds(20), |_| {}).await;
    let ran = lasting.executions("keyed").await;
    let started: Vec<_> = ran.iter().map(|it| it.started_at).collect();
    assert!(started.is_sorted(), "{started:?}");
    assert!(ran.iter().all(|it| it.status == Status::Success));
}

struct Unsubscribes;

#[flow(
    key = "unsubscribes",
    trigger = Trigger::instance_remove(),
    retry = Retry::times(3).every(minutes(1))
)]
impl Unsubscribes {
    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Err(Error::new("not now"))
    }
}

/// E51, E52: the retry of what a removal triggers does not run when the removal has gone with its process: the instance may be deployed
/// again by then.
#[tokio::test]
async fn a_retry_of_a_removal_that_has_gone_does_not_undo_the_next_deploy() {
    let lasting = lasting(Integration::new("i").flow::<Unsubscribes>().flow::<Slow>());
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    remove(&world, &instance.id, Duration::ZERO).await;
    let waits = [Status::Error, Status::Pending];
    assert_eq!(lasting.statuses("unsubscribes").await, waits);
    world.kill();
    let world = World::start(&lasting, None).await;
    world.deploy_at_most(Some(instance.id.clone()), None).await;
    world.advance(hours(1), |_| {}).await;
    assert_eq!(status(&world, &instance.id), Some(InstanceStatus::Active));
    let ran = lasting.executions("unsubscribes").await;
    assert_eq!(ran.len(), 2);
    assert_eq!(ran[1].started_at, None, "{:?}", ran[1]);
    assert_eq!(ran[1].status, Status::Error);
    assert!(!ran[1].dead_letter);
}

/// E52: the local instance that runs is found, not one that was removed before it.
#[tokio::test]
async fn a_removed_local_instance_does_not_come_back_beside_another() {
    let lasting = lasting(Integration::new("i").flow::<Slow>().local_instance(|| ()));
    let world = World::start(&lasting, None).await;
    let local = async || {
        let runner = Arc::clone(&world.runner);
        let found = world.drive(async move { runner.deploy_local().await });
        found.await.unwrap().unwrap().unwrap().id.clone()
    };
    let first = local().await;
    remove(&world, &first, days(1)).await;
    let request = DeployRequest {
        customer: Some(Customer {
            id: "local".into(),
            name: None,
        }),
        ..DeployRequest::default()
    };
    let deployer = Arc::clone(&world.runner.deployer);
    let second = world.drive(async move { deployer.deploy(None, request).await });
    let second = second.await.unwrap().unwrap().instance.id.clone();
    assert_eq!(local().await, second);
    assert_eq!(status(&world, &first), Some(InstanceStatus::Removed));
}

struct Impatient;

#[flow(key = "impatient")]
impl Impatient {
    #[on_execution]
    async fn run(context: &Context) -> Result<()> {
        context.sleep(seconds(1)).await;
        let cleans_up = context.handle::<CleansUp>();
        tokio::select! {
            biased;
            started = cleans_up.start(&()) => started.map(|_| ()),
            () = std::future::ready(()) => Ok(()),
        }
    }
}

/// E5, E50, G1: what a run starts is accepted as a whole, also when the run does not wait for that; it runs, and keeps no place.
#[tokio::test]
async fn a_start_for_which_its_caller_does_not_wait_runs_all_the_same() {
    let integration = Integration::new("i").flow::<Impatient>().flow::<CleansUp>();
    let lasting = lasting(integration);
    let world = World::start(&lasting, None).await;
    let instance = world.deploy_at_most(None, Some(2)).await;
    post(&world, &instance, "impatient", json!(null)).await;
    world.store.arm(0, Fault::Late);
    world.advance(seconds(1), |_| {}).await;
    assert_eq!(lasting.statuses("impatient").await, [Status::Success]);
    assert_eq!(lasting.statuses("cleans-up").await, [Status::Running]);
    world.advance(seconds(5), |_| {}).await;
    assert_eq!(lasting.statuses("cleans-up").await, [Status::Success]);
    assert_eq!(world.runner.engine.load(), (0, 0));
    for _ in 0..2 {
        post(&world, &instance, "cleans-up", json!(null)).await;
    }
    let all = [Status::Success, Status::Running, Status::Running];
    assert_eq!(lasting.statuses("cleans-up").await, all);
}

struct FillsUp;

#[flow(key = "fills-up", trigger = Trigger::instance_deploy())]
impl FillsUp {
    #[on_first_deploy]
    async fn fill(_context: &Context) -> Result<()> {
        Ok(())
    }

    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Ok(())
    }
}

/// E2, E51: a deploy whose flows find no room has failed and says so, and what it has filled is not filled again.
#[tokio::test]
async fn a_deploy_that_finds_the_backlog_full_has_failed_and_fills_once() {
    let integration = Integration::new("i").flow::<FillsUp>().flow::<Slow>();
    let mut lasting = lasting(integration);
    lasting.settings.backlog = 1;
    let world = World::start(&lasting, None).await;
    let busy = world.deploy_at_most(None, Some(1)).await;
    post(&world, &busy, "slow", json!(null)).await;
    post(&world, &busy, "slow", json!(null)).await;
    let deploy = async |id: Option<InstanceId>| {
        let runner = Arc::clone(&world.runner);
        let deploying = async move { runner.deployer.deploy(id, DeployRequest::default()).await };
        world.drive(deploying).await.unwrap()
    };
    let refusal = deploy(None).await.unwrap_err().to_string();
    assert_eq!(
        refusal,
        "the runner has too much work waiting; try again later"
    );
    let all = world.runner.engine.instances.all();
    let second = all.iter().find(|it| it.id != busy.id).unwrap().id.clone();
    assert_eq!(status(&world, &second), Some(InstanceStatus::DeployFailed));

    world.advance(hours(1), |_| {}).await;
    assert!(deploy(Some(second.clone())).await.unwrap().succeeded);
    let of_second = lasting.executions("fills-up").await;
    let of_second = of_second.iter().filter(|it| it.instance == second);
    let functions: Vec<_> = of_second.map(|it| it.function).collect();
    assert_eq!(functions, [Function::OnFirstDeploy, Function::OnExecution]);
}
