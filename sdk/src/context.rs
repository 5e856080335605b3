//! What a flow function can reach.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Timestamp;
use crate::error::Result;
use crate::host::{Host, LogLevel, LogLine};
use crate::http_client::HttpClient;
use crate::id::{CustomerId, ExecutionId, FlowKey, InstanceId};
use crate::state::{State, StateScope};
use crate::step::StepCall;

/// What a flow function can reach: the customer's config variables, the log, state, steps, time, other systems and other flows.
///
/// `C` is the struct of config variables; a flow of an integration without any takes `&Context`.
pub struct Context<C = ()> {
    config: Arc<C>,
    facts: Arc<ExecutionFacts>,
    host: Arc<dyn Host>,
}

/// What does not change while an execution runs.
#[derive(Clone, Debug)]
pub struct ExecutionFacts {
    /// This execution.
    pub execution_id: ExecutionId,
    /// Which attempt this is; 1 is the first (E21).
    pub attempt: u32,
    /// When the execution was accepted.
    pub started_at: Timestamp,
    /// How it was invoked, as the management API says it: `WEBHOOK`, `SCHEDULED` … (W52).
    pub invoked_by: &'static str,
    /// The integration.
    pub integration: IntegrationFacts,
    /// The flow.
    pub flow: FlowFacts,
    /// The instance.
    pub instance: InstanceFacts,
    /// The customer for whom the instance is set up.
    pub customer: CustomerFacts,
    /// The URL of each flow of the instance, by flow name and by flow key (W5).
    pub webhook_urls: Arc<BTreeMap<String, String>>,
    /// The API keys of each flow, by flow name and by flow key (W5).
    pub webhook_api_keys: Arc<BTreeMap<String, Vec<crate::Secret>>>,
    /// The URL of this call; that of the flow if the execution was not invoked over HTTP (W5).
    pub invoke_url: String,
}

/// The integration that an execution belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The flow that an execution runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFacts {
    /// Its lasting key.
    pub key: FlowKey,
    /// Its name.
    pub name: String,
}

/// The instance that an execution belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceFacts {
    /// Its id.
    pub id: InstanceId,
    /// Its name.
    pub name: String,
}

/// The customer for whom an instance is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerFacts {
    /// The customer's id.
    pub id: CustomerId,
    /// The customer's name.
    pub name: String,
}

impl<C> Context<C> {
    /// Puts a context together. For those who write a runner.
    pub fn new(config: Arc<C>, facts: Arc<ExecutionFacts>, host: Arc<dyn Host>) -> Self {
        Self {
            config,
            facts,
            host,
        }
    }

    /// Returns the values of the config variables.
    pub fn config(&self) -> &C {
        &self.config
    }

    /// Returns the id of this execution.
    pub fn execution_id(&self) -> &ExecutionId {
        &self.facts.execution_id
    }

    /// Returns which attempt this is; 1 is the first.
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// Returns when this execution was accepted.
    pub fn started_at(&self) -> Timestamp {
        self.facts.started_at
    }

