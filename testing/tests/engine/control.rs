//! What is done to single executions: cancel, replay, dead letters (E28); deliveries that come again (E22, E25).

use runner::engine::{ControlError, ReplayFrom};
use runner::record::{InvokedBy, ResultType, Status};
use runner::store::ExecutionFilter;
use sdk::id::ExecutionId;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Simulation};

use crate::bench::{Bench as _, accepted, results, statuses};

struct Works;

#[flow(key = "works", queue = Queue::sequential().on_poison(Poison::Park), retry = Retry::times(1).every(minutes(1)))]
impl Works {
    #[on_execution]
    async fn run(context: &Context, what: String) -> sdk::Result<String> {
        context.sleep(seconds(5)).await;
        let replayed = context.invoked_by() == "REPLAY";
        context
            .step("prepare", || async {
                Ok(context.execution_id().to_string())
            })
            .await?;
        match what.as_str() {
            "fails" if !replayed => Err(Error::new("it fails")),
            "dies" if !replayed => Err(Error::new("it fails for good").permanent()),
            _ => {
                context
                    .step("prepare", || async {
                        Ok(context.execution_id().to_string())
                    })
                    .await
            }
        }
    }
}

fn lab() -> Simulation<()> {
    Simulation::of(
        Integration::new("i")
            .flow::<Works>()
            .flow::<Once>()
            .flow::<Newest>(),
    )
}

async fn dead_letters(lab: &Simulation<()>) -> Result<Vec<ExecutionId>> {
    let filter = ExecutionFilter {
        dead_letters: true,
        ..ExecutionFilter::default()
    };
    let runner = lab.runner().await?;
    let found = runner
        .engine
        .ports
        .store
        .executions(&filter, None, 10)
        .await?;
    Ok(found.into_iter().map(|execution| execution.id).collect())
}

/// E28: what runs, what waits for its turn and what waits for its retry are cancelled alike; whoever waits behind goes on.
#[tokio::test]
async fn whatever_has_not_ended_is_cancelled() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    for what in ["fails", "waits", "goes on"] {
        instance.webhook::<Works>().json(what).send().await;
    }
    lab.advance(seconds(5)).await?;
    let ids: Vec<ExecutionId> = instance
        .executions::<Works>()
        .await
        .into_iter()
        .map(|it| it.id)
        .collect();
    let [failed, queued, next, retry] = ids.as_slice() else {
        return Err("four executions".into());
    };
    assert!(matches!(
        lab.cancel(failed).await,
        Err(ControlError::Ended(_))
    ));
    lab.cancel(queued).await?;
    // The lane is still closed for the retry.
    assert_eq!(
        instance.executions::<Works>().await[2].status,
        Status::Queued
    );
    lab.cancel(retry).await?;
    assert_eq!(
        instance.executions::<Works>().await[2].status,
        Status::Running
    );
    lab.cancel(next).await?;
    let (canceled, error) = (ResultType::Canceled, ResultType::Error);
    assert_eq!(
        results(&instance.executions::<Works>().await),
        [error, canceled, canceled, canceled]
    );
    assert_eq!(dead_letters(&lab).await?, []);
    let unknown = lab.cancel(&"nobody".into()).await;
    assert!(matches!(unknown, Err(ControlError::Unknown(_))));
    Ok(())
}

/// E28: a dead letter stays listed, also beyond retention, until it is replayed or dismissed.
#[tokio::test]
async fn a_dead_letter_stays_until_it_is_replayed_or_dismissed() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    instance.webhook::<Works>().json("dies").send().await;
    lab.advance(seconds(5)).await?;
    let dead = dead_letters(&lab).await?;
    assert_eq!(dead.len(), 1);
    lab.advance(days(15)).await?;
    assert_eq!(dead_letters(&lab).await?, dead);
    lab.dismiss(&dead[0]).await?;
    assert_eq!(dead_letters(&lab).await?, []);
    lab.advance(hours(2)).await?;
    assert!(instance.executions::<Works>().await.is_empty());
    Ok(())
}

