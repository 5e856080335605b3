//! `logs`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;
use tokio::time::sleep;

use super::client::{Client, Events, Refusal};
use super::console::Console;
use super::events::Event;
use super::instances::items;
use super::invoke::has_ended;
use super::resource::Resource;
use super::session::{Errand, Session};
use super::table::{clean, text};

/// The options of `logs`.
#[derive(Debug, Args)]
pub(super) struct LogsOptions {
    /// The id of the execution.
    #[arg(required_unless_present = "follow")]
    execution: Option<String>,
    /// Show lines as they come: of this execution until it ends, or of all executions until ctrl-c.
    #[arg(long)]
    follow: bool,
    /// Only lines of this instance, by id or name.
    #[arg(
        long,
        value_name = "INSTANCE",
        requires = "follow",
        conflicts_with = "execution"
    )]
    instance: Option<String>,
    /// Only lines of the flow with this key.
    #[arg(
        long,
        value_name = "FLOW",
        requires = "follow",
        conflicts_with = "execution"
    )]
    flow: Option<String>,
    /// Only lines at least as urgent as this.
    #[arg(long, value_parser = PossibleValuesParser::new(LEVELS), requires = "follow", conflicts_with = "execution")]
    level: Option<String>,
}

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// So many lines the management API puts on a page.
const PAGE: usize = 1000;

/// How often an execution that is followed is asked whether it has ended.
const LOOK: Duration = Duration::from_secs(1);

impl Errand for LogsOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        match &self.execution {
            Some(id) if self.follow => follow_one(&session.client, &mut session.console, id).await,
            Some(id) => list(session, id).await,
            None => self.follow_all(session).await,
        }
    }
}

impl LogsOptions {
    async fn follow_all(&self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let instance = match &self.instance {
            Some(named) => Some(session.instance(Some(named)).await?.id),
            None => None,
        };
        let tail = Resource::new(["logs", "stream"])
            .with_some("instance", instance.as_deref())
            .with_some("flow", self.flow.as_deref())
            .with_some("level", self.level.as_deref());
        let mut events = session.client.stream(&tail).await?;
        session
            .console
            .note("following all executions; stop with ctrl-c");
        while let Some(event) = events.next().await? {
            if !tell(&mut session.console, &event, |_| true, true) {
                return Ok(());
            }
        }
        Err(ended())
    }
}

async fn list(session: &mut Session<'_>, id: &str) -> Result<(), Refusal> {
    let lines = Resource::new(["executions", id, "logs"]);
    let lines = session.client.list(&lines, None, PAGE, None);
    let lines = session.wait("reading the log", lines).await?;
    if session.console.json {
        session.console.print_json(&lines);
        return Ok(());
    }
    for line in items(&lines) {
        session.console.print(&line_of(line, false));
    }
    Ok(())
}

/// Shows the log of one execution until it ends. The stream is opened first, so that no line is missed between it and what is stored;
/// what comes twice is told by its number.
async fn follow_one(client: &Client, console: &mut Console<'_>, id: &str) -> Result<(), Refusal> {
    let mut events = client.stream(&Resource::new(["logs", "stream"])).await?;
    let mut shown = Shown::default();
    loop {
        let execution = client.get(&Resource::new(["executions", id])).await?;
        for line in items(&stored(client, id, shown.all_below).await?) {
            if shown.note(line) && !print(console, line, false) {
                return Ok(());
            }
        }
        if has_ended(&execution) || !relay(&mut events, console, id, &mut shown).await? {
            return Ok(());
        }
    }
}

/// The lines of an execution that were shown, by number. Those of before the stream was opened may be stored only after later ones came.
#[derive(Debug, Default)]
struct Shown {
    all_below: u64,
    beyond: BTreeSet<u64>,
}

impl Shown {
    /// Notes that a line is shown; says whether it was not before.
    fn note(&mut self, line: &Value) -> bool {
        let number = line.get("number").and_then(Value::as_u64).unwrap_or(0);
        let is_new = number >= self.all_below && self.beyond.insert(number);
        while self.beyond.remove(&self.all_below) {
            self.all_below += 1;
        }
        is_new
    }
}

