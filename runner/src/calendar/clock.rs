//! Puts wall times into real time, with the rules for clock changes (E13).
//!
//! A time zone is a row of segments with the same distance to UTC. Where the clock is put forward there is a gap of wall times that
//! do not exist; where it is put back there is a fold of wall times that come twice. Both rules and search are the same in all zones,
//! whatever the length of the change: half an hour on Lord Howe, two hours at Troll, a whole day on Samoa.
//!
//! All times are in milliseconds, real ones since 1970-01-01T00:00:00Z.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sdk::schedule::{Fold, Gap};

use super::walker::Walker;

/// No zone is farther from UTC than 26 hours; within two days of an instant lie all wall times that could be meant by it.
const NEAR: i64 = 2 * 86_400_000;

/// A bound on the segments that one search looks at. Only a schedule whose every time falls into a gap, and is to be skipped there,
/// comes near it: it looks at four segments for each year until 2100.
const MOST_SEGMENTS: usize = 1024;

/// What becomes of wall times that do not exist or come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Runs whenever the clock shows the time.
    Follow,
    /// Is kept at fixed times of the day.
    Fixed { gap: Gap, fold: Fold },
}

/// A time zone and the rule for its changes.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) zone: TimeZone,
    pub(super) rule: Rule,
}

/// A stretch of time with one distance to UTC.
struct Segment {
    /// How far the wall is ahead of UTC.
    offset: i64,
    /// The change at which it begins, and the offset before.
    start: Option<(i64, i64)>,
    /// The change at which it ends, and the offset after.
    end: Option<(i64, i64)>,
}

impl Clock {
    /// Finds the first instant after `after` at which the walker's times are due.
    pub(super) fn next_after(&self, walker: &Walker, after: i64) -> Option<i64> {
        let mut probe = after.checked_add(1)?;
        for _ in 0..MOST_SEGMENTS {
            let segment = self.segment_at(probe)?;
            if let Some((start, offset_before)) = segment.start
                && start == probe
                && self.runs_after_gaps()
                && walker
                    .next_after(start + offset_before - 1)
                    .is_some_and(|wall| wall < start + segment.offset)
            {
                return Some(start);
            }
            let from = (probe + segment.offset).max(self.first_wall(&segment));
            let wall = walker.next_after(from - 1)?;
            if wall < self.last_wall(&segment) {
                return Some(wall - segment.offset);
            }
            let (end, _) = segment.end?;
            // No wall time matches until `wall`, so nothing can happen until shortly before it, unless the clock is put back soon.
            probe = if end - probe > NEAR {
                end.max(wall - NEAR)
            } else {
                end
            };
        }
        None
    }

    /// Finds the last instant before `before` at which the walker's times were due.
    pub(super) fn previous_before(&self, walker: &Walker, before: i64) -> Option<i64> {
        let mut limit = before;
        for _ in 0..MOST_SEGMENTS {
            let segment = self.segment_at(limit.checked_sub(1)?)?;
            let until = (limit + segment.offset).min(self.last_wall(&segment));
            let wall = walker.previous_before(until)?;
            if wall >= self.first_wall(&segment) {
                return Some(wall - segment.offset);
            }
            let (start, offset_before) = segment.start?;
            if self.runs_after_gaps()
                && wall >= start + offset_before
                && wall < start + segment.offset
            {
                return Some(start);
            }
            limit = if limit - start > NEAR {
                start.min(wall + NEAR)
            } else {
                start
            };
        }
        None
    }

    /// Returns what the wall shows at an instant.
    pub(super) fn wall_at(&self, instant: i64) -> Option<i64> {
        instant.checked_add(self.offset_at(instant)?)
    }

    fn runs_after_gaps(&self) -> bool {
        matches!(
            self.rule,
            Rule::Fixed {
                gap: Gap::RunAfter,
                ..
            }
        )
    }

    /// The first wall time that runs in this segment: after the fold, if that has run in the segment before.
    fn first_wall(&self, segment: &Segment) -> i64 {
        match segment.start {
            None => i64::MIN,
            Some((start, offset_before)) => match self.rule {
                Rule::Fixed {
                    fold: Fold::First, ..
                } => start + segment.offset.max(offset_before),
                _ => start + segment.offset,
            },
        }
    }

    /// The first wall time that no longer runs in this segment: before the fold, if that runs in the next segment.
    fn last_wall(&self, segment: &Segment) -> i64 {
        match segment.end {
            None => i64::MAX,
            Some((end, offset_after)) => match self.rule {
                Rule::Fixed {
                    fold: Fold::Last, ..
                } => end + segment.offset.min(offset_after),
                _ => end + segment.offset,
            },
        }
    }

    fn segment_at(&self, instant: i64) -> Option<Segment> {
        let mut segment = Segment {
            offset: self.offset_at(instant)?,
            start: None,
            end: None,
        };
        let just_after = Timestamp::from_millisecond(instant.checked_add(1)?).ok()?;
        // The preceding change is only a hint: in jiff 0.2.43 it may be one too early, or none at all, where a zone's table ends and
        // its rule begins (America/Ciudad_Juarez in December 2022). What follows it is right.
        let before_hint = match self.zone.preceding(just_after).next() {
            Some(change) => {
                Timestamp::from_millisecond(change.timestamp().as_millisecond() - 1).ok()?
            }
            None => Timestamp::MIN,
        };
        for change in self.zone.following(before_hint) {
            let at = change.timestamp().as_millisecond();
            if at > instant {
                segment.end = Some((at, millis(change.offset().seconds())));
                break;
            }
            segment.start = Some((at, self.offset_at(at - 1)?));
        }
        Some(segment)
    }

    fn offset_at(&self, instant: i64) -> Option<i64> {
        let timestamp = Timestamp::from_millisecond(instant).ok()?;
        Some(millis(self.zone.to_offset(timestamp).seconds()))
    }
}

fn millis(seconds: i32) -> i64 {
    i64::from(seconds) * 1000
}
