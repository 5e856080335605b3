//! What one execution asks of the world: [`Host`], over the ports of the engine.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sdk::host::{BoxFuture, Called, Host, LogLevel, LogLine, StepEnd, StepId, StepStart};
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::state::{StateScope, StateWrite};
use sdk::{Error, Payload, Result, Timestamp};
use serde_json::Value;

use super::overlay::{Overlay, StateOwner};
use crate::outbound::{OutboundError, SentBy, Trace};
use crate::ports::Ports;
use crate::record::{LogRecord, PendingState, StepRecord};
use crate::redaction::{Redactor, shorten};
use crate::store::{Commit, Point, StateChange, StoreError, Write};

/// How long a run waits before it asks a store that failed again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Runs another flow of the instance: the engine, seen from an execution.
pub trait Dispatch: Send + Sync + 'static {
    /// Runs a flow; `wait` waits for its result.
    fn call(
        &self,
        caller: Caller,
        flow: FlowKey,
        payload: Payload,
        wait: bool,
    ) -> BoxFuture<'static, Result<Called>>;
}

/// The execution that calls another flow.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The execution.
    pub execution: ExecutionId,
    /// Its instance.
    pub instance: InstanceId,
}

/// Which execution a host serves, and what is recorded of it.
pub(super) struct Served {
    pub(super) execution: ExecutionId,
    pub(super) owner: StateOwner,
    /// The trace to which it belongs.
    pub(super) trace: Trace,
    pub(super) redactor: Redactor,
    /// The finished steps of the journal.
    pub(super) steps: Vec<StepRecord>,
    /// What `#[on_trigger]` wrote before the execution was accepted.
    pub(super) seed: Vec<PendingState>,
    pub(super) stage: Stage,
    /// How many log lines there are already.
    pub(super) log_lines: u32,
}

/// How far an execution is while its function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is not known for whom it runs, and so not whose secrets must be taken out of what it logs: nobody sees that yet.
    Routing,
    /// It is not on disk: neither steps nor lines can be recorded.
    BeforeAccept,
    /// It is on disk.
    Accepted,
}

/// What one execution asks of the world.
pub(super) struct ExecutionHost {
    ports: Arc<Ports>,
    dispatch: Arc<dyn Dispatch>,
    served: Served,
    recorded: HashMap<StepId, Value>,
    counts: Mutex<HashMap<String, u32>>,
    begun: Mutex<HashMap<StepId, Timestamp>>,
    /// The steps whose work is being polled, one inside the other.
    inside: Mutex<Vec<String>>,
    /// An async lock: reading a key for the first time waits for the store.
    overlay: tokio::sync::Mutex<Overlay>,
    lines: Mutex<Lines>,
    began_at: Timestamp,
    /// How many requests it sent, and how many flows it called.
    sent: AtomicU64,
}

#[derive(Default)]
struct Lines {
    next: u32,
    unwritten: Vec<LogRecord>,
}

/// As many bytes of the text of a log line are kept: it may quote what a sender sent.
const LONGEST_LINE: usize = 64 * 1024;

/// As many log lines are kept back before they are written with the next thing that waits anyway.
const LINES_AT_ONCE: usize = 64;

impl ExecutionHost {
    pub(super) fn new(ports: Arc<Ports>, dispatch: Arc<dyn Dispatch>, served: Served) -> Self {
        let recorded = served
            .steps
            .iter()
            .filter_map(|step| Some((step.step.clone(), step.end.clone().ok()?)))
            .collect();
        let overlay = Overlay::seeded(&served.seed);
        let lines = Lines {
            next: served.log_lines,
            unwritten: Vec::new(),
        };
        Self {
            began_at: ports.clock.now(),
            ports,
            dispatch,
            served,
            recorded,
            counts: Mutex::default(),
            begun: Mutex::default(),
            inside: Mutex::default(),
            overlay: tokio::sync::Mutex::new(overlay),
            lines: Mutex::new(lines),
            sent: AtomicU64::new(0),
        }
    }

    /// Names what is sent next within the trace: not even the same run, begun again after a crash, names anything else so.
    fn next_span(&self) -> String {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let began_at = self.began_at.as_millis();
        format!("{}/{began_at}/{number}", self.served.execution)
    }

    pub(super) fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Says whether the execution wrote to the state.
    pub(super) async fn changes_state(&self) -> bool {
        !self.overlay.lock().await.is_empty()
    }

    /// Says whether author code has a say in what is written at the commit.
    pub(super) async fn merges_state(&self) -> bool {
        self.overlay.lock().await.has_merges()
    }

    /// Returns the changes of state for the commit that ends the execution; it may run author code.
    pub(super) async fn state_changes(&self) -> Result<Vec<StateChange>> {
        self.overlay
            .lock()
            .await
            .changes(&*self.ports.store, &self.served.owner)
            .await
    }

    /// Says whether refused changes may be worked out again without running the function again.
    pub(super) async fn changes_only_merge(&self) -> bool {
        self.overlay.lock().await.is_only_merges()
    }

    /// Returns the log lines that are not written yet, for the next commit.
    pub(super) fn take_lines(&self) -> Option<Write> {
        let unwritten = std::mem::take(&mut lock(&self.lines).unwritten);
        (!unwritten.is_empty()).then_some(Write::Log(unwritten))
    }

    /// Adds a line of the engine's own to the log.
    pub(super) fn note(&self, level: LogLevel, text: String) {
        self.log(LogLine {
            level,
            text,
            fields: serde_json::Map::new(),
        });
    }

    /// Takes the secrets of the instance out of the text of an error, and cuts a long one.
    pub(super) fn redact_error(&self, text: &str) -> String {
        self.served.redactor.error(text)
    }

