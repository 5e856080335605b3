//! Webhooks over sockets: asynchronous ones, which are on disk before the answer, and synchronous ones with their result.

use std::path::Path;
use std::time::Duration;

use crate::load::{Burst, Call, burst, steady};
use crate::reference::Reference;
use crate::server::{Home, Process, Server, folder, reference};
use crate::table::{Row, Target, float, in_millis, median, millis, per_second, percentile};
use crate::{Result, Scale, disk, orders};

/// One side of a comparison.
struct Side<'a> {
    process: &'a Process,
    call: Call,
    /// Waited for after each burst.
    server: Option<&'a Server>,
}

/// What one burst cost.
struct Cost {
    burst: Burst,
    /// Executions or answers per second until everything that was accepted has ended.
    sustained: f64,
    /// Processor time for each of them, in microseconds.
    processor: f64,
}

impl Side<'_> {
    fn measure(&self, connections: usize, length: Duration) -> Result<Cost> {
        let before = self.process.processor_seconds();
        let begun = std::time::Instant::now();
        let burst = burst(&self.call, connections, length)?;
        if burst.failed > 0 {
            return Err(format!("{} requests were refused", burst.failed).into());
        }
        if let Some(server) = self.server {
            server.settle()?;
        }
        let count = float(burst.times.len());
        Ok(Cost {
            sustained: count / begun.elapsed().as_secs_f64(),
            processor: (self.process.processor_seconds() - before) / count * 1e6,
            burst,
        })
    }
}

/// What is compared: so many connections send to one side and then to the other.
struct Comparison<'a> {
    name: &'a str,
    connections: usize,
    target: Target,
    /// What the other side is called.
    against: &'a str,
    /// Whether to tell when the accepted executions have ended, too.
    until_the_end: bool,
}

/// Measures everything that comes in over a socket.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    let place = folder()?;
    let home = Home::new()?;
    let server = home.serve()?;
    let (axum, axum_url) = reference(Reference::Axum, place.path())?;
    let side = |flow: &str, body: &[u8]| -> Result<Side<'_>> {
        Ok(Side {
            process: &server.process,
            call: Call::post(&server.url(flow)?, body)?,
            server: Some(&server),
        })
    };
    let bare = |body: &[u8]| -> Result<Side<'_>> {
        Ok(Side {
            process: &axum,
            call: Call::post(&axum_url, body)?,
            server: None,
        })
    };
    let (order, large) = (orders::order(), orders::large_order());
    references(scale, &bare(&order)?, place.path(), rows)?;
    let idle = server.process.resident_kib();
    let small = [
        ("count", "asynchronous accept, 1 KiB", &order),
        ("count-directly", "synchronous direct run, 1 KiB", &order),
    ];
    for (flow, name, body) in small {
        let (ours, bare) = (side(flow, body)?, bare(body)?);
        crowds(scale, (flow, name), &ours, &bare, rows)?;
        one_at_a_time(scale, name, &ours, place.path(), rows)?;
    }
    let at_64 = |name, target, against| Comparison {
        name,
        connections: 64,
        target,
        against,
        until_the_end: false,
    };
    let ours = side("three-steps", &order)?;
    let comparison = Comparison {
        until_the_end: true,
        ..at_64("accept of three recorded steps", Target::None, "axum")
    };
    compare(scale, &comparison, &ours, &bare(&order)?, rows)?;
    let signed = Side {
        call: Call::post_with(&server.url("signed")?, &orders::signature(&order)?, &order)?,
        ..side("signed", &order)?
    };
    let comparison = at_64("accept, signed", Target::AtLeast(0.95), "unsigned");
    compare(scale, &comparison, &signed, &side("count", &order)?, rows)?;
    let row = memory(
        "memory after all of these",
        &server,
        idle,
        Target::AtMost(1.0),
    );
    rows.push(row.against("as the limit"));
    let (ours, bare) = (side("count", &large)?, bare(&large)?);
    let name = "asynchronous accept, 64 KiB";
    crowds(scale, ("count", name), &ours, &bare, rows)?;
    let row = memory("memory after these too", &server, idle, Target::None);
    rows.push(row.against("as above"));
    Ok(())
}

/// What the server holds, against the 48 MiB that are promised.
fn memory(name: &str, server: &Server, idle: f64, target: Target) -> Row {
    let loaded = server.process.resident_kib() / 1024.0;
    let row = Row::compared(name, &[(loaded, 48.0)], target, |mib| {
        format!("{mib:.1} MiB")
    });
    row.with(&format!("(before: {:.1})", idle / 1024.0))
}

