//! State: scopes, parallel writers, limits (E40 to E42, G3).

use runner::record::ResultType;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Settings, Simulation};

use crate::bench::{log, results, settings};

struct Writes;

#[flow(key = "writes")]
impl Writes {
    #[on_execution]
    async fn run(context: &Context, body: Value) -> sdk::Result<Value> {
        let value = &body["value"];
        context.execution_state().set("own", value).await?;
        context.instance_state().set("flow", value).await?;
        context.cross_flow_state().set("all", value).await?;
        context.integration_state().set("lasting", value).await?;
        let own: Option<Value> = context.execution_state().get("own").await?;
        match body["fails"].as_bool() {
            Some(true) => Err(Error::new("after all that")),
            _ => Ok(json!(own)),
        }
    }

    #[on_instance_deploy]
    async fn deploy(context: &Context) -> sdk::Result<()> {
        let all: Option<Value> = context.cross_flow_state().get("all").await?;
        context.instance_state().set("seen at deploy", &all).await
    }
}

struct Reads;

#[flow(key = "reads")]
impl Reads {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<Value> {
        let own: Option<Value> = context.execution_state().get("own").await?;
        let flow: Option<Value> = context.instance_state().get("flow").await?;
        let all: Option<Value> = context.cross_flow_state().get("all").await?;
        let lasting: Option<Value> = context.integration_state().get("lasting").await?;
        Ok(json!([own, flow, all, lasting]))
    }
}

fn scopes() -> Simulation<()> {
    Simulation::of(Integration::new("i").flow::<Writes>().flow::<Reads>())
}

/// E40: who sees which scope; lifecycle functions too. E41: a failed run saves nothing.
#[tokio::test]
async fn each_scope_is_seen_by_its_own() -> Result {
    let lab = scopes();
    let (acme, other) = (
        lab.deploy_for("acme", ()).await?,
        lab.deploy_for("other", ()).await?,
    );
    let read = async || {
        acme.webhook::<Reads>()
            .send()
            .await
            .execution
            .map(|run| run.output)
    };
    acme.webhook::<Writes>()
        .json(json!({"value": 1, "fails": true}))
        .send()
        .await;
    assert_eq!(read().await, Some(json!([null, null, null, null])));
    let written = acme
        .webhook::<Writes>()
        .json(json!({"value": 2}))
        .send()
        .await;
    assert_eq!(written.execution.map(|run| run.output), Some(json!(2)));
    assert_eq!(read().await, Some(json!([null, null, 2, 2])));
    acme.redeploy(()).await?;
    assert_eq!(
        acme.timeline().await.state["instance of writes: seen at deploy"],
        2
    );
    let foreign = other
        .webhook::<Reads>()
        .send()
        .await
        .execution
        .map(|run| run.output);
    assert_eq!(foreign, Some(json!([null, null, null, null])));
    Ok(())
}

struct Remembers;

#[flow(key = "remembers", retry = Retry::times(1).every(minutes(1)))]
impl Remembers {
    #[on_trigger]
    async fn look(context: &Context, payload: Payload) -> sdk::Result<Payload> {
        context
            .execution_state()
            .set("trigger", &"was here")
            .await?;
        Ok(payload)
    }

    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<Value> {
        let state = context.execution_state();
        let trigger: Option<String> = state.get("trigger").await?;
        let attempt: Option<u32> = state.get("attempt").await?;
        state.set("attempt", &context.attempt()).await?;
        let own: Option<u32> = state.get("attempt").await?;
        let step = async || Ok(json!([trigger, attempt, own]));
        let first = context.step("first", step).await?;
        match context.attempt() {
            1 => Err(Error::new("after all that")),
            _ => Ok(json!({"first": first, "second": [trigger, attempt, own]})),
        }
    }
}

/// E40, E41: an attempt reads what its trigger and it itself wrote; a failed one leaves nothing to the next but its finished steps.
#[tokio::test]
async fn the_state_of_an_execution_holds_for_one_attempt_and_what_the_trigger_left_for_all()
-> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Remembers>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<Remembers>().send().await;
    lab.advance(minutes(2)).await?;
    let runs = instance.executions::<Remembers>().await;
    assert_eq!(results(&runs), [ResultType::Error, ResultType::Completed]);
    let expected = json!({"first": ["was here", null, 1], "second": ["was here", null, 2]});
    assert_eq!(runs[1].output, expected);
    Ok(())
}

struct Counts;

