//! How fast a simulated invocation is, as ratios to what the same work costs without an engine, measured in turns.
//!
//! `cargo bench --bench speed` prints the table, behind that of the runner; `-- --write docs/performance.md` also writes it there.
//! `-- --smoke`, and `cargo test --bench speed`, only see whether it works. With `--only` and `--url`, which ask for something of the
//! runner, nothing is measured here, unless it is `--only simulation`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it measures time and prints what it finds"
)]

#[path = "../../runner/benches/speed/document.rs"]
mod document;
#[path = "../../runner/benches/speed/table.rs"]
#[expect(
    dead_code,
    reason = "the table of the runner's benchmark, of which this one needs less"
)]
mod table;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use testing::{SimulatedInstance, Simulation};

use crate::table::{Row, Target, median, per_second, print};

#[derive(Deserialize)]
struct Order {
    id: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    quantity: u32,
}

#[derive(Serialize)]
struct Counted {
    ok: bool,
    id: String,
    items: u32,
}

fn count(order: Order) -> Counted {
    Counted {
        ok: true,
        id: order.id,
        items: order.items.iter().map(|item| item.quantity).sum(),
    }
}

fn order() -> Value {
    let item = |number| json!({"name": format!("widget number {number}"), "quantity": number});
    let items: Vec<Value> = (1..=13).map(item).collect();
    json!({"id": "order-1", "items": items})
}

/// Flow `count`.
struct Count;

#[flow(key = "count", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Count {
    #[on_execution]
    async fn count(_context: &Context, order: Order) -> Result<Counted> {
        Ok(count(order))
    }
}

/// Flow `three-steps`.
struct ThreeSteps;

#[flow(key = "three-steps", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl ThreeSteps {
    #[on_execution]
    async fn walk(context: &Context, order: Order) -> Result<u32> {
        let (counted, mut sum) = (count(order), 0);
        for step in ["one", "two", "three"] {
            sum += context.step(step, || async { Ok(counted.items) }).await?;
        }
        Ok(sum)
    }
}

/// Flow `every-five-minutes`.
struct EveryFiveMinutes;

#[flow(key = "every-five-minutes", trigger = Schedule::cron("*/5 * * * *"))]
impl EveryFiveMinutes {
    #[on_execution]
    async fn run(context: &Context) -> Result<u64> {
        let next = |runs: Option<u64>| runs.unwrap_or(0) + 1;
        context.instance_state().update("runs", next).await
    }
}

fn counting() -> Simulation<()> {
    let integration = Integration::<()>::new("counting");
    Simulation::of(integration.flow::<Count>().flow::<ThreeSteps>())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> testing::Result {
    let words: Vec<String> = std::env::args().collect();
    let is_given = |word: &str| words.iter().any(|given| given == word);
    let behind = |word: &str| {
        let place = words.iter().position(|given| given == word)?;
        words.get(place + 1)
    };
    if is_given("--url") || behind("--only").is_some_and(|only| only != "simulation") {
        return Ok(());
    }
    let is_full = is_given("--bench") && !is_given("--smoke");
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let rows = runtime.block_on(measure(is_full))?;
    let (table, told) = (print(&rows), document::circumstances(begun.elapsed()));
    println!("{table}\n{told}");
    if let Some(file) = behind("--write").filter(|_| is_full) {
        document::write(file.as_ref(), "simulation", &format!("{table}\n{told}"))?;
    }
    Ok(())
}

async fn measure(full: bool) -> testing::Result<Vec<Row>> {
    let (rounds, calls) = if full { (9, 1000) } else { (1, 100) };
    let mut rows = Vec::new();
    first(rounds, &mut rows).await?;
    echo(rounds, calls, &mut rows).await?;
    counted::<Count>("one simulated invocation", rounds, calls, &mut rows).await?;
    counted::<ThreeSteps>("one of three steps", rounds, calls, &mut rows).await?;
    Box::pin(sweep(rounds, &mut rows)).await?;
    year(if full { 365 } else { 1 }, &mut rows).await?;
    Ok(rows)
}

/// What a test process pays before its first report: a simulation, a deploy, an invocation.
async fn first(rounds: usize, rows: &mut Vec<Row>) -> testing::Result {
    let mut figures = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        let lab = counting();
        let instance = lab.deploy(()).await?;
        instance
            .webhook::<Count>()
            .json(order())
            .send()
            .await
            .assert_status(200);
        figures.push((micros(begun.elapsed()), 1000.0));
    }
    let row = Row::compared(
        "simulation, deploy, first invocation",
        &figures,
        Target::AtMost(1.0),
        in_micros,
    );
    rows.push(row.against("as the limit"));
    Ok(())
}

