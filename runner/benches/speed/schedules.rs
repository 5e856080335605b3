//! Ten thousand schedules that fall due in one minute: how late each run begins, and how long webhooks wait meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner::Runner;
use runner::deploy::DeployRequest;
use runner::server::{Front, Limits, serve};
use sdk::config::ConfigValues;
use tokio::task::JoinSet;

use crate::inside::Inside;
use crate::load::{Burst, Call, steady};
use crate::server::folder;
use crate::table::{Row, Target, float, in_millis, median, millis, percentile};
use crate::{Result, Scale, disk, orders};

/// Webhooks that come while the schedules fall due: so many a second, over so many connections.
const RATE: f64 = 400.0;
const CONNECTIONS: usize = 16;

/// What one round found, in milliseconds.
#[derive(Debug)]
struct Round {
    p50: f64,
    p99: f64,
    longest: f64,
    /// What it takes SQLite alone to store as many rows.
    bare: f64,
    ingress: f64,
    quiet: f64,
}

/// Measures how late the runs begin.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    let (mut late, mut ingress, mut rounds) = (Vec::new(), Vec::new(), Vec::new());
    for size in scale.sizes(scale.schedules) {
        scale.say(&format!("{size} schedules due in one minute"));
        rounds = measure_size(scale, size)?;
        late.push((size, median(rounds.iter().map(|round| round.p99.max(1.0)))));
        ingress.push((size, median(rounds.iter().map(|round| round.ingress))));
    }
    let size = scale.schedules;
    let middle = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let pairs =
        |figure: fn(&Round) -> (f64, f64)| -> Vec<_> { rounds.iter().map(figure).collect() };
    let lag = |name: String, rounds: &[(f64, f64)], target| {
        Row::compared(name, rounds, target, in_millis)
    };
    let beside = format!(
        "(p50 {:.0}, longest {:.0} ms)",
        middle(|round| round.p50),
        middle(|round| round.longest)
    );
    let name = format!("{size} schedules on one minute, lag p99");
    let bare = pairs(|round| (round.p99, round.bare));
    let row = lag(name, &bare, Target::None).with(&beside);
    rows.push(row.growing(&late).against("SQLite, 512 rows a commit"));
    let limit = pairs(|round| (round.p99, 100.0));
    rows.push(lag("- the same".to_owned(), &limit, Target::AtMost(1.0)).against("as the limit"));
    let beside = format!("(without them {:.2} ms)", middle(|round| round.quiet));
    let limit = pairs(|round| (round.ingress, 500.0));
    let name = format!("- webhooks meanwhile, {RATE:.0}/s, p99");
    let row = lag(name, &limit, Target::AtMost(1.0)).with(&beside);
    rows.push(row.growing(&ingress).against("as the limit"));
    Ok(())
}

fn measure_size(scale: &Scale, size: usize) -> Result<Vec<Round>> {
    let place = folder()?;
    let inside = Inside::open(place.path())?;
    let day = |number: u32, time: &str| format!("2030-03-{number:02}T{time}Z").parse();
    inside.clock.set(day(1, "12:00:00")?);
    let runner = inside.start(orders::clockwork())?;
    let endpoint = deploy(&inside, &runner, size)?;
    let address = listen(&inside, &runner)?;
    let path = endpoint.parse::<http::Uri>()?;
    let call = Call::post(
        &format!("http://{address}{}", path.path()),
        &orders::order(),
    )?;
    let mut rounds = Vec::new();
    for number in 0..u32::try_from(scale.rounds)? {
        let bare = disk::insert(place.path(), size)?;
        let quiet = webhooks(&call, scale.burst)?.percentile(0.99);
        inside.clock.set(day(number + 2, "07:59:59")?);
        let meanwhile = std::thread::scope(|scope| {
            let webhooks = scope.spawn(|| webhooks(&call, Duration::from_secs(1) + scale.burst));
            let lags = wait(size);
            let burst = webhooks
                .join()
                .map_err(|_| "the load generator panicked")??;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((lags?, burst))
        });
        let (lags, burst) = meanwhile?;
        let figure = |part: f64| float(usize::try_from(percentile(&lags, part)).unwrap_or(0));
        rounds.push(Round {
            p50: figure(0.5),
            p99: figure(0.99),
            longest: figure(1.0),
            bare: millis(bare),
            ingress: burst.percentile(0.99),
            quiet,
        });
    }
    inside.engine.block_on(runner.stop(Duration::from_secs(1)));
    Ok(rounds)
}

fn webhooks(call: &Call, length: Duration) -> Result<Burst> {
    let burst = steady(call, CONNECTIONS, length, RATE)?;
    match burst.failed {
        0 => Ok(burst),
        failed => Err(format!("{failed} requests were refused").into()),
    }
}

/// Deploys so many instances; returns the URL of the webhook of one.
fn deploy(inside: &Inside, runner: &Arc<Runner>, instances: usize) -> Result<String> {
    let request = || DeployRequest {
        config: Some(ConfigValues::new()),
        ..DeployRequest::default()
    };
    inside.engine.block_on(async {
        let mut deploys = JoinSet::new();
        for _ in 0..instances {
            let deployer = Arc::clone(&runner.deployer);
            deploys.spawn(async move { deployer.deploy(None, request()).await });
        }
        let mut endpoint = None;
        while let Some(deployed) = deploys.join_next().await {
            let instance = deployed??.instance;
            endpoint = endpoint.or_else(|| instance.webhook_urls.get("count").cloned());
        }
        endpoint.ok_or_else(|| "no instance has a webhook".into())
    })
}

/// Puts the front door on a socket, as `serve` does.
fn listen(inside: &Inside, runner: &Arc<Runner>) -> Result<SocketAddr> {
    let listener = inside
        .engine
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let served = serve(
        listener,
        Front::new(Arc::clone(runner)),
        Limits::default(),
        std::future::pending(),
        Duration::ZERO,
    );
    inside.engine.spawn(served);
    Ok(address)
}

/// Waits until every schedule has run once, and says so if one does not, or runs twice.
fn wait(wanted: usize) -> Result<Vec<u64>> {
    let begun = Instant::now();
    while orders::lag_count() < wanted && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // One that ran twice would show up now.
    std::thread::sleep(Duration::from_millis(100));
    let lags = orders::take_lags();
    if lags.len() == wanted {
        Ok(lags)
    } else {
        Err(format!("{wanted} schedules were due and {} ran", lags.len()).into())
    }
}
