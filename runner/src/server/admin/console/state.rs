//! The state of an instance.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::Method;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::Console;
use super::answer::Answer as _;
use super::api::with_query;
use super::instances::{Place, api_path};
use super::layout;
use super::refused::Refused;

/// Lists the values.
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> Result<Markup, Refused> {
    let api = format!("{}/state", api_path(&id));
    let path = with_query(&api, [("cursor", place.cursor.as_str())]);
    let page = console.api.get(&path).await?;
    let instance = layout::instance_path(&id);
    let here = format!("{instance}/state");
    let next = match page.text("/next_cursor") {
        "" => String::new(),
        cursor => with_query(&here, [("cursor", cursor)]),
    };
    let content = html! {
        h1 { "State of " a href=(instance) { (id) } }
        @if page.list("/items").is_empty() {
            p.note { "There is none." }
        } @else {
            table {
                thead { tr { th { "Scope" } th { "Of" } th { "Key" } th { "Value" } th { "Version" } th {} } }
                tbody {
                    @for value in page.list("/items") {
                        tr {
                            td { (value.text("/scope")) }
                            td { (value.text("/owner")) }
                            td { code { (value.text("/key")) } }
                            td { (layout::json(value.pointer("/value").unwrap_or(&Value::Null))) }
                            td { (value.shown("/version")) }
                            td {
                                form method="post" action=(format!("{here}/clear")) {
                                    input type="hidden" name="scope" value=(value.text("/scope"));
                                    input type="hidden" name="owner" value=(value.text("/owner"));
                                    button title="Erases all values of this scope and owner" { "Erase the scope" }
                                }
                            }
                        }
                    }
                }
            }
        }
        (layout::more(&next))
    };
    Ok(layout::page("State", &content))
}

/// Which part of the state goes.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    scope: String,
    owner: String,
}

impl Part {
    /// Both are said, also if the owner is empty: without them the whole state would go.
    fn path(&self, id: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("scope", &self.scope);
        query.append_pair("owner", &self.owner);
        format!("{}/state?{}", api_path(id), query.finish())
    }
}

/// Erases one scope of one owner.
pub(super) async fn clear(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Form(part): Form<Part>,
) -> Result<Redirect, Refused> {
    let path = part.path(&id);
    console
        .api
        .call(Method::DELETE, &path, &Value::Null)
        .await?;
    Ok(Redirect::to(&format!(
        "{}/state",
        layout::instance_path(&id)
    )))
}
