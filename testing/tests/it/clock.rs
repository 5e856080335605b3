//! One clock for everything.

use sdk::prelude::*;
use testing::{Result, Simulation};

#[derive(Debug)]
struct Naps;

#[flow(key = "naps", retry = Retry::times(3).every(minutes(4)).with_backoff())]
impl Naps {
    #[on_execution]
    async fn nap(context: &Context, hours_asleep: u64) -> sdk::Result<u32> {
        context.sleep(hours(hours_asleep)).await;
        match context.attempt() {
            3 => Ok(context.attempt()),
            _ => Err(Error::new("not yet")),
        }
    }
}

fn naps() -> Simulation<()> {
    Simulation::of(Integration::new("naps").flow::<Naps>()).at("2026-03-27T00:00:00Z")
}

/// E21: exact to the second under the virtual clock, backoff of factor 2.
#[tokio::test]
async fn retries_come_at_their_exact_times() -> Result {
    let lab = naps();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Naps>().json(0).send().await;
    assert_eq!(report.status(), 200);
    lab.run_until_idle().await?;
    let times: Vec<String> = instance
        .executions::<Naps>()
        .await
        .iter()
        .map(|run| run.accepted_at.to_string())
        .collect();
    assert_eq!(
        times,
        [
            "2026-03-27T00:00:00Z",
            "2026-03-27T00:00:00Z",
            "2026-03-27T00:04:00Z"
        ]
    );
    assert_eq!(lab.now().to_string(), "2026-03-27T00:12:00Z");
    let runs = instance.executions::<Naps>().await;
    assert_eq!(runs.last().map(|run| run.output.clone()), Some(3.into()));
    Ok(())
}

/// E26: a run over its limit ends as `TIMED_OUT`, at the moment of the limit.
#[tokio::test]
async fn a_run_over_its_time_limit_ends_at_the_limit() -> Result {
    let lab = naps();
    let instance = lab.deploy(()).await?;
    instance.webhook::<Naps>().json(1).send().await;
    lab.advance(minutes(14)).await?;
    assert!(instance.executions::<Naps>().await[0].result.is_none());
    lab.advance(minutes(1)).await?;
    let first = &instance.executions::<Naps>().await[0];
    assert_eq!(first.result, Some(runner::record::ResultType::TimedOut));
    assert_eq!(
        first.error.as_deref(),
        Some("the run took longer than its time limit of 900 s")
    );
    Ok(())
}
