//! The connections of an instance by OAuth 2.0: how they stand, and where somebody authorises one (E55).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Method;
use axum::response::Redirect;
use maud::{Markup, html};
use serde_json::Value;

use super::Console;
use super::answer::Answer as _;
use super::api::segment;
use super::instances::api_path;
use super::layout::{self, moment, word};
use super::refused::Refused;

/// Lists the connections of an instance, if it has some.
pub(super) fn section(instance: &Value, id: &str) -> Markup {
    let connections = instance.list("/connections");
    let path = |variable: &str, end: &str| {
        let instance = layout::instance_path(id);
        format!("{instance}/connections/{}/{end}", segment(variable))
    };
    html! {
        @if !connections.is_empty() {
            h2 { "Connections" }
            table {
                thead { tr { th { "Variable" } th { "Status" } th { "Authorised" } th { "Token until" } th { "Trouble" } th {} } }
                tbody {
                    @for connection in connections {
                        @let variable = connection.text("/variable");
                        tr {
                            td { code { (variable) } }
                            td { (word(connection.text("/status"))) }
                            td { (moment(connection.text("/authorized_at"))) }
                            td { (moment(connection.text("/expires_at"))) }
                            td { (connection.text("/error")) }
                            td {
                                @if connection.text("/grant") == "AUTHORIZATION_CODE" {
                                    (layout::action(&path(variable, "authorize"), "Authorise"))
                                }
                                @if matches!(connection.text("/status"), "AUTHORIZED" | "NEEDS_AUTHORIZATION") {
                                    (layout::action(&path(variable, "forget"), "Forget"))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Shows the URL at which somebody authorises a connection.
pub(super) async fn authorize(
    State(console): State<Arc<Console>>,
    Path((id, variable)): Path<(String, String)>,
) -> Result<Markup, Refused> {
    let path = format!("{}/authorize", api_path_of(&id, &variable));
    let sent = console.api.post(&path, &Value::Null).await?;
    let url = sent.text("/url");
    let content = html! {
        h1 { "Authorise " (variable) }
        pre { (url) }
        p {
            "Whoever opens this URL before " (moment(sent.text("/expires_at")))
            " lets the integration act for their account, once. Give it to the owner of the account, and to nobody else."
        }
        p { a href=(url) rel="noreferrer" { "Open it here" } }
        p { a href=(layout::instance_path(&id)) { "Back to the instance" } }
    };
    Ok(layout::page("Authorise", &content))
}

/// Forgets what was granted to a connection.
pub(super) async fn forget(
    State(console): State<Arc<Console>>,
    Path((id, variable)): Path<(String, String)>,
) -> Result<Redirect, Refused> {
    let path = format!("{}/authorization", api_path_of(&id, &variable));
    console
        .api
        .call(Method::DELETE, &path, &Value::Null)
        .await?;
    Ok(Redirect::to(&layout::instance_path(&id)))
}

fn api_path_of(id: &str, variable: &str) -> String {
    format!("{}/connections/{}", api_path(id), segment(variable))
}
