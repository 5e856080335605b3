//! What the functions of a flow may do (E2, E3, E4), and what they give back.

use std::collections::BTreeMap;

use runner::record::ResultType;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Settings, Simulation};

use crate::bench::{log, outputs, results, settings};

struct AllFive;

#[flow(key = "all-five")]
impl AllFive {
    #[on_trigger]
    async fn trigger(context: &Context, text: String) -> sdk::Result<TriggerOutput> {
        context.log().info("trigger");
        context.instance_state().set("trigger", &text).await?;
        let answer = HttpResponse::status(202).text("thanks");
        Ok(TriggerOutput::json(&format!("{text}!"))?.respond(answer))
    }

    #[on_execution]
    async fn run(context: &Context, text: String) -> sdk::Result<String> {
        context.log().info("execution");
        let seen: Option<String> = context.instance_state().get("trigger").await?;
        Ok(format!("{text} {}", seen.unwrap_or_default()))
    }

    #[on_instance_deploy]
    async fn deploy(context: &Context) -> sdk::Result<()> {
        context
            .instance_state()
            .merge("deploys", |n: Option<u32>| n.unwrap_or(0) + 1)
            .await
    }

    #[on_first_deploy]
    async fn first(context: &Context) -> sdk::Result<()> {
        context
            .instance_state()
            .merge("first", |n: Option<u32>| n.unwrap_or(0) + 1)
            .await
    }

    #[on_instance_remove]
    async fn remove(context: &Context) -> sdk::Result<()> {
        context.log().info("gone");
        Ok(())
    }
}

/// E2, E3: the trigger answers the caller, changes the payload and writes state; all of it reaches the execution, and its log goes on.
#[tokio::test]
async fn a_trigger_answers_changes_the_payload_and_writes_state() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<AllFive>());
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<AllFive>().json("hello").send().await;
    assert_eq!(
        (report.status(), report.response.body),
        (202, json!("thanks"))
    );
    let run = report.execution.ok_or("an execution")?;
    assert_eq!(run.output, "hello! hello");
    assert_eq!(log(&run), ["trigger", "execution"]);
    let runner = lab.runner().await?;
    let lines = runner.engine.ports.store.logs(&run.id, 0, 10).await?;
    assert_eq!(
        lines.iter().map(|line| line.number).collect::<Vec<_>>(),
        [0, 1]
    );
    Ok(())
}

/// E2: `#[on_first_deploy]` runs once in the life of an instance, and is tried again until it has.
#[tokio::test]
async fn the_first_deploy_runs_once_in_the_life_of_an_instance() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<AllFive>());
    let instance = lab.deploy(()).await?;
    instance.redeploy(()).await?;
    instance.redeploy(()).await?;
    let state = instance.timeline().await.state;
    assert_eq!(state["instance of all-five: deploys"], 3);
    assert_eq!(state["instance of all-five: first"], 1);
    Ok(())
}

macro_rules! combinations {
    ($($name:ident: $($marker:ident)*;)+) => {
        $(
            struct $name;

            #[flow(key = "combination")]
            impl $name {
                $(
                    #[$marker]
                    async fn $marker(context: &Context) -> sdk::Result<()> {
                        context.log().info(stringify!($marker));
                        Ok(())
                    }
                )*
            }
        )+

        async fn every_life() -> Result<Vec<(Vec<&'static str>, Vec<String>)>> {
            let mut lives = Vec::new();
            $(
                let lab = Simulation::of(Integration::<()>::new("i").flow::<$name>());
                let instance = lab.deploy(()).await?;
                instance.webhook::<$name>().send().await;
                instance.remove().await?;
                let all = instance.timeline().await.executions;
                let ran = all.iter().flat_map(|it| &it.log).map(|line| line.text.clone());
                lives.push((vec![$(stringify!($marker)),*], ran.collect()));
            )+
            Ok(lives)
        }
    };
}

combinations! {
    T: on_trigger;
    E: on_execution;
    D: on_instance_deploy;
    R: on_instance_remove;
    F: on_first_deploy;
    TE: on_trigger on_execution;
    TD: on_instance_deploy on_trigger;
    TR: on_trigger on_instance_remove;
    TF: on_first_deploy on_trigger;
    ED: on_instance_deploy on_execution;
    ER: on_execution on_instance_remove;
    EF: on_first_deploy on_execution;
    DR: on_instance_deploy on_instance_remove;
    DF: on_instance_deploy on_first_deploy;
    RF: on_first_deploy on_instance_remove;
    Ted: on_instance_deploy on_trigger on_execution;
    Ter: on_trigger on_execution on_instance_remove;
    Tef: on_first_deploy on_trigger on_execution;
    Tdr: on_instance_deploy on_trigger on_instance_remove;
    Tdf: on_instance_deploy on_first_deploy on_trigger;
    Trf: on_first_deploy on_trigger on_instance_remove;
    Edr: on_instance_deploy on_execution on_instance_remove;
    Edf: on_instance_deploy on_first_deploy on_execution;
    Erf: on_first_deploy on_execution on_instance_remove;
    Drf: on_instance_deploy on_first_deploy on_instance_remove;
    Tedr: on_instance_deploy on_trigger on_execution on_instance_remove;
    Tedf: on_instance_deploy on_first_deploy on_trigger on_execution;
    Terf: on_first_deploy on_trigger on_execution on_instance_remove;
    Tdrf: on_instance_deploy on_first_deploy on_trigger on_instance_remove;
    Edrf: on_instance_deploy on_first_deploy on_execution on_instance_remove;
    Tedrf: on_instance_deploy on_first_deploy on_trigger on_execution on_instance_remove;
}

