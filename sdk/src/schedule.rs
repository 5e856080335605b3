//! When a flow starts by itself (E10 to E18).

pub mod check;
mod cron;
mod fault;
mod length;
mod reader;
mod written;
mod zone;

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::cron::{CronExpression, CronField};
pub use self::fault::{CronFault, CronFaultKind, ScheduleFault};
pub use self::zone::{canonical as canonical_zone, is_zone};

/// When a flow starts by itself: declared by an author, or typed by a deployer as the value of a config variable.
///
/// A schedule is made without an error, whatever the text; [`check`](Self::check) says what is wrong with it. It is checked when an
/// integration is built and when an instance is deployed; literals in the source are checked by the compiler
/// ([`check`](mod@self::check)).
///
/// ```
/// use sdk::Schedule;
/// use sdk::schedule::{Missed, Overlap};
/// use sdk::time::minutes;
///
/// let report = Schedule::cron("0 7 * * MON-FRI")
///     .in_zone("Europe/Paris")
///     .missed(Missed::Skip)
///     .overlap(Overlap::Queue)
///     .spread(minutes(10));
/// assert!(report.check().is_ok());
///
/// let fault = Schedule::cron("0 25 * * *").check().unwrap_err();
/// assert_eq!(fault.to_string(), "`0 25 * * *` cannot be read: hours go from 0 to 23 (at byte 2)");
/// assert_eq!(fault.position(), Some(2));
/// ```
///
/// # As text
///
/// In config variables, on the wire and in the database a schedule is a string: a cron expression, an interval, or `once`.
/// An interval is `every`, a count and `minutes`, `hours`, `days` or `weeks`; a count of one may be left out.
///
/// ```text
/// "0 7 * * MON-FRI"        "@daily"        "every 15 minutes"        "every week"        "once"
/// ```
///
/// When more is said it is an object. It has one of `cron`, `every` and `once`; everything else may be left out and then has the
/// default that is shown here. Lengths of time have a count and a unit from `milliseconds` to `weeks`.
///
/// ```
/// let schedule: sdk::Schedule = serde_json::from_str(r#"{
///     "cron": "0 7 * * MON-FRI",
///     "time_zone": "UTC",
///     "on_gap": "run_after",
///     "on_fold": "first",
///     "missed": "run_once",
///     "overlap": "allow",
///     "spread": "0 minutes"
/// }"#)?;
/// assert_eq!(schedule, sdk::Schedule::cron("0 7 * * MON-FRI"));
///
/// let schedule: sdk::Schedule = serde_json::from_str(r#"{
///     "every": "2 hours",
///     "missed": { "run_all": { "within": "1 day" } }
/// }"#)?;
/// # use sdk::schedule::Missed;
/// # use sdk::time::{days, hours};
/// assert_eq!(schedule, sdk::Schedule::every(hours(2)).missed(Missed::RunAll { within: days(1) }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    timing: Timing,
    time_zone: Cow<'static, str>,
    gap: Gap,
    fold: Fold,
    missed: Missed,
    overlap: Overlap,
    spread: Duration,
}

/// The three ways to say when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timing {
    /// At the times of a cron expression, which [`CronExpression::parse`] reads.
    Cron(Cow<'static, str>),
    /// Again and again after this length of time, counted from the first deploy of the instance.
    Every(Duration),
    /// One time, after the first deploy of the instance.
    Once,
}

/// What becomes of a fixed time of the day that the clock leaps over (E13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// It runs once, at the moment at which the gap ends.
    #[default]
    RunAfter,
    /// It does not run on that day.
    Skip,
}

/// What becomes of a fixed time of the day that the clock passes twice (E13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// It runs the first time.
    #[default]
    First,
    /// It runs the second time.
    Last,
    /// It runs both times.
    Both,
}

/// What becomes of runs that were due while the runner was down (E14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They do not run.
    Skip,
    /// The latest of them runs.
    #[default]
    RunOnce,
    /// All of them run, the oldest first.
    RunAll {
        /// The grace period: what was due longer ago does not run.
        #[serde(with = "length")]
        within: Duration,
    },
}

/// What happens when the last run of the same schedule is still going (E15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The new run starts beside it.
    #[default]
    Allow,
    /// The new run does not start, which is recorded.
    Skip,
    /// The new run waits for it: for its retries too, and for all its pages and what they are cut into, which run one after another.
    Queue,
    /// It is cancelled and the new run starts.
    CancelPrevious,
}

impl Schedule {
    /// The shortest interval, one minute.
    pub const SHORTEST_INTERVAL: Duration = Duration::from_mins(1);

