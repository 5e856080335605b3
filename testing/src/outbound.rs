//! Requests to other systems, as a simulation sees them: sent for real or answered from a cassette, and recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use runner::clock::{Clock as _, ManualClock};
use runner::outbound::{HttpOutbound, Outbound, OutboundError, Reach, SentBy};
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, InstanceId};
use sdk::{Timestamp, Url};
use serde::Serialize;
use serde_json::Value;

use crate::body::body_value;
use crate::cassette::Deck;
use crate::certified::{self, Directory};
use crate::tasks::Busy;
use crate::witness::Witness;

/// A request that a flow sent to another system, or the runner to the server of a sender, and what came back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestReport {
    /// When, by the clock of the simulation.
    pub at: Timestamp,
    /// The execution that sent it.
    #[serde(skip)]
    pub execution: Option<ExecutionId>,
    /// The flow that sent it; empty if the runner did, to fetch a certificate or to confirm a subscription.
    pub flow: String,
    /// The step from which it was sent, if it was sent from inside one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The method.
    pub method: String,
    /// The path with the query: host and port are those of the moment.
    pub path: String,
    /// The headers that the flow set; a secret one shows the name of its config variable, or `[secret]`.
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
}

/// Sends requests and records them.
#[derive(Clone)]
pub struct RecordedOutbound {
    network: HttpOutbound,
    deck: Option<Arc<Deck>>,
    servers: Servers,
    witness: Witness,
    clock: ManualClock,
    busy: Arc<Busy>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// Who answers at addresses that nobody chooses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Servers {
    /// Hosts, and the systems on this machine that stand for them.
    pub(crate) hosts: BTreeMap<String, Url>,
    /// What the senders of the integration answer, where no system stands for them.
    pub(crate) directory: Directory,
}

struct Sent {
    report: RequestReport,
    by: Option<SentBy>,
}

impl RecordedOutbound {
    /// Records from now on; with a deck, the answers are its. Besides what `reach` does, it reaches this machine, where the other systems
    /// of a test are.
    pub(crate) fn new(
        clock: ManualClock,
        witness: Witness,
        deck: Option<Arc<Deck>>,
        servers: Servers,
        reach: Reach,
    ) -> Self {
        let network = HttpOutbound::new(Duration::from_secs(10), 10 * 1024 * 1024);
        Self {
            network: network.reaching(reach.and_loopback()),
            deck,
            servers,
            witness,
            clock,
            busy: Arc::default(),
            sent: Arc::default(),
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

    /// Returns all requests from the `from`-th on.
    pub fn sent_from(&self, from: usize) -> Vec<RequestReport> {
        let sent = self.sent();
        let new = sent.get(from..).unwrap_or_default();
        new.iter().map(|sent| sent.report.clone()).collect()
    }

    /// Returns the requests of an instance from the `from`-th of all on.
    pub(crate) fn sent_by(&self, instance: &InstanceId, from: usize) -> Vec<RequestReport> {
        let sent = self.sent();
        let new = sent.get(from..).unwrap_or_default().iter();
        new.filter(|sent| sent.by.as_ref().is_none_or(|by| by.instance == *instance))
            .map(|sent| sent.report.clone())
            .collect()
    }

    /// Returns the executions that sent the requests, in the same order.
    pub(crate) fn senders(&self) -> Vec<Option<ExecutionId>> {
        let sent = self.sent();
        let sender = |sent: &Sent| sent.by.as_ref().map(|by| by.execution.clone());
        sent.iter().map(sender).collect()
    }

    /// Returns how many there were.
    pub fn count(&self) -> usize {
        self.sent().len()
    }

    /// Returns the cassette from which the answers come.
    pub(crate) fn deck(&self) -> Option<&Deck> {
        self.deck.as_deref()
    }

    fn sent(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request to whoever answers it.
    fn exchange(
        &self,
        mut request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
        if let Some(uri) = self.servers.stand_in(request.uri()) {
            *request.uri_mut() = uri;
            return self.network.send(request);
        }
        if let Some(answer) = self.servers.directory.answer(&request) {
            return Box::pin(std::future::ready(Ok(answer)));
        }
        match &self.deck {
            Some(deck) => deck.answer(request, &self.network, &self.witness),
            None => self.network.send(request),
        }
    }

    fn report(&self, request: &Request<Bytes>, by: Option<&SentBy>) -> RequestReport {
        let target = request.uri().path_and_query();
        let target = target.map_or_else(|| "/".to_owned(), ToString::to_string);
        RequestReport {
            at: self.clock.now(),
            execution: by.map(|by| by.execution.clone()),
            flow: by.map(|by| by.flow.to_string()).unwrap_or_default(),
            step: by.and_then(|by| by.step.clone()),
            method: request.method().to_string(),
            path: self.witness.text(&target),
            headers: self.shown(request.headers()),
            body: self
                .witness
                .value(body_value(request.headers(), request.body())),
            status: None,
        }
    }

    fn shown(&self, headers: &HeaderMap) -> BTreeMap<String, String> {
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in headers {
            let text = self.shown_value(value);
            shown
                .entry(name.to_string())
                .and_modify(|all| *all = format!("{all}, {text}"))
                .or_insert(text);
        }
        shown
    }

    /// Shows a header value. Of a secret one nothing is shown but a word before the name of its config variable: `Bearer [acme.key]`.
    fn shown_value(&self, value: &HeaderValue) -> String {
        let clean = self
            .witness
            .text(&String::from_utf8_lossy(value.as_bytes()));
        if !value.is_sensitive() {
            return clean;
        }
        let (word, name) = clean.rsplit_once(' ').unwrap_or(("", &clean));
        let named = name.starts_with('[') && name.find(']') == Some(name.len() - 1);
        if named && word.chars().all(|letter| letter.is_ascii_alphabetic()) {
            clean
        } else {
            "[secret]".to_owned()
        }
    }
}

impl Servers {
    /// Returns where a request goes instead, if a system on this machine stands for its host.
    fn stand_in(&self, uri: &Uri) -> Option<Uri> {
        let system = self.hosts.get(uri.host()?)?;
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let base = system.as_str().trim_end_matches('/');
        format!("{base}{target}").parse().ok()
    }
}

impl Outbound for RecordedOutbound {
    fn authorities(&self) -> Vec<Bytes> {
        vec![certified::authority()]
    }

    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
        let by = request.extensions().get::<SentBy>().cloned();
        let report = self.report(&request, by.as_ref());
        let number = {
            let mut sent = self.sent();
            sent.push(Sent { report, by });
            sent.len() - 1
        };
        let token = self.busy.token();
        let exchange = self.exchange(request);
        let recorded = self.clone();
        Box::pin(async move {
            let answer = exchange.await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            if let Some(sent) = recorded.sent().get_mut(number) {
                sent.report.status = status;
            }
            drop(token);
            answer
        })
    }
}

impl fmt::Debug for RecordedOutbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedOutbound")
            .field("sent", &self.count())
            .finish_non_exhaustive()
    }
}