/// One flow with 1, 16, 64 and 256 connections.
fn crowds(
    scale: &Scale,
    (flow, name): (&str, &str),
    ours: &Side<'_>,
    bare: &Side<'_>,
    rows: &mut Vec<Row>,
) -> Result<()> {
    for connections in [1, 16, 64, 256] {
        let promised = connections == 64 && name.ends_with(" 1 KiB");
        let comparison = Comparison {
            name,
            connections,
            target: if promised {
                Target::AtLeast(0.5)
            } else {
                Target::None
            },
            against: "axum",
            until_the_end: flow == "count" && connections == 64,
        };
        compare(scale, &comparison, ours, bare, rows)?;
    }
    Ok(())
}

fn references(scale: &Scale, bare: &Side<'_>, place: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let mut append = Vec::new();
    for _ in 0..scale.rounds {
        append.extend(disk::append(place, scale.burst / 2)?);
    }
    append.sort_unstable();
    let (p50, p99) = (percentile(&append, 0.5), percentile(&append, 0.99));
    let beside = format!("(p99 {:.2} ms)", millis(p99));
    let row = Row::compared(
        "reference: append 1 KiB + fdatasync, p50",
        &[(millis(p50), millis(p50))],
        Target::None,
        in_millis,
    );
    rows.push(row.with(&beside).against("itself"));
    for (kind, name) in [
        (Reference::Hyper, "reference: bare hyper echo"),
        (
            Reference::AxumSqlite,
            "reference: axum, one SQLite commit a request",
        ),
        (
            Reference::AxumGroup,
            "reference: axum, SQLite, group commit",
        ),
    ] {
        let (process, url) = reference(kind, place)?;
        let other = Side {
            process: &process,
            call: Call::post(&url, &orders::order())?,
            server: None,
        };
        let comparison = Comparison {
            name,
            connections: 64,
            target: Target::None,
            against: "axum",
            until_the_end: false,
        };
        compare(scale, &comparison, &other, bare, rows)?;
    }
    Ok(())
}

fn compare(
    scale: &Scale,
    comparison: &Comparison<'_>,
    ours: &Side<'_>,
    bare: &Side<'_>,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let name = format!("{}, c={}", comparison.name, comparison.connections);
    scale.say(&name);
    let (mut rates, mut sustained, mut processor) = (Vec::new(), Vec::new(), Vec::new());
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let reference = bare.measure(comparison.connections, scale.burst)?;
        let cost = ours.measure(comparison.connections, scale.burst)?;
        rates.push((cost.burst.rate(), reference.burst.rate()));
        sustained.push((cost.sustained, reference.burst.rate()));
        processor.push((cost.processor, reference.processor));
        p50.push(cost.burst.percentile(0.5));
        p99.push(cost.burst.percentile(0.99));
    }
    let (p50, p99) = (median(p50.into_iter()), median(p99.into_iter()));
    rows.push(
        Row::compared(name, &rates, comparison.target, per_second)
            .with(&format!("(p50 {p50:.2}, p99 {p99:.2} ms)"))
            .against(comparison.against),
    );
    if comparison.until_the_end {
        let name = "- until all have ended";
        let row = Row::compared(name, &sustained, Target::None, per_second);
        rows.push(row.against(comparison.against));
    }
    let cost = |micros: f64| format!("{micros:.1} us");
    let row = Row::compared("- processor time each", &processor, Target::None, cost);
    rows.push(row.against(comparison.against));
    Ok(())
}

/// One caller, one request after the other, against what one sync costs.
fn one_at_a_time(
    scale: &Scale,
    name: &str,
    ours: &Side<'_>,
    place: &Path,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..scale.rounds {
        let bare = disk::append(place, scale.burst / 2)?;
        let cost = ours.measure(1, scale.burst)?;
        rounds.push((cost.burst.percentile(0.5), millis(percentile(&bare, 0.5))));
    }
    let scenario = format!("{name}, c=1, p50");
    rows.push(
        Row::compared(scenario, &rounds, Target::AtMost(2.5), in_millis)
            .against("append + fdatasync"),
    );
    Ok(())
}

/// What a URL is loaded with.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) length: Duration,
    /// Requests a second; as many as are answered if it is not given.
    pub(crate) rate: Option<f64>,
    /// Header lines, each with its line end.
    pub(crate) lines: String,
    pub(crate) body: Vec<u8>,
}

/// Loads any URL and says what came of it.
pub(crate) fn load(url: &str, load: &Load) -> Result<String> {
    let call = Call::post_with(url, &load.lines, &load.body)?;
    let burst = match load.rate {
        Some(rate) => steady(&call, load.connections, load.length, rate)?,
        None => burst(&call, load.connections, load.length)?,
    };
    Ok(format!(
        "{} with {} connections; p50 {}, p99 {}, longest {}; {} refused",
        per_second(burst.rate()),
        load.connections,
        in_millis(burst.percentile(0.5)),
        in_millis(burst.percentile(0.99)),
        in_millis(burst.percentile(1.0)),
        burst.failed
    ))
}
