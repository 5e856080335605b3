//! The rules of Debian's cron, minute by minute, as slow and as plain as the daemon itself; and the [`Calendar`](super::Calendar) held
//! against them.
//!
//! The normal tests run a small part. The full size is 1,000 random expressions × 400 days × 8 zones, and all clock changes since 1970
//! in all zones:
//!
//! ```text
//! CALENDAR_ORACLE=full cargo test --release -p runner --no-default-features --lib calendar::oracle -- --nocapture
//! ```

use std::collections::HashSet;
use std::str::FromStr as _;

use jiff::Timestamp as Instant;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use sdk::Timestamp;
use sdk::schedule::{CronExpression, CronFaultKind, Schedule};

use super::Calendar;

const MINUTE: i64 = 60_000;

/// One minute on the wall.
#[derive(Clone, Copy)]
struct Wall {
    /// Minutes since 1970-01-01 00:00 on the wall.
    number: i64,
    minute: u32,
    hour: u32,
    day: u32,
    month: u32,
    weekday: u32,
}

impl Wall {
    fn numbered(number: i64) -> Self {
        let time = TimeZone::UTC.to_datetime(Instant::from_second(number * 60).unwrap());
        let part = |value: i8| u32::try_from(value).unwrap();
        Self {
            number,
            minute: part(time.minute()),
            hour: part(time.hour()),
            day: part(time.day()),
            month: part(time.month()),
            weekday: part(time.weekday().to_sunday_zero_offset()),
        }
    }
}

/// What the wall shows in each minute of a span of time in a zone.
struct Span {
    /// The first minute, in minutes since 1970-01-01T00:00Z.
    first: i64,
    walls: Vec<Wall>,
}

impl Span {
    fn new(zone: &TimeZone, first: i64, minutes: i64) -> Self {
        let wall = |minute: i64| {
            let instant = Instant::from_second((first + minute) * 60).unwrap();
            Wall::numbered(first + minute + i64::from(zone.to_offset(instant).seconds() / 60))
        };
        Self {
            first,
            walls: (0..minutes).map(wall).collect(),
        }
    }
}

/// A line of a crontab, read as simply as possible and apart from `sdk`.
struct Job {
    fields: [u64; 5],
    stars: [bool; 5],
}

impl Job {
    fn new(expression: &str) -> Self {
        let bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let mut job = Self {
            fields: [0; 5],
            stars: [false; 5],
        };
        for (index, text) in expression.split_whitespace().enumerate() {
            job.stars[index] = text.starts_with('*');
            for item in text.split(',') {
                let (range, step) = item.split_once('/').unwrap_or((item, "1"));
                let (low, high) = match range.split_once('-') {
                    _ if range == "*" => bounds[index],
                    Some((low, high)) => (number(low), number(high)),
                    None => (number(range), number(range)),
                };
                for value in (low..=high).step_by(step.parse().unwrap()) {
                    job.fields[index] |= 1 << value;
                }
            }
        }
        job.fields[4] |= job.fields[4] >> 7;
        job
    }

    fn matches(&self, wall: &Wall) -> bool {
        let is_in = |index: usize, value: u32| self.fields[index] >> value & 1 == 1;
        let (day, weekday) = (is_in(2, wall.day), is_in(4, wall.weekday));
        is_in(0, wall.minute)
            && is_in(1, wall.hour)
            && is_in(3, wall.month)
            && if self.stars[2] || self.stars[4] {
                day && weekday
            } else {
                day || weekday
            }
    }

    /// Lives through the span as the daemon does and notes the minutes in which the job starts.
    fn starts(&self, span: &Span) -> Vec<i64> {
        let is_wildcard = self.stars[0] || self.stars[1];
        let mut starts = Vec::new();
        let mut virtual_number = span.walls[0].number - 1;
        for (minute, wall) in (span.first..).zip(&span.walls) {
            let starts_now = match wall.number - virtual_number {
                // The clock was put back: fixed jobs wait until it has caught up.
                ..=0 => is_wildcard && self.matches(wall),
                1 => self.matches(wall),
                // The clock was put forward: fixed jobs of the minutes that are missing start now.
                _ if is_wildcard => self.matches(wall),
                _ => (virtual_number + 1..=wall.number)
                    .any(|number| self.matches(&Wall::numbered(number))),
            };
            if starts_now {
                starts.push(minute * MINUTE);
            }
            virtual_number = virtual_number.max(wall.number);
        }
        starts
    }
}

