//! Retries that give way to a newer execution with the same unique id (E22), whichever of the two comes first.

use std::sync::Arc;

use runner::instance::Instance;
use runner::record::{Execution, InvokedBy, ResultType, Status};
use runner::store::{Accept, Commit, ExecutionFilter, Point, Store as _, Write};
use sdk::prelude::*;
use serde_json::{Value, json};

use crate::bench::settings;
use crate::world::{Fault, Lasting, World};

/// Works for ten seconds on what is not a newer version.
async fn work(context: &Context, order: &Value) -> Result<()> {
    if order["fails"] == true {
        context.sleep(seconds(10)).await;
        return Err(Error::new("not now"));
    }
    Ok(())
}

struct Newest;

#[flow(key = "newest", retry = Retry::times(3).every(minutes(5)).unique_by("/id"))]
impl Newest {
    #[on_execution]
    async fn run(context: &Context, order: Value) -> Result<()> {
        work(context, &order).await
    }
}

struct InOrder;

#[flow(
    key = "in-order",
    queue = Queue::sequential().on_poison(Poison::Park),
    retry = Retry::times(3).every(minutes(5)).unique_by("/id")
)]
impl InOrder {
    #[on_execution]
    async fn run(context: &Context, order: Value) -> Result<()> {
        work(context, &order).await
    }
}

struct Pages;

#[flow(key = "pages", retry = Retry::times(3).every(minutes(5)).unique_by("/id"))]
impl Pages {
    #[on_trigger]
    async fn look(_context: &Context, payload: Payload) -> Result<TriggerOutput> {
        TriggerOutput::page(&payload.decode::<Vec<Value>>()?, None::<&u64>)
    }

    #[on_execution]
    async fn run(context: &Context, order: Value) -> Result<()> {
        work(context, &order).await
    }
}

fn lasting() -> Lasting {
    let integration = Integration::<()>::new("i")
        .flow::<Newest>()
        .flow::<InOrder>()
        .flow::<Pages>();
    Lasting::new(integration.build().unwrap(), settings())
}

async fn send(world: &World, instance: &Arc<Instance>, flow: &str, id: u32, fails: bool) {
    let body = json!({"id": id, "fails": fails});
    let answer = world.post(instance, flow, &body).await;
    assert_eq!(answer.unwrap().0, 200);
}

async fn executions(lasting: &Lasting) -> Vec<Execution> {
    let filter = ExecutionFilter::default();
    let mut found = lasting.disk.executions(&filter, None, 100).await.unwrap();
    found.sort_by_key(|execution| (execution.position, execution.attempt));
    found
}

fn results(executions: &[Execution]) -> Vec<Option<ResultType>> {
    executions.iter().map(|it| it.result).collect()
}

const FAILED: Option<ResultType> = Some(ResultType::Error);
const GAVE_WAY: Option<ResultType> = Some(ResultType::CanceledAsDuplicate);
const DONE: Option<ResultType> = Some(ResultType::Completed);

/// E22, E28: the retry ends in the commit that records the failure, and says which execution it gave way to; nothing of it is left over
/// for somebody to look at.
#[tokio::test]
async fn a_run_that_fails_behind_a_newer_one_does_not_wait_for_a_retry() {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    send(&world, &instance, "newest", 7, true).await;
    send(&world, &instance, "newest", 8, true).await;
    world.advance(seconds(5), |_| {}).await;
    send(&world, &instance, "newest", 7, false).await;
    world.advance(seconds(5), |_| {}).await;

    let runs = executions(&lasting).await;
    assert_eq!(results(&runs), [FAILED, GAVE_WAY, FAILED, None, DONE]);
    assert_eq!((runs[1].attempt, runs[1].invoked_by), (2, InvokedBy::Retry));
    assert_eq!(runs[1].canceled_by, Some(runs[4].id.clone()));
    assert_eq!(runs[1].ended_at, runs[0].ended_at);
    assert!(runs.iter().all(|run| !run.dead_letter));
    assert_eq!(runs[3].status, Status::Pending, "of another id");
    // One that waits already says it too.
    send(&world, &instance, "newest", 8, false).await;
    let runs = executions(&lasting).await;
    assert_eq!(
        results(&runs),
        [FAILED, GAVE_WAY, FAILED, GAVE_WAY, DONE, DONE]
    );
    assert_eq!(runs[3].canceled_by, Some(runs[5].id.clone()));
}

/// E22, E24: the lane is not held for a retry that gives way, nor for a poisoned one: the newer execution waits in it.
#[tokio::test]
async fn what_waits_behind_a_run_whose_retry_gives_way_goes_on() {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    send(&world, &instance, "in-order", 7, true).await;
    send(&world, &instance, "in-order", 7, false).await;
    send(&world, &instance, "in-order", 8, false).await;
    world.advance(seconds(10), |_| {}).await;
    let runs = executions(&lasting).await;
    assert_eq!(results(&runs), [FAILED, GAVE_WAY, DONE, DONE]);
}

