//! How many executions of an instance run at once (E50).

use std::sync::Arc;

use runner::instance::Instance;
use runner::record::{Execution, InvokedBy, ResultType, Status};
use runner::settings::Settings;
use sdk::prelude::*;
use serde_json::{Value, json};

use crate::bench::settings;
use crate::world::{Lasting, World};

struct Works;

#[flow(key = "works", retry = Retry::times(1).every(seconds(30)))]
impl Works {
    #[on_execution]
    async fn run(context: &Context, how: String) -> Result<()> {
        context.sleep(seconds(10)).await;
        match (how.as_str(), context.attempt()) {
            ("fails", 1) => Err(Error::new("not yet")),
            _ => Ok(()),
        }
    }
}

struct Other;

#[flow(key = "other", queue = Queue::order_by("/key"))]
impl Other {
    #[on_execution]
    async fn run(context: &Context) -> Result<()> {
        context.sleep(seconds(10)).await;
        Ok(())
    }
}

struct Ticks;

#[flow(key = "ticks", trigger = Schedule::cron("* * * * *"))]
impl Ticks {
    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Ok(())
    }
}

struct Waited;

#[flow(key = "waited", respond = Respond::Directly, dedupe = Dedupe::by("/id"))]
impl Waited {
    #[on_execution]
    async fn run(context: &Context) -> Result<u32> {
        context.sleep(seconds(5)).await;
        Ok(7)
    }
}

struct Guarded;

#[flow(key = "guarded", respond = Respond::Directly)]
impl Guarded {
    #[on_trigger]
    async fn look(_context: &Context) -> Result<()> {
        Err(Error::new("the trigger ran").with_status(418))
    }

    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Ok(())
    }
}

struct Unpacks;

#[flow(key = "unpacks", respond = Respond::Directly, dedupe = Dedupe::by("/id"))]
impl Unpacks {
    #[on_trigger]
    async fn unpack(_context: &Context, payload: Payload) -> Result<Payload> {
        let inner = payload.data()["inner"].clone();
        Ok(payload.with_body(inner))
    }

    #[on_execution]
    async fn run(context: &Context) -> Result<u32> {
        context.sleep(seconds(5)).await;
        Ok(7)
    }
}

struct Parent;

#[flow(key = "parent")]
impl Parent {
    #[on_execution]
    async fn run(context: &Context) -> Result<Value> {
        context
            .handle::<Works>()
            .start(&"started".to_owned())
            .await?;
        let first = context.handle::<Waited>().call(&()).await?;
        let second = context.handle::<Waited>().call(&()).await?;
        Ok(json!([first, second]))
    }
}

fn lasting(concurrency: u32) -> Lasting {
    let integration = Integration::<()>::new("i")
        .flow::<Works>()
        .flow::<Other>()
        .flow::<Ticks>()
        .flow::<Waited>()
        .flow::<Guarded>()
        .flow::<Unpacks>()
        .flow::<Parent>();
    let settings = Settings {
        instance_concurrency: concurrency,
        ..settings()
    };
    Lasting::new(integration.build().unwrap(), settings)
}

async fn post(world: &World, instance: &Arc<Instance>, flow: &str, body: Value) -> Option<u16> {
    let answer = world.post(instance, flow, &body).await;
    answer.map(|(status, _)| status)
}

const ENDED: Status = Status::Success;
const RUNS: Status = Status::Running;
const WAITS: Status = Status::Queued;

/// E50: what is over the limit waits, over all flows of the instance and in the order in which it came; other instances go on.
#[tokio::test]
async fn no_more_executions_of_an_instance_run_than_its_limit() {
    let lasting = lasting(2);
    let world = World::start(&lasting, None).await;
    let acme = world.deploy().await;
    let globex = world.deploy().await;
    for flow in ["works", "other", "other", "works"] {
        let body = if flow == "works" {
            json!("")
        } else {
            json!({"key": 1})
        };
        assert_eq!(post(&world, &acme, flow, body).await, Some(200));
    }
    assert_eq!(lasting.statuses("works").await, [RUNS, WAITS]);
    assert_eq!(lasting.statuses("other").await, [RUNS, WAITS]);
    post(&world, &globex, "works", json!("")).await;
    assert_eq!(lasting.statuses("works").await, [RUNS, WAITS, RUNS]);
    world.advance(seconds(10), |_| {}).await;
    assert_eq!(lasting.statuses("works").await, [ENDED, RUNS, ENDED]);
    assert_eq!(lasting.statuses("other").await, [ENDED, RUNS]);
}

