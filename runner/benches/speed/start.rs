//! Starting, and what is held in memory while nothing happens.

use runner::record::Status;
use runner::store::{SqliteOptions, SqliteStore, Store as _};
use sdk::id::InstanceId;

use crate::inside::fill;
use crate::load::{Call, burst};
use crate::reference::Reference;
use crate::server::{Home, axum_to_first_answer, folder, reference};
use crate::table::{Row, Target, float, in_millis, median, millis, per_second, slope};
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
    queued(scale, &empty, rows)?;
    size(rows);
    Ok(())
}

/// Start, and rate of accepting, with many stored executions.
fn stored(scale: &Scale, empty: &Home, rows: &mut Vec<Row>) -> Result<()> {
    let sizes = [scale.stored / 4, scale.stored / 2, scale.stored];
    let mut times = Vec::new();
    for size in sizes {
        scale.say(&format!("start with {size} stored executions"));
        let full = furnished("count", size, Status::Success)?;
        let mut rounds = Vec::new();
        for _ in 0..scale.rounds {
            let bare = empty.time_to_first_answer()?;
            let ours = full.time_to_first_answer()?;
            rounds.push((millis(ours), millis(bare)));
        }
        times.push((size, median(rounds.iter().map(|round| round.0))));
        if size == scale.stored {
            let grows = format!("(grows with size ^ {:.2})", slope(&times));
            let name = format!("start with {size} stored executions");
            let row = Row::compared(name, &rounds, Target::AtMost(3.0), in_millis);
            rows.push(row.with(&grows).against("empty store"));
            accepting(scale, empty, &full, size, rows)?;
        }
    }
    Ok(())
}

fn accepting(
    scale: &Scale,
    empty: &Home,
    full: &Home,
    size: usize,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let body = orders::order();
    let (empty, full) = (empty.serve()?, full.serve()?);
    let mut rounds = Vec::new();
    for _ in 0..scale.rounds {
        let rate = |server: &crate::server::Server| -> Result<f64> {
            let call = Call::post(&server.url("count")?, &body)?;
            let rate = burst(&call, 64, scale.burst)?.rate();
            server.settle()?;
            Ok(rate)
        };
        let bare = rate(&empty)?;
        rounds.push((rate(&full)?, bare));
    }
    let name = format!("accept with {size} stored executions, c=64");
    let row = Row::compared(name, &rounds, Target::AtLeast(0.9), per_second);
    rows.push(row.against("empty store"));
    Ok(())
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
    scale.say("memory of a backlog");
    let waiting = furnished("held", scale.stored, Status::Queued)?;
    let server = waiting.serve()?;
    std::thread::sleep(scale.burst);
    let base = empty.serve()?;
    std::thread::sleep(scale.burst);
    let more = server.process.resident_kib() - base.process.resident_kib();
    let each = more * 1024.0 / float(scale.stored);
    rows.push(
        Row::compared(
            format!("memory for each of {} queued executions", scale.stored),
            &[(each, 4096.0)],
            Target::AtMost(1.0),
            |bytes| format!("{bytes:.0} B"),
        )
        .against("as the limit"),
    );
    Ok(())
}

/// The size of the binary of the lab, if it stands where cargo puts it.
fn size(rows: &mut Vec<Row>) {
    let beside = std::env::current_exe().ok();
    let lab = beside.and_then(|path| Some(path.parent()?.parent()?.join("lab")));
    let length = |path: std::path::PathBuf| std::fs::metadata(path).ok().map(|file| file.len());
    let (Some(lab), Some(whole)) = (
        lab.and_then(length),
        std::env::current_exe().ok().and_then(length),
    ) else {
        return;
    };
    let mib = |bytes: u64| float(usize::try_from(bytes).unwrap_or(0)) / 1024.0 / 1024.0;
    rows.push(
        Row::compared(
            "size of the lab's binary, not stripped",
            &[(mib(lab), mib(whole))],
            Target::None,
            |mib| format!("{mib:.1} MiB"),
        )
        .against("this benchmark"),
    );
}