/// E2: each of the 31 combinations runs, in the order of the life of an instance: deploy, first deploy, trigger, execution, removal.
#[tokio::test]
async fn every_combination_of_functions_runs_in_its_order() -> Result {
    let lives = Box::pin(every_life()).await?;
    assert_eq!(lives.len(), 31);
    for (markers, ran) in lives {
        assert_eq!(markers, ran);
    }
    Ok(())
}

struct Polls;

#[flow(key = "polls", trigger = Trigger::poll(Schedule::every(minutes(5))))]
impl Polls {
    /// Finds what is above the watermark: one new thing every ten minutes.
    #[on_trigger]
    async fn look(context: &Context) -> sdk::Result<TriggerOutput> {
        let newest = context.now().as_seconds() / 600;
        let state = context.instance_state();
        let watermark: Option<i64> = state.get("watermark").await?;
        if watermark == Some(newest) {
            return Ok(TriggerOutput::nothing_new());
        }
        state.set("watermark", &newest).await?;
        TriggerOutput::json(&newest)
    }

    #[on_execution]
    async fn file(_context: &Context, thing: i64) -> sdk::Result<i64> {
        Ok(thing)
    }
}

/// E4: a poll that finds nothing runs nothing and says so; the watermark is that of the last poll that found something.
#[tokio::test]
async fn a_poll_goes_on_from_its_watermark() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Polls>());
    let instance = lab.deploy(()).await?;
    lab.advance(minutes(20)).await?;
    let polls = instance.executions::<Polls>().await;
    let found = |result: ResultType| {
        polls
            .iter()
            .filter(|poll| poll.result == Some(result))
            .count()
    };
    assert_eq!(
        (
            found(ResultType::Completed),
            found(ResultType::PolledNoChanges)
        ),
        (3, 1)
    );
    let newest = lab.now().as_seconds() / 600;
    let things = outputs(&polls)
        .into_iter()
        .filter(|output| !output.is_null());
    assert_eq!(
        things.filter_map(|thing| thing.as_i64()).max(),
        Some(newest)
    );
    assert_eq!(
        instance.timeline().await.state["instance of polls: watermark"],
        newest
    );
    Ok(())
}

struct NothingNew;

#[flow(key = "nothing-new")]
impl NothingNew {
    #[on_trigger]
    async fn look(context: &Context) -> sdk::Result<TriggerOutput> {
        context.instance_state().set("looked", &true).await?;
        Ok(TriggerOutput::nothing_new())
    }

    #[on_execution]
    async fn run(_context: &Context) -> sdk::Result<()> {
        Err(Error::new("it must not run"))
    }
}

/// E3: a webhook whose trigger finds nothing new is recorded, and what the trigger wrote is kept.
#[tokio::test]
async fn a_webhook_may_bring_nothing_new() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<NothingNew>());
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<NothingNew>().json(1).send().await;
    assert_eq!(report.status(), 200);
    assert_eq!(
        results(&instance.executions::<NothingNew>().await),
        [ResultType::PolledNoChanges]
    );
    assert_eq!(
        instance.timeline().await.state["instance of nothing-new: looked"],
        true
    );
    Ok(())
}

#[derive(serde::Deserialize, serde::Serialize, Clone, Copy)]
enum Gives {
    NotANumber,
    MapWithListsAsKeys,
    Large,
    NumberInAStep,
    NumberInTheState,
}

struct GivesBack;

#[flow(key = "gives-back")]
impl GivesBack {
    #[on_execution]
    async fn run(context: &Context, what: Gives) -> sdk::Result<Output> {
        let nan = f64::NAN;
        match what {
            Gives::NotANumber => Output::json(&json_of(nan)),
            Gives::MapWithListsAsKeys => Output::json(&BTreeMap::from([(vec![1], 2)])),
            Gives::Large => Ok(Output::text("x".repeat(101))),
            Gives::NumberInAStep => {
                let number: f64 = context.step("measure", || async { Ok(nan) }).await?;
                Output::json(&number.to_string())
            }
            Gives::NumberInTheState => {
                context.instance_state().set("number", &nan).await?;
                Ok(Output::default())
            }
        }
    }
}

#[derive(serde::Serialize)]
struct Reading {
    value: f64,
}

fn json_of(value: f64) -> Reading {
    Reading { value }
}

/// W35, G3: a result that JSON does not know, that cannot be written, or that is too large is a failed execution that says so; nothing
/// turns into `null` on the way.
#[tokio::test]
async fn a_result_that_cannot_be_kept_is_a_failure_that_says_so() -> Result {
    let lab =
        Simulation::of(Integration::<()>::new("i").flow::<GivesBack>()).with_settings(Settings {
            result_bytes: 100,
            ..settings()
        });
    let instance = lab.deploy(()).await?;
    let cases = [
        (
            Gives::NotANumber,
            "the result is not JSON: NaN is no number in JSON; use `None` or a text instead",
        ),
        (
            Gives::MapWithListsAsKeys,
            "the result is not JSON: key must be a string",
        ),
        (
            Gives::Large,
            "the result is 101 bytes, more than the limit of 100",
        ),
        (
            Gives::NumberInAStep,
            "the result of step `measure` is not JSON: NaN is no number in JSON; use `None` or a text instead",
        ),
        (
            Gives::NumberInTheState,
            "the value for state key `number` is not JSON: NaN is no number in JSON; use `None` or a text instead",
        ),
    ];
    for (what, text) in cases {
        let report = instance
            .webhook::<GivesBack>()
            .json(what)
            .synchronous(true)
            .send()
            .await;
        assert_eq!(
            (report.status(), report.response.body),
            (400, json!({ "error": text }))
        );
        let run = report.execution.ok_or("an execution")?;
        assert_eq!(
            (run.error.as_deref(), run.output),
            (Some(text), Value::Null)
        );
    }
    Ok(())
}
