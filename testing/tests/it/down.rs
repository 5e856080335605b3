//! The process is not there for a while (E14, E20, E21, G2).

use sdk::prelude::*;
use sdk::schedule::Missed;
use serde_json::json;
use testing::{Result, Simulation};

struct Rings;

#[flow(key = "rings", trigger = Schedule::cron("0 * * * *").missed(Missed::RunAll { within: hours(2) }))]
impl Rings {
    #[on_execution]
    async fn ring(_context: &Context, payload: Payload) -> sdk::Result<Option<Timestamp>> {
        Ok(payload.tick.map(|tick| tick.nominal))
    }
}

struct Looks;

#[flow(key = "looks", trigger = Schedule::cron("0 * * * *"))]
impl Looks {
    #[on_execution]
    async fn look(_context: &Context, payload: Payload) -> sdk::Result<Option<Timestamp>> {
        Ok(payload.tick.map(|tick| tick.nominal))
    }
}

/// E14: of what was due while the process was down runs what the schedule says: the latest, or all of a grace period.
#[tokio::test]
async fn what_was_due_while_the_process_was_down_runs_as_the_schedule_says() -> Result {
    let flows = Integration::new("bells").flow::<Rings>().flow::<Looks>();
    let lab = Simulation::of(flows).at("2026-03-27T16:30:00Z");
    let instance = lab.deploy(()).await?;
    lab.down_for(hours(5)).await?;
    lab.advance(minutes(1)).await?;
    let outputs = |runs: Vec<testing::ExecutionReport>| {
        let outputs = runs.into_iter().map(|run| run.output);
        outputs.collect::<Vec<_>>()
    };
    assert_eq!(
        outputs(instance.executions::<Rings>().await),
        ["2026-03-27T20:00:00Z", "2026-03-27T21:00:00Z"]
    );
    assert_eq!(
        outputs(instance.executions::<Looks>().await),
        ["2026-03-27T21:00:00Z"]
    );
    assert_eq!(
        instance
            .next_fire::<Looks>()
            .map(|at| at.to_string())
            .as_deref(),
        Some("2026-03-27T22:00:00Z")
    );
    Ok(())
}

struct Ships;

#[flow(key = "ships", queue = Queue::sequential(), retry = Retry::times(1).every(minutes(30)))]
impl Ships {
    #[on_execution]
    async fn ship(context: &Context, parcel: u32) -> sdk::Result<(u32, Timestamp)> {
        let label = context.step("label", async || Ok(context.now())).await?;
        context.sleep(minutes(10)).await;
        match context.attempt() {
            1 => Err(Error::new("the van is full")),
            _ => Ok((parcel, label)),
        }
    }
}

/// E20, E21, E24: what ran goes on behind its finished steps, what waited for its retry or its turn goes on in its order.
#[tokio::test]
async fn what_ran_and_what_waited_goes_on_when_the_process_is_back() -> Result {
    let lab = Simulation::of(Integration::new("parcels").flow::<Ships>());
    let instance = lab.deploy(()).await?;
    let began = lab.now();
    for parcel in [1, 2] {
        instance.webhook::<Ships>().json(parcel).send().await;
    }
    // The first runs.
    lab.advance(minutes(5)).await?;
    lab.down_for(hours(1)).await?;
    // Its retry waits.
    lab.advance(minutes(20)).await?;
    lab.down_for(hours(1)).await?;
    lab.run_until_idle().await?;

    let runs = instance.executions::<Ships>().await;
    let done: Vec<_> = runs.iter().filter(|run| run.error.is_none()).collect();
    assert_eq!((runs.len(), done.len()), (4, 2));
    assert_eq!(done[0].output, json!([1, began]));
    assert_eq!(done[1].output[0], 2);
    assert!(done[0].ended_at < done[1].ended_at);
    lab.survives_a_crash_anywhere().await?;
    Ok(())
}
