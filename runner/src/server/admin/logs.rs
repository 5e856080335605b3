//! The log of an execution, and the live tail of all logs (E29).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use futures_util::Stream;
use futures_util::stream::unfold;
use schemars::JsonSchema;
use sdk::Timestamp;
use sdk::host::LogLevel;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::time::seconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::Admin;
use super::executions;
use super::failure::Failure;
use super::input::{PathOf, QueryOf};
use super::page::{self, Page};
use super::words;
use crate::record::LogRecord;

/// A line of the log of an execution.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LogLine")]
pub(super) struct LineView {
    /// The execution.
    execution: String,
    /// Its place in the log of the execution.
    number: u32,
    #[schemars(schema_with = "words::moment")]
    at: Timestamp,
    #[schemars(schema_with = "words::level")]
    level: LogLevel,
    /// The step in which it was written; null outside of steps.
    step: Option<String>,
    text: String,
    /// Values beside the text.
    fields: Value,
}

/// Which lines of a log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// The number of the first line; 0 if it is not given.
    from: Option<u32>,
    /// The `next_cursor` of the page before, in place of `from`.
    cursor: Option<u32>,
    /// How many lines at most, 1 to 1000; 100 if it is not given.
    limit: Option<u32>,
}

/// Which lines of the live tail.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    /// Of this instance.
    instance: Option<String>,
    /// Of the flow with this key.
    flow: Option<String>,
    /// At least as urgent as this.
    #[serde(default)]
    #[schemars(schema_with = "words::level_or_null")]
    level: Option<LogLevel>,
}

impl From<LogRecord> for LineView {
    fn from(line: LogRecord) -> Self {
        Self {
            execution: line.execution.to_string(),
            number: line.number,
            at: line.at,
            level: line.level,
            step: line.step,
            text: line.text,
            fields: line.fields,
        }
    }
}

/// Lists the lines of the log of an execution in their order.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<LogQuery>,
) -> Result<Json<Page<LineView>>, Failure> {
    let limit = page::limit(query.limit, 100, 1000)?;
    let id = executions::get(&admin, &ExecutionId::new(id)).await?.id;
    let from = query.cursor.or(query.from).unwrap_or(0);
    let mut lines = admin.ports().store.logs(&id, from, limit + 1).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let next_cursor = lines.get(most).map(|line| line.number.to_string());
    lines.truncate(most);
    Ok(Json(Page {
        items: lines.into_iter().map(LineView::from).collect(),
        next_cursor,
    }))
}

/// Streams the lines of all executions as they come, as server-sent events, until the runner stops.
///
/// An event `log` holds a line as the list shows it, with its `instance` and `flow`; they are null while the request that started the
/// execution is not accepted yet, and such lines are left out where an instance or a flow was asked for. What a routing flow logs is shown
/// once its customer is known, without that customer's secrets; if its request is not recorded, not at all. An event `lagged` says how many
/// lines were left out because they came faster than they were read.
pub(super) async fn stream(
    State(admin): State<Arc<Admin>>,
    QueryOf(query): QueryOf<StreamQuery>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let tail = Tail {
        lines: admin.ports().tail.subscribe(),
        stop: admin.stop.clone(),
        places: HashMap::new(),
        query,
        admin,
    };
    let events = unfold(tail, |mut tail| async move {
        let event = tail.next().await?;
        Some((Ok(event), tail))
    });
    Sse::new(events)
}

/// As many executions are remembered with their instance and flow.
const PLACES: usize = 1000;

/// Where an execution runs.
type Place = (InstanceId, FlowKey);

/// One listener of the live tail.
struct Tail {
    admin: Arc<Admin>,
    query: StreamQuery,
    lines: broadcast::Receiver<LogRecord>,
    stop: watch::Receiver<bool>,
    places: HashMap<ExecutionId, Place>,
}

impl Tail {
    /// Returns the next event; `None` when the runner stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let clock = Arc::clone(&self.admin.ports().clock);
            let received = tokio::select! {
                biased;
                // A sender that is gone means the same as a stop.
                _ = self.stop.wait_for(|stop| *stop) => return None,
                received = self.lines.recv() => received,
                // A caller that has gone away is noticed when something is written.
                () = clock.sleep(seconds(15)) => return Some(Event::default().comment("")),
            };
            match received {
                Ok(line) => {
                    if let Some(event) = self.event(line).await {
                        return Some(event);
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    let data = serde_json::json!({"missed": missed}).to_string();
                    return Some(Event::default().event("lagged").data(data));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn event(&mut self, line: LogRecord) -> Option<Event> {
        if self.query.level.is_some_and(|least| line.level < least) {
            return None;
        }
        let place = self.place(&line.execution).await;
        let (instance, flow) = match &place {
            Some((instance, flow)) => (Some(instance.as_str()), Some(flow.as_str())),
            None => (None, None),
        };
        let fits = |wish: &Option<String>, is: Option<&str>| {
            wish.as_deref().is_none_or(|wish| is == Some(wish))
        };
        if !fits(&self.query.instance, instance) || !fits(&self.query.flow, flow) {
            return None;
        }
        let mut data = serde_json::to_value(LineView::from(line)).ok()?;
        let fields = data.as_object_mut()?;
        fields.insert("instance".to_owned(), instance.into());
        fields.insert("flow".to_owned(), flow.into());
        Some(Event::default().event("log").data(data.to_string()))
    }

    async fn place(&mut self, id: &ExecutionId) -> Option<Place> {
        if let Some(place) = self.places.get(id) {
            return Some(place.clone());
        }
        let found = self.admin.ports().store.execution(id).await.ok()??;
        if self.places.len() >= PLACES {
            self.places.clear();
        }
        let place = (found.instance, found.flow);
        self.places.insert(id.clone(), place.clone());
        Some(place)
    }
}
