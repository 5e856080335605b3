//! What each kind of commit leaves on the disk: a number that it makes larger.

use runner::record::{Execution, InvokedBy, ResultType, Status};
use runner::store::{ExecutionFilter, InstanceRecord, Point, Store};

use crate::process::Home;

/// Returns the trace of a point in what is on the disk now.
pub(super) async fn of(point: Point, home: &Home) -> u64 {
    if !home.data().exists() {
        return 0;
    }
    let (folder, store) = home.store_image().await;
    let trace = trace(point, &*store).await;
    drop((store, folder));
    trace
}

async fn trace(point: Point, store: &dyn Store) -> u64 {
    match point {
        Point::Accept
        | Point::Start
        | Point::Finish
        | Point::Requeue
        | Point::Cancel
        | Point::Replay
        | Point::Duplicate
        | Point::Skip => of_executions(point, store).await,
        Point::Dismiss => u64::MAX - of_executions(point, store).await,
        Point::Step | Point::Log => of_journals(point, store).await,
        Point::Prune => u64::MAX - of_journals(point, store).await,
        Point::Timetable
        | Point::Deploy
        | Point::Deployed
        | Point::Remove
        | Point::Removed
        | Point::Pause
        | Point::Resume
        | Point::Keys => of_instances(point, store).await,
        Point::Erase => u64::MAX - of_instances(point, store).await,
        Point::ClearState => {
            let mut values = 0;
            for instance in store.instances().await.unwrap() {
                values += store.states(&instance.id).await.unwrap().len() as u64;
            }
            u64::MAX - values
        }
        // It leaves nothing.
        Point::Check => 0,
    }
}

async fn all_executions(store: &dyn Store) -> Vec<Execution> {
    let all = ExecutionFilter::default();
    store.executions(&all, None, 1000).await.unwrap()
}

async fn of_executions(point: Point, store: &dyn Store) -> u64 {
    let all = all_executions(store).await;
    let counts = all.iter().map(|execution| match point {
        Point::Start => u64::from(execution.starts),
        Point::Finish => u64::from(execution.status.is_final()),
        Point::Requeue => u64::from(execution.status == Status::Queued),
        Point::Cancel => u64::from(execution.result == Some(ResultType::Canceled)),
        Point::Replay => u64::from(execution.invoked_by == InvokedBy::Replay),
        Point::Duplicate => u64::from(execution.result == Some(ResultType::CanceledAsDuplicate)),
        Point::Skip => u64::from(execution.result == Some(ResultType::Skipped)),
        Point::Dismiss => u64::from(execution.dead_letter),
        _ => 1,
    });
    counts.sum()
}

async fn of_journals(point: Point, store: &dyn Store) -> u64 {
    let mut count = 0;
    for execution in all_executions(store).await {
        count += match point {
            Point::Step => store.steps(&execution.journal).await.unwrap().len(),
            _ => store.logs(&execution.id, 0, 1000).await.unwrap().len(),
        };
    }
    count as u64
}

async fn of_instances(point: Point, store: &dyn Store) -> u64 {
    let all = store.instances().await.unwrap();
    let has =
        |instance: &InstanceRecord, status: &str| u64::from(instance.open["status"] == status);
    let counts = all.iter().map(|instance| match point {
        Point::Timetable => u64::from(!instance.open["timetable"].is_null()),
        Point::Deployed | Point::Resume => has(instance, "ACTIVE"),
        Point::Remove => has(instance, "REMOVING"),
        Point::Removed => has(instance, "REMOVED"),
        Point::Pause => has(instance, "PAUSED"),
        // One key more makes it longer.
        Point::Keys => instance.sealed.len() as u64,
        _ => 1,
    });
    counts.sum()
}