fn number(text: &str) -> u32 {
    let names = [
        "", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT",
    ];
    text.parse().unwrap_or_else(|_| {
        let index = names.iter().position(|name| *name == text).unwrap();
        u32::try_from(if index > 12 { index - 13 } else { index }).unwrap()
    })
}

/// The same numbers in each run.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.number() % u64::from(limit)).unwrap()
    }

    fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    fn instant(&mut self, first: i64, end: i64) -> i64 {
        let length = u64::try_from(end - first).unwrap();
        first + i64::try_from(self.number() % length).unwrap()
    }

    /// An expression of five fields, with more night hours and fewer bare stars in the minutes than chance would give.
    fn expression(&mut self) -> String {
        loop {
            let minute = self.field(0, 59, 5);
            let hour = match self.below(2) {
                0 => self.field(0, 3, 25),
                _ => self.field(0, 23, 30),
            };
            let day = self.field(1, 31, 55);
            let month = match self.below(4) {
                0 => ["MAR", "OCT-NOV", "JAN-APR/3", "FEB,DEC"][self.below(4) as usize].to_owned(),
                _ => self.field(1, 12, 70),
            };
            let weekday = match self.below(5) {
                0 => ["MON-FRI", "SUN", "TUE,SAT", "MON-6/2"][self.below(4) as usize].to_owned(),
                _ => self.field(0, 7, 50),
            };
            let expression = format!("{minute} {hour} {day} {month} {weekday}");
            match CronExpression::parse(&expression) {
                Ok(_) => return expression,
                Err(fault) if fault.kind == CronFaultKind::NeverOccurs => {}
                Err(fault) => panic!("`{expression}`: {fault}"),
            }
        }
    }

    fn field(&mut self, low: u32, high: u32, stars_in_100: u32) -> String {
        if self.below(100) < stars_in_100 {
            return "*".to_owned();
        }
        match self.below(6) {
            0 => format!("*/{}", self.between(1, (high - low).max(2))),
            1 => self.range(low, high),
            2 => format!("{}/{}", self.range(low, high), self.between(1, 3)),
            3 => format!("{},{}", self.between(low, high), self.range(low, high)),
            4 => format!("{},{}", self.between(low, high), self.between(low, high)),
            _ => self.between(low, high).to_string(),
        }
    }

    fn range(&mut self, low: u32, high: u32) -> String {
        let first = self.between(low, high);
        format!("{first}-{}", self.between(first, high))
    }
}

/// Holds the calendar against the daemon, forwards, backwards and from random places. Returns how many starts were compared.
fn compare(
    expression: &str,
    zone: &str,
    span: &Span,
    starts: &[i64],
    random: &mut Random,
) -> usize {
    let schedule = Schedule::cron(expression.to_owned()).in_zone(zone.to_owned());
    let calendar = Calendar::new(&schedule, Timestamp::default(), "").unwrap();
    let next = |after: i64| {
        let tick = calendar.next_after(Timestamp::from_millis(after));
        tick.map(|tick| tick.nominal.as_millis())
    };
    let previous = |before: i64| {
        let tick = calendar.previous_before(Timestamp::from_millis(before));
        tick.map(|tick| tick.nominal.as_millis())
    };
    let place = |at: i64| {
        format!(
            "`{expression}` in {zone} from {}",
            Timestamp::from_millis(at)
        )
    };
    let first = span.first * MINUTE;
    let end = first + i64::try_from(span.walls.len()).unwrap() * MINUTE;

    let mut after = first - 1;
    for start in starts {
        assert_eq!(next(after), Some(*start), "{}", place(after));
        after = *start;
    }
    assert!(
        next(after).is_none_or(|next| next >= end),
        "{}",
        place(after)
    );
    let mut before = end;
    for start in starts.iter().rev() {
        assert_eq!(previous(before), Some(*start), "{}", place(before));
        before = *start;
    }
    for _ in 0..40 {
        let at = random.instant(first, end);
        let passed = starts.partition_point(|start| *start <= at);
        let expected = starts.get(passed).copied();
        assert_eq!(
            next(at).filter(|next| *next < end),
            expected,
            "{}",
            place(at)
        );
        let passed = starts.partition_point(|start| *start < at);
        if let Some(expected) = passed.checked_sub(1).map(|index| starts[index]) {
            assert_eq!(previous(at), Some(expected), "before: {}", place(at));
        }
    }
    starts.len()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch for the tests, not a setting"
)]
fn is_full_size() -> bool {
    std::env::var("CALENDAR_ORACLE").is_ok_and(|size| size == "full")
}

