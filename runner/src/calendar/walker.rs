//! Walks over the times that a schedule names, as a clock on the wall shows them.
//!
//! A wall time is held in milliseconds since 1970-01-01 00:00 on the same wall. No time zone is known here: the crate `cron` walks in
//! UTC, which stands for the wall; what a clock change does to a wall time is [`Clock`](super::clock::Clock)'s business.

use std::fmt::Write as _;
use std::str::FromStr as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sdk::schedule::CronExpression;

/// `cron` knows no time after the year 2100. From here on it would walk back wrongly: 2101-01-01 00:00:00.
const END_OF_CRON: i64 = 4_133_980_800;

/// Walks over wall times, at least a second apart.
#[derive(Clone, Debug)]
pub(super) enum Walker {
    /// The times of a cron expression, in the years from 1970 to 2100.
    Cron(Arc<CronWalker>),
    /// `begin + step`, `begin + 2 × step` and so on.
    Steps { begin: i64, step: i64 },
}

impl Walker {
    /// Finds the first wall time later than `wall`.
    pub(super) fn next_after(&self, wall: i64) -> Option<i64> {
        match self {
            Self::Cron(walker) => walker.next_after(wall),
            Self::Steps { begin, step } => {
                let passed = wall.checked_sub(*begin)?.div_euclid(*step);
                let count = passed.max(0).checked_add(1)?;
                begin.checked_add(step.checked_mul(count)?)
            }
        }
    }

    /// Finds the last wall time earlier than `wall`.
    pub(super) fn previous_before(&self, wall: i64) -> Option<i64> {
        match self {
            Self::Cron(walker) => walker.previous_before(wall),
            Self::Steps { begin, step } => {
                let count = wall.checked_sub(*begin)?.checked_sub(1)?.div_euclid(*step);
                if count < 1 {
                    return None;
                }
                begin.checked_add(step.checked_mul(count)?)
            }
        }
    }
}

/// A cron expression, translated for the crate `cron`.
///
/// That crate puts a field for seconds in front, counts Sunday as 1 and demands that a day matches day-of-month *and* day-of-week. So
/// the days of the week are written as its numbers, and where one of the two day fields is enough there are two walks.
#[derive(Debug)]
pub(super) struct CronWalker {
    days: cron::Schedule,
    /// When it is enough that the day of the week matches.
    weekdays: Option<cron::Schedule>,
}

impl CronWalker {
    pub(super) fn new(expression: &CronExpression) -> Self {
        let days_of_month = list(expression.days_of_month().into(), 1, 31);
        let weekdays = list(u64::from(expression.days_of_week()) << 1, 1, 7);
        if expression.needs_both_days() {
            Self {
                days: walk(expression, &days_of_month, &weekdays),
                weekdays: None,
            }
        } else {
            Self {
                days: walk(expression, &days_of_month, "*"),
                weekdays: Some(walk(expression, "*", &weekdays)),
            }
        }
    }

    fn next_after(&self, wall: i64) -> Option<i64> {
        let after = DateTime::from_timestamp(wall.div_euclid(1000).max(-1), 0)?;
        let find = |schedule: &cron::Schedule| schedule.after(&after).next().map(wall_of);
        let day = find(&self.days);
        let weekday = self.weekdays.as_ref().and_then(find);
        match (day, weekday) {
            (Some(day), Some(weekday)) => Some(day.min(weekday)),
            (day, weekday) => day.or(weekday),
        }
    }

    fn previous_before(&self, wall: i64) -> Option<i64> {
        // Rounded up: a time in the same second is earlier.
        let second = wall
            .checked_add(999)?
            .div_euclid(1000)
            .clamp(0, END_OF_CRON);
        if second == 0 {
            return None;
        }
        let before = DateTime::from_timestamp(second, 0)?;
        let find = |schedule: &cron::Schedule| schedule.after(&before).next_back().map(wall_of);
        let weekday = self.weekdays.as_ref().and_then(find);
        find(&self.days).max(weekday)
    }
}

fn wall_of(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis()
}

/// Writes the bits from `first` to `last` as a list.
fn list(mask: u64, first: u32, last: u32) -> String {
    let is_in = |value: &u32| mask >> value & 1 == 1;
    if (first..=last).all(|value| is_in(&value)) {
        return "*".to_owned();
    }
    let mut text = String::new();
    for value in (first..=last).filter(is_in) {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{value}");
    }
    text
}

#[expect(
    clippy::expect_used,
    reason = "every list of numbers that a cron expression can name is one that the crate reads; the oracle goes through them"
)]
fn walk(expression: &CronExpression, days_of_month: &str, weekdays: &str) -> cron::Schedule {
    let minutes = list(expression.minutes(), 0, 59);
    let hours = list(expression.hours().into(), 0, 23);
    let months = list(expression.months().into(), 1, 12);
    cron::Schedule::from_str(&format!(
        "0 {minutes} {hours} {days_of_month} {months} {weekdays}"
    ))
    .expect("lists of numbers are read")
}
