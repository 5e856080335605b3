//! One execution: what it was given, what it did, what came of it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Console;
use super::answer::Answer as _;
use super::api::{segment, with_query};
use super::layout::{self, execution, facts, moment, text};
use super::live;
use super::refused::Refused;

/// Which lines of the log.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Lines {
    #[serde(default)]
    cursor: String,
}

fn api_path(id: &str) -> String {
    format!("/api/executions/{}", segment(id))
}

/// Shows an execution; while it runs or stands in its queue, the browser asks again every two seconds.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Query(lines): Query<Lines>,
) -> Result<Markup, Refused> {
    let found = console.api.get(&api_path(&id)).await?;
    let path = format!("{}/logs", api_path(&id));
    let log = console
        .api
        .get(&with_query(&path, [("cursor", lines.cursor.as_str())]))
        .await?;
    let next = match log.text("/next_cursor") {
        "" => String::new(),
        cursor => with_query(&layout::execution_path(&id), [("cursor", cursor)]),
    };
    let has_ended = !found.text("/ended_at").is_empty();
    let instance = found.text("/instance");
    let content = html! {
        h1 { (found.text("/flow")) " " (layout::end_of(&found)) }
        @if !found.text("/error").is_empty() {
            pre.refusal { (found.text("/error")) }
        }
        (actions(&found, &id, has_ended))
        (facts(&[
            ("Id", html! { code { (id) } }),
            ("Instance", html! { a href=(layout::instance_path(instance)) { (instance) } }),
            ("Function", text(found.text("/function"))),
            ("Started by", text(found.text("/invoked_by"))),
            ("Attempt", text(&found.shown("/attempt"))),
            ("Accepted", moment(found.text("/accepted_at"))),
            ("Runs at", moment(found.text("/run_at"))),
            ("Started", moment(found.text("/started_at"))),
            ("Ended", moment(found.text("/ended_at"))),
            ("Repeats", execution(found.text("/first"))),
            ("Called by", execution(found.text("/parent"))),
            ("Gave way to", execution(found.text("/canceled_by"))),
        ]))
        (repetitions(found.list("/lineage/repeated_by")))
        (steps(found.list("/steps")))
        h2 { "Log" }
        @if log.list("/items").is_empty() {
            p.note { "It wrote nothing." }
        } @else {
            div.log {
                @for line in log.list("/items") { (live::line(line, false)) }
            }
        }
        (layout::more(&next))
        (part("Payload", &found, "/payload", "/payload/body"))
        (part("Response", &found, "/response", "/response/body"))
        (part("Output", &found, "/output", "/output"))
    };
    // What waits for its time may wait for a day.
    let is_at_work = matches!(found.text("/status"), "QUEUED" | "RUNNING");
    let again = is_at_work.then_some(2);
    Ok(layout::reloading(found.text("/flow"), &content, again))
}

fn actions(found: &Value, id: &str, has_ended: bool) -> Markup {
    let path = layout::execution_path(id);
    let from = |value: &str, name: &str| {
        html! {
            form method="post" action=(format!("{path}/replay")) {
                input type="hidden" name="from" value=(value);
                button { (name) }
            }
        }
    };
    html! {
        div.actions {
            @if has_ended {
                (from("start", "Replay"))
                @if found.text("/status") == "ERROR" { (from("failed_step", "Replay from the step that failed")) }
            } @else {
                (layout::action(&format!("{path}/cancel"), "Cancel"))
            }
            @if found.is("/dead_letter") {
                (layout::action(&format!("{path}/dismiss"), "Dismiss"))
            }
        }
    }
}

fn repetitions(repeated: &[Value]) -> Markup {
    html! {
        @if !repeated.is_empty() {
            h2 { "Repeated by" }
            table {
                thead { tr { th { "Execution" } th { "Started by" } th { "Attempt" } th { "End" } } }
                tbody {
                    @for one in repeated {
                        tr {
                            td { (execution(one.text("/id"))) }
                            td { (one.text("/invoked_by")) }
                            td { (one.shown("/attempt")) }
                            td { (layout::end_of(one)) }
                        }
                    }
                }
            }
        }
    }
}