/// Shows the lines that come within the time of a look; says whether somebody still reads.
async fn relay(
    events: &mut Events<'_>,
    console: &mut Console<'_>,
    id: &str,
    shown: &mut Shown,
) -> Result<bool, Refusal> {
    let mut look = std::pin::pin!(sleep(LOOK));
    loop {
        let event = tokio::select! {
            event = events.next() => event?.ok_or_else(ended)?,
            () = &mut look => return Ok(true),
        };
        let is_new = |line: &Value| text(line.get("execution")) == id && shown.note(line);
        if !tell(console, &event, is_new, false) {
            return Ok(false);
        }
    }
}

async fn stored(client: &Client, id: &str, from: u64) -> Result<Value, Refusal> {
    let lines = Resource::new(["executions", id, "logs"]).with("from", from.to_string());
    client.list(&lines, None, PAGE, None).await
}

fn ended() -> Refusal {
    Refusal::new("the server has ended the stream: it is stopping")
}

/// Shows an event of the tail, if it is wanted; says whether somebody still reads.
fn tell(
    console: &mut Console<'_>,
    event: &Event,
    is_wanted: impl FnOnce(&Value) -> bool,
    with_place: bool,
) -> bool {
    let Ok(data) = serde_json::from_str::<Value>(&event.data) else {
        return true;
    };
    if event.name == "lagged" {
        let missed = text(data.get("missed"));
        console.note(&format!(
            "{missed} lines came faster than they could be shown and are left out"
        ));
        return !console.json || console.print_json(&data);
    }
    if event.name != "log" || !is_wanted(&data) {
        return true;
    }
    print(console, &data, with_place)
}

/// Writes a line of a stream; says whether somebody still reads.
fn print(console: &mut Console<'_>, line: &Value, with_place: bool) -> bool {
    if console.json {
        // One line for each, on a terminal too.
        return console.print(&format!("{line}\n"));
    }
    console.print(&line_of(line, with_place))
}

/// Writes a line of a log for people: time, level, flow and execution if they are not known, text, values.
fn line_of(line: &Value, with_place: bool) -> String {
    let mut cells = vec![
        text(line.get("at")),
        format!("{:5}", text(line.get("level")).to_uppercase()),
    ];
    if with_place {
        cells.push(text(line.get("flow")));
        cells.push(text(line.get("execution")));
    }
    if let Some(step) = line.get("step").filter(|step| step.is_string()) {
        cells.push(format!("[{}]", text(Some(step))));
    }
    cells.push(text(line.get("text")));
    let has_fields = |fields: &&Value| fields.as_object().is_some_and(|fields| !fields.is_empty());
    cells.extend(line.get("fields").filter(has_fields).map(Value::to_string));
    let cells: Vec<String> = cells.iter().map(|cell| clean(cell, false)).collect();
    format!("{}\n", cells.join("\t"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_shown_once_however_late_it_is_stored() {
        let mut shown = Shown::default();
        let mut note = |number: u64| shown.note(&json!({"number": number}));
        let noted = [2, 3, 0, 2, 1, 1, 4].map(&mut note);
        assert_eq!(noted, [true, true, true, false, true, false, true]);
        assert_eq!((shown.all_below, shown.beyond.len()), (5, 0));
    }

    #[test]
    fn a_line_of_a_log_stays_one_line() {
        let line = json!({
            "execution": "e1", "number": 0, "at": "2026-01-02T03:04:05Z", "level": "warn",
            "text": "two\nlines \u{1b}[2J", "fields": {"a": 1}, "instance": null, "flow": "echo",
        });
        assert_eq!(
            line_of(&line, false),
            "2026-01-02T03:04:05Z\tWARN \ttwo lines \u{fffd}[2J\t{\"a\":1}\n"
        );
        assert_eq!(
            line_of(&line, true),
            "2026-01-02T03:04:05Z\tWARN \techo\te1\ttwo lines \u{fffd}[2J\t{\"a\":1}\n"
        );
    }
}