/// E50, G1: a limit of its own is kept at a redeploy and over a restart; another one holds at once, also for what waits.
#[tokio::test]
async fn a_limit_of_its_own_is_kept_and_can_be_changed_while_executions_wait() {
    let lasting = lasting(5);
    let world = World::start(&lasting, None).await;
    let acme = world.deploy_at_most(None, Some(1)).await;
    for _ in 0..5 {
        post(&world, &acme, "works", json!("")).await;
    }
    world.deploy_at_most(Some(acme.id.clone()), None).await;
    assert_eq!(
        lasting.statuses("works").await,
        [RUNS, WAITS, WAITS, WAITS, WAITS]
    );

    world.kill();
    let world = World::start(&lasting, None).await;
    assert_eq!(
        lasting.statuses("works").await,
        [RUNS, WAITS, WAITS, WAITS, WAITS]
    );
    world.deploy_at_most(Some(acme.id.clone()), Some(3)).await;
    assert_eq!(
        lasting.statuses("works").await,
        [RUNS, RUNS, RUNS, WAITS, WAITS]
    );
    world.deploy_at_most(Some(acme.id.clone()), Some(1)).await;
    world.advance(seconds(10), |_| {}).await;
    assert_eq!(
        lasting.statuses("works").await,
        [ENDED, ENDED, ENDED, RUNS, WAITS]
    );
    world.deploy_at_most(Some(acme.id.clone()), Some(0)).await;
    assert_eq!(
        lasting.statuses("works").await,
        [ENDED, ENDED, ENDED, RUNS, RUNS]
    );
}

/// E10, E21, E50: ticks and retries wait like everything else; a retry waits for its time without a place.
#[tokio::test]
async fn ticks_and_retries_wait_for_a_place() {
    let lasting = lasting(1);
    let world = World::start(&lasting, None).await;
    let acme = world.deploy().await;
    post(&world, &acme, "works", json!("fails")).await;
    world.advance(seconds(10), |_| {}).await;
    // While the first waits for its retry, half a minute, these run one after another.
    for _ in 0..6 {
        post(&world, &acme, "works", json!("")).await;
    }
    let most = |executions: Vec<Execution>| {
        let runs = executions.iter().filter(|it| it.status == RUNS);
        runs.count()
    };
    for _ in 0..10 {
        world.advance(seconds(10), |_| {}).await;
        let (works, ticks) = (
            lasting.executions("works").await,
            lasting.executions("ticks").await,
        );
        assert!(most(works) + most(ticks) <= 1);
    }
    let works = lasting.executions("works").await;
    assert_eq!(works.len(), 8);
    assert!(works.iter().all(|it| it.status.is_final()));
    let retry = works
        .iter()
        .find(|it| it.invoked_by == InvokedBy::Retry)
        .unwrap();
    assert_eq!(retry.result, Some(ResultType::Completed));
    // It came before those that waited when its time came.
    let after = works.iter().filter(|it| it.started_at > retry.started_at);
    assert_eq!(after.count(), 3);
    let ticks = lasting.executions("ticks").await;
    assert!(
        ticks
            .iter()
            .any(|tick| tick.started_at > Some(tick.accepted_at))
    );
    assert!(ticks.iter().all(|tick| tick.status.is_final()));
}

