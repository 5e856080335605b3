//! How fast a backlog is worked off: executions that were accepted before the process started.

use std::path::Path;
use std::time::{Duration, Instant};

use runner::record::{ResultType, Status};
use sdk::id::InstanceId;

use crate::inside::{Inside, fill};
use crate::server::folder;
use crate::table::{Row, Target, float, median, per_second};
use crate::{Result, Scale, disk, orders};

/// Who works off what.
struct Drain<'a> {
    inside: &'a Inside,
    instance: &'a InstanceId,
    flow: &'a str,
    steps: u32,
    place: &'a Path,
}

/// Measures the backlog of a flow without steps, and of one with three.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    for (flow, steps, name, least) in [
        ("count", 0, "backlog, one step", 0.4),
        ("three-steps", 3, "backlog, three recorded steps", 0.5),
    ] {
        // One of its own: what has ended stays in the store.
        let place = folder()?;
        let inside = Inside::open(place.path())?;
        let runner = inside.start(orders::integration())?;
        let local = inside.engine.block_on(runner.deploy_local())?;
        let instance = local.ok_or("there is no local instance")?.id.clone();
        inside.engine.block_on(runner.stop(Duration::from_secs(1)));
        let drain = Drain {
            inside: &inside,
            instance: &instance,
            flow,
            steps,
            place: place.path(),
        };
        let (mut growth, mut rounds) = (Vec::new(), Vec::new());
        for size in scale.sizes(scale.backlog) {
            scale.say(&format!("{name}: {size}"));
            rounds.clear();
            for _ in 0..scale.rounds.min(3) {
                rounds.push(drain.round(size)?);
            }
            growth.push((size, median(rounds.iter().map(|round| 1.0 / round.0))));
        }
        let name = format!("{name}, {} queued", scale.backlog);
        let row = Row::compared(name, &rounds, Target::AtLeast(least), per_second);
        rows.push(row.growing(&growth).against("SQLite, 256 a commit"));
    }
    Ok(())
}

impl Drain<'_> {
    /// Returns our rate and that of bare SQLite.
    fn round(&self, executions: usize) -> Result<(f64, f64)> {
        let bare = disk::drain(self.place, executions, self.steps)?;
        let store = &self.inside.store;
        fill(store, self.instance, self.flow, executions, Status::Queued)?;
        let ours = self.work_off(executions)?;
        let rate = |took: Duration| float(executions) / took.as_secs_f64();
        Ok((rate(ours), rate(bare)))
    }

    /// Starts a runner on the backlog and waits until all of it has ended.
    fn work_off(&self, executions: usize) -> Result<Duration> {
        let begun = Instant::now();
        let runner = self.inside.start(orders::integration())?;
        let wanted = u64::try_from(executions)?;
        let counts = &runner.engine.counts;
        while counts.ended_of(self.flow, ResultType::Completed) < wanted {
            std::thread::sleep(Duration::from_millis(1));
            if counts.ended_of(self.flow, ResultType::Error) > 0 {
                return Err("an execution of the backlog failed".into());
            }
        }
        let took = begun.elapsed();
        let stop = runner.stop(Duration::from_secs(1));
        self.inside.engine.block_on(stop);
        Ok(took)
    }
}
