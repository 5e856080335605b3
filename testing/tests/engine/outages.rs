//! A store that fails in between (G1 to G3, G7): an answer that got lost brings nothing twice, a refusal loses nothing.

use std::sync::Arc;

use runner::clock::Clock as _;
use runner::engine::ReplayFrom;
use runner::instance::Instance;
use runner::record::{Execution, ResultType, StateKey, Status};
use runner::settings::Settings;
use runner::store::{ExecutionFilter, Store as _};
use sdk::id::ExecutionId;
use sdk::prelude::*;
use sdk::state::StateScope;
use serde_json::{Value, json};
use testing::Result;

use crate::world::{Fault, Lasting, World};

struct Tries;

#[flow(
    key = "tries",
    queue = Queue::sequential().on_poison(Poison::Park),
    retry = Retry::times(1).every(minutes(1)).unique_by("/unique")
)]
impl Tries {
    #[on_execution]
    async fn run(context: &Context, body: Value) -> sdk::Result<()> {
        let more = |count: Option<u32>| count.unwrap_or(0) + 1;
        context.instance_state().merge("count", more).await?;
        context.sleep(seconds(1)).await;
        match body["fails"].as_bool() {
            Some(true) if context.invoked_by() != "REPLAY" => Err(Error::new("no")),
            _ => Ok(()),
        }
    }
}

struct Bench {
    lasting: Lasting,
    world: World,
    instance: Arc<Instance>,
}

impl Bench {
    async fn new() -> Self {
        let integration = Integration::<()>::new("i").flow::<Tries>().build().unwrap();
        let settings = Settings {
            deaths: 2,
            ..Settings::default()
        };
        let lasting = Lasting::new(integration, settings);
        let world = World::start(&lasting, None).await;
        let instance = world.deploy().await;
        Self {
            lasting,
            world,
            instance,
        }
    }

    async fn post(&self, body: Value) -> Option<u16> {
        let answer = self.world.post(&self.instance, "tries", &body).await;
        answer.map(|(status, _)| status)
    }

    async fn wait(&self, length: u64) {
        self.world.advance(seconds(length), |_| {}).await;
    }

    /// Every execution, in the order of acceptance.
    async fn executions(&self) -> Vec<Execution> {
        let filter = ExecutionFilter::default();
        let all = self.lasting.disk.executions(&filter, None, 100);
        let mut all = all.await.unwrap();
        all.reverse();
        all
    }

    async fn results(&self) -> Vec<Option<ResultType>> {
        self.executions()
            .await
            .into_iter()
            .map(|it| it.result)
            .collect()
    }

    async fn count(&self) -> Value {
        let key = StateKey {
            instance: self.instance.id.clone(),
            scope: StateScope::Instance,
            owner: "tries".into(),
            key: "count".to_owned(),
        };
        self.lasting
            .disk
            .state(&key)
            .await
            .unwrap()
            .0
            .unwrap_or_default()
    }

    async fn die(&mut self, down: u64) {
        self.world.store.kill();
        self.lasting
            .clock
            .advance_to(self.world.clock.now() + seconds(down));
        let next = World::start(&self.lasting, None).await;
        std::mem::replace(&mut self.world, next).kill();
    }

    async fn replay(&self, id: &ExecutionId) -> Option<bool> {
        let (engine, id) = (Arc::clone(&self.world.runner.engine), id.clone());
        let replayed = async move { engine.replay(&id, ReplayFrom::Start).await.is_ok() };
        self.world.drive(replayed).await
    }

    async fn cancel(&self, id: &ExecutionId) -> Option<bool> {
        let (engine, id) = (Arc::clone(&self.world.runner.engine), id.clone());
        self.world
            .drive(async move { engine.cancel(&id).await.is_ok() })
            .await
    }
}

const COMPLETED: Option<ResultType> = Some(ResultType::Completed);
const ERROR: Option<ResultType> = Some(ResultType::Error);
const CANCELED: Option<ResultType> = Some(ResultType::Canceled);