#[flow(key = "counts")]
impl Counts {
    #[on_execution]
    async fn run(context: &Context, how: String) -> sdk::Result<()> {
        let state = context.instance_state();
        let id = context.execution_id().to_string();
        let before: Option<u32> = state.get("last").await?;
        let more = |count: Option<u32>| count.unwrap_or(0) + 1;
        if how == "update" {
            state.update("count", more).await?;
        } else {
            state.merge("count", more).await?;
        }
        context.log().info(format!("{how} over {before:?}"));
        context.sleep(seconds(1)).await;
        state.set(&id, &true).await?;
        state.set("last", &before.map_or(1, |last| last + 1)).await
    }
}

/// E41, G3: of fifty that run at once each change is there once, whichever policy; different keys all win; the last writer wins the rest.
#[tokio::test]
async fn fifty_at_once_lose_no_change() -> Result {
    for how in ["update", "merge"] {
        let lab =
            Simulation::of(Integration::<()>::new("i").flow::<Counts>()).with_settings(settings());
        let instance = lab.deploy(()).await?;
        for _ in 0..50 {
            instance.webhook::<Counts>().json(how).send().await;
        }
        lab.run_until_idle().await?;
        let runs = instance.executions::<Counts>().await;
        assert_eq!(results(&runs), [ResultType::Completed; 50]);
        let state = instance.timeline().await.state;
        assert_eq!(state["instance of counts: count"], 50, "{how}");
        assert_eq!(state.len(), 52, "one key for each run");
        // A change that is worked out again costs no log line.
        assert!(runs.iter().all(|run| run.log.len() == 1), "{how}");
    }
    Ok(())
}

struct CountsFirst;

#[flow(key = "counts-first")]
impl CountsFirst {
    #[on_trigger]
    async fn look(context: &Context, payload: Payload) -> sdk::Result<TriggerOutput> {
        let more = |count: Option<u32>| count.unwrap_or(0) + 1;
        let number = context.instance_state().update("count", more).await?;
        context.instance_state().merge("merged", more).await?;
        Ok(TriggerOutput::payload(payload.with_body(json!(number))))
    }

    #[on_execution]
    async fn run(context: &Context, number: u32) -> sdk::Result<u32> {
        context.sleep(seconds(1)).await;
        Ok(number)
    }
}

/// E3, E41: what a trigger made of state that has changed since is made anew, with the trigger.
#[tokio::test]
async fn a_trigger_that_changes_state_at_once_with_others_loses_no_change() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<CountsFirst>());
    let instance = lab.deploy(()).await?;
    for _ in 0..5 {
        instance.webhook::<CountsFirst>().json(0).send().await;
    }
    lab.run_until_idle().await?;
    let state = instance.timeline().await.state;
    assert_eq!(state["instance of counts-first: count"], 5);
    assert_eq!(state["instance of counts-first: merged"], 5);
    let mut numbers = crate::bench::outputs(&instance.executions::<CountsFirst>().await);
    numbers.sort_by_key(Value::as_u64);
    assert_eq!(json!(numbers), json!([1, 2, 3, 4, 5]));
    Ok(())
}

struct Fills;

#[flow(key = "fills")]
impl Fills {
    #[on_execution]
    async fn run(context: &Context, body: Value) -> sdk::Result<()> {
        let state = context.cross_flow_state();
        let key = body["key"].as_str().unwrap_or_default().to_owned();
        let size = usize::try_from(body["size"].as_u64().unwrap_or(0)).unwrap_or(0);
        let text = "x".repeat(size);
        match body["how"].as_str() {
            Some("remove") => state.remove(&key).await,
            Some("merge") => {
                state
                    .merge(&key, move |_: Option<String>| text.clone())
                    .await
            }
            _ => state.set(&key, &text).await,
        }
    }
}

/// E42: beyond the limit a write fails with a clear error; what a value replaces counts no longer.
#[tokio::test]
async fn the_state_of_an_instance_has_a_limit() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Fills>()).with_settings(Settings {
        state_bytes: 1000,
        ..settings()
    });
    let instance = lab.deploy(()).await?;
    let write = async |how: &str, key: &str, size: u32| {
        let body = json!({"how": how, "key": key, "size": size});
        let report = instance.webhook::<Fills>().json(&body).send().await;
        report.execution.and_then(|run| run.error)
    };
    let full = Some("the state of the instance would be larger than 1000 bytes; remove keys that are no longer needed".to_owned());
    assert_eq!(write("set", "a", 800).await, None);
    assert_eq!(
        write("set", "a", 900).await,
        None,
        "in the place of the first"
    );
    assert_eq!(write("set", "b", 200).await, full);
    assert_eq!(write("merge", "b", 200).await, full);
    assert_eq!(write("merge", "a", 950).await, None);
    assert_eq!(write("remove", "a", 0).await, None);
    assert_eq!(write("set", "b", 900).await, None);
    Ok(())
}