    /// Writes log lines, if there are many of them and the execution is on disk. A store that fails keeps nobody from running.
    async fn write_lines(&self) {
        let many = lock(&self.lines).unwritten.len() >= LINES_AT_ONCE;
        if many
            && self.served.stage == Stage::Accepted
            && let Some(lines) = self.take_lines()
        {
            let _ = self
                .ports
                .store
                .commit(Commit::new(Point::Log, vec![lines]))
                .await;
        }
    }

    fn step_record(&self, step: StepId, end: StepEnd) -> StepRecord {
        let now = self.ports.clock.now();
        let began_at = lock(&self.begun).remove(&step).unwrap_or(now);
        let (end, attempts) = match end {
            StepEnd::Succeeded { value, attempts } => (Ok(value), attempts),
            StepEnd::Failed { error, attempts } => (Err(self.redact_error(&error)), attempts),
        };
        StepRecord {
            journal: self.served.owner.journal.clone(),
            step,
            execution: self.served.execution.clone(),
            began_at,
            ended_at: now,
            attempts,
            end,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host for ExecutionHost {
    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.write_lines().await;
            self.ports.clock.sleep(length).await;
        })
    }

    fn log(&self, line: LogLine) {
        let most = self.ports.settings.log_lines;
        let mut lines = lock(&self.lines);
        if lines.next > most {
            return;
        }
        let full = lines.next == most;
        let text = if full {
            format!("the log is full after {most} lines; the rest is dropped")
        } else {
            line.text
        };
        let fields = if full {
            Value::Null
        } else {
            Value::Object(line.fields)
        };
        let record = LogRecord {
            execution: self.served.execution.clone(),
            number: lines.next,
            at: self.ports.clock.now(),
            level: line.level,
            step: lock(&self.inside).last().cloned(),
            text: shorten(&self.served.redactor.text(&text), LONGEST_LINE).into_owned(),
            fields: self.served.redactor.value(fields),
        };
        lines.next += 1;
        if self.served.stage != Stage::Routing {
            self.ports.show([&record]);
        }
        lines.unwritten.push(record);
    }

    fn read_state<'a>(
        &'a self,
        scope: StateScope,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>>> {
        Box::pin(async move {
            let mut overlay = self.overlay.lock().await;
            if let Some(written) = overlay.written(scope, key) {
                return Ok(written);
            }
            let stored = self
                .ports
                .store
                .state(&self.served.owner.key(scope, key))
                .await?;
            overlay.read(scope, key, stored)
        })
    }

    fn write_state<'a>(
        &'a self,
        scope: StateScope,
        key: &'a str,
        write: StateWrite,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut overlay = self.overlay.lock().await;
            let limit = self.ports.settings.state_bytes;
            overlay
                .try_write(
                    &*self.ports.store,
                    &self.served.owner,
                    (scope, key, write),
                    limit,
                )
                .await
        })
    }

    fn begin_step<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<StepStart>> {
        let count = {
            let mut counts = lock(&self.counts);
            let next = counts.entry(name.to_owned()).or_default();
            *next += 1;
            *next - 1
        };
        let step = StepId {
            name: name.to_owned(),
            count,
        };
        let start = match self.recorded.get(&step) {
            Some(value) => StepStart::Recorded(value.clone()),
            None => {
                lock(&self.begun).insert(step.clone(), self.ports.clock.now());
                StepStart::Run(step)
            }
        };
        Box::pin(std::future::ready(Ok(start)))
    }

    fn enter_step(&self, step: &StepId) {
        lock(&self.inside).push(step.name.clone());
    }

    fn leave_step(&self) {
        lock(&self.inside).pop();
    }

    fn end_step(&self, step: StepId, end: StepEnd) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if self.served.stage != Stage::Accepted {
                return Ok(());
            }
            let record = self.step_record(step, end);
            let mut writes = vec![Write::Step(Box::new(record))];
            writes.extend(self.take_lines());
            // The work is done and must not be done again, so the run waits for the store, up to its time limit (E26).
            loop {
                let commit = Commit::new(Point::Step, writes.clone());
                match self.ports.store.commit(commit).await {
                    Ok(_) => return Ok(()),
                    Err(fault @ StoreError::Damaged(_)) => return Err(Error::from(fault)),
                    Err(_) => self.ports.clock.sleep(STORE_PAUSE).await,
                }
            }
        })
    }

    fn send(
        &self,
        mut request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>>> {
        let step = lock(&self.begun)
            .iter()
            // Steps that began at the same moment are told apart by name and count, so that a simulation is the same in every run.
            .max_by_key(|(step, began)| (**began, step.name.clone(), step.count))
            .map(|(step, _)| step.name.clone());
        let sent_by = SentBy {
            execution: self.served.execution.clone(),
            instance: self.served.owner.instance.clone(),
            flow: self.served.owner.flow.clone(),
            step,
            trace: self.served.trace.clone(),
            span: self.next_span(),
        };
        request.extensions_mut().insert(sent_by);
        Box::pin(async move {
            self.write_lines().await;
            let answer = self.ports.outbound.send(request).await;
            answer.map_err(OutboundError::into_error)
        })
    }

    fn call(
        &self,
        flow: FlowKey,
        mut payload: Payload,
        wait: bool,
    ) -> BoxFuture<'_, Result<Called>> {
        let span = self.next_span();
        self.served.trace.name(&mut payload.headers, &span);
        let caller = Caller {
            execution: self.served.execution.clone(),
            instance: self.served.owner.instance.clone(),
        };
        self.dispatch.call(caller, flow, payload, wait)
    }
}

impl fmt::Debug for ExecutionHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionHost")
            .field("execution", &self.served.execution)
            .finish_non_exhaustive()
    }
}
