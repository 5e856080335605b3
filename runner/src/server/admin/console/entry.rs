//! The entry: whoever shows the token of the management API gets a session.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::api::with_query;
use super::{Console, ENTRY, HOME, layout};
use crate::server::Peer;

/// Where somebody wants to go.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    back: String,
}

#[derive(Deserialize)]
pub(super) struct Shown {
    #[serde(default)]
    token: String,
    #[serde(default)]
    back: String,
}

/// Returns the path of the entry that leads back to where somebody wanted to go.
pub(super) fn path(back: &str) -> String {
    with_query(
        ENTRY,
        [(
            "back",
            Some(back).filter(|back| *back != HOME).unwrap_or_default(),
        )],
    )
}

pub(super) async fn show(Query(wish): Query<Wish>) -> Response {
    page(StatusCode::OK, &wish.back, None)
}

/// Begins a session for whoever shows the token.
pub(super) async fn enter(
    State(console): State<Arc<Console>>,
    peer: Option<axum::Extension<Peer>>,
    headers: HeaderMap,
    Form(shown): Form<Shown>,
) -> Response {
    let (admin, peer) = (&console.admin, peer.map(|axum::Extension(peer)| peer));
    let ports = admin.ports();
    let now = ports.clock.now();
    let token = shown.token.trim();
    if let Err(refusal) = admin.access.check_token(Some(token.as_bytes()), peer, now) {
        let text = refusal.text().to_owned();
        let status = refusal.into_response().status();
        return page(status, &shown.back, Some(&text));
    }
    let id = ports.entropy.unguessable();
    let mut response = Redirect::to(destination(&shown.back)).into_response();
    if let Some(cookie) = console.sessions.begin(&id, &headers, now) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Ends the session.
pub(super) async fn leave(State(console): State<Arc<Console>>, headers: HeaderMap) -> Response {
    let mut response = Redirect::to(ENTRY).into_response();
    if let Some(cookie) = console.sessions.end(&headers) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Whoever wrote the link leads nobody out of the console.
fn destination(back: &str) -> &str {
    let inside = back == HOME || back.starts_with("/console/");
    Some(back)
        .filter(|back| {
            inside
                && back
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        })
        .unwrap_or(HOME)
}

fn page(status: StatusCode, back: &str, refusal: Option<&str>) -> Response {
    let content = html! {
        h1 { "Enter" }
        @if let Some(text) = refusal {
            p.refusal role="alert" { (text) }
        }
        form.column method="post" action=(ENTRY) {
            label { "Token of the management API"
                input type="password" name="token" required autofocus autocomplete="current-password";
            }
            p.note { "It stands in the file `admin-token` of the data folder." }
            input type="hidden" name="back" value=(back);
            button { "Enter" }
        }
    };
    (status, layout::outside("Enter", &content)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_leads_back_into_the_console_only() {
        for inside in [HOME, "/console/executions?flow=a&status=ERROR"] {
            assert_eq!(destination(inside), inside);
        }
        for outside in [
            "",
            "//evil.example",
            "https://evil.example",
            "/consoleevil",
            "/console/\\evil",
            "/console/a\r\nb",
            "/console@evil.example",
        ] {
            assert_eq!(destination(outside), HOME, "{outside}");
        }
    }
}
