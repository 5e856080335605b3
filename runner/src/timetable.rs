//! Since when each flow of an instance has the schedule that it has (E12).
//!
//! The timetable is kept with the instance. With it and the last claimed tick of each flow, a process that starts anew knows which
//! times a schedule stands for: none before it was in force, and what was due under the one before is still owed.

use sdk::Timestamp;
use sdk::id::FlowKey;
use sdk::schedule::{Schedule, Timing};
use serde::{Deserialize, Serialize};

/// The schedules of an instance, each with the time since when it is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timetable {
    /// The deploy that it was written for: `deployed_at` of the instance.
    pub as_of: Timestamp,
    /// One line for each flow with a schedule, in the author's order.
    pub lines: Vec<Line>,
}

/// The schedule of one flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The flow.
    pub flow: FlowKey,
    /// Its schedule.
    pub schedule: Schedule,
    /// Since when: it is due at no time up to this one. A schedule that runs once is due at it.
    pub since: Timestamp,
    /// The schedules before it that owe a run, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
}

/// A schedule that is no longer in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Former {
    /// The schedule.
    pub schedule: Schedule,
    /// Since when it was in force.
    pub since: Timestamp,
    /// Until when: what was due up to then is still run.
    pub until: Timestamp,
}

/// What a timetable is renewed with.
#[derive(Debug)]
pub struct Renewal<'a> {
    /// When the instance was deployed last.
    pub deployed_at: Timestamp,
    /// The time now.
    pub now: Timestamp,
    /// The schedules that the instance has now, in the author's order.
    pub present: Vec<(FlowKey, Schedule)>,
    /// The last claimed tick of each flow.
    pub last_ticks: &'a [(FlowKey, Timestamp)],
}

impl Renewal<'_> {
    /// Returns the last claimed tick of a flow.
    pub fn last_tick(&self, flow: &FlowKey) -> Option<Timestamp> {
        last_tick(self.last_ticks, flow)
    }
}

/// Returns the last claimed tick of a flow.
pub fn last_tick(ticks: &[(FlowKey, Timestamp)], flow: &FlowKey) -> Option<Timestamp> {
    ticks
        .iter()
        .find(|(ticked, _)| ticked == flow)
        .map(|(_, nominal)| *nominal)
}

impl Timetable {
    /// Writes the timetable anew. A schedule that names the same times as before keeps its place; another one is in force since the
    /// deploy that brought it, or, if a new version of the integration brought it without a deploy, since now.
    pub fn renewed(before: Option<&Self>, renewal: &Renewal<'_>) -> Self {
        let unchanged_deploy = before.is_some_and(|before| before.as_of == renewal.deployed_at);
        let changed_at = if unchanged_deploy {
            renewal.now
        } else {
            renewal.deployed_at
        };
        let mut lines = Vec::with_capacity(renewal.present.len());
        for (flow, schedule) in &renewal.present {
            let known = before.and_then(|before| before.line(flow));
            lines.push(match known {
                Some(known) => known.renewed(schedule, changed_at, renewal.last_tick(flow)),
                None => Line {
                    flow: flow.clone(),
                    schedule: schedule.clone(),
                    since: changed_at,
                    former: Vec::new(),
                },
            });
        }
        Self {
            as_of: renewal.deployed_at,
            lines,
        }
    }

    /// Returns the line of a flow.
    pub fn line(&self, flow: &FlowKey) -> Option<&Line> {
        self.lines.iter().find(|line| line.flow == *flow)
    }
}

