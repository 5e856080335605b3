//! `invoke`.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::client::{Client, Refusal};
use super::executions::show;
use super::resource::Resource;
use super::session::{Errand, Session};
use super::source::Source;
use super::table::text;

/// The options of `invoke`.
#[derive(Debug, Args)]
pub(super) struct InvokeOptions {
    /// The key of the flow.
    flow: String,
    /// The body: JSON, `@FILE`, or `@-` for standard input. With a `content-type` header it is sent as it is.
    #[arg(long = "data", value_name = "JSON|@FILE")]
    payload: Option<String>,
    /// A header; may be given several times.
    #[arg(long, value_name = "NAME: VALUE", value_parser = |text: &str| pair(text, ':'))]
    header: Vec<(String, String)>,
    /// A query parameter; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = |text: &str| pair(text, '='))]
    query: Vec<(String, String)>,
    /// The path after the endpoint id.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The instance, by id or name; the only one if there is just one.
    #[arg(long, value_name = "INSTANCE")]
    instance: Option<String>,
    /// Wait for the end, as a synchronous caller does: such a run is not retried and waits in no queue.
    #[arg(long)]
    wait: bool,
}

/// How long the next look at an execution that has not ended waits.
const PAUSE: Duration = Duration::from_millis(500);

impl Errand for InvokeOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let body = self.body(session)?;
        let id = session.instance(self.instance.as_deref()).await?.id;
        let test = Resource::new(["instances", &id, "flows", &self.flow, "test"]);
        let invoked = run(&session.client, &test, &body, self.wait);
        let invoked = session.wait("running the flow", invoked).await?;
        let id = text(invoked.get("execution_id"));
        let console = &mut session.console;
        let execution = invoked.get("execution").filter(|found| !found.is_null());
        match execution {
            _ if console.json => {
                console.print_json(&invoked);
            }
            Some(execution) => show(console, execution),
            None => console.fields(&[("id", id.clone())]),
        }
        match execution {
            Some(execution) if text(execution.get("status")) != "SUCCESS" => {
                let error = text(execution.get("error"));
                Err(Refusal::new(format!("execution `{id}` failed: {error}")))
            }
            _ => Ok(()),
        }
    }
}

async fn run(client: &Client, test: &Resource, body: &Value, wait: bool) -> Result<Value, Refusal> {
    let mut invoked = client.send(Method::POST, test, Some(body)).await?;
    let id = text(invoked.get("execution_id"));
    // The server answers for itself when the time for synchronous callers is over; whoever waits here has more.
    while wait && !invoked.get("execution").is_some_and(has_ended) {
        if invoked.get("execution").is_some_and(Value::is_object) {
            sleep(PAUSE).await;
        }
        let execution = client.get(&Resource::new(["executions", &id])).await?;
        if let Some(invoked) = invoked.as_object_mut() {
            invoked.insert("execution".to_owned(), execution);
        }
    }
    Ok(invoked)
}

/// Says whether an execution has ended.
pub(super) fn has_ended(execution: &Value) -> bool {
    let status = execution.get("status").and_then(Value::as_str);
    matches!(status, Some("SUCCESS" | "ERROR"))
}

impl InvokeOptions {
    fn body(&self, session: &mut Session<'_>) -> Result<Value, Refusal> {
        let mut invoke = Map::new();
        if let Some(data) = &self.payload {
            let is_typed = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
            let source = Source::of_data(data);
            let input = &mut *session.console.input;
            let body = if self.header.iter().any(is_typed) {
                source.read(input).map(Value::from)
            } else {
                source.read_json(input).map_err(|fault| {
                    format!(
                        "{fault}; to send another type, say which with `--header 'content-type: …'`"
                    )
                })
            };
            invoke.insert("body".to_owned(), body.map_err(Refusal::new)?);
        }
        invoke.insert("headers".to_owned(), by_name(&self.header));
        invoke.insert("query".to_owned(), by_name(&self.query));
        if let Some(path) = &self.path {
            invoke.insert("path_fragment".to_owned(), json!(path));
        }
        invoke.insert("wait".to_owned(), json!(self.wait));
        Ok(Value::Object(invoke))
    }
}

fn by_name(pairs: &[(String, String)]) -> Value {
    let mut values: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let several = values.entry(name).or_insert_with(|| json!([]));
        if let Some(several) = several.as_array_mut() {
            several.push(json!(value));
        }
    }
    Value::Object(values)
}

fn pair(text: &str, between: char) -> Result<(String, String), String> {
    match text.split_once(between) {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("write a name, `{between}` and a value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_come_several_times() {
        let pairs = ["a: 1", "b:2", "a : 3:4"].map(|text| pair(text, ':').unwrap());
        assert_eq!(by_name(&pairs), json!({"a": ["1", "3:4"], "b": ["2"]}));
        for text in ["a", ": 1", ""] {
            assert!(pair(text, ':').is_err(), "{text}");
        }
    }
}