/// G3: the end of a run is committed until the store says so; an answer that got lost applies no change and no retry twice.
#[tokio::test]
async fn an_end_whose_answer_got_lost_counts_once() -> Result {
    for fault in [Fault::LostBefore, Fault::LostAfter, Fault::Full] {
        let bench = Bench::new().await;
        bench.post(json!({})).await;
        bench.world.store.arm(0, fault);
        bench.wait(10).await;
        assert_eq!(
            (bench.results().await, bench.count().await),
            (vec![COMPLETED], json!(1)),
            "{fault:?}"
        );
        bench.post(json!({"fails": true})).await;
        bench.world.store.arm(0, fault);
        bench.wait(100).await;
        assert_eq!(
            bench.results().await,
            [COMPLETED, ERROR, ERROR],
            "{fault:?}"
        );
        assert_eq!(bench.count().await, 1);
    }
    Ok(())
}

/// G1, G7: what the store did not confirm is refused with 503; if it is on disk all the same it runs, and those behind it keep their
/// order.
#[tokio::test]
async fn an_arrival_that_is_in_doubt_keeps_its_place() -> Result {
    for (fault, there) in [
        (Fault::LostBefore, false),
        (Fault::LostAfter, true),
        (Fault::Full, false),
    ] {
        let bench = Bench::new().await;
        bench.world.store.arm(0, fault);
        assert_eq!(bench.post(json!({})).await, Some(503));
        assert_eq!(bench.post(json!({})).await, Some(200));
        bench.wait(10).await;
        let runs = bench.executions().await;
        assert_eq!(runs.len(), 1 + usize::from(there), "{fault:?}");
        assert!(runs.iter().all(|run| run.result == COMPLETED));
        assert!(runs.is_sorted_by_key(|run| run.started_at));
    }
    Ok(())
}

/// E22, G2: a retry that was to give way to a newer execution waits on if that one is refused.
#[tokio::test]
async fn a_retry_gives_way_only_to_what_is_there() -> Result {
    for (fault, left) in [
        (Fault::LostBefore, ERROR),
        (Fault::Full, ERROR),
        (Fault::LostAfter, Some(ResultType::CanceledAsDuplicate)),
    ] {
        let bench = Bench::new().await;
        bench.post(json!({"unique": 1, "fails": true})).await;
        bench.wait(2).await;
        bench.world.store.arm(0, fault);
        assert_eq!(bench.post(json!({"unique": 1})).await, Some(503));
        bench.wait(100).await;
        assert_eq!(bench.results().await[1], left, "{fault:?}");
        assert!(
            bench
                .executions()
                .await
                .iter()
                .all(|run| run.status.is_final())
        );
    }
    Ok(())
}

/// E28: a cancellation that the store did not take leaves the execution where it was.
#[tokio::test]
async fn a_cancellation_that_fails_loses_nothing() -> Result {
    for (fault, end) in [
        (Fault::LostBefore, COMPLETED),
        (Fault::Full, COMPLETED),
        (Fault::LostAfter, CANCELED),
    ] {
        let bench = Bench::new().await;
        for _ in 0..3 {
            bench.post(json!({})).await;
        }
        let second = bench.executions().await[1].id.clone();
        bench.world.store.arm(0, fault);
        assert_eq!(bench.cancel(&second).await, Some(false));
        bench.wait(10).await;
        assert_eq!(
            bench.results().await,
            [COMPLETED, end, COMPLETED],
            "{fault:?}"
        );
    }
    Ok(())
}

/// E28: a replay that is in doubt runs if it is on disk.
#[tokio::test]
async fn a_replay_that_is_in_doubt_runs_if_it_is_there() -> Result {
    for (fault, replays) in [
        (Fault::LostBefore, 0),
        (Fault::Full, 0),
        (Fault::LostAfter, 1),
    ] {
        let bench = Bench::new().await;
        bench.post(json!({})).await;
        bench.wait(2).await;
        let id = bench.executions().await[0].id.clone();
        bench.world.store.arm(0, fault);
        assert_eq!(bench.replay(&id).await, Some(false));
        bench.wait(10).await;
        assert_eq!(
            bench.results().await,
            vec![COMPLETED; 1 + replays],
            "{fault:?}"
        );
    }
    Ok(())
}

