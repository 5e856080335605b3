//! A process that is asked to stop (G8): what runs and what somebody waits for comes to its end, everything else to the next process.

use std::sync::Arc;

use runner::instance::Instance;
use runner::record::{Execution, InvokedBy, ResultType, Status};
use runner::settings::Settings;
use sdk::prelude::*;
use serde_json::{Value, json};

use crate::world::{Lasting, World};

struct Ticks;

#[flow(key = "ticks", trigger = Schedule::cron("* * * * *"))]
impl Ticks {
    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Ok(())
    }
}

struct Retried;

#[flow(key = "retried", retry = Retry::times(1).every(seconds(90)))]
impl Retried {
    #[on_execution]
    async fn run(context: &Context) -> Result<()> {
        match context.attempt() {
            1 => Err(Error::new("not yet")),
            _ => Ok(()),
        }
    }
}

struct Queues;

#[flow(key = "queues", queue = Queue::sequential())]
impl Queues {
    #[on_execution]
    async fn run(context: &Context) -> Result<()> {
        context.sleep(seconds(20)).await;
        Ok(())
    }
}

struct Waited;

#[flow(key = "waited", respond = Respond::WithResult)]
impl Waited {
    #[on_execution]
    async fn run(context: &Context) -> Result<u32> {
        context.sleep(seconds(5)).await;
        context.handle::<Queues>().start(&()).await?;
        Ok(7)
    }
}

fn states(executions: &[Execution]) -> Vec<(Status, u32)> {
    let state = |execution: &Execution| (execution.status, execution.starts);
    executions.iter().map(state).collect()
}

async fn post(world: &World, instance: &Arc<Instance>, flow: &str) -> Option<(u16, Value)> {
    world.post(instance, flow, &json!({})).await
}

/// G8, E10, E21, E24: after a SIGTERM no tick, no retry and nothing that queues starts any more, however long callers take to go; a caller
/// who waits is answered; whatever was accepted runs in the next process.
#[tokio::test]
async fn g8_a_process_that_drains_starts_only_what_somebody_waits_for() {
    let integration = Integration::<()>::new("i")
        .flow::<Ticks>()
        .flow::<Retried>()
        .flow::<Queues>()
        .flow::<Waited>();
    let lasting = Lasting::new(integration.build().unwrap(), Settings::default());
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    for flow in ["retried", "queues", "queues"] {
        assert_eq!(post(&world, &instance, flow).await.unwrap().0, 200);
    }
    assert!(world.runner.check_ready().await.is_ok());

    world.runner.drain();
    world.settle().await;
    assert_eq!(
        world.runner.check_ready().await.unwrap_err().to_string(),
        "the runner is stopping"
    );
    // A request that was read already is kept all the same.
    assert_eq!(post(&world, &instance, "queues").await.unwrap().0, 200);
    assert_eq!(
        post(&world, &instance, "waited").await,
        None,
        "it takes its time"
    );
    world.advance(minutes(10), |_| {}).await;
    assert_eq!(states(&lasting.executions("ticks").await), []);
    let retried = lasting.executions("retried").await;
    assert_eq!(states(&retried), [(Status::Error, 1), (Status::Pending, 0)]);
    let queues = lasting.executions("queues").await;
    let (ended, waits) = ((Status::Success, 1), (Status::Queued, 0));
    assert_eq!(states(&queues), [ended, waits, waits, waits]);
    assert_eq!(states(&lasting.executions("waited").await), [ended]);

    world.kill();
    let world = World::start(&lasting, None).await;
    world.advance(minutes(2), |_| {}).await;
    for flow in ["retried", "queues", "waited"] {
        let last = lasting.executions(flow).await.pop().unwrap();
        assert_eq!(last.result, Some(ResultType::Completed), "{flow}");
    }
    let queues = lasting.executions("queues").await;
    assert!(queues.is_sorted_by_key(|execution| execution.started_at));
    let ticks = lasting.executions("ticks").await;
    assert_eq!(
        ticks.len(),
        3,
        "one for all that were missed, and two on time"
    );
    assert_eq!(ticks[0].invoked_by, InvokedBy::Scheduled);
}
