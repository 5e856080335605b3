//! `instances`, `remove`, `pause`, `resume`.

use clap::Args;
use http::Method;
use serde_json::Value;

use super::client::Refusal;
use super::connections::connections_of;
use super::console::Console;
use super::keys::keys_of;
use super::resource::Resource;
use super::schedules::{self, schedules_of};
use super::session::{Errand, Session};
use super::table::{Column, Table, text};

/// The options of `instances`.
#[derive(Debug, Args)]
pub(super) struct InstancesOptions {
    /// Show this one with its endpoints, keys, schedules and health: its id or name.
    instance: Option<String>,
}

/// The options of `pause`.
#[derive(Debug, Args)]
pub(super) struct PauseOptions {
    /// Its id or name; the only one if there is just one.
    instance: Option<String>,
}

/// The options of `resume`.
#[derive(Debug, Args)]
pub(super) struct ResumeOptions {
    /// Its id or name; the only one if there is just one.
    instance: Option<String>,
}

/// The options of `remove`.
#[derive(Debug, Args)]
pub(super) struct RemoveOptions {
    /// Its id or name.
    instance: String,
    /// Remove it also when one of its remove functions fails.
    #[arg(long)]
    force: bool,
    /// How long its state and secrets are kept before they are erased; 0 erases them at once. As the server is set up if it is not
    /// given. Until then `deploy --instance` brings it back.
    #[arg(long, value_name = "SECONDS")]
    keep_seconds: Option<u64>,
}

const COLUMNS: [Column; 6] = [
    ("ID", "/id"),
    ("NAME", "/name"),
    ("CUSTOMER", "/customer/id"),
    ("STATUS", "/status"),
    ("VERSION", "/version"),
    ("DEPLOYED AT", "/deployed_at"),
];

/// As [`COLUMNS`], where an instance is removed and not erased yet.
const WITH_ERASURE: [Column; 7] = [
    ("ID", "/id"),
    ("NAME", "/name"),
    ("CUSTOMER", "/customer/id"),
    ("STATUS", "/status"),
    ("VERSION", "/version"),
    ("DEPLOYED AT", "/deployed_at"),
    ("ERASED AT", "/erase_at"),
];

impl Errand for InstancesOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let Some(named) = self.instance else {
            let list = session.instances().await?;
            session.console.answer(&list, |list| {
                if items(list).any(|item| item.get("erase_at").is_some_and(Value::is_string)) {
                    Table::of(items(list), &WITH_ERASURE)
                } else {
                    Table::of(items(list), &COLUMNS)
                }
            });
            return Ok(());
        };
        let id = session.instance(Some(&named)).await?.id;
        let one = Resource::new(["instances", &id]);
        let detail = session.wait("reading", session.client.get(&one)).await?;
        if session.console.json {
            session.console.print_json(&detail);
        } else {
            show(&mut session.console, &detail);
        }
        Ok(())
    }
}

impl Errand for PauseOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        turn(session, self.instance.as_deref(), "pause").await
    }
}

impl Errand for ResumeOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        turn(session, self.instance.as_deref(), "resume").await
    }
}

async fn turn(
    session: &mut Session<'_>,
    named: Option<&str>,
    how: &'static str,
) -> Result<(), Refusal> {
    let id = session.instance(named).await?.id;
    let resource = Resource::new(["instances", &id, how]);
    let turned = session.client.post(&resource);
    let detail = session.wait("waiting for the server", turned).await?;
    session
        .console
        .answer(&detail, |detail| Table::of([detail], &COLUMNS));
    Ok(())
}

impl Errand for RemoveOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let instance = session.instance(Some(&self.instance)).await?;
        let force = self.force.then_some("true");
        let keep = self.keep_seconds.map(|seconds| seconds.to_string());
        let one = Resource::new(["instances", &instance.id])
            .with_some("force", force)
            .with_some("keep_seconds", keep.as_deref());
        let removed = session.client.send(Method::DELETE, &one, None);
        let removed = session
            .wait("running the remove functions", removed)
            .await?;
        session.console.answer(&removed, functions_of);
        let (name, id) = (&instance.name, &instance.id);
        let note = match removed.get("erase_at").and_then(Value::as_str) {
            None => format!("instance `{name}` ({id}) is removed"),
            Some(at) => format!(
                "instance `{name}` ({id}) is removed; its state and secrets are erased at {at}, until then `deploy --instance {id}` brings it back"
            ),
        };
        session.console.note(&note);
        Ok(())
    }
}

