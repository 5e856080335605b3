//! How a schedule is written as text; described at [`Schedule`].

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};

use super::{Fold, Gap, Missed, Overlap, Schedule, Timing, length};

/// The object form. What is left out has its default.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    once: bool,
    #[serde(skip_serializing_if = "is_default")]
    time_zone: String,
    #[serde(skip_serializing_if = "is_default")]
    on_gap: Gap,
    #[serde(skip_serializing_if = "is_default")]
    on_fold: Fold,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "missed")]
    missed: Missed,
    #[serde(skip_serializing_if = "is_default")]
    overlap: Overlap,
    #[serde(skip_serializing_if = "Duration::is_zero", with = "length")]
    spread: Duration,
}

/// One of the choices is an object: whoever writes its name alone is told what is missing.
fn missed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Missed, D::Error> {
    let written = serde_json::Value::deserialize(deserializer)?;
    let is_name = written.is_string();
    serde_json::from_value(written).map_err(|fault| {
        if is_name {
            de::Error::custom(
                r#"`missed` is `skip`, `run_once` or `{"run_all": {"within": "1 day"}}`"#,
            )
        } else {
            de::Error::custom(fault)
        }
    })
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads the string form; `None` if an interval cannot be read.
fn read_plain(text: &str) -> Option<Timing> {
    if text.trim().eq_ignore_ascii_case("once") {
        return Some(Timing::Once);
    }
    match text.trim().split_once(' ') {
        Some((every, interval)) if every.eq_ignore_ascii_case("every") => {
            length::read(interval).map(Timing::Every)
        }
        _ => Some(Timing::Cron(text.to_owned().into())),
    }
}

fn no_interval<E: de::Error>(text: &str) -> E {
    E::custom(format_args!(
        "`{text}` is not an interval; write it like `every 15 minutes`, `every 2 hours` or `every week`"
    ))
}

impl TryFrom<Written> for Schedule {
    type Error = de::value::Error;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let schedule = match (written.cron, written.every, written.once) {
            (Some(expression), None, false) => Self::cron(expression),
            (None, Some(interval), false) => Self::every(
                length::read(&interval)
                    .ok_or_else(|| no_interval::<Self::Error>(&format!("every {interval}")))?,
            ),
            (None, None, true) => Self::once(),
            _ => {
                return Err(de::Error::custom(
                    "a schedule needs exactly one of `cron`, `every` and `once`",
                ));
            }
        };
        let schedule = if written.time_zone.is_empty() {
            schedule
        } else {
            schedule.in_zone(written.time_zone)
        };
        Ok(schedule
            .on_gap(written.on_gap)
            .on_fold(written.on_fold)
            .missed(written.missed)
            .overlap(written.overlap)
            .spread(written.spread))
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = Written {
            time_zone: match self.time_zone() {
                "UTC" => String::new(),
                name => name.to_owned(),
            },
            on_gap: self.gap(),
            on_fold: self.fold(),
            missed: self.when_missed(),
            overlap: self.when_overlapping(),
            spread: self.spread_window(),
            ..Written::default()
        };
        if written == Written::default() {
            let text = match self.timing() {
                Timing::Cron(expression) => expression.clone().into_owned(),
                Timing::Every(interval) => format!("every {}", length::written(*interval)),
                Timing::Once => "once".to_owned(),
            };
            // A cron expression that is really `once` or `every …` has to stay one, to be refused as one.
            if read_plain(&text).as_ref() == Some(self.timing()) {
                return serializer.serialize_str(&text);
            }
        }
        match self.timing() {
            Timing::Cron(expression) => written.cron = Some(expression.clone().into_owned()),
            Timing::Every(interval) => written.every = Some(length::written(*interval)),
            Timing::Once => written.once = true,
        }
        written.serialize(serializer).map_err(S::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScheduleVisitor)
    }
}

struct ScheduleVisitor;

impl<'de> Visitor<'de> for ScheduleVisitor {
    type Value = Schedule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a schedule: a cron expression, `every 15 minutes`, `once`, or an object with `cron`, `every` or `once`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Schedule, E> {
        read_plain(text)
            .map(Schedule::new)
            .ok_or_else(|| no_interval(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Schedule, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        written.try_into().map_err(de::Error::custom)
    }
}
