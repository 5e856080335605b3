//! Ten thousand schedules that fall due in one second: how late each run begins.

use std::time::{Duration, Instant};

use runner::deploy::DeployRequest;

use crate::inside::Inside;
use crate::server::folder;
use crate::table::{Row, Target, float, in_millis, median, millis, percentile};
use crate::{Result, Scale, disk, orders};

/// Measures how late the runs begin, and what a deploy of an instance with a schedule costs.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    scale.say("schedules due in one second");
    let place = folder()?;
    let inside = Inside::open(place.path())?;
    let day = |number: u32, time: &str| format!("2030-03-{number:02}T{time}Z").parse();
    inside.clock.set(day(1, "12:00:00")?);
    let runner = inside.start(orders::clockwork())?;
    let wanted = scale.schedules;
    inside.engine.block_on(async {
        let mut deploys = tokio::task::JoinSet::new();
        for _ in 0..wanted {
            let deployer = std::sync::Arc::clone(&runner.deployer);
            deploys.spawn(async move { deployer.deploy(None, request()).await.map(|_| ()) });
        }
        while let Some(deployed) = deploys.join_next().await {
            deployed??;
        }
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })?;
    let (mut rounds, mut p50, mut most) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..u32::try_from(scale.rounds)? {
        let bare = disk::insert(place.path(), wanted)?;
        inside.clock.set(day(number + 2, "07:59:59")?);
        let lags = wait(wanted)?;
        let figure = |part: f64| float(usize::try_from(percentile(&lags, part)).unwrap_or(0));
        rounds.push((figure(0.99), millis(bare)));
        p50.push(figure(0.5));
        most.push(figure(1.0));
    }
    let (p50, most) = (median(p50.into_iter()), median(most.into_iter()));
    let beside = format!("(p50 {p50:.0}, longest {most:.0} ms)");
    let lag = |rounds: &[(f64, f64)], name: String, target| {
        Row::compared(name, rounds, target, in_millis)
    };
    rows.push(
        lag(
            &rounds,
            format!("{wanted} schedules due at once, lag p99"),
            Target::None,
        )
        .with(&beside)
        .against("SQLite, 512 rows a commit"),
    );
    let limit: Vec<_> = rounds.iter().map(|round| (round.0, 100.0)).collect();
    rows.push(lag(&limit, "- the same".to_owned(), Target::AtMost(1.0)).against("as the limit"));
    inside.engine.block_on(runner.stop(Duration::from_secs(1)));
    Ok(())
}

fn request() -> DeployRequest {
    DeployRequest {
        config: Some(sdk::config::ConfigValues::new()),
        ..DeployRequest::default()
    }
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