/// E24: a parked lane is still closed after a restart; its replay opens it.
#[tokio::test]
async fn a_parked_lane_stays_closed_over_a_restart() -> Result {
    let mut bench = Bench::new().await;
    bench.post(json!({"fails": true})).await;
    bench.post(json!({})).await;
    bench.wait(100).await;
    bench.die(10).await;
    bench.post(json!({})).await;
    bench.wait(100).await;
    assert_eq!(bench.results().await, [ERROR, None, ERROR, None]);
    let dead = bench.executions().await[2].id.clone();
    assert_eq!(bench.replay(&dead).await, Some(true));
    bench.wait(100).await;
    assert_eq!(
        bench.results().await,
        [ERROR, COMPLETED, ERROR, COMPLETED, COMPLETED]
    );
    let mut starts: Vec<_> = bench.executions().await;
    starts.sort_by_key(|run| run.started_at);
    let last: Vec<u64> = starts[2..].iter().map(|run| run.position).collect();
    assert_eq!(last, [1, 2, 3], "the replay in the place of the first");
    Ok(())
}

/// E21: the retry of an execution that a crash interrupted has its payload.
#[tokio::test]
async fn a_retry_after_a_crash_has_its_payload() -> Result {
    let mut bench = Bench::new().await;
    bench.post(json!({"fails": true})).await;
    bench.die(1).await;
    bench.wait(100).await;
    let runs = bench.executions().await;
    assert_eq!(runs[1].error.as_deref(), Some("no"));
    Ok(())
}

/// A flow that kills the process is set aside after so many deaths, as a dead letter that says so; those behind it wait as declared.
#[tokio::test]
async fn what_kills_the_process_is_set_aside() -> Result {
    let mut bench = Bench::new().await;
    bench.post(json!({})).await;
    for _ in 0..2 {
        bench.die(1).await;
    }
    let run = &bench.executions().await[0];
    assert_eq!((run.status, run.dead_letter), (Status::Error, true));
    let error = run.error.clone().unwrap_or_default();
    assert!(
        error.starts_with("the process died 2 times while this execution ran"),
        "{error}"
    );
    assert_eq!(bench.count().await, Value::Null);
    Ok(())
}

struct Rows;

#[flow(key = "rows", queue = Queue::order_by("/key"), batch_size = 1)]
impl Rows {
    #[on_trigger]
    async fn fetch(_context: &Context, payload: Payload) -> sdk::Result<TriggerOutput> {
        let row = |number: u32| json!({"key": "a", "number": number});
        match payload.data()["page"].as_bool() {
            Some(true) => TriggerOutput::page(&[row(1), row(2)], None::<&u8>),
            _ => Ok(TriggerOutput::payload(payload)),
        }
    }

    #[on_execution]
    async fn file(context: &Context, row: Value) -> sdk::Result<Value> {
        context.sleep(seconds(1)).await;
        Ok(row["number"].clone())
    }
}

/// G5, E6, E24: slices have their place before they are on disk. What arrives while their commit is on its way runs behind them, and
/// keeps its place when their page is worked out again.
#[tokio::test]
async fn an_arrival_does_not_overtake_slices_whose_commit_is_on_its_way() {
    for fault in [Fault::LostBefore, Fault::LostAfter, Fault::Full] {
        let integration = Integration::<()>::new("i").flow::<Rows>().build().unwrap();
        let lasting = Lasting::new(integration, Settings::default());
        let world = World::start(&lasting, None).await;
        let instance = world.deploy().await;
        // The page is accepted; the commit that ends it and accepts its slices fails.
        world.store.arm(1, fault);
        let page = world.post(&instance, "rows", &json!({"page": true})).await;
        assert_eq!(page.unwrap().0, 200);
        assert!(world.store.failed_lately());
        let arrival = json!({"key": "a", "number": 3});
        assert_eq!(
            world.post(&instance, "rows", &arrival).await.unwrap().0,
            200
        );
        world.advance(seconds(20), |_| {}).await;
        let filter = ExecutionFilter::default();
        let mut runs = lasting.disk.executions(&filter, None, 100).await.unwrap();
        runs.retain(|run| run.order_key.as_deref() == Some("\"a\""));
        runs.sort_by_key(|run| run.started_at);
        let mut numbers = Vec::new();
        for run in &runs {
            let output = lasting.disk.output(&run.id).await.unwrap().unwrap();
            numbers.push(String::from_utf8(output.data.to_vec()).unwrap());
        }
        assert_eq!(numbers, ["1", "2", "3"], "{fault:?}");
        assert!(runs.is_sorted_by_key(|run| run.position), "{fault:?}");
    }
}