    /// The longest interval, 3650 days.
    pub const LONGEST_INTERVAL: Duration = Duration::from_hours(24 * 3650);

    /// The longest spread, one day.
    pub const LONGEST_SPREAD: Duration = Duration::from_hours(24);

    /// Runs at the times of a cron expression of five fields; see [`CronExpression`] for what it may hold.
    pub fn cron(expression: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Timing::Cron(expression.into()))
    }

    /// Runs after each `interval`, counted from the first deploy of the instance: whole minutes, hours, days or weeks.
    ///
    /// The first run is one interval after the deploy. An interval of whole days keeps the time of the day in its
    /// [zone](Self::in_zone) when the clock changes; any other has always the same length.
    pub fn every(interval: Duration) -> Self {
        Self::new(Timing::Every(interval))
    }

    /// Runs one time, as soon as the instance has been deployed for the first time.
    pub fn once() -> Self {
        Self::new(Timing::Once)
    }

    fn new(timing: Timing) -> Self {
        Self {
            timing,
            time_zone: Cow::Borrowed("UTC"),
            gap: Gap::default(),
            fold: Fold::default(),
            missed: Missed::default(),
            overlap: Overlap::default(),
            spread: Duration::ZERO,
        }
    }

    /// Counts hours and days in this time zone of the IANA list, in any capitals. The default is `UTC` (E11).
    #[must_use]
    pub fn in_zone(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.time_zone = name.into();
        self
    }

    /// Says what becomes of a time of the day that the clock leaps over.
    ///
    /// This is for fixed times. A cron expression whose minute or hour begins with `*` follows the clock: it runs whenever the clock
    /// shows a matching time.
    #[must_use]
    pub fn on_gap(mut self, gap: Gap) -> Self {
        self.gap = gap;
        self
    }

    /// Says what becomes of a time of the day that the clock passes twice; for fixed times, as [`on_gap`](Self::on_gap) is.
    #[must_use]
    pub fn on_fold(mut self, fold: Fold) -> Self {
        self.fold = fold;
        self
    }

    /// Says what becomes of runs that were due while the runner was down.
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Says what happens when the last run is still going.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Spreads instances with the same schedule over this window after each tick (E16). The same instance is always at the same
    /// place in it. At most one day, in whole milliseconds.
    #[must_use]
    pub fn spread(mut self, window: Duration) -> Self {
        self.spread = window;
        self
    }

    /// Says when.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Returns the name of the time zone, as it was given.
    pub fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// Returns what becomes of a time that the clock leaps over.
    pub fn gap(&self) -> Gap {
        self.gap
    }

    /// Returns what becomes of a time that the clock passes twice.
    pub fn fold(&self) -> Fold {
        self.fold
    }

    /// Returns what becomes of runs that were due while the runner was down.
    pub fn when_missed(&self) -> Missed {
        self.missed
    }

    /// Returns what happens when the last run is still going.
    pub fn when_overlapping(&self) -> Overlap {
        self.overlap
    }

    /// Returns the window over which instances are spread; zero if they are not.
    pub fn spread_window(&self) -> Duration {
        self.spread
    }

    /// Checks that the schedule can run.
    ///
    /// # Errors
    ///
    /// The first [`ScheduleFault`]: a cron expression that cannot be read or never runs, a time zone that is not in the IANA list,
    /// an interval that is too short, too long or has a fraction of a minute, a spread that is too long.
    pub fn check(&self) -> Result<(), ScheduleFault> {
        match &self.timing {
            Timing::Cron(text) => {
                CronExpression::parse(text).map_err(|fault| ScheduleFault::Cron {
                    expression: text.clone().into_owned(),
                    fault,
                })?;
            }
            Timing::Every(interval) => check_interval(*interval)?,
            Timing::Once => {}
        }
        if !is_zone(&self.time_zone) {
            return Err(ScheduleFault::UnknownZone {
                name: self.time_zone.clone().into_owned(),
                nearest: zone::nearest(&self.time_zone),
            });
        }
        if self.spread > Self::LONGEST_SPREAD {
            return Err(ScheduleFault::SpreadTooLong(self.spread));
        }
        Ok(())
    }
}

fn check_interval(interval: Duration) -> Result<(), ScheduleFault> {
    if interval < Schedule::SHORTEST_INTERVAL {
        return Err(ScheduleFault::IntervalTooShort(interval));
    }
    if interval > Schedule::LONGEST_INTERVAL {
        return Err(ScheduleFault::IntervalTooLong(interval));
    }
    if !interval.as_nanos().is_multiple_of(60_000_000_000) {
        return Err(ScheduleFault::FractionOfMinute(interval));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
