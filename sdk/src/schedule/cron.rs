//! Our own reading of five-field cron expressions, as cron users know them (E10).

use std::str::FromStr;

use super::fault::{CronFault, CronFaultKind};
use super::reader::{Cursor, check_field_count, nickname, read_field};

/// One of the five fields of a cron expression, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CronField {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 12, or `JAN` to `DEC`.
    Month,
    /// 0 to 7, or `SUN` to `SAT`; 0 and 7 are both Sunday.
    DayOfWeek,
}

impl CronField {
    pub(super) const fn first(self) -> u32 {
        match self {
            Self::Minute | Self::Hour | Self::DayOfWeek => 0,
            Self::DayOfMonth | Self::Month => 1,
        }
    }

    pub(super) const fn last(self) -> u32 {
        match self {
            Self::Minute => 59,
            Self::Hour => 23,
            Self::DayOfMonth => 31,
            Self::Month => 12,
            Self::DayOfWeek => 7,
        }
    }

    /// After how many units the field begins again: the longest step that means anything.
    pub(super) const fn cycle(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 24,
            Self::DayOfMonth => 31,
            Self::Month => 12,
            Self::DayOfWeek => 7,
        }
    }

    pub(super) const fn bit(self) -> u8 {
        match self {
            Self::Minute => 1,
            Self::Hour => 2,
            Self::DayOfMonth => 4,
            Self::Month => 8,
            Self::DayOfWeek => 16,
        }
    }

    /// Names of three letters, one after the other; the first stands for [`Self::first`].
    pub(super) const fn names(self) -> &'static [u8] {
        match self {
            Self::Month => b"JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC",
            Self::DayOfWeek => b"SUNMONTUEWEDTHUFRISAT",
            Self::Minute | Self::Hour | Self::DayOfMonth => b"",
        }
    }
}

/// A cron expression that has been read: which minutes, hours and days it names.
///
/// Five fields (minute, hour, day of month, month, day of week) with numbers, names, lists, ranges and steps, or one of `@hourly`,
/// `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`. Fields are separated by spaces or tabs. It is small and
/// [`Copy`], and two expressions are equal when they mean the same.
///
/// A field that *begins with* `*` is remembered as a star, `*/2` as well: when either day field is a star, a day must match both
/// fields, otherwise it is enough that it matches one; and when the minute or the hour is a star, the job follows the clock through
/// the changes of daylight saving. These are the rules of Debian's cron.
///
/// ```
/// use sdk::schedule::CronExpression;
///
/// const WORKING_HOURS: CronExpression = match CronExpression::parse("*/5 8-16 * * MON-FRI") {
///     Ok(expression) => expression,
///     Err(_) => panic!("the literal is right"),
/// };
/// assert_eq!(WORKING_HOURS.days_of_week(), 0b011_1110);
/// assert_eq!(CronExpression::parse("*/5 8-16 * * 1-5"), Ok(WORKING_HOURS));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CronExpression {
    minutes: u64,
    hours: u32,
    days_of_month: u32,
    months: u16,
    days_of_week: u8,
    stars: u8,
}

impl CronExpression {
    /// The longest expression that is read, in bytes.
    pub const LONGEST: usize = 256;

    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// The first fault and the byte at which it stands; [`CronFaultKind`] lists them all. Refused is also what some crons accept and
    /// then never run, or run at other times than the writer meant: ranges that go backwards, steps longer than their field, dates
    /// that do not exist, a sixth field.
    pub const fn parse(text: &str) -> Result<Self, CronFault> {
        if text.len() > Self::LONGEST {
            return Err(CronFaultKind::TooLong.at(Self::LONGEST));
        }
        let mut cursor = Cursor::new(text);
        cursor.skip_blanks();
        match cursor.peek() {
            None => Err(CronFaultKind::Empty.at(0)),
            Some(b'@') => match nickname(cursor) {
                Ok(meaning) => Self::parse(meaning),
                Err(fault) => Err(fault),
            },
            Some(_) => match check_field_count(cursor) {
                Ok(()) => Self::read_fields(cursor),
                Err(fault) => Err(fault),
            },
        }
    }

    /// Which minutes of the hour: bit 0 is minute 0.
    pub const fn minutes(&self) -> u64 {
        self.minutes
    }

    /// Which hours of the day: bit 0 is hour 0.
    pub const fn hours(&self) -> u32 {
        self.hours
    }

    /// Which days of the month: bit 1 is the first day.
    pub const fn days_of_month(&self) -> u32 {
        self.days_of_month
    }

    /// Which months: bit 1 is January.
    pub const fn months(&self) -> u16 {
        self.months
    }

    /// Which days of the week: bit 0 is Sunday, bit 6 is Saturday.
    pub const fn days_of_week(&self) -> u8 {
        self.days_of_week
    }

    /// Whether a field begins with `*`.
    pub const fn begins_with_star(&self, field: CronField) -> bool {
        self.stars & field.bit() != 0
    }

    /// Whether a day must match day-of-month *and* day-of-week (either field begins with `*`); otherwise one of the two is enough.
    pub const fn needs_both_days(&self) -> bool {
        self.begins_with_star(CronField::DayOfMonth) || self.begins_with_star(CronField::DayOfWeek)
    }

    /// Whether the job follows the clock through a clock change (minute or hour begins with `*`), instead of being kept at fixed
    /// times of the day.
    pub const fn follows_the_clock(&self) -> bool {
        self.begins_with_star(CronField::Minute) || self.begins_with_star(CronField::Hour)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the values of each field end below the width of its mask"
    )]
    const fn read_fields(mut cursor: Cursor<'_>) -> Result<Self, CronFault> {
        let mut stars = 0;
        let minutes = match read_field(&mut cursor, CronField::Minute, &mut stars) {
            Ok(mask) => mask,
            Err(fault) => return Err(fault),
        };
        let hours = match read_field(&mut cursor, CronField::Hour, &mut stars) {
            Ok(mask) => mask as u32,
            Err(fault) => return Err(fault),
        };
        cursor.skip_blanks();
        let day_position = cursor.position;
        let days_of_month = match read_field(&mut cursor, CronField::DayOfMonth, &mut stars) {
            Ok(mask) => mask as u32,
            Err(fault) => return Err(fault),
        };
        let months = match read_field(&mut cursor, CronField::Month, &mut stars) {
            Ok(mask) => mask as u16,
            Err(fault) => return Err(fault),
        };
        let days_of_week = match read_field(&mut cursor, CronField::DayOfWeek, &mut stars) {
            // Bit 7 is Sunday too.
            Ok(mask) => (mask | mask >> 7) as u8 & 0x7f,
            Err(fault) => return Err(fault),
        };
        let expression = Self {
            minutes,
            hours,
            days_of_month,
            months,
            days_of_week,
            stars,
        };
        if expression.never_occurs() {
            return Err(CronFaultKind::NeverOccurs.at(day_position));
        }
        Ok(expression)
    }

    /// Whether no date has such a day in such a month. Every date falls on every day of the week in some year.
    const fn never_occurs(&self) -> bool {
        const LONG: u16 = 1 << 1 | 1 << 3 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 12;
        const FEBRUARY: u16 = 1 << 2;
        let longest = if self.months & LONG != 0 {
            31
        } else if self.months & !FEBRUARY != 0 {
            30
        } else {
            29
        };
        self.needs_both_days() && (self.days_of_month as u64) & ((1 << (longest + 1)) - 1) == 0
    }
}

impl FromStr for CronExpression {
    type Err = CronFault;

    fn from_str(text: &str) -> Result<Self, CronFault> {
        Self::parse(text)
    }
}
