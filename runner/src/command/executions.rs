//! `executions` and `cancel`.

use clap::Args;
use clap::value_parser;
use serde_json::Value;

use super::client::{PAGE, Refusal};
use super::console::Console;
use super::filter::Filter;
use super::instances::items;
use super::resource::Resource;
use super::session::{Errand, Session};
use super::table::{Column, Table, text};

/// The options of `executions`.
#[derive(Debug, Args)]
pub(super) struct ExecutionsOptions {
    /// Show this one with its steps, its payload and its result.
    #[arg(conflicts_with = "Filter")]
    execution: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// How many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = value_parser!(u32).range(1..))]
    limit: u32,
    /// Go on after a list: its `next_cursor`.
    #[arg(long, conflicts_with = "execution")]
    cursor: Option<String>,
}

/// The options of `cancel`.
#[derive(Debug, Args)]
pub(super) struct CancelOptions {
    /// The id of an execution that waits or runs; with `--dismiss`, of a dead letter.
    execution: String,
    /// Take a dead letter off the list in place of replaying it; what it parks or blocks goes on.
    #[arg(long)]
    dismiss: bool,
}

const COLUMNS: [Column; 9] = [
    ("ID", "/id"),
    ("FLOW", "/flow"),
    ("STATUS", "/status"),
    ("RESULT", "/result"),
    ("INVOKED BY", "/invoked_by"),
    ("ATTEMPT", "/attempt"),
    ("ACCEPTED AT", "/accepted_at"),
    ("INSTANCE", "/instance"),
    ("ERROR", "/error"),
];

const STEPS: [Column; 6] = [
    ("STEP", "/name"),
    ("BEGAN AT", "/began_at"),
    ("ENDED AT", "/ended_at"),
    ("ATTEMPTS", "/attempts"),
    ("RESULT", "/result"),
    ("ERROR", "/error"),
];

const REPEATED_BY: [Column; 5] = [
    ("ID", "/id"),
    ("INVOKED BY", "/invoked_by"),
    ("ATTEMPT", "/attempt"),
    ("STATUS", "/status"),
    ("RESULT", "/result"),
];

impl Errand for ExecutionsOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        if let Some(id) = &self.execution {
            let one = Resource::new(["executions", id]);
            let detail = session.wait("reading", session.client.get(&one)).await?;
            if session.console.json {
                session.console.print_json(&detail);
            } else {
                show(&mut session.console, &detail);
            }
            return Ok(());
        }
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let words = self.filter.words(session).await?;
        let all = Resource::new(["executions"]);
        let all = words
            .into_iter()
            .fold(all, |all, (name, value)| all.with(name, value));
        let list = read(session, all, self.cursor, most).await?;
        let on_terminal = session.console.terminal.is_some();
        session
            .console
            .answer(&list, |list| table(items(list), on_terminal));
        if let Some(cursor) = list.get("next_cursor").and_then(Value::as_str) {
            session.console.note(&format!(
                "there are more: raise `--limit`, or go on with `--cursor {cursor}`"
            ));
        }
        Ok(())
    }
}

async fn read(
    session: &Session<'_>,
    all: Resource,
    cursor: Option<String>,
    most: usize,
) -> Result<Value, Refusal> {
    let list = session.client.list(&all, cursor, PAGE, Some(most));
    session.wait("reading the executions", list).await
}

impl Errand for CancelOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let (what, doing) = if self.dismiss {
            ("dismiss", "dismissing")
        } else {
            ("cancel", "cancelling")
        };
        let resource = Resource::new(["executions", &self.execution, what]);
        let done = session.client.post(&resource);
        let done = session.wait(doing, done).await?;
        session
            .console
            .answer(&done, |execution| table([execution], false));
        Ok(())
    }
}

/// Returns what people see of executions in a list. On a terminal there is little room, and often one instance.
fn table<'a>(executions: impl IntoIterator<Item = &'a Value>, on_terminal: bool) -> Table {
    let executions: Vec<&Value> = executions.into_iter().collect();
    let mut instances: Vec<_> = executions.iter().map(|one| one.get("instance")).collect();
    instances.dedup();
    let needs_instance = !on_terminal || instances.len() > 1;
    let columns = COLUMNS
        .into_iter()
        .filter(|(title, _)| needs_instance || *title != "INSTANCE");
    Table::of(executions, &columns.collect::<Vec<_>>())
}

/// Shows an execution to people.
pub(super) fn show(console: &mut Console<'_>, detail: &Value) {
    let field = |pointer: &str| text(detail.pointer(pointer));
    console.fields(&[
        ("id", field("/id")),
        ("flow", field("/flow")),
        ("instance", field("/instance")),
        ("status", field("/status")),
        ("result", field("/result")),
        ("error", field("/error")),
        ("invoked by", field("/invoked_by")),
        ("attempt", field("/attempt")),
        ("accepted at", field("/accepted_at")),
        ("runs at", field("/run_at")),
        ("started at", field("/started_at")),
        ("ended at", field("/ended_at")),
        ("repeats", field("/first")),
        ("called by", field("/parent")),
        ("gave way to", field("/canceled_by")),
        ("response", field("/response/status")),
        ("payload", field("/payload/body/data")),
        ("output", field("/output/data")),
    ]);
    let list = |pointer: &str| {
        let list = detail.pointer(pointer).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    console.section("Steps", &Table::of(list("/steps"), &STEPS));
    let repeated_by = Table::of(list("/lineage/repeated_by"), &REPEATED_BY);
    console.section("Repeated by", &repeated_by);
}
