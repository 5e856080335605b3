//! What can be wrong with a schedule, in sentences.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::cron::CronField;
use super::length;

/// Why a text is not a [`CronExpression`](super::CronExpression), and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CronFault {
    /// The byte of the text at which the fault stands, counted from 0.
    pub position: usize,
    /// What is wrong.
    pub kind: CronFaultKind,
}

/// What is wrong with a cron expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CronFaultKind {
    /// Nothing but blanks.
    Empty,
    /// Longer than [`CronExpression::LONGEST`](super::CronExpression::LONGEST).
    TooLong,
    /// Fewer than five fields.
    TooFewFields,
    /// More than five fields, as in crons that count seconds or years.
    TooManyFields,
    /// `TZ=…` or `CRON_TZ=…` in front.
    Assignment,
    /// `@` with a word that is no nickname.
    UnknownNickname,
    /// `@reboot` or `@every`.
    NotATimeOfDay,
    /// Something stands after a nickname.
    AfterNickname,
    /// A number outside of what the field counts.
    OutOfRange(CronField),
    /// A word that is no name in this field.
    UnknownName(CronField),
    /// A range whose end comes before its beginning.
    BackwardsRange(CronField),
    /// A step after a single value, as in `5/15`.
    StepWithoutRange,
    /// `*/0`.
    StepOfZero,
    /// A step that leads out of the field, as in `*/90`.
    StepTooLong(CronField),
    /// Nothing stands where a value or a step belongs.
    Missing,
    /// `1.5`.
    Fraction,
    /// `L`, `W`, `#`, `?`, `~` or `H`, which only other crons know.
    Extension,
    /// Any other character that has no place in a cron expression.
    Character,
    /// A date that no year has, as 30 February.
    NeverOccurs,
}

impl CronFaultKind {
    pub(super) const fn at(self, position: usize) -> CronFault {
        CronFault {
            position,
            kind: self,
        }
    }

    /// Says in a sentence what is wrong and what to do.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Empty => {
                "the cron expression is empty; write five fields, for example `0 7 * * MON-FRI`"
            }
            Self::TooLong => {
                "a cron expression has at most 256 bytes; write ranges and steps instead of long lists"
            }
            Self::TooFewFields => {
                "a cron expression has five fields: minute, hour, day of month, month, day of week"
            }
            Self::TooManyFields => {
                "a cron expression has five fields and begins with the minute; leave out the field for seconds (in front) or years (at the end)"
            }
            Self::Assignment => {
                "a cron expression holds no settings; give the time zone to the schedule"
            }
            Self::UnknownNickname => {
                "the nicknames are `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually`"
            }
            Self::NotATimeOfDay => {
                "`@every` and `@reboot` are no cron expressions; declare an interval, or a schedule that runs once after deploy"
            }
            Self::AfterNickname => "nothing may follow a nickname; write five fields to say more",
            Self::OutOfRange(field) => Self::range_of(field),
            Self::UnknownName(field) => Self::names_of(field),
            Self::BackwardsRange(CronField::DayOfWeek) => {
                "a range must not go backwards; write Sunday as 7 at its end (`5-7`), or two ranges (`FRI-SAT,SUN-MON`)"
            }
            Self::BackwardsRange(_) => {
                "a range must not go backwards; write two ranges, for example `22-23,0-2`"
            }
            Self::StepWithoutRange => {
                "a step needs a range; write `5-59/15` instead of `5/15`, or leave the step out"
            }
            Self::StepOfZero => "a step must not be 0",
            Self::StepTooLong(field) => Self::longest_step_of(field),
            Self::Missing => "a value is missing here",
            Self::Fraction => "fractions are not possible; write whole numbers",
            Self::Extension => {
                "`L`, `W`, `#`, `?`, `~` and `H` belong to other kinds of cron; write numbers, names, `*`, lists, ranges and steps"
            }
            Self::Character => {
                "this character has no place in a cron expression; write numbers, names, `*`, `,`, `-` and `/`"
            }
            Self::NeverOccurs => {
                "no year has such a date, so the schedule would never run; change the day or the month"
            }
        }
    }

    const fn range_of(field: CronField) -> &'static str {
        match field {
            CronField::Minute => "minutes go from 0 to 59",
            CronField::Hour => "hours go from 0 to 23",
            CronField::DayOfMonth => "days of the month go from 1 to 31",
            CronField::Month => "months go from 1 to 12, or `JAN` to `DEC`",
            CronField::DayOfWeek => {
                "days of the week go from 0 (Sunday) to 7 (Sunday), or `SUN` to `SAT`"
            }
        }
    }

    const fn names_of(field: CronField) -> &'static str {
        match field {
            CronField::Month => "months have names of three letters, `JAN` to `DEC`",
            CronField::DayOfWeek => "days of the week have names of three letters, `SUN` to `SAT`",
            CronField::Minute | CronField::Hour | CronField::DayOfMonth => {
                "names are only for months and days of the week; write a number"
            }
        }
    }

    const fn longest_step_of(field: CronField) -> &'static str {
        match field {
            CronField::Minute => {
                "a step in the minutes is at most 60; longer intervals belong in the hours, or in a schedule that counts an interval"
            }
            CronField::Hour => {
                "a step in the hours is at most 24; longer intervals belong in the days, or in a schedule that counts an interval"
            }
            CronField::DayOfMonth => "a step in the days of the month is at most 31",
            CronField::Month => "a step in the months is at most 12",
            CronField::DayOfWeek => "a step in the days of the week is at most 7",
        }
    }
}

