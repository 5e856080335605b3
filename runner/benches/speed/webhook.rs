//! Webhooks over sockets: asynchronous ones, which are on disk before the answer, and synchronous ones with their result.

use std::time::Duration;

use crate::load::{Burst, Call, burst};
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

/// Measures everything that comes in over a socket.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    let place = folder()?;
    let home = Home::new()?;
    let server = home.serve()?;
    let (axum, axum_url) = reference(Reference::Axum, place.path())?;
    let body = orders::order();
    let side = |flow: &str| -> Result<Side<'_>> {
        Ok(Side {
            process: &server.process,
            call: Call::post(&server.url(flow)?, &body)?,
            server: Some(&server),
        })
    };
    let bare = Side {
        process: &axum,
        call: Call::post(&axum_url, &body)?,
        server: None,
    };
    references(scale, &bare, place.path(), &body, rows)?;
    let idle = server.process.resident_kib();
    for (flow, name) in [
        ("count", "accept, durable, asynchronous"),
        ("count-directly", "synchronous, direct result, recorded"),
    ] {
        let ours = side(flow)?;
        for connections in [1, 16, 64, 256] {
            let target = match connections {
                64 => Target::AtLeast(0.5),
                _ => Target::None,
            };
            compare(scale, (name, connections, target), &ours, &bare, rows)?;
        }
        one_at_a_time(scale, name, &ours, place.path(), rows)?;
    }
    let ours = side("three-steps")?;
    let name = "accept, durable, three recorded steps";
    compare(scale, (name, 64, Target::None), &ours, &bare, rows)?;
    let loaded = server.process.resident_kib();
    rows.push(
        Row::compared(
            "memory after all of these",
            &[(loaded / 1024.0, 48.0)],
            Target::AtMost(1.0),
            |mib| format!("{mib:.1} MiB"),
        )
        .with(&format!("(before: {:.1})", idle / 1024.0))
        .against("as the limit"),
    );
    Ok(())
}

fn references(
    scale: &Scale,
    bare: &Side<'_>,
    place: &std::path::Path,
    body: &[u8],
    rows: &mut Vec<Row>,
) -> Result<()> {
    for (kind, name) in [
        (Reference::Hyper, "reference: bare hyper echo, c=64"),
        (
            Reference::AxumSqlite,
            "reference: axum, one SQLite commit a request, c=64",
        ),
    ] {
        let (process, url) = reference(kind, place)?;
        let other = Side {
            process: &process,
            call: Call::post(&url, body)?,
            server: None,
        };
        compare(scale, (name, 64, Target::None), &other, bare, rows)?;
    }
    Ok(())
}

fn compare(
    scale: &Scale,
    (name, connections, target): (&str, usize, Target),
    ours: &Side<'_>,
    bare: &Side<'_>,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let name = if name.contains("c=") {
        name.to_owned()
    } else {
        format!("{name}, c={connections}")
    };
    scale.say(&name);
    let (mut rates, mut sustained, mut processor) = (Vec::new(), Vec::new(), Vec::new());
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let reference = bare.measure(connections, scale.burst)?;
        let cost = ours.measure(connections, scale.burst)?;
        rates.push((cost.burst.rate(), reference.burst.rate()));
        sustained.push((cost.sustained, reference.burst.rate()));
        processor.push((cost.processor, reference.processor));
        p50.push(cost.burst.percentile(0.5));
        p99.push(cost.burst.percentile(0.99));
    }
    let (p50, p99) = (median(p50.into_iter()), median(p99.into_iter()));
    rows.push(
        Row::compared(name.clone(), &rates, target, per_second)
            .with(&format!("(p50 {p50:.2}, p99 {p99:.2} ms)"))
            .against("axum"),
    );
    let of = |what: &str| format!("- {what}");
    if ours.server.is_some() && connections == 64 && !name.starts_with("synchronous") {
        let row = Row::compared(
            of("until all have ended"),
            &sustained,
            Target::None,
            per_second,
        );
        rows.push(row.against("axum"));
    }
    let cost = |micros: f64| format!("{micros:.1} us");
    let row = Row::compared(of("processor time each"), &processor, Target::None, cost);
    rows.push(row.against("axum"));
    Ok(())
}

/// One caller, one request after the other, against what one sync costs.
fn one_at_a_time(
    scale: &Scale,
    name: &str,
    ours: &Side<'_>,
    place: &std::path::Path,
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

/// Loads any URL and says what came of it.
pub(crate) fn load(url: &str, connections: usize, length: Duration, body: &[u8]) -> Result<String> {
    let burst = burst(&Call::post(url, body)?, connections, length)?;
    Ok(format!(
        "{} with {connections} connections; p50 {}, p99 {}, longest {}; {} refused",
        per_second(burst.rate()),
        in_millis(burst.percentile(0.5)),
        in_millis(burst.percentile(0.99)),
        in_millis(burst.percentile(1.0)),
        burst.failed
    ))
}
