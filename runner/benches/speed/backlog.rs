//! How fast a backlog is worked off: executions that were accepted before the process started.

use std::time::{Duration, Instant};

use runner::record::{ResultType, Status};

use crate::inside::{Inside, fill};
use crate::server::folder;
use crate::table::{Row, Target, float, per_second, slope};
use crate::{Result, Scale, disk, orders};

/// Measures the backlog of a flow without steps, and of one with three.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    let place = folder()?;
    let inside = Inside::open(place.path())?;
    let runner = inside.start(orders::integration())?;
    let local = inside.engine.block_on(runner.deploy_local())?;
    let instance = local.ok_or("there is no local instance")?.id.clone();
    inside.engine.block_on(runner.stop(Duration::from_secs(1)));
    for (flow, steps, name, least) in [
        ("count", 0, "backlog, one step", 0.4),
        ("three-steps", 3, "backlog, three recorded steps", 0.5),
    ] {
        let sizes = [scale.backlog / 4, scale.backlog / 2, scale.backlog];
        let mut times = Vec::new();
        for size in sizes {
            scale.say(&format!("{name}: {size}"));
            let mut rounds = Vec::new();
            for _ in 0..scale.rounds.min(3) {
                let bare = disk::drain(place.path(), size, steps)?;
                fill(&inside.store, &instance, flow, size, Status::Queued)?;
                let ours = work_off(&inside, flow, size)?;
                let rate = |took: Duration| float(size) / took.as_secs_f64();
                rounds.push((rate(ours), rate(bare)));
            }
            let took = crate::table::median(rounds.iter().map(|round| float(size) / round.0));
            times.push((size, took));
            if size == scale.backlog {
                let grows = format!("(time grows with size ^ {:.2})", slope(&times));
                rows.push(
                    Row::compared(
                        format!("{name}, {size} queued"),
                        &rounds,
                        Target::AtLeast(least),
                        per_second,
                    )
                    .with(&grows)
                    .against("SQLite, 256 a commit"),
                );
            }
        }
    }
    Ok(())
}

/// Starts a runner on the backlog and waits until all of it has ended.
fn work_off(inside: &Inside, flow: &str, executions: usize) -> Result<Duration> {
    let begun = Instant::now();
    let runner = inside.start(orders::integration())?;
    let wanted = u64::try_from(executions)?;
    while runner.engine.counts.ended_of(flow, ResultType::Completed) < wanted {
        std::thread::sleep(Duration::from_millis(1));
        if runner.engine.counts.ended_of(flow, ResultType::Error) > 0 {
            return Err("an execution of the backlog failed".into());
        }
    }
    let took = begun.elapsed();
    inside.engine.block_on(runner.stop(Duration::from_secs(1)));
    Ok(took)
}
