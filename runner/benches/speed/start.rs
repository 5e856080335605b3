//! Starting, what many stored executions cost, and what is held in memory while nothing happens.

use runner::record::Status;
use runner::store::{SqliteOptions, SqliteStore, Store as _};
use sdk::id::InstanceId;

use crate::inside::fill;
use crate::load::{Call, burst};
use crate::reference::Reference;
use crate::server::{Home, Server, axum_to_first_answer, folder, reference};
use crate::table::{Row, Target, float, in_millis, median, millis, per_second};
use crate::{Result, Scale, orders};

/// A home with so many executions in its store.
fn furnished(flow: &str, executions: usize, status: Status) -> Result<Home> {
    let home = Home::new()?;
    drop(home.serve()?);
    let store = SqliteStore::open(&home.database(), &SqliteOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let instances = runtime.block_on(store.instances())?;
    let instance: InstanceId = instances.first().ok_or("no instance")?.id.clone();
    fill(&store, &instance, flow, executions, status)?;
    Ok(home)
}

/// Measures start, memory and size.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    let place = folder()?;
    let empty = furnished("count", 0, Status::Success)?;
    let mut rounds = Vec::new();
    scale.say("start");
    for _ in 0..scale.rounds {
        let bare = axum_to_first_answer(place.path())?;
        let ours = empty.time_to_first_answer()?;
        rounds.push((millis(ours), millis(bare)));
    }
    rows.push(
        Row::compared(
            "start to first 200",
            &rounds,
            Target::AtMost(4.0),
            in_millis,
        )
        .against("axum"),
    );
    stored(scale, &empty, rows)?;
    idle(&empty, place.path(), scale, rows)?;
    queued(scale, &empty, rows)
}

/// Start, and rate of accepting, with many stored executions.
fn stored(scale: &Scale, empty: &Home, rows: &mut Vec<Row>) -> Result<()> {
    let (mut starts, mut costs) = (Vec::new(), [Vec::new(), Vec::new()]);
    for size in scale.sizes(scale.stored) {
        scale.say(&format!("start with {size} stored executions"));
        let full = furnished("count", size, Status::Success)?;
        let mut rounds = Vec::new();
        for _ in 0..scale.rounds {
            let bare = empty.time_to_first_answer()?;
            let ours = full.time_to_first_answer()?;
            rounds.push((millis(ours), millis(bare)));
        }
        starts.push((size, median(rounds.iter().map(|round| round.0))));
        if size == scale.stored {
            let name = format!("start with {size} stored executions");
            let row = Row::compared(name, &rounds, Target::AtMost(3.0), in_millis);
            rows.push(row.growing(&starts).against("empty store"));
        }
        // One of its own: it does not stay empty.
        let other = furnished("count", 0, Status::Success)?;
        let (empty, full) = (other.serve()?, full.serve()?);
        let flows = [("count", "accept"), ("count-directly", "direct run")];
        for ((flow, name), costs) in flows.into_iter().zip(&mut costs) {
            let rounds = rates(scale, flow, &empty, &full)?;
            costs.push((size, median(rounds.iter().map(|round| round.1 / round.0))));
            if size == scale.stored {
                let name = format!("{name} with {size} stored executions, c=64");
                let row = Row::compared(name, &rounds, Target::AtLeast(0.9), per_second);
                rows.push(row.growing(costs).against("empty store"));
            }
        }
    }
    Ok(())
}

fn rates(scale: &Scale, flow: &str, empty: &Server, full: &Server) -> Result<Vec<(f64, f64)>> {
    let body = orders::order();
    let rate = |server: &Server| -> Result<f64> {
        let call = Call::post(&server.url(flow)?, &body)?;
        let rate = burst(&call, 64, scale.burst)?.rate();
        server.settle()?;
        Ok(rate)
    };
    let mut rounds = Vec::new();
    for _ in 0..scale.rounds {
        let bare = rate(empty)?;
        rounds.push((rate(full)?, bare));
    }
    Ok(rounds)
}

fn idle(empty: &Home, place: &std::path::Path, scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    let (axum, url) = reference(Reference::Axum, place)?;
    Call::get(&format!("{url}healthz"), "")?.once()?;
    let server = empty.serve()?;
    std::thread::sleep(scale.burst);
    let rounds = [(
        server.process.resident_kib() / 1024.0,
        axum.resident_kib() / 1024.0,
    )];
    let row = Row::compared("idle memory", &rounds, Target::AtMost(4.0), |mib| {
        format!("{mib:.1} MiB")
    });
    rows.push(row.against("axum"));
    Ok(())
}

/// Memory for each execution that waits for its turn.
fn queued(scale: &Scale, empty: &Home, rows: &mut Vec<Row>) -> Result<()> {
    let base = empty.serve()?;
    std::thread::sleep(scale.burst);
    let base = base.process.resident_kib();
    let (mut growth, mut each) = (Vec::new(), 0.0);
    for size in scale.sizes(scale.stored) {
        scale.say(&format!("memory of {size} queued executions"));
        let waiting = furnished("held", size, Status::Queued)?;
        let server = waiting.serve()?;
        std::thread::sleep(scale.burst);
        let more = server.process.resident_kib() - base;
        // A few may fit into what an idle process holds anyway.
        each = (more * 1024.0 / float(size)).max(1.0);
        growth.push((size, each));
    }
    let name = format!("memory for each of {} queued executions", scale.stored);
    let row = Row::compared(name, &[(each, 4096.0)], Target::AtMost(1.0), |bytes| {
        format!("{bytes:.0} B")
    });
    rows.push(row.growing(&growth).against("as the limit"));
    Ok(())
}
