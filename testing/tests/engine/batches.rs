//! Pages of items, cut into executions (E6).

use std::collections::{BTreeMap, BTreeSet};

use runner::engine::ReplayFrom;
use runner::record::InvokedBy;
use runner::record::ResultType;
use runner::store::{ExecutionFilter, Store as _};
use sdk::id::ExecutionId;
use sdk::prelude::*;
use sdk::schedule::Overlap;
use serde_json::{Value, json};
use testing::{Result, Simulation};

use crate::bench::{Bench as _, outputs, results, settings};
use crate::world::{Lasting, World};

/// Seven items in pages of three.
fn page(cursor: Option<&Value>) -> sdk::Result<TriggerOutput> {
    let from = cursor.and_then(Value::as_u64).unwrap_or(0);
    let items: Vec<u64> = (from..7).take(3).collect();
    let next = from + 3;
    TriggerOutput::page(&items, (next < 7).then_some(&next))
}

struct Pages;

#[flow(key = "pages", batch_size = 2, batch_limit = 2, retry = Retry::times(1).every(minutes(1)))]
impl Pages {
    #[on_trigger]
    async fn fetch(context: &Context, payload: Payload) -> sdk::Result<TriggerOutput> {
        context
            .instance_state()
            .merge("pages", |count: Option<u32>| count.unwrap_or(0) + 1)
            .await?;
        page(payload.cursor.as_ref())
    }

    #[on_execution]
    async fn file(context: &Context, payload: Payload) -> sdk::Result<Value> {
        let state = context.instance_state();
        context.sleep(seconds(1)).await;
        let items: Vec<u64> = payload.decode()?;
        if payload.header("x-fails").is_some() && context.attempt() == 1 {
            return Err(Error::new("not yet"));
        }
        for item in items {
            state.set(&format!("item {item}"), &item).await?;
        }
        Ok(payload.data())
    }
}

fn lab() -> Simulation<()> {
    let integration = Integration::new("i").flow::<Pages>();
    Simulation::of(integration.flow::<Throttled>().flow::<PerKey>())
}

/// E6: the trigger is asked again with the cursor until there is none; each slice has `batch_size` items, the last of a page the rest.
#[tokio::test]
async fn a_trigger_is_asked_for_pages_until_there_is_no_cursor() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    instance.webhook::<Pages>().json("go").send().await;
    lab.run_until_idle().await?;
    let mut slices = outputs(&instance.executions::<Pages>().await);
    slices.retain(|output| !output.is_null());
    slices.sort_by_key(|slice| slice[0].as_u64());
    assert_eq!(json!(slices), json!([[0, 1], [2], [3, 4], [5], [6]]));
    assert_eq!(
        instance.timeline().await.state["instance of pages: pages"],
        3
    );
    Ok(())
}

struct Throttled;

#[flow(key = "throttled", queue = Queue::throttled(5), batch_size = 2, batch_limit = 2)]
impl Throttled {
    #[on_trigger]
    async fn fetch(context: &Context, payload: Payload) -> sdk::Result<TriggerOutput> {
        Pages::fetch(context, payload).await
    }

    #[on_execution]
    async fn file(context: &Context, payload: Payload) -> sdk::Result<Value> {
        Pages::file(context, payload).await
    }
}

/// E6: no more than `batch_limit` run at once, also where the queue would let more run.
#[tokio::test]
async fn no_more_slices_run_at_once_than_the_limit() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    instance.webhook::<Throttled>().json("go").send().await;
    run_out(&lab).await?;
    assert_eq!(instance.executions::<Throttled>().await.len(), 8);
    instance.webhook::<Pages>().json("go").send().await;
    run_out(&lab).await?;
    assert_eq!(instance.executions::<Pages>().await.len(), 8);
    Ok(())
}

/// Lets everything run; never are there more than two at once.
async fn run_out(lab: &Simulation<()>) -> Result {
    let runner = lab.runner().await?;
    loop {
        let (waiting, running) = runner.engine.load();
        assert!(running <= 2, "{running} run at once");
        if waiting + running == 0 {
            break;
        }
        lab.advance(seconds(1)).await?;
    }
    Ok(())
}

