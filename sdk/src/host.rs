//! What an execution asks of the world. For those who write a runner; authors use [`Context`](crate::Context).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Timestamp;
use crate::error::Result;
use crate::id::FlowKey;
use crate::payload::Payload;
use crate::response::Output;
use crate::secret::Secret;
use crate::state::{StateScope, StateWrite};

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What an execution asks of the world: time, state, steps, HTTP, other flows, the log.
pub trait Host: Send + Sync {
    /// Returns the time now.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, length: Duration) -> BoxFuture<'_, ()>;

    /// Adds a line to the log of the execution.
    fn log(&self, line: LogLine);

    /// Reads a key of the state, with what this execution wrote over it.
    fn read_state<'a>(
        &'a self,
        scope: StateScope,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>>>;

    /// Keeps a change of the state until the execution succeeds.
    fn write_state<'a>(
        &'a self,
        scope: StateScope,
        key: &'a str,
        write: StateWrite,
    ) -> BoxFuture<'a, Result<()>>;

    /// Begins a step, or returns the recorded result of one that had finished (E20).
    fn begin_step<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<StepStart>>;

    /// Records how a step that was begun ended; returns once the record is durable.
    fn end_step(&self, step: StepId, end: StepEnd) -> BoxFuture<'_, Result<()>>;

    /// Says that the work of a step is about to be polled: what it does until [`leave_step`](Self::leave_step) belongs to the step.
    /// Steps that run at once take turns, and each is entered for its own.
    fn enter_step(&self, _step: &StepId) {}

    /// Says that the work of the step that was entered last has been polled.
    fn leave_step(&self) {}

    /// Sends an HTTP request to another system, and on to where redirects lead unless it says [`RedirectsAreAnswers`].
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>>>;

    /// Returns an access token of the connection by OAuth 2.0 that is this config variable (E55): a valid one, and not the one that
    /// the other system has `refused`, if one is named and another can be had. An error that is permanent says what somebody must do.
    fn access_token<'a>(
        &'a self,
        variable: &'a str,
        refused: Option<&'a Secret>,
    ) -> BoxFuture<'a, Result<Secret>>;

    /// Runs another flow of the instance (E5).
    fn call(&self, flow: FlowKey, payload: Payload, wait: bool) -> BoxFuture<'_, Result<Called>>;
}

/// An extension of a request: a redirect is an answer like any other, and is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectsAreAnswers;

/// Which step of an execution: its name, and how many of that name came before it, inside the step in which it stands. So a step that is
/// found finished, and whose work does not run again, does not move the counts of those behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId {
    /// The name that the author gave, behind those of the steps in which it stands: `file the order › create invoice`.
    pub name: String,
    /// How many steps of this name were begun before it.
    pub count: u32,
}

/// What stands between the name of a step and that of a step inside it.
const INSIDE: &str = " › ";

impl StepId {
    /// Returns the name of a step inside this one, or inside none.
    pub fn name_inside(outer: Option<&Self>, name: &str) -> String {
        // What an author writes is no division and no count of ours.
        let name = name.replace('›', "››").replace('[', "[[");
        let Some(Self { name: outer, count }) = outer else {
            return name;
        };
        match count {
            0 => format!("{outer}{INSIDE}{name}"),
            count => format!("{outer} [{count}]{INSIDE}{name}"),
        }
    }

    /// Returns the name that the author gave.
    pub fn own_name(&self) -> String {
        let own = self.name.rsplit(INSIDE).next().unwrap_or_default();
        own.replace("››", "›").replace("[[", "[")
    }
}

/// What [`Host::begin_step`] found.
#[derive(Debug)]
pub enum StepStart {
    /// The step had finished: this is its result.
    Recorded(Value),
    /// The step is to run.
    Run(StepId),
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub enum StepEnd {
    /// With this result, after this many attempts.
    Succeeded {
        /// The result.
        value: Value,
        /// How many times it was tried.
        attempts: u32,
    },
    /// With this error, after this many attempts.
    Failed {
        /// The text for the log.
        error: String,
        /// How many times it was tried.
        attempts: u32,
    },
}

/// How urgent a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Every detail.
    Trace,
    /// For finding faults.
    Debug,
    /// What happened.
    Info,
    /// What should be looked at.
    Warn,
    /// What went wrong.
    Error,
}

/// One line of the log of an execution (E29).
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// How urgent it is.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
    /// Values beside the text.
    pub fields: Map<String, Value>,
}

/// What came of calling another flow (E5).
#[derive(Clone, Debug)]
pub struct Called {
    /// The execution that the call made.
    pub execution_id: crate::id::ExecutionId,
    /// Its result, if it was waited for.
    pub output: Option<Output>,
}
