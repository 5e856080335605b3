//! The live log: a page that never ends. Lines are written into it as they come, which needs no script.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream::{once, unfold};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::Console;
use super::answer::Answer as _;
use super::api::with_query;
use super::layout::{self, LATER, moment, word};
use super::refused::Refused;

/// Which lines; what is empty was not asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wish {
    instance: String,
    flow: String,
    level: String,
}

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// Shows lines as they come, the newest on top, until the reader goes or the runner stops.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Query(wish): Query<Wish>,
) -> Result<Response, Refused> {
    let query = [
        ("instance", wish.instance.trim()),
        ("flow", wish.flow.trim()),
        ("level", wish.level.trim()),
    ];
    let events = console
        .api
        .open(&with_query("/api/logs/stream", query))
        .await?;
    let page = layout::page("Live log", &frame(&wish)).into_string();
    let (before, after) = page.split_once(LATER.0).unwrap_or((page.as_str(), ""));
    let (before, after) = (before.to_owned(), after.to_owned());
    let lines = Events::of(events).into_lines();
    let whole = once(async move { before })
        .chain(lines)
        .chain(once(async move { after }));
    let body = Body::from_stream(whole.map(Ok::<_, Infallible>));
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response())
}

fn frame(wish: &Wish) -> Markup {
    html! {
        h1 { "Live log" }
        form.line method="get" action="/console/log" {
            label { "Instance" input name="instance" value=(wish.instance) placeholder="id"; }
            label { "Flow" input name="flow" value=(wish.flow) placeholder="key"; }
            label { "At least"
                select name="level" {
                    option value="" { "any" }
                    @for level in LEVELS {
                        option value=(level) selected[level == wish.level] { (level) }
                    }
                }
            }
            button { "Show" }
        }
        div.log.live { (LATER) }
    }
}

/// Shows a line of a log, with its execution where it does not stand among others of the same.
pub(super) fn line(line: &Value, with_execution: bool) -> Markup {
    let fields = line.fields("/fields");
    html! {
        div.entry {
            (moment(line.text("/at"))) " " (word(line.text("/level"))) " "
            @if with_execution {
                (line.text("/flow")) " " (layout::execution(line.text("/execution"))) " "
            }
            @if !line.text("/step").is_empty() { "[" (line.text("/step")) "] " }
            span { (line.text("/text")) }
            @for (name, value) in fields {
                " " code { (name) "=" (value) }
            }
        }
    }
}

/// Server-sent events, read out of a stream of bytes.
struct Events {
    bytes: BodyDataStream,
    read: Vec<u8>,
}

impl Events {
    fn of(body: Body) -> Self {
        Self {
            bytes: body.into_data_stream(),
            read: Vec::new(),
        }
    }

    /// Writes each event as a line of the page.
    fn into_lines(self) -> impl futures_util::Stream<Item = String> {
        unfold(self, |mut events| async move {
            let event = events.next().await?;
            Some((shown(&event), events))
        })
    }

    /// Returns the next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&event).into_owned());
            }
            let more: Bytes = self.bytes.next().await?.ok()?;
            self.read.extend_from_slice(&more);
        }
    }
}

/// Shows an event; what keeps the connection open shows nothing, but is written.
fn shown(event: &str) -> String {
    let field = |name: &str| {
        let mut lines = event.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim_start)
    };
    let data: Value = field("data:")
        .and_then(|data| serde_json::from_str(data).ok())
        .unwrap_or_default();
    match field("event:") {
        Some("log") => line(&data, true).into_string(),
        Some("lagged") => {
            let missed = html! { div.entry.note { (data.shown("/missed")) " lines came too fast and are left out" } };
            missed.into_string()
        }
        _ => "\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn events_are_lines_however_the_bytes_are_cut() {
        let text = "event: log\ndata: {\"text\":\"<b>hi</b>\",\"level\":\"INFO\"}\n\n:\n\nevent: lagged\ndata: {\"missed\":7}\n\n";
        for cut in 1..text.len() {
            let pieces =
                [&text[..cut], &text[cut..]].map(|piece| Ok::<_, Infallible>(piece.to_owned()));
            let body = Body::from_stream(stream::iter(pieces));
            let lines: Vec<String> = Events::of(body).into_lines().collect().await;
            assert_eq!(lines.len(), 3, "cut at {cut}");
            assert!(lines[0].contains("&lt;b&gt;hi&lt;/b&gt;"), "{}", lines[0]);
            assert_eq!(lines[1], "\n");
            assert!(lines[2].contains("7 lines"), "{}", lines[2]);
        }
    }
}