/// E6, E21: a slice fails and is tried again by itself, with the same items and the headers of the request.
#[tokio::test]
async fn each_slice_is_tried_again_by_itself() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    instance
        .webhook::<Pages>()
        .header("x-fails", "once")
        .json("go")
        .send()
        .await;
    lab.run_until_idle().await?;
    let runs = instance.executions::<Pages>().await;
    let count = |result| {
        results(&runs)
            .into_iter()
            .filter(|it| *it == result)
            .count()
    };
    // Three pages and five slices end well, the slices at their second attempt.
    assert_eq!(
        (count(ResultType::Error), count(ResultType::Completed)),
        (5, 8)
    );
    let state = instance.timeline().await.state;
    assert_eq!(state.keys().filter(|key| key.contains(": item")).count(), 7);
    Ok(())
}

/// E6: somebody may wait for the first page; its slices run behind it and wait for nobody.
#[tokio::test]
async fn a_page_that_somebody_waits_for_leaves_its_slices_to_the_queue() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    for _ in 0..2 {
        instance
            .webhook::<Pages>()
            .synchronous(true)
            .json("go")
            .send()
            .await;
        lab.run_until_idle().await?;
    }
    assert_eq!(lab.runner().await?.engine.load(), (0, 0));
    assert_eq!(instance.executions::<Pages>().await.len(), 16);
    Ok(())
}

/// E6, E28: a slice that is replayed from the start handles its own items again, and fetches no page.
#[tokio::test]
async fn a_slice_is_replayed_with_its_own_items() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    instance.webhook::<Pages>().json("go").send().await;
    lab.run_until_idle().await?;
    let before = instance.executions::<Pages>().await;
    let slice = before
        .iter()
        .find(|run| run.output == json!([3, 4]))
        .ok_or("a slice")?;
    let replay = lab.replay(&slice.id, ReplayFrom::Start).await?;
    lab.run_until_idle().await?;
    let again = lab.replay(&replay, ReplayFrom::Start).await?;
    lab.run_until_idle().await?;
    let after = instance.executions::<Pages>().await;
    assert_eq!(after.len(), before.len() + 2);
    let last = after
        .iter()
        .find(|run| run.id == again)
        .ok_or("the replay")?;
    assert_eq!(last.output, json!([3, 4]));
    Ok(())
}

struct PerKey;

#[flow(key = "per-key", queue = Queue::order_by("/key"))]
impl PerKey {
    #[on_trigger]
    async fn fetch(_context: &Context) -> sdk::Result<TriggerOutput> {
        let items = [
            json!({"key": "a"}),
            json!({"key": "b"}),
            json!({"key": "a"}),
        ];
        TriggerOutput::page(&items, None::<&u8>)
    }

    #[on_execution]
    async fn file(context: &Context, item: Value) -> sdk::Result<Value> {
        context.sleep(seconds(10)).await;
        Ok(item)
    }
}

/// E6, E24: each slice has its own place in the order, by its own key.
#[tokio::test]
async fn slices_keep_order_by_their_own_keys() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    instance.webhook::<PerKey>().json("go").send().await;
    lab.advance(seconds(10)).await?;
    let ended = || async {
        let runs = instance.executions::<PerKey>().await;
        outputs(&runs)
            .into_iter()
            .filter(|output| !output.is_null())
            .count()
    };
    assert_eq!(ended().await, 2, "one of each key");
    lab.advance(seconds(10)).await?;
    assert_eq!(ended().await, 3);
    Ok(())
}

struct Nightly;

#[flow(
    key = "nightly",
    trigger = Trigger::poll(Schedule::cron("* * * * *").overlap(Overlap::Queue)),
    batch_size = 2,
    retry = Retry::times(1).every(seconds(5))
)]
impl Nightly {
    #[on_trigger]
    async fn look(_context: &Context, payload: Payload) -> sdk::Result<TriggerOutput> {
        page(payload.cursor.as_ref())
    }

