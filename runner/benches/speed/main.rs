//! How fast the runner is, as ratios to references that are measured in the same run and in turns.
//!
//! `cargo bench --bench speed` measures this and what a simulated invocation costs, and prints a table of each; what it says and how
//! to read it stands in `docs/performance.md`. After `--`:
//!
//! * `--smoke`: every scenario once and tiny; only whether it works counts.
//! * `--only PART`: `webhook`, `backlog`, `schedules`, `start`, `slow` or `build`. The last takes minutes and is measured only so.
//! * `--rounds COUNT`: so many rounds instead of 5.
//! * `--write FILE`: also writes the table into a paper, `docs/performance.md`.
//! * `--url URL [--connections COUNT] [--seconds COUNT] [--rate COUNT] [--header LINE]… [--body FILE]`: loads an endpoint of your own
//!   instead, and prints how it answered.
//!
//! Run by `cargo test --bench speed`, it smokes only.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it measures time, starts processes and prints what it finds"
)]

mod backlog;
mod build;
mod disk;
mod document;
mod inside;
mod load;
mod orders;
mod reference;
mod schedules;
mod server;
mod slow;
mod start;
mod table;
mod webhook;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::table::Row;

/// What can go wrong is told to whoever runs it, and nobody else.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(about = "Measures the runner against references, in turns")]
struct Arguments {
    /// Every scenario once and tiny.
    #[arg(long)]
    smoke: bool,
    /// One part: `webhook`, `backlog`, `schedules`, `start`, `slow` or `build`.
    #[arg(long, value_name = "PART")]
    only: Option<String>,
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Writes the table into this paper, between its marks; the path is seen from the root of the repository.
    #[arg(long, value_name = "FILE", conflicts_with = "smoke")]
    write: Option<PathBuf>,
    /// Loads this endpoint instead of measuring the runner: `http://ADDRESS:PORT/PATH`.
    #[arg(long)]
    url: Option<String>,
    /// Connections to that endpoint.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long to load it.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// So many requests a second in all, instead of as many as are answered.
    #[arg(long, value_name = "COUNT")]
    rate: Option<f64>,
    /// A header to send, as `name: value`; more than once for more.
    #[arg(long, value_name = "LINE")]
    header: Vec<String>,
    /// What to send to it, as JSON; an order of 1 KiB if it is not given.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much is measured.
#[derive(Debug)]
struct Scale {
    is_smoke: bool,
    rounds: usize,
    burst: Duration,
    backlog: usize,
    schedules: usize,
    stored: usize,
    /// How many callers are slow.
    slow: usize,
}

impl Scale {
    fn full(rounds: usize) -> Self {
        Self {
            is_smoke: false,
            rounds: rounds.max(1),
            burst: Duration::from_secs(1),
            backlog: 100_000,
            schedules: 10_000,
            stored: 100_000,
            slow: 384,
        }
    }

    fn smoke() -> Self {
        Self {
            is_smoke: true,
            rounds: 1,
            burst: Duration::from_millis(50),
            backlog: 200,
            schedules: 100,
            stored: 400,
            slow: 16,
        }
    }

    /// Returns the three sizes at which a scenario is measured: a hundredth, a tenth, all.
    #[expect(clippy::unused_self, reason = "it belongs to the run")]
    fn sizes(&self, whole: usize) -> [usize; 3] {
        [(whole / 100).max(1), (whole / 10).max(1), whole]
    }

    /// Says what is measured now.
    #[expect(clippy::unused_self, reason = "it belongs to the run")]
    fn say(&self, what: &str) {
        eprintln!("{what} …");
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    // The processes that are measured are this binary too.
    let done = match words.next().as_deref() {
        Some("serve") => return runner::main(orders::integration()),
        Some("reference") => {
            let (word, address, folder) = (words.next(), words.next(), words.next());
            reference::serve(
                &word.unwrap_or_default(),
                Path::new(&folder.unwrap_or_default()),
                &address.unwrap_or_default(),
            )
        }
        _ => run(&Arguments::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

type Part = fn(&Scale, &mut Vec<Row>) -> Result<()>;

/// What is measured, under which name, and whether only if it is asked for.
const PARTS: [(&str, Part, bool); 6] = [
    ("webhook", webhook::measure, false),
    ("backlog", backlog::measure, false),
    ("schedules", schedules::measure, false),
    ("start", start::measure, false),
    ("slow", slow::measure, false),
    ("build", build::measure, true),
];

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(url) = &arguments.url {
        println!("{}", webhook::load(url, &arguments.load()?)?);
        return Ok(());
    }
    let scale = if arguments.smoke || !arguments.bench {
        Scale::smoke()
    } else {
        Scale::full(arguments.rounds)
    };
    let begun = Instant::now();
    let mut rows = Vec::new();
    for (name, part, is_slow) in PARTS {
        let wanted = match &arguments.only {
            Some(only) => only == name,
            None => scale.is_smoke || !is_slow,
        };
        if wanted {
            part(&scale, &mut rows)?;
        }
    }
    let (table, told) = (
        table::print(&rows),
        document::circumstances(begun.elapsed()),
    );
    println!("{table}\n{told}");
    if let Some(file) = &arguments.write {
        let name = match arguments.only.as_deref() {
            None => "runner",
            Some("build") => "build",
            Some(_) => return Err("a part of the table is not written; leave out `--only`".into()),
        };
        document::write(file, name, &format!("{table}\n{told}"))?;
    }
    Ok(())
}

impl Arguments {
    /// What an endpoint is loaded with.
    fn load(&self) -> Result<webhook::Load> {
        let body = match &self.body {
            Some(file) => std::fs::read(file)?,
            None => orders::order(),
        };
        if self.header.iter().any(|line| line.contains(['\r', '\n'])) {
            return Err("a header is one line; give `--header` once for each".into());
        }
        Ok(webhook::Load {
            connections: self.connections.max(1),
            length: Duration::from_secs(self.seconds),
            rate: self.rate.filter(|rate| *rate > 0.0),
            lines: self
                .header
                .iter()
                .flat_map(|line| [line.as_str(), "\r\n"])
                .collect(),
            body,
        })
    }
}