/// Returns the items of a list.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    let items = list.get("items").and_then(Value::as_array);
    items.into_iter().flatten()
}

/// Returns how each attempt of each lifecycle function ended.
pub(super) fn functions_of(answer: &Value) -> Table {
    let mut table = Table::new(&[
        "FLOW",
        "FUNCTION",
        "ATTEMPT",
        "RESULT",
        "EXECUTION",
        "ERROR",
    ]);
    let functions = answer.get("functions").and_then(Value::as_array);
    for function in functions.into_iter().flatten() {
        let attempts = function.get("attempts").and_then(Value::as_array);
        let attempts = attempts.filter(|attempts| !attempts.is_empty());
        for attempt in attempts.map_or(std::slice::from_ref(function), Vec::as_slice) {
            let of_function = ["flow", "function"].map(|name| text(function.get(name)));
            let of_attempt = ["attempt", "result", "execution_id", "error"];
            let of_attempt = of_attempt.map(|name| text(attempt.get(name)));
            table.row(of_function.into_iter().chain(of_attempt).collect());
        }
    }
    table
}

/// Shows an instance to people.
pub(super) fn show(console: &mut Console<'_>, detail: &Value) {
    let field = |pointer: &str| text(detail.pointer(pointer));
    let rate = match detail.get("rate_per_second").and_then(Value::as_u64) {
        None | Some(0) => "not limited".to_owned(),
        Some(most) => format!("at most {most} requests per second"),
    };
    let concurrency = match detail.get("concurrency").and_then(Value::as_u64) {
        None | Some(0) => "not limited".to_owned(),
        Some(most) => format!("at most {most} executions at once"),
    };
    console.fields(&[
        ("id", field("/id")),
        ("name", field("/name")),
        ("customer", field("/customer/id")),
        ("status", field("/status")),
        ("version", field("/version")),
        ("first deployed at", field("/first_deployed_at")),
        ("deployed at", field("/deployed_at")),
        ("rate", rate),
        ("concurrency", concurrency),
        ("health", health(detail)),
    ]);
    if let Some(at) = detail.get("erase_at").and_then(Value::as_str) {
        console.note(&format!(
            "it is removed; its state and secrets are erased at {at}"
        ));
    }
    let mut endpoints = Table::new(&["FLOW", "URL"]);
    let mut config = Table::new(&["VARIABLE", "VALUE"]);
    for (table, name) in [(&mut endpoints, "webhook_urls"), (&mut config, "config")] {
        for (key, value) in object(detail.get(name)) {
            table.row(vec![key.clone(), text(Some(value))]);
        }
    }
    console.section("Endpoints", &endpoints);
    console.section("Keys", &keys_of(detail));
    console.section("Config", &config);
    console.section("Connections", &connections_of(detail));
    let schedules = schedules_of(detail);
    console.section(
        "Schedules",
        &Table::of(&schedules, &schedules::OF_ONE_INSTANCE),
    );
    for warning in detail
        .get("warnings")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        console.note(&format!("warning: {}", text(Some(warning))));
    }
}

fn health(detail: &Value) -> String {
    let count = |name: &str| text(detail.pointer(&format!("/health/{name}")));
    let verified = detail.pointer("/health/verified").and_then(Value::as_array);
    let verified: Vec<String> = verified
        .into_iter()
        .flatten()
        .map(|endpoint| {
            let part = |name| text(endpoint.get(name));
            format!("; endpoint of {} verified by {}", part("flow"), part("by"))
        })
        .collect();
    format!(
        "{}: of the latest executions {} ended well, {} badly, {} run or wait; {} dead letters{}",
        count("state"),
        count("succeeded"),
        count("failed"),
        count("unfinished"),
        count("dead_letters"),
        verified.concat()
    )
}

/// Returns the fields of an object.
pub(super) fn object(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}
