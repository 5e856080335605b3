//! When a schedule is due: ticks, before and after any point in time (E10, E11, E13, E16).
//!
//! A [`Calendar`] only counts. It reads no clock and holds no queue; the same calendar answers the scheduler, the console that shows
//! the next five times, and a test that moves its own clock.
//!
//! Cron expressions have the meaning of Debian's cron, which `oracle` spells out minute by minute; the tests hold the two against each
//! other. One difference is meant: that daemon takes a change of more than three hours for a new time of day and makes up for
//! nothing, while here a time that does not exist runs when its gap ends, however long the gap is (E13).

#[cfg(test)]
mod changes;
mod clock;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
mod walker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use sdk::Timestamp;
use sdk::schedule::{CronExpression, Schedule, ScheduleFault, Timing};
use sha2::{Digest as _, Sha256};

use self::clock::{Clock, Rule};
use self::walker::{CronWalker, Walker};

const DAY: i64 = 86_400_000;

/// One time at which a schedule is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick {
    /// The time that the schedule names. It tells ticks of one schedule apart.
    pub nominal: Timestamp,
    /// When the run shall start: the nominal time, later by this instance's place in the spread (E16).
    pub due: Timestamp,
}

/// The ticks of a schedule for one instance.
///
/// A calendar is small, cheap to clone, and every question to it takes a bounded number of steps in any time zone.
///
/// ```
/// use runner::calendar::Calendar;
/// use sdk::{Schedule, Timestamp};
///
/// let schedule = Schedule::cron("30 2 * * *").in_zone("America/New_York");
/// let calendar = Calendar::new(&schedule, Timestamp::default(), "instance-1")?;
///
/// // In this night the clock leaps from 2:00 to 3:00.
/// let evening: Timestamp = "2026-03-07T22:00:00-05:00".parse()?;
/// let tick = calendar.next_after(evening).unwrap();
/// assert_eq!(tick.nominal, "2026-03-08T03:00:00-04:00".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Calendar {
    times: Times,
    spread: Duration,
}

#[derive(Clone, Debug)]
enum Times {
    /// Times that a clock on the wall shows.
    Wall {
        clock: Clock,
        walker: Walker,
    },
    /// Lengths of real time.
    Real(Walker),
    Once(i64),
}

impl Calendar {
    /// Makes the calendar of a schedule.
    ///
    /// `anchor` is when the instance was deployed for the first time: intervals count from it, and `once` is due at it, so that a
    /// redeploy moves nothing. `spread_key` says whose place in the spread it is, for example the instance and the flow; the same
    /// key has always the same place.
    ///
    /// Where many calendars are kept, make them with an [`Almanac`].
    ///
    /// # Errors
    ///
    /// What [`Schedule::check`] finds wrong.
    pub fn new(
        schedule: &Schedule,
        anchor: Timestamp,
        spread_key: &str,
    ) -> Result<Self, ScheduleFault> {
        Self::with_walkers(schedule, anchor, spread_key, |expression| {
            Arc::new(CronWalker::new(&expression))
        })
    }

    fn with_walkers(
        schedule: &Schedule,
        anchor: Timestamp,
        spread_key: &str,
        walker_of: impl FnOnce(CronExpression) -> Arc<CronWalker>,
    ) -> Result<Self, ScheduleFault> {
        schedule.check()?;
        let clock = Clock {
            zone: find_zone(schedule.time_zone())?,
            rule: Rule::Fixed {
                gap: schedule.gap(),
                fold: schedule.fold(),
            },
        };
        let anchor = anchor.as_millis();
        let times = match schedule.timing() {
            Timing::Cron(text) => {
                let expression =
                    CronExpression::parse(text).map_err(|fault| ScheduleFault::Cron {
                        expression: text.clone().into_owned(),
                        fault,
                    })?;
                let walker = Walker::Cron(walker_of(expression));
                let rule = if expression.follows_the_clock() {
                    Rule::Follow
                } else {
                    clock.rule
                };
                let clock = Clock { rule, ..clock };
                Times::Wall { clock, walker }
            }
            Timing::Every(interval) => every(*interval, anchor, clock)?,
            _ => Times::Once(anchor),
        };
        let spread = place_in(schedule.spread_window(), spread_key);
        Ok(Self { times, spread })
    }

    /// Returns the first tick whose nominal time is later than `after`; `None` if there is none.
    ///
    /// Ask with the nominal time of the last tick to get the one that follows it. The tick of a schedule that runs once is at the
    /// anchor, so ask from before it. Cron expressions end with the year 2100.
    pub fn next_after(&self, after: Timestamp) -> Option<Tick> {
        let after = in_range(after);
        let nominal = match &self.times {
            Times::Wall { clock, walker } => clock.next_after(walker, after)?,
            Times::Real(walker) => walker.next_after(after)?,
            Times::Once(at) => Some(*at).filter(|at| *at > after)?,
        };
        self.tick(nominal)
    }

