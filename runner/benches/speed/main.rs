//! How fast the runner is, as ratios to references that are measured in the same run and in turns.
//!
//! `cargo bench -p runner --bench speed` measures everything and prints one table. After `--`:
//!
//! * `--smoke`: every scenario once and tiny; only whether it works counts.
//! * `--only WORD`: `webhook`, `backlog`, `schedules`, `start` or `slow`.
//! * `--rounds COUNT`: so many rounds instead of 5.
//! * `--url URL [--connections COUNT] [--seconds COUNT] [--body FILE]`: loads an endpoint of your own instead, and prints its rate.
//!
//! Run by `cargo test --benches`, it smokes only.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it measures time, starts processes and prints what it finds"
)]

mod backlog;
mod disk;
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

use std::path::Path;
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
    /// One part: `webhook`, `backlog`, `schedules`, `start` or `slow`.
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Loads this endpoint instead of measuring the runner.
    #[arg(long)]
    url: Option<String>,
    /// Connections to that endpoint.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long to load it.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// What to send to it, as JSON; an order of 1 KiB if it is not given.
    #[arg(long, value_name = "FILE")]
    body: Option<std::path::PathBuf>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much is measured.
#[derive(Debug)]
struct Scale {
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
            rounds: rounds.max(1),
            burst: Duration::from_millis(1500),
            backlog: 20_000,
            schedules: 10_000,
            stored: 100_000,
            slow: 384,
        }
    }

    fn smoke() -> Self {
        Self {
            rounds: 1,
            burst: Duration::from_millis(50),
            backlog: 200,
            schedules: 100,
            stored: 400,
            slow: 16,
        }
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

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(url) = &arguments.url {
        let body = match &arguments.body {
            Some(file) => std::fs::read(file)?,
            None => orders::order(),
        };
        let length = Duration::from_secs(arguments.seconds);
        println!(
            "{}",
            webhook::load(url, arguments.connections, length, &body)?
        );
        return Ok(());
    }
    let scale = if arguments.smoke || !arguments.bench {
        Scale::smoke()
    } else {
        Scale::full(arguments.rounds)
    };
    let parts: [(&str, Part); 5] = [
        ("webhook", webhook::measure),
        ("backlog", backlog::measure),
        ("schedules", schedules::measure),
        ("start", start::measure),
        ("slow", slow::measure),
    ];
    let begun = Instant::now();
    let mut rows = Vec::new();
    for (name, part) in parts {
        if arguments.only.as_deref().is_none_or(|only| only == name) {
            part(&scale, &mut rows)?;
        }
    }
    println!("{}", table::print(&rows));
    println!("measured in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}