    #[on_execution]
    async fn file(context: &Context, items: Vec<u64>) -> sdk::Result<()> {
        context.sleep(seconds(20)).await;
        match (&items[..], context.attempt()) {
            ([2], 1) => Err(Error::new("not yet")),
            _ => Ok(()),
        }
    }
}

/// E6, E15, E21: a run that waits for its turn waits for all pages of the one before it, their retries too, and so it does after a crash.
#[tokio::test]
async fn a_queued_run_waits_for_all_pages_of_the_one_before_it() {
    let integration = Integration::<()>::new("i").flow::<Nightly>();
    let lasting = Lasting::new(integration.build().unwrap(), settings());
    let mut world = World::start(&lasting, None).await;
    world.deploy().await;
    // Two runs have come by now, and the second waits; the process dies in the middle of the first one.
    world.advance(seconds(150), |_| {}).await;
    world.kill();
    world = World::start(&lasting, None).await;
    world.advance(minutes(10), |_| {}).await;

    let filter = ExecutionFilter::default();
    let mut all = lasting.disk.executions(&filter, None, 1000).await.unwrap();
    all.retain(|execution| execution.started_at.is_some());
    all.sort_by_key(|execution| (execution.started_at, execution.position));
    let mut roots: BTreeMap<ExecutionId, ExecutionId> = BTreeMap::new();
    let mut by_position: Vec<_> = all.iter().collect();
    by_position.sort_by_key(|execution| (execution.position, execution.attempt));
    for execution in by_position {
        let parent = execution.parent.as_ref();
        let root = parent
            .map_or(&execution.id, |parent| &roots[parent])
            .clone();
        roots.insert(execution.id.clone(), root);
    }
    let runs: Vec<&ExecutionId> = all.iter().map(|it| &roots[&it.id]).collect();
    let mut in_a_row = runs.clone();
    in_a_row.dedup();
    let each: BTreeSet<_> = runs.iter().collect();
    assert_eq!(in_a_row.len(), each.len(), "a run began between two pages");
    assert!(each.len() > 3, "{} runs", each.len());
    // Three pages, five slices and a retry.
    let of_first = runs.iter().filter(|root| **root == in_a_row[0]);
    assert_eq!(of_first.count(), 9);
}

struct Stumbles;

#[flow(key = "stumbles", retry = Retry::times(2).every(minutes(10)).unique_by("/id"))]
impl Stumbles {
    #[on_trigger]
    async fn fetch(context: &Context, payload: Payload) -> sdk::Result<TriggerOutput> {
        let number = payload.cursor.as_ref().and_then(Value::as_u64).unwrap_or(0);
        if context.attempt() == 1 && number == 1 {
            return Err(Error::new("the second page is late").retry_after(minutes(1)));
        }
        let items = [json!({"id": "a", "number": number})];
        TriggerOutput::page(&items, (number < 1).then_some(&(number + 1)))
    }

    #[on_execution]
    async fn file(_context: &Context, item: Value) -> sdk::Result<Value> {
        match item["number"].as_u64() {
            Some(0) => Err(Error::new("not yet")),
            _ => Ok(item),
        }
    }
}

/// E6, E21, E22: what is cut from a page whose trigger was tried again is no retry: it names what caused the first attempt, and the waiting
/// retry of what is older gives way to it.
#[tokio::test]
async fn what_a_retried_page_is_cut_into_is_no_retry() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Stumbles>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<Stumbles>().json("go").send().await;
    lab.run_until_idle().await?;
    let runs = instance.executions::<Stumbles>().await;
    let last = runs.iter().find(|run| !run.output.is_null());
    let last = last.ok_or("the item of the second page")?;
    assert_eq!((last.invoked_by, last.attempt), (InvokedBy::Webhook, 1));
    let retries = runs.iter().filter(|run| run.error.is_none());
    let given_way = retries.filter(|run| run.canceled_by.as_ref() == Some(&last.id));
    assert_eq!(given_way.count(), 1, "{runs:#?}");
    Ok(())
}