/// E22, E24, E50: a retry whose time has come, but not its turn, waits like any other.
#[tokio::test]
async fn a_retry_that_waits_for_a_place_gives_way_too() {
    for flow in ["newest", "in-order"] {
        let lasting = lasting();
        let world = World::start(&lasting, None).await;
        let instance = world.deploy_at_most(None, Some(1)).await;
        send(&world, &instance, flow, 7, true).await;
        world.advance(seconds(305), |_| {}).await;
        // Takes the place in which the retry would run five seconds from now.
        world
            .post(&instance, "pages", &json!([{"fails": true}]))
            .await;
        world.advance(seconds(6), |_| {}).await;
        send(&world, &instance, flow, 7, false).await;
        let filter = ExecutionFilter {
            flow: Some(flow.into()),
            ..ExecutionFilter::default()
        };
        let runs = async || {
            let mut runs = lasting.disk.executions(&filter, None, 10).await.unwrap();
            runs.sort_by_key(|run| (run.position, run.attempt));
            runs
        };
        let waiting = runs().await;
        assert_eq!(results(&waiting), [FAILED, GAVE_WAY, None], "{flow}");
        assert_eq!(waiting[1].canceled_by, Some(waiting[2].id.clone()));
        world.advance(seconds(10), |_| {}).await;
        assert_eq!(results(&runs().await), [FAILED, GAVE_WAY, DONE], "{flow}");
    }
}

/// E22: a replay is no newer version: it brings what came before.
#[tokio::test]
async fn no_retry_gives_way_to_a_replay() {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    send(&world, &instance, "newest", 7, false).await;
    send(&world, &instance, "newest", 7, true).await;
    let engine = Arc::clone(&world.runner.engine);
    let first = executions(&lasting).await.swap_remove(0).id;
    let replayed = world.drive(async move {
        engine
            .replay(&first, runner::engine::ReplayFrom::Start)
            .await
    });
    replayed.await.unwrap().unwrap();
    world.advance(seconds(10), |_| {}).await;
    let runs = executions(&lasting).await;
    assert_eq!(results(&runs), [DONE, FAILED, None, DONE]);
    assert_eq!(runs[2].status, Status::Pending);
}

/// E6, E22: items of a page are executions like others, also where they are newer.
#[tokio::test]
async fn a_retry_gives_way_to_an_item_of_a_newer_page() {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    let item = |id: u32, fails: bool| json!({"id": id, "fails": fails});
    let first = json!([item(1, true), item(2, true)]);
    world.post(&instance, "pages", &first).await.unwrap();
    world.advance(seconds(10), |_| {}).await;
    let second = json!([item(2, false), item(3, false)]);
    world.post(&instance, "pages", &second).await.unwrap();
    let runs = executions(&lasting).await;
    let expected = [DONE, FAILED, None, FAILED, GAVE_WAY, DONE, DONE, DONE];
    assert_eq!(results(&runs), expected);
    assert_eq!(runs[4].canceled_by, Some(runs[6].id.clone()));
}

/// E22, G3: the retry is on disk and does not wait yet when the newer execution comes, because the answer of the store got lost.
#[tokio::test]
async fn a_retry_that_begins_to_wait_behind_the_accept_of_a_newer_one_gives_way() {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    send(&world, &instance, "in-order", 7, true).await;
    world.store.arm(0, Fault::LostAfter);
    world.advance(seconds(10), |_| {}).await;
    let runs = executions(&lasting).await;
    assert_eq!((runs.len(), runs[1].status), (2, Status::Pending));
    send(&world, &instance, "in-order", 7, false).await;
    world.advance(seconds(1), |_| {}).await;
    let runs = executions(&lasting).await;
    assert_eq!(results(&runs), [FAILED, GAVE_WAY, DONE]);
    assert_eq!(runs[1].canceled_by, Some(runs[2].id.clone()));
}

/// E22, G1: what a crash, or an older version, left waiting gives way at the start, and holds nothing up.
#[tokio::test]
async fn a_retry_that_should_have_given_way_before_a_crash_does_so_at_the_start() {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    send(&world, &instance, "in-order", 7, true).await;
    send(&world, &instance, "in-order", 8, false).await;
    world.advance(seconds(10), |_| {}).await;
    let runs = executions(&lasting).await;
    assert_eq!(results(&runs), [FAILED, None, None]);
    world.kill();
    let newer = Execution {
        id: "newer".into(),
        position: 100,
        status: Status::Success,
        result: DONE,
        ..runs[0].clone()
    };
    let accept = Accept {
        execution: newer,
        payload: None,
        answer: None,
        claims: Vec::new(),
    };
    let writes = vec![Write::Accept(Box::new(accept))];
    let commit = Commit::new(Point::Accept, writes);
    lasting.disk.commit(commit).await.unwrap();

    let world = World::start(&lasting, None).await;
    let runs = executions(&lasting).await;
    assert_eq!(results(&runs), [FAILED, GAVE_WAY, DONE, DONE]);
    assert_eq!(runs[1].canceled_by, Some("newer".into()));
    world.advance(minutes(10), |_| {}).await;
    assert_eq!(executions(&lasting).await.len(), 4);
}

/// E22, G7: the accept of one newer execution is in doubt while another comes, and turns out not to be there.
#[tokio::test]
async fn a_retry_gives_way_to_the_second_newer_one_if_the_first_is_lost() {
    let lasting = lasting();
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    send(&world, &instance, "newest", 7, true).await;
    world.advance(seconds(10), |_| {}).await;
    world.store.arm(0, Fault::LostBefore);
    let body = json!({"id": 7, "fails": false});
    let lost = world.post(&instance, "newest", &body).await;
    assert_eq!(lost.unwrap().0, 503);
    send(&world, &instance, "newest", 7, false).await;
    world.advance(seconds(2), |_| {}).await;
    let runs = executions(&lasting).await;
    assert_eq!(results(&runs), [FAILED, GAVE_WAY, DONE]);
    assert_eq!(runs[1].canceled_by, Some(runs[2].id.clone()));
}
