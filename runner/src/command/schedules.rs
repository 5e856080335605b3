//! `schedules`.

use clap::Args;
use serde_json::{Value, json};

use super::client::Refusal;
use super::instances::items;
use super::resource::Resource;
use super::session::{Errand, Session};
use super::table::{Column, Table, text};

/// The options of `schedules`.
#[derive(Debug, Args)]
pub(super) struct SchedulesOptions {
    /// The instance, by id or name; all of them if it is not given.
    instance: Option<String>,
}

/// What people see of the schedules of one instance.
pub(super) const OF_ONE_INSTANCE: [Column; 4] = [
    ("FLOW", "/flow"),
    ("SCHEDULE", "/schedule"),
    ("TIME ZONE", "/time_zone"),
    ("NEXT", "/times"),
];

const COLUMNS: [Column; 5] = [
    ("FLOW", "/flow"),
    ("INSTANCE", "/instance"),
    ("SCHEDULE", "/schedule"),
    ("TIME ZONE", "/time_zone"),
    ("NEXT", "/times"),
];

impl Errand for SchedulesOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let ids = match &self.instance {
            Some(named) => vec![session.instance(Some(named)).await?.id],
            None => {
                let all = session.instances().await?;
                items(&all).map(|item| text(item.get("id"))).collect()
            }
        };
        let schedules = session.wait("reading the schedules", all(session, &ids));
        let schedules = schedules.await?;
        let list = json!({"items": schedules, "next_cursor": null});
        session.console.answer(&list, |list| {
            let shown: Vec<Value> = items(list).map(for_people).collect();
            Table::of(&shown, &COLUMNS)
        });
        Ok(())
    }
}

async fn all(session: &Session<'_>, ids: &[String]) -> Result<Vec<Value>, Refusal> {
    let mut schedules = Vec::new();
    for id in ids {
        let one = Resource::new(["instances", id]);
        let mut detail = session.client.get(&one).await?;
        let Some(Value::Array(found)) = detail.get_mut("schedules").map(Value::take) else {
            continue;
        };
        for mut schedule in found {
            if let Some(fields) = schedule.as_object_mut() {
                fields.insert("instance".to_owned(), Value::from(id.as_str()));
            }
            schedules.push(schedule);
        }
    }
    Ok(schedules)
}

/// Returns the schedules of an instance with their next times in one text.
pub(super) fn schedules_of(detail: &Value) -> Vec<Value> {
    let schedules = detail.get("schedules").and_then(Value::as_array);
    schedules.into_iter().flatten().map(for_people).collect()
}

fn for_people(schedule: &Value) -> Value {
    let next = schedule.get("next").and_then(Value::as_array);
    let times: Vec<String> = next
        .into_iter()
        .flatten()
        .map(|tick| text(tick.get("due")))
        .collect();
    let mut shown = schedule.clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("times".to_owned(), Value::from(times.join("\n")));
    }
    shown
}
