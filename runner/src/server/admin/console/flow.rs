//! A flow of an instance: its endpoint, its keys, and running it by hand.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::Method;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Console;
use super::answer::Answer as _;
use super::api::{segment, with_query};
use super::instances::api_path;
use super::layout::{self, facts, moment, text};
use super::refused::Refused;

fn api_path_of(id: &str, key: &str) -> String {
    format!("{}/flows/{}", api_path(id), segment(key))
}

/// Shows a flow.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Path((id, key)): Path<(String, String)>,
) -> Result<Markup, Refused> {
    let keys = console
        .api
        .get(&format!("{}/keys", api_path_of(&id, &key)))
        .await?;
    let instance = console.api.get(&api_path(&id)).await?;
    let integration = console.api.get("/api/integration").await?;
    let flow = integration
        .list("/flows")
        .iter()
        .find(|flow| flow.text("/key") == key);
    let flow = flow.unwrap_or(&Value::Null);
    let path = layout::flow_path(&id, &key);
    let url = instance.text(&format!("/webhook_urls/{key}"));
    let queue = format!(
        "{} {}{}",
        flow.text("/queue/kind"),
        flow.shown("/queue/limit"),
        flow.text("/queue/pointer")
    );
    let executions = with_query(
        "/console/executions",
        [("instance", id.as_str()), ("flow", key.as_str())],
    );
    let content = html! {
        h1 { (key) " of " a href=(layout::instance_path(&id)) { (instance.text("/name")) } }
        p { (flow.text("/description")) }
        (facts(&[
            ("Started by", text(&flow.text("/trigger/kind").replace('_', " "))),
            ("Signed by", text(flow.text("/trigger/signed_by"))),
            ("Endpoint", html! { @if !url.is_empty() { code { (url) } } }),
            ("Answers", text(flow.text("/respond"))),
            ("Queue", text(queue.trim())),
            ("Executions", html! { a href=(executions) { "of this flow" } }),
        ]))
        h2 { "Run it by hand" }
        (invoke_form(&path))
        h2 { "API keys" }
        (key_list(&keys, &path))
    };
    Ok(layout::page(&key, &content))
}

fn invoke_form(path: &str) -> Markup {
    html! {
        form.column method="post" action=(format!("{path}/invoke")) {
            label { "Body, as JSON"
                textarea name="body" rows="6" spellcheck="false" { "{}" }
            }
            label.line { input type="checkbox" name="wait" value="true" checked; " Wait for its end" }
            button { "Run" }
        }
    }
}

fn key_list(keys: &Value, path: &str) -> Markup {
    html! {
        @if keys.list("/items").is_empty() {
            p.note { "It has none." }
        } @else {
            table {
                thead { tr { th { "Key" } th { "Made" } th {} } }
                tbody {
                    @for key in keys.list("/items") {
                        tr {
                            td { code { (key.text("/key")) } }
                            td { (moment(key.text("/made_at"))) }
                            td {
                                form method="post" action=(format!("{path}/keys/delete")) {
                                    input type="hidden" name="id" value=(key.text("/id"));
                                    button { "Delete" }
                                }
                            }
                        }
                    }
                }
            }
        }
        (layout::action(&format!("{path}/keys"), "Make a key"))
    }
}

/// What a flow is run with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Invoked {
    body: String,
    wait: String,
}

/// Runs a flow and shows its execution.
pub(super) async fn invoke(
    State(console): State<Arc<Console>>,
    Path((id, key)): Path<(String, String)>,
    Form(invoked): Form<Invoked>,
) -> Result<Redirect, Refused> {
    let body: Value = match invoked.body.trim() {
        "" => Value::Null,
        typed => serde_json::from_str(typed).map_err(|fault| {
            Refused::typed(&format!(
                "the body is no JSON: {fault}; put texts in quotes"
            ))
        })?,
    };
    let asked = json!({"body": body, "wait": invoked.wait == "true"});
    let path = format!("{}/test", api_path_of(&id, &key));
    let answer = console.api.post(&path, &asked).await?;
    let execution = answer.text("/execution_id");
    Ok(Redirect::to(&layout::execution_path(execution)))
}

/// Makes an API key and shows it, this once.
pub(super) async fn make_key(
    State(console): State<Arc<Console>>,
    Path((id, key)): Path<(String, String)>,
) -> Result<Markup, Refused> {
    let path = format!("{}/keys", api_path_of(&id, &key));
    let made = console.api.post(&path, &Value::Null).await?;
    let content = html! {
        h1 { "A key for " (key) }
        pre { (made.text("/key")) }
        p { "Copy it now: it is not shown again." }
        p { a href=(layout::flow_path(&id, &key)) { "Back to the flow" } }
    };
    Ok(layout::page("Key", &content))
}

/// Which key.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    id: String,
}

/// Deletes an API key.
pub(super) async fn delete_key(
    State(console): State<Arc<Console>>,
    Path((id, key)): Path<(String, String)>,
    Form(which): Form<Which>,
) -> Result<Redirect, Refused> {
    let keys = format!("{}/keys", api_path_of(&id, &key));
    let path = with_query(&keys, [("id", which.id.as_str())]);
    console
        .api
        .call(Method::DELETE, &path, &Value::Null)
        .await?;
    Ok(Redirect::to(&layout::flow_path(&id, &key)))
}
