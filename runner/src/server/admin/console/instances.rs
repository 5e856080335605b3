//! The instances: who they are for, how they are, what is done to them.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::Method;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::answer::Answer as _;
use super::api::{segment, with_query};
use super::layout::{self, facts, moment, text, word};
use super::refused::Refused;
use super::{Console, HOME};

/// Which page of the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Place {
    #[serde(default)]
    pub(super) cursor: String,
}

/// Returns the path of an instance in the management API.
pub(super) fn api_path(id: &str) -> String {
    format!("/api/instances/{}", segment(id))
}

/// Shows the integration and its instances.
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    Query(place): Query<Place>,
) -> Result<Markup, Refused> {
    let integration = console.api.get("/api/integration").await?;
    let path = with_query("/api/instances", [("cursor", place.cursor.as_str())]);
    let page = console.api.get(&path).await?;
    let mut instances = Vec::new();
    for found in page.list("/items") {
        // One that was erased meanwhile is left out.
        if let Ok(instance) = console.api.get(&api_path(found.text("/id"))).await {
            instances.push(instance);
        }
    }
    let name = integration.text("/name");
    let next = match page.text("/next_cursor") {
        "" => String::new(),
        cursor => with_query(HOME, [("cursor", cursor)]),
    };
    let content = html! {
        h1 { (name) " " small { (integration.text("/version")) } }
        p { (integration.text("/description")) }
        h2 { "Instances" }
        @if instances.is_empty() {
            p.note { "There is none yet." }
        } @else {
            (table_of(&instances))
        }
        (layout::more(&next))
        p { a.button href="/console/deploy" { "Deploy an instance" } }
        h2 { "Flows" }
        (flows(&integration))
    };
    Ok(layout::page(name, &content))
}

fn table_of(instances: &[Value]) -> Markup {
    html! {
        table {
            thead { tr {
                th { "Instance" } th { "Customer" } th { "Status" } th { "Health" } th { "Latest 50" } th { "Dead letters" }
                th { "Deployed" }
            } }
            tbody {
                @for instance in instances {
                    tr {
                        td { a href=(layout::instance_path(instance.text("/id"))) { (instance.text("/name")) } }
                        td { (instance.text("/customer/name")) }
                        td { (word(instance.text("/status"))) }
                        td {
                            (word(instance.text("/health/state")))
                            @if !instance.list("/warnings").is_empty() { " " (word("warnings")) }
                        }
                        td { (latest(instance)) }
                        td { (instance.shown("/health/dead_letters")) }
                        td { (instance.text("/version")) ", " (moment(instance.text("/deployed_at"))) }
                    }
                }
            }
        }
    }
}

fn latest(instance: &Value) -> String {
    format!(
        "{} succeeded, {} failed, {} unfinished",
        instance.shown("/health/succeeded"),
        instance.shown("/health/failed"),
        instance.shown("/health/unfinished"),
    )
}