impl Line {
    fn renewed(
        &self,
        schedule: &Schedule,
        changed_at: Timestamp,
        last_tick: Option<Timestamp>,
    ) -> Self {
        if names_same_times(&self.schedule, schedule) {
            return Self {
                schedule: schedule.clone(),
                ..self.clone()
            };
        }
        let mut former = self.former.clone();
        former.push(Former {
            schedule: self.schedule.clone(),
            since: self.since,
            until: changed_at,
        });
        // A schedule that runs once is due at its beginning, which must not be a tick that the one before has claimed.
        let after_last = last_tick.map(|last| last + sdk::time::millis(1));
        let since = match schedule.timing() {
            Timing::Once => changed_at.max(after_last.unwrap_or(changed_at)),
            _ => changed_at,
        };
        Self {
            flow: self.flow.clone(),
            schedule: schedule.clone(),
            since,
            former,
        }
    }
}

/// Says whether two schedules differ only in what becomes of missed and overlapping runs.
fn names_same_times(one: &Schedule, other: &Schedule) -> bool {
    if matches!((one.timing(), other.timing()), (Timing::Once, Timing::Once)) {
        return true;
    }
    let alike = |schedule: &Schedule| {
        schedule
            .clone()
            .missed(other.when_missed())
            .overlap(other.when_overlapping())
    };
    alike(one) == *other
}

#[cfg(test)]
mod tests {
    use sdk::schedule::Overlap;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    fn renew(
        before: Option<&Timetable>,
        deployed_at: i64,
        now: i64,
        schedule: Schedule,
    ) -> Timetable {
        let last_ticks = [("report".into(), at(60))];
        let renewal = Renewal {
            deployed_at: at(deployed_at),
            now: at(now),
            present: vec![("report".into(), schedule)],
            last_ticks: &last_ticks,
        };
        Timetable::renewed(before, &renewal)
    }

    #[test]
    fn a_redeploy_with_the_same_times_changes_nothing_but_the_policies_e12() {
        let first = renew(None, 10, 11, Schedule::cron("@hourly"));
        let again = renew(
            Some(&first),
            70,
            71,
            Schedule::cron("@hourly").overlap(Overlap::Skip),
        );
        let line = &again.lines[0];
        assert_eq!((line.since, line.former.len()), (at(10), 0));
        assert_eq!(line.schedule.when_overlapping(), Overlap::Skip);
        assert_eq!(again.as_of, at(70));
    }

    #[test]
    fn another_schedule_is_in_force_since_the_deploy_and_the_old_one_until_then_e12() {
        let first = renew(None, 10, 11, Schedule::cron("@hourly"));
        let changed = renew(Some(&first), 70, 75, Schedule::cron("@daily"));
        assert_eq!(changed.lines[0].since, at(70));
        assert_eq!(
            changed.lines[0].former,
            [Former {
                schedule: Schedule::cron("@hourly"),
                since: at(10),
                until: at(70),
            }]
        );
    }

    #[test]
    fn a_schedule_that_a_new_version_brings_without_a_deploy_is_in_force_from_now_on() {
        let first = renew(None, 10, 11, Schedule::cron("@hourly"));
        let changed = renew(Some(&first), 10, 500, Schedule::cron("@daily"));
        assert_eq!(changed.lines[0].since, at(500));
        assert_eq!(changed.lines[0].former[0].until, at(500));
    }

    #[test]
    fn once_is_never_due_at_a_tick_that_the_schedule_before_it_has_claimed() {
        let first = renew(None, 10, 11, Schedule::cron("@hourly"));
        let once = renew(Some(&first), 60, 60, Schedule::once());
        assert_eq!(once.lines[0].since, at(60) + sdk::time::millis(1));
        let still = renew(
            Some(&once),
            90,
            90,
            Schedule::once().overlap(Overlap::Queue),
        );
        assert_eq!(still.lines[0].since, once.lines[0].since);
    }

    #[test]
    fn a_timetable_reads_back_what_it_writes() {
        let first = renew(None, 10, 11, Schedule::cron("@hourly"));
        let changed = renew(Some(&first), 70, 75, Schedule::cron("0 8 * * 1-5"));
        let text = serde_json::to_string(&changed).unwrap();
        assert_eq!(serde_json::from_str::<Timetable>(&text).unwrap(), changed);
    }
}