/// E50: nobody waits for a result that cannot be begun; nothing is recorded of the request, and its trigger does not run.
#[tokio::test]
async fn who_would_wait_for_a_result_is_refused_while_the_limit_is_reached() {
    let lasting = lasting(2);
    let world = World::start(&lasting, None).await;
    let acme = world.deploy().await;
    assert_eq!(post(&world, &acme, "guarded", json!({})).await, Some(418));
    // One that waits for its result has a place like any other.
    assert_eq!(post(&world, &acme, "waited", json!({"id": 1})).await, None);
    post(&world, &acme, "works", json!("")).await;
    post(&world, &acme, "works", json!("")).await;
    assert_eq!(lasting.statuses("works").await, [RUNS, WAITS]);

    let refused = world.post(&acme, "waited", &json!({"id": 2})).await;
    let text = "As many runs as the customer may have at once (2) are going on; try again when one has ended.";
    assert_eq!(refused, Some((429, json!({ "error": text }))));
    assert_eq!(post(&world, &acme, "guarded", json!({})).await, Some(429));
    assert_eq!(lasting.executions("guarded").await.len(), 0);
    // A delivery that came before needs no place: its first run is waited for.
    assert_eq!(post(&world, &acme, "waited", json!({"id": 1})).await, None);
    let results: Vec<_> = lasting.executions("waited").await;
    let results: Vec<_> = results.iter().map(|it| it.result).collect();
    assert_eq!(results, [None, Some(ResultType::CanceledAsDuplicate)]);

    world.advance(seconds(5), |_| {}).await;
    assert_eq!(lasting.statuses("works").await, [RUNS, RUNS]);
    world.advance(seconds(10), |_| {}).await;
    assert_eq!(post(&world, &acme, "waited", json!({"id": 2})).await, None);
    world.advance(seconds(5), |_| {}).await;
    assert_eq!(
        lasting.executions("waited").await.last().unwrap().result,
        Some(ResultType::Completed)
    );
}

/// E5, E50: what an execution waits for runs in its place, so that nothing waits for ever; what it starts waits like everything else.
#[tokio::test]
async fn a_call_runs_in_the_place_of_its_caller() {
    let lasting = lasting(1);
    let world = World::start(&lasting, None).await;
    let acme = world.deploy().await;
    post(&world, &acme, "parent", json!({})).await;
    world.advance(seconds(7), |_| {}).await;
    assert_eq!(lasting.statuses("parent").await, [RUNS]);
    assert_eq!(lasting.statuses("works").await, [WAITS]);
    // The process dies with the parent and its second call under way: both are finished, one after the other.
    world.kill();
    let world = World::start(&lasting, None).await;
    world.advance(seconds(60), |_| {}).await;
    for flow in ["parent", "works", "waited"] {
        let statuses = lasting.statuses(flow).await;
        assert!(
            statuses.iter().all(|it| *it == ENDED),
            "{flow}: {statuses:?}"
        );
    }
    // A caller who waits has a place, and so does all that it waits for.
    world.deploy_at_most(Some(acme.id.clone()), Some(1)).await;
    post(&world, &acme, "works", json!("")).await;
    assert_eq!(
        post(&world, &acme, "waited", json!({"id": 9})).await,
        Some(429)
    );
}

/// E25, E50: a trigger may make the delivery known by which it is recognized; one that came before is answered as it was, at the limit too.
#[tokio::test]
async fn a_delivery_that_the_trigger_unpacks_and_that_came_before_is_not_refused_at_the_limit() {
    let lasting = lasting(1);
    let world = World::start(&lasting, None).await;
    let acme = world.deploy().await;
    let delivery = |id: u32| json!({"inner": {"id": id}});
    assert_eq!(post(&world, &acme, "unpacks", delivery(1)).await, None);
    world.advance(seconds(5), |_| {}).await;
    post(&world, &acme, "works", json!("")).await;
    assert_eq!(lasting.statuses("works").await, [RUNS]);

    let again = world.post(&acme, "unpacks", &delivery(1)).await;
    assert_eq!(again, Some((200, json!(7))));
    assert_eq!(post(&world, &acme, "unpacks", delivery(2)).await, Some(429));
}

/// W33, E50: half of the backlog is for whoever comes first, the rest is shared.
#[tokio::test]
async fn the_flood_of_one_instance_leaves_the_others_their_share_of_the_backlog() {
    let mut lasting = lasting(0);
    (lasting.settings.running, lasting.settings.backlog) = (1, 4);
    let world = World::start(&lasting, None).await;
    let acme = world.deploy().await;
    // As long as it is alone, it has the whole of it.
    for expected in [200, 200, 200, 200, 200, 503] {
        assert_eq!(
            post(&world, &acme, "works", json!("")).await,
            Some(expected)
        );
    }
    world.advance(seconds(50), |_| {}).await;

    let globex = world.deploy().await;
    for expected in [200, 200, 200, 503] {
        assert_eq!(
            post(&world, &acme, "works", json!("")).await,
            Some(expected)
        );
    }
    for expected in [200, 200, 503] {
        assert_eq!(
            post(&world, &globex, "works", json!("")).await,
            Some(expected)
        );
    }
    world.advance(seconds(50), |_| {}).await;
    assert!(
        lasting
            .statuses("works")
            .await
            .iter()
            .all(|it| *it == ENDED)
    );
}