/// E24, E28: the replay of a parked dead letter runs before everything that waits behind it.
#[tokio::test]
async fn the_replay_of_a_parked_one_runs_first() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    for what in ["dies", "waits"] {
        instance.webhook::<Works>().json(what).send().await;
    }
    lab.advance(hours(1)).await?;
    let runs = instance.executions::<Works>().await;
    assert_eq!(statuses(&runs), [Status::Error, Status::Queued]);
    let replay = lab.replay(&runs[0].id, ReplayFrom::Start).await?;
    let runs = instance.executions::<Works>().await;
    assert_eq!(
        statuses(&runs),
        [Status::Error, Status::Queued, Status::Running]
    );
    assert_eq!(
        (&runs[2].id, runs[2].invoked_by),
        (&replay, InvokedBy::Replay)
    );
    lab.advance(seconds(10)).await?;
    let runs = instance.executions::<Works>().await;
    assert_eq!(
        statuses(&runs),
        [Status::Error, Status::Success, Status::Success]
    );
    Ok(())
}

/// E28: from the failed step, finished steps keep their results; from the start, everything runs again.
#[tokio::test]
async fn a_replay_begins_at_the_start_or_at_the_failed_step() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    instance.webhook::<Works>().json("dies").send().await;
    lab.advance(seconds(5)).await?;
    let first = instance.executions::<Works>().await[0].id.clone();
    let unfinished = lab.replay(&first, ReplayFrom::FailedStep).await?;
    let refused = lab.replay(&unfinished, ReplayFrom::Start).await;
    assert!(matches!(refused, Err(ControlError::NotReplayable(..))));
    lab.replay(&first, ReplayFrom::Start).await?;
    lab.run_until_idle().await?;
    let ran: Vec<usize> = instance
        .executions::<Works>()
        .await
        .iter()
        .map(|it| it.steps.len())
        .collect();
    assert_eq!(ran, [1, 1, 2], "the steps that each ran itself");
    Ok(())
}

struct Once;

#[flow(key = "once", dedupe = Dedupe::by("/id").within(minutes(10)))]
impl Once {
    #[on_execution]
    async fn run(_context: &Context) -> sdk::Result<()> {
        Ok(())
    }
}

/// E25: within the window a duplicate is answered with the first id and recorded as one; a value that is missing is no duplicate.
#[tokio::test]
async fn a_duplicate_is_answered_with_the_first_id_until_the_window_ends() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let send = |body: Value| instance.webhook::<Once>().json(&body).send();
    let first = send(json!({"id": 1})).await;
    lab.advance(minutes(10).checked_sub(millis(1)).unwrap())
        .await?;
    let second = send(json!({"id": 1})).await;
    assert_eq!(second.response.body, first.response.body);
    lab.advance(millis(1)).await?;
    let third = send(json!({"id": 1})).await;
    assert_ne!(third.response.body, first.response.body);
    send(json!({"id": "1"})).await;
    send(json!({})).await;
    send(json!({"id": null})).await;
    // Read as doubles they would be one.
    for long in ["100000000000000000000001", "100000000000000000000002"] {
        let body = format!(r#"{{"id": {long}}}"#);
        let request = instance.webhook::<Once>().body("application/json", body);
        request.send().await;
    }
    let runs = instance.executions::<Once>().await;
    let of = |result| {
        results(&runs)
            .into_iter()
            .filter(|it| *it == result)
            .count()
    };
    assert_eq!(
        (
            of(ResultType::Completed),
            of(ResultType::CanceledAsDuplicate)
        ),
        (7, 1)
    );
    assert_eq!(first.response.body, accepted(&runs[0].id));
    Ok(())
}

struct Newest;

#[flow(key = "newest", retry = Retry::times(3).every(minutes(5)).unique_by("/order"))]
impl Newest {
    #[on_execution]
    async fn run(_context: &Context, order: Value) -> sdk::Result<()> {
        match order["fails"].as_bool() {
            Some(true) => Err(Error::new("not now")),
            _ => Ok(()),
        }
    }
}

/// E22: a newer run with the same unique id cancels the waiting retry of the older one, and no other.
#[tokio::test]
async fn a_newer_run_cancels_the_waiting_retry_of_the_older() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    for order in [json!(7), json!(8), json!(null)] {
        instance
            .webhook::<Newest>()
            .json(json!({"order": order, "fails": true}))
            .send()
            .await;
    }
    for order in [json!(7), json!(null)] {
        instance
            .webhook::<Newest>()
            .json(json!({"order": order}))
            .send()
            .await;
    }
    let runs = instance.executions::<Newest>().await;
    let canceled = results(&runs)
        .into_iter()
        .filter(|it| *it == ResultType::CanceledAsDuplicate);
    assert_eq!(canceled.count(), 1);
    let waiting = statuses(&runs)
        .into_iter()
        .filter(|it| *it == Status::Pending);
    assert_eq!(waiting.count(), 2);
    Ok(())
}