impl CronFault {
    /// Says in a sentence what is wrong and what to do, without the position.
    pub const fn sentence(self) -> &'static str {
        self.kind.sentence()
    }
}

impl fmt::Display for CronFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.sentence(), self.position)
    }
}

impl Error for CronFault {}

/// Why a [`Schedule`](super::Schedule) cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScheduleFault {
    /// The cron expression cannot be read.
    Cron {
        /// The expression as it was given.
        expression: String,
        /// What is wrong with it, and where.
        fault: CronFault,
    },
    /// The time zone is not in the IANA list.
    UnknownZone {
        /// The name as it was given.
        name: String,
        /// A zone that was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// An interval shorter than a minute.
    IntervalTooShort(Duration),
    /// An interval longer than [`Schedule::LONGEST_INTERVAL`](super::Schedule::LONGEST_INTERVAL).
    IntervalTooLong(Duration),
    /// An interval that is not a whole number of minutes.
    FractionOfMinute(Duration),
    /// A spread longer than [`Schedule::LONGEST_SPREAD`](super::Schedule::LONGEST_SPREAD).
    SpreadTooLong(Duration),
}

impl ScheduleFault {
    /// Returns the byte of the cron expression at which the fault stands, counted from 0; `None` for faults outside of it.
    pub const fn position(&self) -> Option<usize> {
        match self {
            Self::Cron { fault, .. } => Some(fault.position),
            _ => None,
        }
    }
}

impl fmt::Display for ScheduleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { expression, fault } => {
                // A text of any length may have been typed.
                let shown: String = expression.chars().take(80).collect();
                let more = if shown.len() < expression.len() {
                    "…"
                } else {
                    ""
                };
                write!(f, "`{shown}{more}` cannot be read: {fault}")
            }
            Self::UnknownZone {
                name,
                nearest: Some(nearest),
            } => {
                write!(
                    f,
                    "`{name}` is not a time zone of the IANA list; write `{nearest}`"
                )
            }
            Self::UnknownZone {
                name,
                nearest: None,
            } => write!(
                f,
                "`{name}` is not a time zone of the IANA list; write one like `Europe/Paris` or `UTC`"
            ),
            Self::IntervalTooShort(length) => write!(
                f,
                "an interval of {} is too short; the shortest is 1 minute",
                length::written(*length)
            ),
            Self::IntervalTooLong(length) => write!(
                f,
                "an interval of {} is too long; the longest is 3650 days",
                length::written(*length)
            ),
            Self::FractionOfMinute(length) => write!(
                f,
                "an interval of {} is not possible; use whole minutes, hours, days or weeks",
                length::written(*length)
            ),
            Self::SpreadTooLong(length) => write!(
                f,
                "a spread of {} is too long; the longest is 1 day",
                length::written(*length)
            ),
        }
    }
}

impl Error for ScheduleFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        None
    }
}
