//! Executions: looked up, and replayed together.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Console;
use super::answer::Answer as _;
use super::api::with_query;
use super::layout::{self, moment};
use super::refused::Refused;

/// Which executions; what is empty was not asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    instance: String,
    flow: String,
    status: String,
    result: String,
    since: String,
    until: String,
    dead_letters: String,
    cursor: String,
}

const STATUSES: [&str; 5] = ["PENDING", "QUEUED", "RUNNING", "SUCCESS", "ERROR"];
const RESULTS: [&str; 7] = [
    "COMPLETED",
    "ERROR",
    "POLLED_NO_CHANGES",
    "CANCELED_AS_DUPLICATE",
    "CANCELED",
    "TIMED_OUT",
    "SKIPPED",
];

impl Filter {
    /// What chooses, by name, without the place in the list.
    fn chosen(&self) -> [(&'static str, &str); 7] {
        [
            ("instance", &self.instance),
            ("flow", &self.flow),
            ("status", &self.status),
            ("result", &self.result),
            ("since", &self.since),
            ("until", &self.until),
            ("dead_letters", &self.dead_letters),
        ]
        .map(|(name, value)| (name, value.trim()))
    }

    fn path(&self, before: &str, cursor: &str) -> String {
        with_query(
            before,
            self.chosen().into_iter().chain([("cursor", cursor)]),
        )
    }

    fn is_empty(&self) -> bool {
        self.chosen().iter().all(|(_, value)| value.is_empty())
    }
}

/// Lists executions, newest first.
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    Query(filter): Query<Filter>,
) -> Result<Markup, Refused> {
    let page = console
        .api
        .get(&filter.path("/api/executions", &filter.cursor))
        .await?;
    let integration = console.api.get("/api/integration").await?;
    let flows: Vec<&str> = integration
        .list("/flows")
        .iter()
        .map(|flow| flow.text("/key"))
        .collect();
    let next = match page.text("/next_cursor") {
        "" => String::new(),
        cursor => filter.path("/console/executions", cursor),
    };
    let content = html! {
        h1 { "Executions" }
        (form(&filter, &flows))
        @if page.list("/items").is_empty() {
            p.note { "There is none like this." }
        } @else {
            (table_of(page.list("/items")))
        }
        (layout::more(&next))
        @if !filter.is_empty() && !page.list("/items").is_empty() {
            (replay_form(&filter))
        }
    };
    Ok(layout::page("Executions", &content))
}

fn form(filter: &Filter, flows: &[&str]) -> Markup {
    html! {
        form.line method="get" action="/console/executions" {
            label { "Instance" input name="instance" value=(filter.instance) placeholder="id"; }
            label { "Flow" (choice("flow", flows, &filter.flow)) }
            label { "Status" (choice("status", &STATUSES, &filter.status)) }
            label { "End" (choice("result", &RESULTS, &filter.result)) }
            label { "Since" input name="since" value=(filter.since) placeholder="2026-01-31T08:00:00Z"; }
            label { "Until" input name="until" value=(filter.until) placeholder="2026-01-31T09:00:00Z"; }
            label.line {
                input type="checkbox" name="dead_letters" value="true" checked[filter.dead_letters == "true"];
                " Dead letters only"
            }
            button { "Show" }
        }
    }
}

fn choice(name: &str, words: &[&str], chosen: &str) -> Markup {
    html! {
        select name=(name) {
            option value="" { "any" }
            @for word in words {
                option value=(word) selected[*word == chosen] { (word) }
            }
            @if !chosen.is_empty() && !words.contains(&chosen) {
                option value=(chosen) selected { (chosen) }
            }
        }
    }
}

fn table_of(executions: &[Value]) -> Markup {
    html! {
        table {
            thead { tr { th { "Accepted" } th { "Flow" } th { "Started by" } th { "End" } th { "Attempt" } th { "Error" } th { "Execution" } } }
            tbody {
                @for execution in executions {
                    tr {
                        td { (moment(execution.text("/accepted_at"))) }
                        td {
                            (execution.text("/flow"))
                            @if execution.text("/function") != "on_execution" { " (" (execution.text("/function")) ")" }
                        }
                        td { (execution.text("/invoked_by")) }
                        td { (layout::end_of(execution)) }
                        td { (execution.shown("/attempt")) }
                        td.error { (first_line(execution.text("/error"))) }
                        td { (layout::execution(execution.text("/id"))) }
                    }
                }
            }
        }
    }
}

/// As much of an error as fits into a row.
fn first_line(error: &str) -> String {
    const MOST: usize = 160;
    let line = error.lines().next().unwrap_or_default();
    if line.chars().count() <= MOST {
        return line.to_owned();
    }
    line.chars().take(MOST).chain(['…']).collect()
}

fn replay_form(filter: &Filter) -> Markup {
    html! {
        form.line method="post" action="/console/executions/replay" {
            @for (name, value) in filter.chosen() {
                input type="hidden" name=(name) value=(value);
            }
            input type="hidden" name="cursor" value=(filter.cursor);
            label { "Replay all like these"
                select name="from" {
                    option value="start" { "from the start" }
                    option value="failed_step" { "from the step that failed" }
                }
            }
            button.grave { "Replay, 100 at a time" }
        }
    }
}

/// Which executions are replayed, and from where.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bulk {
    #[serde(flatten)]
    filter: Filter,
    from: String,
}

/// Replays a page of executions.
pub(super) async fn replay_many(
    State(console): State<Arc<Console>>,
    Form(bulk): Form<Bulk>,
) -> Result<Markup, Refused> {
    let mut body = Map::new();
    let chosen = bulk.filter.chosen();
    let words = chosen.into_iter().chain([
        ("cursor", bulk.filter.cursor.as_str()),
        ("from", &bulk.from),
    ]);
    for (name, value) in words.filter(|(_, value)| !value.is_empty()) {
        let value = match name {
            "dead_letters" => Value::Bool(value == "true"),
            _ => Value::from(value),
        };
        body.insert(name.to_owned(), value);
    }
    let answer = console
        .api
        .post("/api/executions/replay", &Value::Object(body))
        .await?;
    let next = answer.text("/next_cursor");
    let content = html! {
        h1 { (answer.shown("/replayed")) " of " (answer.list("/items").len()) " run again" }
        table {
            thead { tr { th { "Execution" } th { "Runs again as" } } }
            tbody {
                @for item in answer.list("/items") {
                    tr {
                        td { (layout::execution(item.text("/id"))) }
                        td { (layout::execution(item.text("/execution_id"))) (item.text("/error")) }
                    }
                }
            }
        }
        @if !next.is_empty() {
            form method="post" action="/console/executions/replay" {
                @for (name, value) in chosen {
                    input type="hidden" name=(name) value=(value);
                }
                input type="hidden" name="from" value=(bulk.from);
                input type="hidden" name="cursor" value=(next);
                button { "Go on with older ones" }
            }
        }
    };
    Ok(layout::page("Replayed", &content))
}
