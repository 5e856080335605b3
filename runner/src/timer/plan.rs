//! Which tick of a schedule runs next: late, missed, owed and future ones (E12, E14). Nothing here waits or asks the store.

use std::collections::VecDeque;
use std::time::Duration;

use sdk::Timestamp;
use sdk::schedule::{Missed, Overlap};

use crate::calendar::{Calendar, Tick};

/// How late a tick may start and still count as started on time: the machine was busy, or its clock was set.
pub(super) const LATE: Duration = Duration::from_mins(1);

/// A schedule while it is in force.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) calendar: Calendar,
    pub(super) missed: Missed,
    pub(super) overlap: Overlap,
    /// Nothing up to this nominal time runs.
    pub(super) after: Timestamp,
    /// Nothing that is due later runs.
    pub(super) until: Timestamp,
}

/// What the process knows of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    /// Since when it is there: what was due before was missed.
    pub(super) since: Timestamp,
    pub(super) now: Timestamp,
}

impl Watch {
    /// What was due before this was missed.
    fn missed_before(self) -> Timestamp {
        self.since.max(self.now - LATE)
    }
}

impl Stretch {
    /// Returns the tick that runs next, now or later, when everything up to `settled` is done.
    pub(super) fn next(&self, settled: Timestamp, watch: Watch) -> Option<Tick> {
        let after = self.after.max(settled);
        let first = self.tick_after(after)?;
        if first.due > watch.now || first.due >= watch.missed_before() {
            return Some(first);
        }
        match self.missed {
            Missed::RunOnce => self.calendar.latest_due(watch.now.min(self.until)),
            Missed::Skip => self.due_from(watch.missed_before(), first),
            Missed::RunAll { within } => {
                let oldest = watch.missed_before().min(watch.now - within);
                self.due_from(oldest, first)
            }
        }
    }

    /// Says whether a tick is left that is not claimed. Whether it runs is for the policy to say.
    pub(super) fn owes(&self, last_tick: Option<Timestamp>) -> bool {
        let after = last_tick.map_or(self.after, |last| last.max(self.after));
        self.tick_after(after).is_some()
    }

    /// Returns the first tick from `first` on that is due at `due` or later.
    fn due_from(&self, due: Timestamp, first: Tick) -> Option<Tick> {
        if first.due >= due {
            return Some(first);
        }
        let spread = first.due.since(first.nominal);
        self.tick_after(due - spread - Duration::from_millis(1))
    }

    fn tick_after(&self, nominal: Timestamp) -> Option<Tick> {
        self.calendar
            .next_after(nominal)
            .filter(|tick| tick.due <= self.until)
    }
}

/// The schedule of a flow, with those before it that owe a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Everything up to this nominal time is claimed.
    settled: Timestamp,
    former: VecDeque<Stretch>,
    present: Stretch,
}

impl Plan {
    /// Makes the plan of a flow whose last claimed tick is this.
    pub(super) fn new(
        last_tick: Option<Timestamp>,
        former: Vec<Stretch>,
        present: Stretch,
    ) -> Self {
        Self {
            settled: last_tick.unwrap_or(Timestamp::from_millis(i64::MIN)),
            former: former.into(),
            present,
        }
    }

    /// Returns the tick that runs next, now or later, with the schedule to which it belongs.
    pub(super) fn next(&mut self, watch: Watch) -> Option<(Tick, &Stretch)> {
        while let Some(former) = self.former.front() {
            if former.next(self.settled, watch).is_some() {
                break;
            }
            self.former.pop_front();
        }
        let stretch = self.former.front().unwrap_or(&self.present);
        let tick = stretch.next(self.settled, watch)?;
        Some((tick, stretch))
    }

    /// Notes that everything up to this nominal time is claimed.
    pub(super) fn settle(&mut self, nominal: Timestamp) {
        self.settled = self.settled.max(nominal);
    }

    /// Says whether a nominal time is claimed.
    pub(super) fn is_settled(&self, nominal: Timestamp) -> bool {
        nominal <= self.settled
    }

    /// Returns the next ticks that are due after `now`, at most `count`: what a reader of the schedule expects.
    pub(super) fn upcoming(&self, now: Timestamp, count: usize) -> Vec<Tick> {
        let due = self.present.calendar.latest_due(now);
        let after = due.map_or(self.present.after, |tick| tick.nominal);
        let after = after.max(self.present.after).max(self.settled);
        self.present.calendar.upcoming(after, count)
    }
}