fn flows(integration: &Value) -> Markup {
    html! {
        table {
            thead { tr { th { "Flow" } th { "Started by" } th { "Queue" } th { "Retry" } th { "What it does" } } }
            tbody {
                @for flow in integration.list("/flows") {
                    tr {
                        td { code { (flow.text("/key")) } }
                        td {
                            (flow.text("/trigger/kind").replace('_', " "))
                            @let signer = flow.text("/trigger/signed_by");
                            @if !signer.is_empty() { ", signed by " (signer) }
                        }
                        td { (flow.text("/queue/kind")) " " (flow.shown("/queue/limit")) (flow.text("/queue/pointer")) }
                        td { (retry(flow)) }
                        td {
                            (flow.text("/description"))
                            @for warning in flow.list("/warnings") {
                                p.warning { (warning.text("")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn retry(flow: &Value) -> String {
    let seconds = flow.pointer("/retry/delay_seconds").and_then(Value::as_f64);
    let grows = if flow.is("/retry/backoff") {
        ", twice as long each time"
    } else {
        ""
    };
    match flow.shown("/retry/max_attempts").as_str() {
        "" | "0" => "none".to_owned(),
        most => format!("up to {most}, after {} s{grows}", seconds.unwrap_or(0.0)),
    }
}

/// Shows an instance.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Markup, Refused> {
    let instance = console.api.get(&api_path(&id)).await?;
    let integration = console.api.get("/api/integration").await?;
    let path = layout::instance_path(&id);
    let here = |end: &str| format!("{path}/{end}");
    let executions = with_query("/console/executions", [("instance", id.as_str())]);
    let status = instance.text("/status");
    let content = html! {
        h1 { (instance.text("/name")) " " (word(status)) }
        @for warning in instance.list("/warnings") {
            p.warning { (warning.text("")) }
        }
        div.actions {
            @if status == "PAUSED" {
                (layout::action(&here("resume"), "Resume"))
            } @else if status == "ACTIVE" {
                (layout::action(&here("pause"), "Pause"))
            }
            a.button href=(here("deploy")) { "Deploy again" }
            a.button href=(here("remove")) { "Remove" }
            a.button href=(executions) { "Executions" }
            a.button href=(here("state")) { "State" }
            a.button href=(with_query("/console/log", [("instance", id.as_str())])) { "Live log" }
        }
        (facts(&[
            ("Id", html! { code { (id) } }),
            ("Customer", html! { (instance.text("/customer/name")) " (" code { (instance.text("/customer/id")) } ")" }),
            ("Version", text(instance.text("/version"))),
            ("First deployed", moment(instance.text("/first_deployed_at"))),
            ("Deployed", moment(instance.text("/deployed_at"))),
            ("Erased", moment(instance.text("/erase_at"))),
            ("Requests within a second", no_limit(&instance.shown("/rate_per_second"))),
            ("Executions at once", no_limit(&instance.shown("/concurrency"))),
            ("Health", html! { (word(instance.text("/health/state"))) " " (latest(&instance)) }),
            ("Last success", moment(instance.text("/health/last_success_at"))),
            ("Last failure", moment(instance.text("/health/last_failure_at"))),
            ("Dead letters", dead_letters(&instance, &id)),
            ("Endpoint verified by", verified(&instance)),
        ]))
        h2 { "Flows" }
        (endpoints(&integration, &instance, &id))
        @if !instance.list("/schedules").is_empty() {
            h2 { "Schedules" }
            (schedules(&instance))
        }
        h2 { "Config" }
        (config(&instance))
    };
    Ok(layout::page(instance.text("/name"), &content))
}

fn no_limit(number: &str) -> Markup {
    text(if number == "0" { "no limit" } else { number })
}

fn dead_letters(instance: &Value, id: &str) -> Markup {
    let query = [("instance", id), ("dead_letters", "true")];
    let path = with_query("/console/executions", query);
    html! { a href=(path) { (instance.shown("/health/dead_letters")) } }
}

fn verified(instance: &Value) -> Markup {
    let all = instance.list("/health/verified");
    html! {
        @if !all.is_empty() {
            ul {
                @for one in all {
                    li { (one.text("/by")) ", flow " code { (one.text("/flow")) } ", " (moment(one.text("/at"))) }
                }
            }
        }
    }
}

fn endpoints(integration: &Value, instance: &Value, id: &str) -> Markup {
    let url = |key: &str| {
        let urls = instance.pointer("/webhook_urls");
        urls.map(|urls| urls.text(&format!("/{key}")).to_owned())
            .unwrap_or_default()
    };
    let keys = |key: &str| instance.list(&format!("/keys/{key}")).len();
    html! {
        table {
            thead { tr { th { "Flow" } th { "Started by" } th { "Endpoint" } th { "API keys" } } }
            tbody {
                @for flow in integration.list("/flows") {
                    @let key = flow.text("/key");
                    tr {
                        td { a href=(layout::flow_path(id, key)) { (key) } }
                        td { (flow.text("/trigger/kind").replace('_', " ")) }
                        td { code { (url(key)) } }
                        td { (keys(key)) }
                    }
                }
            }
        }
    }
}

fn schedules(instance: &Value) -> Markup {
    html! {
        table {
            thead { tr { th { "Flow" } th { "Schedule" } th { "Time zone" } th { "Next times" } } }
            tbody {
                @for schedule in instance.list("/schedules") {
                    tr {
                        td { (schedule.text("/flow")) }
                        td { code { (schedule.shown("/schedule")) } }
                        td { (schedule.text("/time_zone")) }
                        td {
                            @for tick in schedule.list("/next") {
                                div { (moment(tick.text("/due"))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn config(instance: &Value) -> Markup {
    let values = instance.fields("/config");
    html! {
        @if values.is_empty() {
            p.note { "It has no values." }
        } @else {
            table {
                thead { tr { th { "Variable" } th { "Value" } } }
                tbody {
                    @for (name, value) in values {
                        tr { td { code { (name) } } td { (layout::json(value)) } }
                    }
                }
            }
        }
    }
}

/// Pauses an instance.
pub(super) async fn pause(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Redirect, Refused> {
    set(&console, &id, "pause").await
}

/// Lets a paused instance go on.
pub(super) async fn resume(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Redirect, Refused> {
    set(&console, &id, "resume").await
}

async fn set(console: &Console, id: &str, what: &str) -> Result<Redirect, Refused> {
    let path = format!("{}/{what}", api_path(id));
    console.api.post(&path, &Value::Null).await?;
    Ok(Redirect::to(&layout::instance_path(id)))
}

/// Asks how an instance is to be removed.
pub(super) async fn ask_removal(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Markup, Refused> {
    let instance = console.api.get(&api_path(&id)).await?;
    let path = layout::instance_path(&id);
    let content = html! {
        h1 { "Remove " (instance.text("/name")) }
        p {
            "Its endpoints and schedules are closed, its remove functions run, and what waits is canceled. "
            "Then its state and secrets are erased."
        }
        form.column method="post" action=(format!("{path}/remove")) {
            label { "Seconds until they are erased; empty for the runner's setting"
                input type="number" min="0" name="keep_seconds";
            }
            label.line { input type="checkbox" name="force" value="true"; " Also if a remove function fails" }
            button.grave { "Remove" }
            a href=(path) { "Leave it" }
        }
    };
    Ok(layout::page("Remove", &content))
}

/// How somebody wants an instance removed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct HowToRemove {
    #[serde(default)]
    keep_seconds: String,
    #[serde(default)]
    force: String,
}

/// Removes an instance.
pub(super) async fn remove(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Form(how): Form<HowToRemove>,
) -> Result<Markup, Refused> {
    let query = [
        ("keep_seconds", how.keep_seconds.as_str()),
        ("force", how.force.as_str()),
    ];
    let path = with_query(&api_path(&id), query);
    let removed = console
        .api
        .call(Method::DELETE, &path, &Value::Null)
        .await?;
    let content = html! {
        h1 { "Removed" }
        @match removed.text("/erase_at") {
            "" => p { "Its state and secrets are erased." },
            erase_at => p { "Its state and secrets are erased at " (moment(erase_at)) ". Until then a deploy brings it back." },
        }
        @if !removed.list("/functions").is_empty() {
            (layout::functions(removed.list("/functions")))
        }
        p { a href=(HOME) { "Instances" } }
    };
    Ok(layout::page("Removed", &content))
}
