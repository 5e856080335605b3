//! What pages are made of.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::answer::{Answer as _, plain};
use super::api::segment;
use super::{ENTRY, HOME, STYLE};

/// Makes a page for whoever has a session.
pub(super) fn page(title: &str, content: &Markup) -> Markup {
    reloading(title, content, None)
}

/// Makes a page that a browser asks for again after so many seconds.
pub(super) fn reloading(title: &str, content: &Markup, seconds: Option<u32>) -> Markup {
    let navigation = html! {
        nav {
            a href=(HOME) { "Instances" }
            a href="/console/executions" { "Executions" }
            a href="/console/executions?dead_letters=true" { "Dead letters" }
            a href="/console/log" { "Live log" }
            form method="post" action="/console/leave" { button { "Leave" } }
        }
    };
    document(title, &navigation, content, seconds)
}

/// Makes a page for whoever has none.
pub(super) fn outside(title: &str, content: &Markup) -> Markup {
    let navigation = html! { nav { a href=(ENTRY) { "Console" } } };
    document(title, &navigation, content, None)
}

fn document(title: &str, navigation: &Markup, content: &Markup, seconds: Option<u32>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = seconds {
                    meta http-equiv="refresh" content=(seconds);
                }
                title { (title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(STYLE);
            }
            body {
                header { (navigation) }
                main { (content) }
            }
        }
    }
}

/// Returns the path of the page of an instance.
pub(super) fn instance_path(id: &str) -> String {
    format!("/console/instances/{}", segment(id))
}

/// Returns the path of the page of an execution.
pub(super) fn execution_path(id: &str) -> String {
    format!("/console/executions/{}", segment(id))
}

/// Returns the path of the page of a flow of an instance.
pub(super) fn flow_path(instance: &str, flow: &str) -> String {
    format!("{}/flows/{}", instance_path(instance), segment(flow))
}

/// Links an execution, if there is one.
pub(super) fn execution(id: &str) -> Markup {
    html! {
        @if !id.is_empty() {
            a.id href=(execution_path(id)) { (id) }
        }
    }
}

/// Shows a moment as the management API writes it.
pub(super) fn moment(text: &str) -> Markup {
    let people = text.replacen('T', " ", 1);
    html! {
        @if !text.is_empty() {
            time datetime=(text) { (people) }
        }
    }
}

/// Shows a word of the API in a colour of its own.
pub(super) fn word(text: &str) -> Markup {
    let class = format!("word {}", text.to_ascii_lowercase());
    html! {
        @if !text.is_empty() {
            span class=(class) { (text) }
        }
    }
}

/// Says how an execution ended, or how far it is.
pub(super) fn end_of(execution: &Value) -> Markup {
    let (status, result) = (execution.text("/status"), execution.text("/result"));
    let is_plain = matches!(
        (status, result),
        (_, "") | ("SUCCESS", "COMPLETED") | ("ERROR", "ERROR")
    );
    html! {
        (word(status))
        @if !is_plain { " " (word(result)) }
        @if execution.is("/dead_letter") { " " (word("dead letter")) }
    }
}

/// Lists names with their values; rows without a value are left out.
pub(super) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! {
        dl {
            @for (name, value) in rows.iter().filter(|(_, value)| !value.0.is_empty()) {
                dt { (name) }
                dd { (value) }
            }
        }
    }
}

/// Shows a text.
pub(super) fn text(text: &str) -> Markup {
    html! { (text) }
}

/// Shows a JSON value as people write it.
pub(super) fn json(value: &Value) -> Markup {
    let text = match value {
        Value::Array(_) | Value::Object(_) => {
            serde_json::to_string_pretty(value).unwrap_or_default()
        }
        other => plain(other),
    };
    html! {
        @if !text.is_empty() {
            pre { (text) }
        }
    }
}

/// Makes a button that does something and asks nothing more.
pub(super) fn action(path: &str, name: &str) -> Markup {
    html! {
        form method="post" action=(path) { button { (name) } }
    }
}

/// Lists how lifecycle functions ended.
pub(super) fn functions(ends: &[Value]) -> Markup {
    html! {
        table {
            thead { tr { th { "Flow" } th { "Function" } th { "End" } th { "Attempts" } th { "Execution" } } }
            tbody {
                @for end in ends {
                    tr {
                        td { (end.text("/flow")) }
                        td { (end.text("/function")) }
                        td { (word(end.text("/result"))) " " (end.text("/error")) }
                        td { (end.list("/attempts").len()) }
                        td { (execution(end.text("/execution_id"))) }
                    }
                }
            }
        }
    }
}

/// Links the next page of a list, if there is one.
pub(super) fn more(path: &str) -> Markup {
    html! {
        @if !path.is_empty() {
            p { a href=(path) { "More" } }
        }
    }
}

/// Stands in for what is written later, while the page is open already.
pub(super) const LATER: PreEscaped<&str> = PreEscaped("<!--later-->");