    /// Returns the last tick whose nominal time is earlier than `before`; `None` if there is none.
    ///
    /// A cron expression has ticks before the anchor too: they tell where the span of time begins that its first run stands for.
    pub fn previous_before(&self, before: Timestamp) -> Option<Tick> {
        let before = in_range(before);
        let nominal = match &self.times {
            Times::Wall { clock, walker } => clock.previous_before(walker, before)?,
            Times::Real(walker) => walker.previous_before(before)?,
            Times::Once(at) => Some(*at).filter(|at| *at < before)?,
        };
        self.tick(nominal)
    }

    /// Returns the last tick that is due at `now` or earlier; the one to run when only the latest of the missed ones shall (E14).
    pub fn latest_due(&self, now: Timestamp) -> Option<Tick> {
        let nominal = now - self.spread;
        self.previous_before(nominal + Duration::from_millis(1))
    }

    /// Returns the next ticks after `after`, at most `count`.
    pub fn upcoming(&self, after: Timestamp, count: usize) -> Vec<Tick> {
        std::iter::successors(self.next_after(after), |tick| self.next_after(tick.nominal))
            .take(count)
            .collect()
    }

    fn tick(&self, nominal: i64) -> Option<Tick> {
        let nominal = Timestamp::from_millis(nominal);
        (nominal <= Timestamp::MAX).then(|| Tick {
            nominal,
            due: nominal + self.spread,
        })
    }
}

/// Makes calendars that share what they can: schedules with the same cron expression are walked over by one walker.
///
/// It keeps no calendar alive.
#[derive(Debug, Default)]
pub struct Almanac {
    walkers: Mutex<Walkers>,
}

#[derive(Debug, Default)]
struct Walkers {
    by_expression: HashMap<CronExpression, Weak<CronWalker>>,
    /// How many there may be before those that nobody uses are dropped.
    limit: usize,
}

impl Almanac {
    /// Makes the calendar of a schedule, as [`Calendar::new`] does.
    ///
    /// # Errors
    ///
    /// What [`Schedule::check`] finds wrong.
    pub fn calendar(
        &self,
        schedule: &Schedule,
        anchor: Timestamp,
        spread_key: &str,
    ) -> Result<Calendar, ScheduleFault> {
        Calendar::with_walkers(schedule, anchor, spread_key, |expression| {
            self.walker(expression)
        })
    }

    fn walker(&self, expression: CronExpression) -> Arc<CronWalker> {
        let mut walkers = self.walkers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = walkers.by_expression.get(&expression);
        if let Some(walker) = known.and_then(Weak::upgrade) {
            return walker;
        }
        if walkers.by_expression.len() >= walkers.limit {
            walkers
                .by_expression
                .retain(|_, walker| walker.strong_count() > 0);
            walkers.limit = (2 * walkers.by_expression.len()).max(64);
        }
        let walker = Arc::new(CronWalker::new(&expression));
        walkers
            .by_expression
            .insert(expression, Arc::downgrade(&walker));
        walker
    }
}

/// The time zone database ends at the years -9999 and 9999.
fn in_range(instant: Timestamp) -> i64 {
    let first = jiff::Timestamp::MIN.as_millisecond() + 1;
    instant.as_millis().clamp(first, Timestamp::MAX.as_millis())
}

/// Finds a zone in the database that is built in, so that every node has the same.
fn find_zone(name: &str) -> Result<TimeZone, ScheduleFault> {
    if name.eq_ignore_ascii_case("UTC") {
        return Ok(TimeZone::UTC);
    }
    TimeZoneDatabase::bundled()
        .get(name)
        .map_err(|_| ScheduleFault::UnknownZone {
            name: name.to_owned(),
            nearest: None,
        })
}

/// Whole days keep the time of the day that the anchor has; anything else is a length of real time.
fn every(interval: Duration, anchor: i64, clock: Clock) -> Result<Times, ScheduleFault> {
    let too_long = |_| ScheduleFault::IntervalTooLong(interval);
    let step = i64::try_from(interval.as_millis()).map_err(too_long)?;
    if step % DAY != 0 {
        return Ok(Times::Real(Walker::Steps {
            begin: anchor,
            step,
        }));
    }
    let begin = clock.wall_at(anchor).unwrap_or(anchor);
    let walker = Walker::Steps { begin, step };
    Ok(Times::Wall { clock, walker })
}

/// Returns a place in the window that depends on the key alone, on all nodes and in all versions.
fn place_in(window: Duration, key: &str) -> Duration {
    let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    let hash = Sha256::digest(key.as_bytes());
    let number = hash
        .iter()
        .take(8)
        .fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    Duration::from_millis(number.checked_rem(window).unwrap_or(0))
}