struct Slowly;

#[flow(key = "slowly")]
impl Slowly {
    #[on_execution]
    async fn run(context: &Context, body: Value) -> sdk::Result<()> {
        context.log().info("it begins");
        Fills::run(context, body).await?;
        context.sleep(seconds(10)).await;
        Ok(())
    }
}

/// E42, E41: two that run at once fit each, and do not fit both: the one that ends first has its change, the other fails as if it had come
/// later, and its changes are none of them there.
#[tokio::test]
async fn the_limit_of_the_state_holds_for_executions_that_run_at_once() -> Result {
    let lab =
        Simulation::of(Integration::<()>::new("i").flow::<Slowly>()).with_settings(Settings {
            state_bytes: 1000,
            ..settings()
        });
    let instance = lab.deploy(()).await?;
    for (how, key, size) in [("set", "a", 600), ("set", "b", 600), ("merge", "c", 600)] {
        let body = json!({"how": how, "key": key, "size": size});
        instance.webhook::<Slowly>().json(&body).send().await;
    }
    lab.advance(seconds(10)).await?;
    let full = "the state of the instance would be larger than 1000 bytes; remove keys that are no longer needed";
    let runs = instance.executions::<Slowly>().await;
    let errors: Vec<_> = runs.iter().map(|run| run.error.as_deref()).collect();
    assert_eq!(errors, [None, Some(full), Some(full)]);
    assert_eq!(log(&runs[1]), ["it begins", full]);
    let cross_flow = instance.cross_flow_state();
    assert_eq!(
        cross_flow.get::<String>("a").await.map(|text| text.len()),
        Some(600)
    );
    for key in ["b", "c"] {
        assert_eq!(cross_flow.get::<String>(key).await, None);
    }
    // What replaces as much as it brings fits, also at once with what brings a little.
    for (how, key, size) in [("set", "a", 700), ("set", "d", 200), ("remove", "a", 0)] {
        let body = json!({"how": how, "key": key, "size": size});
        instance.webhook::<Slowly>().json(&body).send().await;
    }
    lab.advance(seconds(10)).await?;
    let runs = instance.executions::<Slowly>().await;
    assert!(runs[3..].iter().all(|run| run.error.is_none()), "{runs:#?}");
    Ok(())
}

struct Merges;

#[flow(key = "merges", queue = Queue::sequential(), retry = Retry::times(1).every(minutes(1)))]
impl Merges {
    #[on_execution]
    async fn run(context: &Context, broken: bool) -> sdk::Result<()> {
        let add = move |count: Option<u32>| {
            assert!(!broken, "the merge of {count:?} is broken");
            count.unwrap_or(0) + 1
        };
        context.instance_state().merge("count", add).await
    }
}

struct MergesBefore;

#[flow(key = "merges-before", trigger = Webhook::unsigned())]
impl MergesBefore {
    #[on_trigger]
    async fn look(context: &Context) -> sdk::Result<()> {
        Merges::run(context, true).await
    }
}

/// E27, E41: what merges at the commit is author code too. When it panics, the execution has failed, it is tried again, and those behind
/// it run.
#[tokio::test]
async fn a_merge_that_panics_at_the_commit_fails_its_execution() -> Result {
    let lab = Simulation::of(
        Integration::new("i")
            .flow::<Merges>()
            .flow::<MergesBefore>(),
    );
    let instance = lab.deploy(()).await?;
    for broken in [true, false] {
        instance.webhook::<Merges>().json(broken).send().await;
    }
    lab.run_until_idle().await?;
    let runs = instance.executions::<Merges>().await;
    let (completed, error) = (ResultType::Completed, ResultType::Error);
    assert_eq!(results(&runs), [error, error, completed]);
    for broken in &runs[..2] {
        broken.assert_failed("the flow panicked: the merge of None is broken");
    }
    let state = instance.instance_state::<Merges>();
    assert_eq!(state.get("count").await, Some(1));

    let report = instance.webhook::<MergesBefore>().send().await;
    report.assert_status(400);
    assert_eq!(
        report.response.body["error"],
        "the flow panicked: the merge of None is broken"
    );
    Ok(())
}
