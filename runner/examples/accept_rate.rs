//! Measures what a durable accept costs: commits of new executions from 1, 16, 64 and 256 callers at once, against a bare append and
//! fdatasync of the same bytes on the same disk, in turns, so that a noisy machine treats both alike.
//!
//! `cargo run --release -p runner --example accept_rate -- [FOLDER] [SECONDS] [STORED]`: STORED executions are there beforehand.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "it measures time and prints what it finds"
)]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use runner::record::{Execution, Status, StoredPayload};
use runner::store::{Accept, Commit, Point, SqliteOptions, SqliteStore, Store as _, Write};
use sdk::Timestamp;

const BODY: usize = 385;
const ROUNDS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(
        arguments
            .next()
            .unwrap_or_else(|| "target/accept_rate".to_owned()),
    );
    let seconds: f64 = arguments.next().map_or(2.0, |text| text.parse().unwrap());
    let stored: u64 = arguments.next().map_or(0, |text| text.parse().unwrap());
    let _ = std::fs::remove_dir_all(&folder);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = SqliteStore::open(&folder.join("store.db"), &SqliteOptions::default()).unwrap();
    let next = Arc::new(AtomicU64::new(1));
    runtime.block_on(fill(&store, &next, stored));
    let length = Duration::from_secs_f64(seconds);
    println!(
        "callers   bare/s   p50 ms   store/s   p50 ms   p99 ms   worst   per sync   rate/bare   p50/bare"
    );
    for callers in [1, 16, 64, 256] {
        let rounds = (0..ROUNDS).map(|_| {
            let bare = bare(&folder, callers, length);
            let syncs = store.transactions();
            let ours = runtime.block_on(ours(&store, &next, callers, length));
            let group = ours.len() as f64 / (store.transactions() - syncs) as f64;
            (bare, ours, group)
        });
        let mut rounds: Vec<_> = rounds.collect();
        rounds.sort_by(|a, b| ratio(a, seconds).total_cmp(&ratio(b, seconds)));
        let middle = &rounds[ROUNDS / 2];
        let (bare, ours, group) = middle;
        println!(
            "{callers:7} {:8.0} {:8.2} {:9.0} {:8.2} {:8.2} {:7.1} {group:10.1} {:11.2} {:10.2}",
            bare.1 as f64 / seconds,
            percentile(&bare.0, 0.5),
            ours.len() as f64 / seconds,
            percentile(ours, 0.5),
            percentile(ours, 0.99),
            percentile(ours, 1.0),
            ratio(middle, seconds),
            percentile(ours, 0.5) / percentile(&bare.0, 0.5),
        );
    }
    drop(store);
    let begun = Instant::now();
    let store = SqliteStore::open(&folder.join("store.db"), &SqliteOptions::default()).unwrap();
    println!(
        "opened again in {:?} with {} executions",
        begun.elapsed(),
        next.load(Ordering::Relaxed) - 1
    );
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}

type Round = ((Vec<Duration>, usize), Vec<Duration>, f64);

fn ratio((bare, ours, _): &Round, seconds: f64) -> f64 {
    (ours.len() as f64 / seconds) / (bare.1 as f64 / seconds)
}

fn percentile(sorted: &[Duration], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the slice"
    )]
    let place = ((sorted.len() - 1) as f64 * part) as usize;
    sorted[place].as_secs_f64() * 1000.0
}

/// Appends what so many callers would bring and syncs, over and over; returns the times of the syncs, and how many records they held.
fn bare(folder: &Path, callers: usize, length: Duration) -> (Vec<Duration>, usize) {
    let path = folder.join("bare");
    let mut file: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap();
    let record = vec![b'x'; (BODY + 400) * callers];
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < length {
        let one = Instant::now();
        file.write_all(&record).unwrap();
        file.sync_data().unwrap();
        times.push(one.elapsed());
    }
    std::fs::remove_file(path).unwrap();
    times.sort_unstable();
    let records = times.len() * callers;
    (times, records)
}

/// Lets so many callers accept one execution after the other; returns how long each took.
async fn ours(
    store: &SqliteStore,
    next: &Arc<AtomicU64>,
    callers: usize,
    length: Duration,
) -> Vec<Duration> {
    let begun = Instant::now();
    let callers = (0..callers).map(|_| {
        let (store, next) = (store.clone(), Arc::clone(next));
        tokio::spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < length {
                let one = Instant::now();
                let position = next.fetch_add(1, Ordering::Relaxed);
                store.commit(accept(position)).await.unwrap();
                times.push(one.elapsed());
            }
            times
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.unwrap());
    }
    times.sort_unstable();
    times
}

async fn fill(store: &SqliteStore, next: &AtomicU64, count: u64) {
    for _ in 0..count / 500 {
        let accepts = (0..500).map(|_| {
            let mut commit = accept(next.fetch_add(1, Ordering::Relaxed));
            for write in &mut commit.writes {
                if let Write::Accept(accept) = write {
                    accept.execution.status = Status::Success;
                    accept.execution.ended_at = Some(accept.execution.accepted_at);
                }
            }
            store.commit(commit)
        });
        for answer in accepts.collect::<Vec<_>>() {
            answer.await.unwrap();
        }
    }
}

/// An accept as the front door makes it: an id of 80 characters that grows with time, ten headers, a body of 385 bytes.
fn accept(position: u64) -> Commit {
    let id: sdk::id::ExecutionId =
        format!("{position:016x}{:064x}", position.wrapping_mul(0x9e37_79b9)).into();
    let headers = (0..10).map(|number| {
        let value = runner::record::HeaderBytes::Text(format!("value of header {number}"));
        (format!("x-header-{number}"), value)
    });
    let payload = StoredPayload {
        method: "POST".to_owned(),
        headers: headers.collect(),
        path_fragment: String::new(),
        query: Vec::new(),
        invoke_url: Some("http://127.0.0.1:3000/trigger/abc".to_owned()),
        content_type: Some("application/json".to_owned()),
        tick: None,
        cursor: None,
        body: None,
        handed_on: None,
        triggered: None,
        trigger_state: Vec::new(),
        sealed: None,
        raw_body: Bytes::from(vec![b'x'; BODY]),
    };
    let accepted_at = Timestamp::from_millis(1_774_630_200_000 + i64::try_from(position).unwrap());
    let instance = format!("instance-{}", position % 10_000);
    let execution = Execution {
        position,
        ..Execution::queued(id, instance.into(), "receive-order".into(), accepted_at)
    };
    let accept = Accept {
        execution,
        payload: Some(Arc::new(payload)),
        answer: None,
        claims: Vec::new(),
    };
    Commit::new(Point::Accept, vec![Write::Accept(Box::new(accept))])
}
