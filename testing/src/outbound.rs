//! Requests to other systems, as a simulation sees them: sent for real, and recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use runner::clock::Clock as _;
use runner::outbound::{HttpOutbound, Outbound, OutboundError, SentBy};
use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::ExecutionId;
use serde::Serialize;
use serde_json::Value;

use crate::report::body_value;
use crate::tasks::Busy;
use runner::clock::ManualClock;

/// A request that a flow sent to another system, and what came back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestReport {
    /// When, by the clock of the simulation.
    pub at: Timestamp,
    /// The step from which it was sent, if it was sent from inside one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The method.
    pub method: String,
    /// The path with the query: host and port are those of the moment.
    pub path: String,
    /// The headers that the flow set; secret ones show no value.
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
}

/// Sends requests over the network and records them.
#[derive(Clone)]
pub struct RecordedOutbound {
    inner: HttpOutbound,
    clock: ManualClock,
    busy: Arc<Busy>,
    sent: Arc<Mutex<Vec<RequestReport>>>,
    senders: Arc<Mutex<Vec<Option<ExecutionId>>>>,
}

impl RecordedOutbound {
    /// Records from now on.
    pub fn new(clock: ManualClock, busy: Arc<Busy>) -> Self {
        let inner = HttpOutbound::new(Duration::from_secs(10), 10 * 1024 * 1024);
        Self {
            inner,
            clock,
            busy,
            sent: Arc::default(),
            senders: Arc::default(),
        }
    }

    /// Goes on recording for another runner.
    #[must_use]
    pub fn for_tasks(&self, busy: Arc<Busy>) -> Self {
        Self {
            busy,
            ..self.clone()
        }
    }

    /// Returns the requests from the `from`-th on.
    pub fn sent_from(&self, from: usize) -> Vec<RequestReport> {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(from..)
            .unwrap_or_default()
            .to_vec()
    }

    /// Returns the executions that sent the requests, in the same order.
    pub(crate) fn senders(&self) -> Vec<Option<ExecutionId>> {
        self.senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns how many there were.
    pub fn count(&self) -> usize {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Outbound for RecordedOutbound {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
        let report = RequestReport {
            at: self.clock.now(),
            step: request
                .extensions()
                .get::<SentBy>()
                .and_then(|sent_by| sent_by.step.clone()),
            method: request.method().to_string(),
            path: request
                .uri()
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
            headers: shown(request.headers()),
            body: body_value(request.headers(), request.body()),
            status: None,
        };
        let sender = request
            .extensions()
            .get::<SentBy>()
            .map(|sent_by| sent_by.execution.clone());
        let number = {
            self.senders
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(sender);
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push(report);
            sent.len() - 1
        };
        let (sent, token) = (Arc::clone(&self.sent), self.busy.token());
        let exchange = self.inner.send(request);
        Box::pin(async move {
            let answer = exchange.await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            if let Some(report) = sent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_mut(number)
            {
                report.status = status;
            }
            drop(token);
            answer
        })
    }
}

fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let show = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = if value.is_sensitive() {
            "[secret]".to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        (name.to_string(), value)
    };
    headers.iter().map(show).collect()
}

impl fmt::Debug for RecordedOutbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordedOutbound")
    }
}