#[cfg(test)]
mod tests {
    use sdk::Schedule;
    use sdk::time::{days, hours, minutes};

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-03-{text}Z").parse().unwrap()
    }

    fn stretch(schedule: &Schedule, after: &str) -> Stretch {
        Stretch {
            calendar: Calendar::new(schedule, at(after), "instance-1/report").unwrap(),
            missed: schedule.when_missed(),
            overlap: schedule.when_overlapping(),
            after: at(after),
            until: Timestamp::MAX,
        }
    }

    fn watch(since: &str, now: &str) -> Watch {
        Watch {
            since: at(since),
            now: at(now),
        }
    }

    /// Checks which ticks an hourly schedule runs that was last claimed at midnight, and the first that waits.
    #[track_caller]
    fn check(missed: Missed, watch: Watch, expected: &[&str]) {
        let schedule = Schedule::cron("@hourly").missed(missed);
        let mut plan = Plan::new(
            Some(at("02T00:00:00")),
            Vec::new(),
            stretch(&schedule, "01T00:00:00"),
        );
        let mut ticks = Vec::new();
        while let Some((tick, _)) = plan.next(watch) {
            ticks.push(tick.nominal);
            if tick.due > watch.now {
                break;
            }
            plan.settle(tick.nominal);
        }
        let expected: Vec<Timestamp> = expected.iter().map(|text| at(text)).collect();
        assert_eq!(ticks, expected);
    }

    #[test]
    fn after_a_time_without_a_process_each_policy_runs_its_own_share_e14() {
        let down = watch("02T05:30:00", "02T05:30:00");
        check(Missed::Skip, down, &["02T06:00:00"]);
        check(Missed::RunOnce, down, &["02T05:00:00", "02T06:00:00"]);
        let within = Missed::RunAll { within: hours(2) };
        check(within, down, &["02T04:00:00", "02T05:00:00", "02T06:00:00"]);
    }

    #[test]
    fn a_process_that_comes_back_a_second_late_has_missed_the_tick_e14() {
        let down = watch("02T01:00:01", "02T01:00:01");
        check(Missed::Skip, down, &["02T02:00:00"]);
        check(Missed::RunOnce, down, &["02T01:00:00", "02T02:00:00"]);
    }

    #[test]
    fn a_process_that_was_there_starts_a_late_tick_whatever_the_policy() {
        let busy = watch("01T00:00:00", "02T01:00:59");
        check(Missed::Skip, busy, &["02T01:00:00", "02T02:00:00"]);
        let none = Missed::RunAll {
            within: Duration::ZERO,
        };
        check(none, busy, &["02T01:00:00", "02T02:00:00"]);
    }

    #[test]
    fn a_clock_that_leaps_leaves_missed_ticks_behind_e14() {
        let leapt = watch("01T00:00:00", "02T04:00:30");
        check(Missed::Skip, leapt, &["02T04:00:00", "02T05:00:00"]);
        check(Missed::RunOnce, leapt, &["02T04:00:00", "02T05:00:00"]);
        let within = Missed::RunAll { within: hours(1) };
        check(within, leapt, &["02T04:00:00", "02T05:00:00"]);
    }

    #[test]
    fn the_grace_period_counts_from_the_time_with_the_spread_e16() {
        let schedule = Schedule::cron("@hourly")
            .spread(minutes(50))
            .missed(Missed::RunAll { within: hours(2) });
        let hourly = stretch(&schedule, "01T00:00:00");
        let now = at("02T05:30:00");
        let first = hourly
            .next(at("01T12:00:00"), Watch { since: now, now })
            .unwrap();
        assert!(first.due >= now - hours(2));
        let before = hourly.calendar.previous_before(first.nominal).unwrap();
        assert!(before.due < now - hours(2));
    }

    #[test]
    fn what_the_schedule_before_owes_runs_first_and_by_its_own_policy_e12() {
        let hourly = Schedule::cron("@hourly").missed(Missed::RunAll { within: days(1) });
        let former = Stretch {
            until: at("02T02:30:00"),
            ..stretch(&hourly, "01T00:00:00")
        };
        let quarter = Schedule::cron("15 * * * *").missed(Missed::RunAll { within: days(1) });
        let present = stretch(&quarter, "02T02:30:00");
        let mut plan = Plan::new(Some(at("02T00:00:00")), vec![former], present);
        let watch = watch("02T04:00:00", "02T04:00:00");
        let mut ticks = Vec::new();
        for _ in 0..5 {
            let (tick, _) = plan.next(watch).unwrap();
            plan.settle(tick.nominal);
            ticks.push(tick.nominal);
        }
        let expected = [
            "02T01:00:00",
            "02T02:00:00",
            "02T03:15:00",
            "02T04:15:00",
            "02T05:15:00",
        ];
        assert_eq!(ticks, expected.map(at));
    }
}