#[expect(
    clippy::print_stderr,
    reason = "the figures of the full size are reported"
)]
fn report(what: &str, count: usize) {
    if is_full_size() {
        eprintln!("{what}: {count} starts compared, no difference");
    }
}

#[test]
fn calendars_agree_with_cron_minute_by_minute() {
    let zones = [
        "America/New_York",
        "Europe/London",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Asia/Kolkata",
        "Africa/Casablanca",
        "Asia/Beirut",
        "Pacific/Apia",
    ];
    let mut compared = 0;
    for zone in zones {
        let known = TimeZoneDatabase::bundled().get(zone).unwrap();
        let (expressions, spans) = match (zone, is_full_size()) {
            ("Pacific/Apia", true) => (1000, vec![("2011-12-01", 400)]),
            (_, true) => (1000, vec![("2026-01-01", 400)]),
            ("Pacific/Apia", false) => (20, vec![("2011-12-01", 60)]),
            // All clock changes of the year lie in these days.
            (_, false) => (20, vec![("2026-02-10", 60), ("2026-09-01", 75)]),
        };
        for (begin, days) in spans {
            let begin = Timestamp::from_str(&format!("{begin}T00:00:00Z")).unwrap();
            let span = Span::new(&known, begin.as_seconds() / 60, days * 24 * 60);
            let mut random = Random(2026);
            for _ in 0..expressions {
                let expression = random.expression();
                let starts = Job::new(&expression).starts(&span);
                compared += compare(&expression, zone, &span, &starts, &mut random);
            }
        }
    }
    report("random expressions", compared);
    assert!(compared > 10_000, "{compared}");
}

/// Four days around each clock change, in all zones; in the normal size only the larger and odd ones of some years.
#[test]
fn calendars_agree_with_cron_around_clock_changes() {
    let expressions = [
        "30 2 * * *",
        "0,30 0-3 * * *",
        "0 0 * * *",
        "15 23,1,4 * * *",
        "59 0-23 * * *",
        "0 9 * * 5",
        "*/30 1 * * *",
        "15 * * * *",
        "* 0-4 * * *",
        "7 3 */2 * *",
    ];
    let (begin, end) = if is_full_size() {
        (0, 2_145_916_800)
    } else {
        (1_262_304_000, 1_325_376_000)
    };
    let mut seen = HashSet::new();
    let mut random = Random(7);
    let mut compared = 0;
    for zone in TimeZoneDatabase::bundled().available() {
        let known = TimeZoneDatabase::bundled().get(zone.as_str()).unwrap();
        for change in known.following(Instant::from_second(begin).unwrap()) {
            let at = change.timestamp().as_second();
            if at > end {
                break;
            }
            let before = known
                .to_offset(Instant::from_second(at - 1).unwrap())
                .seconds();
            let after = change.offset().seconds();
            // Many zones change together; the full size takes each of them, for what may be odd around the change.
            let is_new = seen.insert((at, before, after)) && (after - before).abs() != 3600;
            if before % 60 != 0 || after % 60 != 0 || !(is_new || is_full_size()) {
                continue;
            }
            let span = Span::new(&known, at / 60 - 2 * 1440, 4 * 1440);
            for expression in expressions {
                let starts = Job::new(expression).starts(&span);
                compared += compare(expression, zone.as_str(), &span, &starts, &mut random);
            }
        }
    }
    report("clock changes", compared);
    assert!(compared > 1000, "{compared}");
}

#[test]
fn the_oracle_knows_what_cron_does_in_new_york() {
    let zone = TimeZoneDatabase::bundled().get("America/New_York").unwrap();
    let starts = |expression: &str, date: &str| {
        let midnight: jiff::civil::Date = date.parse().unwrap();
        let first = midnight
            .to_zoned(zone.clone())
            .unwrap()
            .timestamp()
            .as_second()
            / 60;
        let starts = Job::new(expression).starts(&Span::new(&zone, first, 24 * 60));
        let show = |start: &i64| Timestamp::from_millis(*start).to_string();
        starts.iter().map(show).collect::<Vec<_>>()
    };
    assert_eq!(starts("30 2 * * *", "2026-03-08"), ["2026-03-08T07:00:00Z"]);
    assert_eq!(starts("30 1 * * *", "2026-11-01"), ["2026-11-01T05:30:00Z"]);
    assert_eq!(
        starts("30 1-1 * * *", "2026-11-02"),
        ["2026-11-02T06:30:00Z"]
    );
    assert_eq!(starts("*/40 1 * * *", "2026-11-01").len(), 4);
}
