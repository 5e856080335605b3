//! When the flows of an instance run next.

use schemars::JsonSchema;
use sdk::Timestamp;
use sdk::trigger::TriggerKind;
use serde::Serialize;
use serde_json::Value;

use super::words;
use crate::Runner;
use crate::calendar::Tick;
use crate::instance::Instance;

/// How many times are shown.
const SHOWN: usize = 5;

/// The schedule of a flow.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Schedule")]
pub(super) struct ScheduleView {
    /// The key of the flow.
    flow: String,
    /// The schedule as a deployer writes it: a text, or an object.
    schedule: Value,
    /// The time zone in which it is read.
    time_zone: String,
    /// The next times, at most five; none while the instance is not active.
    next: Vec<TickView>,
}

/// A time at which a flow runs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Tick")]
struct TickView {
    /// The time that the schedule names.
    #[schemars(schema_with = "words::moment")]
    nominal: Timestamp,
    /// When the run starts: later by the instance's place in the spread (E16).
    #[schemars(schema_with = "words::moment")]
    due: Timestamp,
}

/// Returns the schedules of an instance, in the author's order.
pub(super) fn of(instance: &Instance, runner: &Runner) -> Vec<ScheduleView> {
    let upcoming = runner.timer.upcoming(&instance.id, SHOWN);
    let flows = runner.engine.ports.integration.flows.iter();
    flows
        .filter_map(|flow| {
            let (TriggerKind::Schedule(source) | TriggerKind::Poll(source)) = &flow.options.trigger
            else {
                return None;
            };
            let schedule = source.read(&*instance.config)?;
            let ticks = upcoming
                .iter()
                .find(|(key, _)| key.as_str() == flow.options.key)
                .map(|(_, ticks)| ticks.as_slice())
                .unwrap_or_default();
            Some(ScheduleView {
                flow: flow.options.key.to_owned(),
                schedule: serde_json::to_value(&schedule).unwrap_or_default(),
                time_zone: schedule.time_zone().to_owned(),
                next: ticks.iter().map(TickView::from).collect(),
            })
        })
        .collect()
}

impl From<&Tick> for TickView {
    fn from(tick: &Tick) -> Self {
        Self {
            nominal: tick.nominal,
            due: tick.due,
        }
    }
}