fn steps(steps: &[Value]) -> Markup {
    html! {
        @if !steps.is_empty() {
            h2 { "Steps" }
            table {
                thead { tr { th { "Step" } th { "Began" } th { "Ended" } th { "Attempts" } th { "Result" } th { "Run by" } } }
                tbody {
                    @for step in steps {
                        tr {
                            td { (step.text("/name")) @if step.shown("/count") != "0" { " #" (step.shown("/count")) } }
                            td { (moment(step.text("/began_at"))) }
                            td { (moment(step.text("/ended_at"))) }
                            td { (step.shown("/attempts")) }
                            td.error[!step.text("/error").is_empty()] {
                                (step.text("/error"))
                                (layout::json(step.pointer("/result").unwrap_or(&Value::Null)))
                            }
                            td { (execution(step.text("/execution"))) }
                        }
                    }
                }
            }
        }
    }
}

/// Shows what came in or went out: its head and its content.
fn part(title: &str, found: &Value, at: &str, content: &str) -> Markup {
    let Some(whole) = found.pointer(at).filter(|whole| !whole.is_null()) else {
        return Markup::default();
    };
    let pairs = |pointer: &str| {
        let fields = whole.fields(pointer);
        fields
            .into_iter()
            .flat_map(|(name, values)| {
                values
                    .list("")
                    .iter()
                    .map(move |value| (name.to_owned(), value.text("").to_owned()))
            })
            .collect::<Vec<_>>()
    };
    let heads = [("Headers", pairs("/headers")), ("Query", pairs("/query"))];
    html! {
        h2 { (title) }
        (facts(&[
            ("Method", text(whole.text("/method"))),
            ("Status", text(&whole.shown("/status"))),
            ("Path behind the endpoint", text(whole.text("/path_fragment"))),
            ("Tick", moment(whole.text("/tick/nominal"))),
        ]))
        @for (name, pairs) in heads.iter().filter(|(_, pairs)| !pairs.is_empty()) {
            details {
                summary { (name) " (" (pairs.len()) ")" }
                table { tbody {
                    @for (name, value) in pairs { tr { td { code { (name) } } td { (value) } } }
                } }
            }
        }
        (data(found.pointer(content).unwrap_or(&Value::Null)))
    }
}

fn data(content: &Value) -> Markup {
    html! {
        @if !content.is_null() {
            p.note {
                (content.text("/content_type")) " " (content.shown("/bytes")) " bytes"
                @if content.is("/truncated") { ", the beginning" }
                @if content.text("/encoding") == "base64" { ", as Base64" }
                @if content.text("/encoding") == "withheld" { ", not shown: it may hold secrets" }
            }
            (layout::json(content.pointer("/data").unwrap_or(&Value::Null)))
        }
    }
}

/// Where a replay begins.
#[derive(Debug, Deserialize)]
pub(super) struct From {
    from: String,
}

/// Replays an execution and shows the one that runs.
pub(super) async fn replay(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Form(From { from }): Form<From>,
) -> Result<Redirect, Refused> {
    let path = format!("{}/replay", api_path(&id));
    let replayed = console.api.post(&path, &json!({ "from": from })).await?;
    let replay = replayed.text("/execution_id");
    Ok(Redirect::to(&layout::execution_path(replay)))
}

/// Cancels an execution.
pub(super) async fn cancel(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Redirect, Refused> {
    set(&console, &id, "cancel").await
}

/// Takes an execution off the list of dead letters.
pub(super) async fn dismiss(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Redirect, Refused> {
    set(&console, &id, "dismiss").await
}

async fn set(console: &Console, id: &str, what: &str) -> Result<Redirect, Refused> {
    let path = format!("{}/{what}", api_path(id));
    console.api.post(&path, &Value::Null).await?;
    Ok(Redirect::to(&layout::execution_path(id)))
}