    /// Returns how this execution was invoked: `WEBHOOK`, `SCHEDULED` … (W52).
    pub fn invoked_by(&self) -> &'static str {
        self.facts.invoked_by
    }

    /// Returns the integration.
    pub fn integration(&self) -> &IntegrationFacts {
        &self.facts.integration
    }

    /// Returns the flow.
    pub fn flow(&self) -> &FlowFacts {
        &self.facts.flow
    }

    /// Returns the instance.
    pub fn instance(&self) -> &InstanceFacts {
        &self.facts.instance
    }

    /// Returns the customer.
    pub fn customer(&self) -> &CustomerFacts {
        &self.facts.customer
    }

    /// Returns the URL of each flow of the instance, by flow name and by flow key (W5).
    pub fn webhook_urls(&self) -> &BTreeMap<String, String> {
        &self.facts.webhook_urls
    }

    /// Returns the API keys of each flow, by flow name and by flow key (W5).
    pub fn webhook_api_keys(&self) -> &BTreeMap<String, Vec<crate::Secret>> {
        &self.facts.webhook_api_keys
    }

    /// Returns the URL on which this flow listens.
    pub fn webhook_url(&self) -> &str {
        let own = self.facts.webhook_urls.get(self.facts.flow.key.as_str());
        own.map_or(self.facts.invoke_url.as_str(), String::as_str)
    }

    /// Returns the URL of this call; that of the flow if the execution was not invoked over HTTP (W5).
    pub fn invoke_url(&self) -> &str {
        &self.facts.invoke_url
    }

    /// Returns the time now, by the one clock that a test can move.
    pub fn now(&self) -> Timestamp {
        self.host.now()
    }

    /// Waits, by the one clock that a test can move. The time limit of the run goes on (E26).
    pub async fn sleep(&self, length: Duration) {
        self.host.sleep(length).await;
    }

    /// Returns the log of this execution.
    pub fn log(&self) -> Log<'_> {
        Log { host: &*self.host }
    }

    /// Returns the state of this execution: what `#[on_trigger]` leaves for `#[on_execution]`, and what an attempt tells itself. A failed
    /// attempt saves nothing (E41), so the next one begins with what the trigger left; what must outlast an attempt is the result of a
    /// [`step`](Self::step).
    pub fn execution_state(&self) -> State<'_> {
        State::new(StateScope::Execution, &*self.host)
    }

    /// Returns the state of this flow of the instance.
    pub fn instance_state(&self) -> State<'_> {
        State::new(StateScope::Instance, &*self.host)
    }

    /// Returns the state that all flows of the instance share.
    pub fn cross_flow_state(&self) -> State<'_> {
        State::new(StateScope::CrossFlow, &*self.host)
    }

    /// Returns the state that all flows of the instance share, whatever the version.
    pub fn integration_state(&self) -> State<'_> {
        State::new(StateScope::Integration, &*self.host)
    }

    /// Runs a step: its result is recorded, and an execution that is tried again takes the recorded result instead of running it
    /// again (E20). Await it, or say first how it is retried: see [`StepCall`].
    pub fn step<'a, F, W, T>(&'a self, name: &'static str, mut work: F) -> StepCall<'a, T>
    where
        F: FnMut() -> W + Send + 'a,
        W: Future<Output = Result<T>> + Send + 'a,
        T: Serialize + DeserializeOwned + Send + 'a,
    {
        StepCall::new(&*self.host, name, Box::new(move || Box::pin(work())))
    }

    /// Returns a client for HTTP requests to other systems.
    pub fn http(&self) -> HttpClient<'_> {
        HttpClient::new(&*self.host)
    }

    /// Returns what the execution asks of the world.
    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }
}

impl<C> fmt::Debug for Context<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// The log of an execution (E29). Secrets of the instance are taken out of every line.
#[derive(Clone, Copy)]
pub struct Log<'a> {
    host: &'a dyn Host,
}

impl Log<'_> {
    /// Logs every detail.
    pub fn trace(&self, text: impl Into<String>) {
        self.line(LogLevel::Trace, text, Value::Null);
    }

    /// Logs what helps to find a fault.
    pub fn debug(&self, text: impl Into<String>) {
        self.line(LogLevel::Debug, text, Value::Null);
    }

    /// Logs what happened.
    pub fn info(&self, text: impl Into<String>) {
        self.line(LogLevel::Info, text, Value::Null);
    }

    /// Logs what should be looked at.
    pub fn warn(&self, text: impl Into<String>) {
        self.line(LogLevel::Warn, text, Value::Null);
    }

    /// Logs what went wrong.
    pub fn error(&self, text: impl Into<String>) {
        self.line(LogLevel::Error, text, Value::Null);
    }

    /// Logs a text with values beside it: `log.line(LogLevel::Info, "filed", json!({"order": 7}))`.
    pub fn line(&self, level: LogLevel, text: impl Into<String>, fields: Value) {
        let fields = match fields {
            Value::Object(fields) => fields,
            Value::Null => serde_json::Map::new(),
            other => serde_json::Map::from_iter([("value".to_owned(), other)]),
        };
        self.host.log(LogLine {
            level,
            text: text.into(),
            fields,
        });
    }
}

impl fmt::Debug for Log<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}