/// The lab's own `echo-sync`.
async fn echo(rounds: usize, calls: u32, rows: &mut Vec<Row>) -> testing::Result {
    let lab = Simulation::of(lab::integration()).with_settings(unlimited());
    let config = lab::Config {
        hmac_secret: "not a secret".into(),
    };
    let instance = lab.deploy(config).await?;
    let mut figures = Vec::new();
    for _ in 0..rounds {
        let bare = alone(calls)?;
        let begun = Instant::now();
        for _ in 0..calls {
            let report = instance.webhook::<lab::EchoSync>().direct().json(order());
            report.send().await.assert_status(200);
        }
        figures.push((each(begun.elapsed(), calls), bare));
    }
    let row = Row::compared("`echo-sync` of the lab", &figures, Target::None, in_micros);
    rows.push(row.against("parse, run, serialise"));
    Ok(())
}

async fn counted<F: Flow<Config = ()>>(
    name: &str,
    rounds: usize,
    calls: u32,
    rows: &mut Vec<Row>,
) -> testing::Result {
    let mut figures = Vec::new();
    let mut growth = Vec::new();
    for calls in [calls / 100, calls / 10, calls] {
        figures.clear();
        for _ in 0..rounds {
            let lab = counting().with_settings(unlimited());
            let instance = lab.deploy(()).await?;
            let bare = alone(calls)?;
            let took = invoke::<F>(&instance, calls).await;
            figures.push((each(took, calls), bare));
        }
        let middle = median(figures.iter().map(|figure| figure.0));
        growth.push((usize::try_from(calls.max(1))?, middle));
    }
    let target = Target::AtMost(if name.contains("steps") { 10.0 } else { 3.0 });
    let row = Row::compared(format!("{name} of {calls}"), &figures, target, in_micros);
    rows.push(row.growing(&growth).against("parse, run, serialise"));
    let rates: Vec<_> = figures.iter().map(|it| (1e6 / it.0, 1e6 / it.1)).collect();
    let row = Row::compared("- the same, as a rate", &rates, Target::None, per_second);
    rows.push(row.against("parse, run, serialise"));
    Ok(())
}

async fn invoke<F: Flow<Config = ()>>(instance: &SimulatedInstance<()>, calls: u32) -> Duration {
    let begun = Instant::now();
    for _ in 0..calls {
        let report = instance.webhook::<F>().json(order()).send().await;
        report.assert_status(200);
    }
    begun.elapsed()
}

/// The work alone: parse, run, serialise; microseconds each.
fn alone(calls: u32) -> testing::Result<f64> {
    let body = order().to_string();
    let begun = Instant::now();
    for _ in 0..calls {
        let order: Value = serde_json::from_str(black_box(&body))?;
        let order: Order = serde_json::from_value(order)?;
        black_box(serde_json::to_vec(&count(order))?);
    }
    Ok(each(begun.elapsed(), calls))
}

/// The crash sweep of a flow of three steps: the script again, stopped at every durable write.
async fn sweep(rounds: usize, rows: &mut Vec<Row>) -> testing::Result {
    let mut figures = Vec::new();
    for _ in 0..rounds {
        let lab = counting();
        let instance = lab.deploy(()).await?;
        let report = instance.webhook::<ThreeSteps>().json(order()).send().await;
        report.assert_status(200);
        let begun = Instant::now();
        lab.survives_a_crash_anywhere().await?;
        figures.push((micros(begun.elapsed()) / 1000.0, 200.0));
    }
    let show = |millis: f64| format!("{millis:.1} ms");
    let row = Row::compared(
        "crash sweep of three steps",
        &figures,
        Target::AtMost(1.0),
        show,
    );
    rows.push(row.against("as the limit"));
    Ok(())
}

/// A schedule of five minutes over a year of simulated time.
async fn year(days: u64, rows: &mut Vec<Row>) -> testing::Result {
    let integration = Integration::<()>::new("clockwork").flow::<EveryFiveMinutes>();
    let lab = Simulation::of(integration);
    let instance = lab.deploy(()).await?;
    let begun = Instant::now();
    lab.advance(Duration::from_secs(days * 86_400)).await?;
    let took = begun.elapsed().as_secs_f64();
    let part = f64::from(u32::try_from(days)?) / 365.0;
    let row = Row::compared(
        format!("{days} days of a schedule of five minutes"),
        &[(took, 5.0 * part)],
        Target::AtMost(1.0),
        |seconds| format!("{seconds:.2} s"),
    );
    rows.push(row.against("as the limit"));
    drop(instance);
    Ok(())
}

fn unlimited() -> testing::Settings {
    testing::Settings {
        rate_per_second: 0,
        ..testing::Settings::default()
    }
}

fn each(took: Duration, calls: u32) -> f64 {
    micros(took) / f64::from(calls.max(1))
}

fn micros(length: Duration) -> f64 {
    length.as_secs_f64() * 1e6
}

fn in_micros(figure: f64) -> String {
    format!("{figure:.1} us")
}
