//! Runs the functions of one execution: the only room that calls author code. Records steps, log and state; catches panics; keeps the
//! time limit. It knows neither HTTP nor the lanes.

mod host;
mod overlay;
mod routing;

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use sdk::context::{CustomerFacts, ExecutionFacts, FlowFacts, InstanceFacts, IntegrationFacts};
use sdk::flow::Call;
use sdk::host::{BoxFuture, LogLevel};
use sdk::id::ExecutionId;
use sdk::integration::FlowParts;
use sdk::response::Page;
use sdk::{Error, HttpResponse, Output, Payload, Result, Timestamp};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

pub use self::host::{Caller, Dispatch};
use self::host::{ExecutionHost, Served, Stage};
use self::overlay::StateOwner;
pub(crate) use self::overlay::state_full;
pub use self::routing::{Routed, run_routing};
use crate::clock;
use crate::instance::Instance;
use crate::outbound::Trace;
use crate::ports::Ports;
use crate::record::{Function, InvokedBy, PendingState, StepRecord, TriggerEnd};
use crate::redaction::Redactor;
use crate::store::{StateChange, Write};

/// One execution that is about to run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub id: ExecutionId,
    /// Whose recorded steps and execution state it continues.
    pub journal: ExecutionId,
    /// The instance.
    pub instance: Arc<Instance>,
    /// The flow.
    pub flow: Arc<FlowParts>,
    /// Which of its functions.
    pub function: Function,
    /// Which attempt it is.
    pub attempt: u32,
    /// What caused it.
    pub invoked_by: InvokedBy,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The URL of the call.
    pub invoke_url: Option<String>,
    /// What it is given.
    pub payload: Payload,
    /// What `#[on_trigger]` decided, if it has run already.
    pub triggered: Option<TriggerEnd>,
    /// What `#[on_trigger]` wrote to the state.
    pub trigger_state: Vec<PendingState>,
    /// The finished steps of its journal.
    pub steps: Vec<StepRecord>,
    /// How many log lines it has already.
    pub log_lines: u32,
    /// How long it may take.
    pub time_limit: Duration,
}

impl Run {
    /// Returns what takes the secrets of its instance, and the credentials of its request, out of text.
    pub fn redactor(&self) -> Redactor {
        let payload = &self.payload;
        let of_instance = &self.instance.redactor;
        of_instance.and_request(&payload.headers, &payload.query_parameters)
    }
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// With a result.
    Output(Output),
    /// A poll found nothing new.
    NothingNew,
    /// A batching trigger fetched a page (E6).
    Page(Page),
    /// It failed.
    Failed(Error),
    /// It panicked, with this text (E27).
    Panicked(String),
    /// It ran over its time limit (E26).
    TimedOut,
    /// Somebody cancelled it.
    Canceled,
}

/// What `#[on_trigger]` decided before an execution was accepted.
#[derive(Debug)]
pub struct Triggered {
    /// The payload for `#[on_execution]`; `None` if it is the one that came.
    pub payload: Option<Payload>,
    /// The answer to an asynchronous caller.
    pub response: Option<HttpResponse>,
    /// What is to run.
    pub end: TriggerEnd,
    /// What it wrote to the state, committed when the execution succeeds.
    pub state: Vec<PendingState>,
    /// What it wrote to the log.
    pub lines: Option<Write>,
}

/// A run that has ended but is not recorded yet.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    host: Arc<ExecutionHost>,
    time_limit: Duration,
}

impl Finished {
    /// Returns the changes of state; only a run that succeeded has any (E41).
    ///
    /// # Errors
    ///
    /// A merge cannot be worked out, or the store cannot be read.
    pub async fn state_changes(&self) -> Result<Vec<StateChange>> {
        match self.ended {
            Ended::Output(_) | Ended::NothingNew | Ended::Page(_) => {
                state_changes(&self.host, self.time_limit).await
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Says whether refused changes may be worked out again without running the function again.
    pub async fn changes_only_merge(&self) -> bool {
        self.host.changes_only_merge().await
    }

    /// Returns the log lines that are not written yet.
    pub fn take_lines(&self) -> Option<Write> {
        self.host.take_lines()
    }

    /// Adds a line to the log.
    pub fn note(&self, level: LogLevel, text: String) {
        self.host.note(level, text);
    }

    /// Takes the secrets of the instance out of the text of an error, and cuts a long one.
    pub fn redact_error(&self, text: &str) -> String {
        self.host.redact_error(text)
    }
}

/// Runs the functions of an execution that is on disk. `cancel` ends it early.
pub async fn run(
    ports: &Arc<Ports>,
    dispatch: &Arc<dyn Dispatch>,
    run: Run,
    cancel: oneshot::Receiver<()>,
) -> Finished {
    let host = host(ports, dispatch, &run, Stage::Accepted);
    let time_limit = run.time_limit;
    let deadline = ports.clock.now() + time_limit;
    let functions = call_functions(call(ports, &run, &host), run);
    let mut task = AuthorTask::start(ports, functions, Ended::Panicked);
    let ended = tokio::select! {
        biased;
        ended = &mut task.ended => ended.unwrap_or_else(|_| Ended::Failed(Error::new("the run was stopped"))),
        () = wait_for(cancel) => Ended::Canceled,
        () = ports.clock.sleep_until(deadline) => Ended::TimedOut,
    };
    drop(task);
    Finished {
        ended,
        host,
        time_limit,
    }
}

/// Runs `#[on_trigger]` of a webhook that is not accepted yet: nothing is recorded but what it returns.
///
/// # Errors
///
/// The function failed, panicked or took too long.
pub async fn run_trigger(
    ports: &Arc<Ports>,
    dispatch: &Arc<dyn Dispatch>,
    run: &Run,
) -> Result<Triggered> {
    let Some(on_trigger) = run.flow.functions.on_trigger.clone() else {
        return Ok(Triggered {
            payload: None,
            response: None,
            end: TriggerEnd::PassedOn,
            state: Vec::new(),
            lines: None,
        });
    };
    let host = host(ports, dispatch, run, Stage::BeforeAccept);
    let (call, payload) = (call(ports, run, &host), run.payload.clone());
    let function = async move { on_trigger.call(call, payload).await };
    let output =
        run_before_accept(ports, run.time_limit, "the trigger was stopped", function).await?;
    let pending = |change: StateChange| PendingState {
        scope: change.key.scope,
        key: change.key.key,
        value: change.value,
        expected: change.expected,
    };
    let changes = state_changes(&host, run.time_limit).await?;
    let state = changes.into_iter().map(pending).collect();
    Ok(Triggered {
        payload: output.payload,
        response: output.response,
        end: trigger_end(output.nothing_new, output.page),
        state,
        lines: host.take_lines(),
    })
}

/// Runs a function of which nothing is recorded: it fails with an error if it panics, takes too long or is `stopped`.
async fn run_before_accept<T: Send + 'static>(
    ports: &Ports,
    time_limit: Duration,
    stopped: &'static str,
    function: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let panicked = |text| Err(Error::new(text).permanent());
    run_author(ports, time_limit, stopped, panicked, function).await
}

/// Runs author code in a task of its own, no longer than its time limit.
async fn run_author<T: Send + 'static>(
    ports: &Ports,
    time_limit: Duration,
    stopped: &'static str,
    panicked: impl FnOnce(String) -> Result<T> + Send + 'static,
    function: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let task = AuthorTask::start(ports, function, panicked);
    let deadline = ports.clock.now() + time_limit;
    clock::until(&*ports.clock, deadline, task.ended)
        .await
        .map_err(|_| Error::new(time_limit_text(time_limit)).with_status(504))?
        .map_err(|_| Error::new(stopped))?
}

/// Works out the changes of state for the commit. What merges them is author code: it may panic, or never return (E27).
async fn state_changes(
    host: &Arc<ExecutionHost>,
    time_limit: Duration,
) -> Result<Vec<StateChange>> {
    if !host.merges_state().await {
        return host.state_changes().await;
    }
    let merging = Arc::clone(host);
    let merged = async move { merging.state_changes().await };
    let panicked = |text| Err(Error::new(text));
    run_author(
        host.ports(),
        time_limit,
        "the run was stopped",
        panicked,
        merged,
    )
    .await
}

/// Returns the sentence for a run that took too long.
pub fn time_limit_text(limit: Duration) -> String {
    format!(
        "the run took longer than its time limit of {} s",
        limit.as_secs()
    )
}

fn host(
    ports: &Arc<Ports>,
    dispatch: &Arc<dyn Dispatch>,
    run: &Run,
    stage: Stage,
) -> Arc<ExecutionHost> {
    let owner = StateOwner {
        instance: run.instance.id.clone(),
        flow: run.flow.options.key.into(),
        journal: run.journal.clone(),
    };
    let served = Served {
        execution: run.id.clone(),
        owner,
        trace: Trace::of(&run.payload.headers, &run.journal),
        redactor: run.redactor(),
        steps: run.steps.clone(),
        seed: run.trigger_state.clone(),
        stage,
        log_lines: run.log_lines,
    };
    Arc::new(ExecutionHost::new(
        Arc::clone(ports),
        Arc::clone(dispatch),
        served,
    ))
}

fn call(ports: &Ports, run: &Run, host: &Arc<ExecutionHost>) -> Call {
    let options = &run.flow.options;
    let instance = &run.instance;
    let own_url = || {
        instance
            .webhook_urls
            .get(options.key)
            .cloned()
            .unwrap_or_default()
    };
    let facts = ExecutionFacts {
        execution_id: run.id.clone(),
        attempt: run.attempt,
        started_at: run.accepted_at,
        invoked_by: run.invoked_by.as_str(),
        integration: IntegrationFacts {
            name: ports.integration.name.clone(),
            version: ports.integration.version.clone(),
        },
        flow: FlowFacts {
            key: options.key.into(),
            name: options.name.clone(),
        },
        instance: InstanceFacts {
            id: instance.id.clone(),
            name: instance.facts.name.clone(),
        },
        customer: CustomerFacts {
            id: instance.facts.customer_id.clone(),
            name: instance.facts.customer_name.clone(),
        },
        webhook_urls: Arc::clone(&instance.webhook_urls),
        webhook_api_keys: Arc::clone(&instance.webhook_api_keys),
        invoke_url: run.invoke_url.clone().unwrap_or_else(own_url),
    };
    Call {
        config: Arc::clone(&instance.config),
        facts: Arc::new(facts),
        host: Arc::clone(host) as _,
    }
}

async fn call_functions(call: Call, run: Run) -> Ended {
    let functions = &run.flow.functions;
    let lifecycle = match run.function {
        Function::OnExecution => return call_flow(call, run).await.unwrap_or_else(Ended::Failed),
        Function::OnInstanceDeploy => &functions.on_instance_deploy,
        Function::OnInstanceRemove => &functions.on_instance_remove,
        Function::OnFirstDeploy => &functions.on_first_deploy,
    };
    let output = match lifecycle {
        Some(function) => function.call(call, run.payload).await,
        None => Ok(Output::default()),
    };
    output.map_or_else(Ended::Failed, Ended::Output)
}

async fn call_flow(call: Call, run: Run) -> Result<Ended> {
    let functions = &run.flow.functions;
    let mut payload = run.payload;
    let end = match (run.triggered, &functions.on_trigger) {
        (Some(end), _) => end,
        (None, None) => TriggerEnd::PassedOn,
        (None, Some(on_trigger)) => {
            let output = on_trigger.call(call.clone(), payload.clone()).await?;
            payload = output.payload.unwrap_or(payload);
            trigger_end(output.nothing_new, output.page)
        }
    };
    match end {
        TriggerEnd::PassedOn => {}
        TriggerEnd::NothingNew => return Ok(Ended::NothingNew),
        TriggerEnd::Page { items, cursor } => return Ok(Ended::Page(Page { items, cursor })),
    }
    match &functions.on_execution {
        Some(on_execution) => on_execution.call(call, payload).await.map(Ended::Output),
        None => Ok(Ended::Output(Output::default())),
    }
}

fn trigger_end(nothing_new: bool, page: Option<Page>) -> TriggerEnd {
    match page {
        _ if nothing_new => TriggerEnd::NothingNew,
        Some(Page { items, cursor }) => TriggerEnd::Page { items, cursor },
        None => TriggerEnd::PassedOn,
    }
}

/// Author code in a task of its own: the task is gone when this is dropped.
struct AuthorTask<T> {
    ended: oneshot::Receiver<T>,
    _abort: AbortOnDrop,
}

struct AbortOnDrop(AbortHandle);

impl<T: Send + 'static> AuthorTask<T> {
    /// Starts it; `panicked` makes an end of the text of a panic.
    fn start(
        ports: &Ports,
        functions: impl Future<Output = T> + Send + 'static,
        panicked: impl FnOnce(String) -> T + Send + 'static,
    ) -> Self {
        let (sender, ended) = oneshot::channel();
        let task: BoxFuture<'static, ()> = Box::pin(async move {
            let ended = AssertUnwindSafe(functions).catch_unwind().await;
            // Whoever waits may have gone.
            let _ = sender.send(ended.unwrap_or_else(|panic| panicked(panic_text(panic))));
        });
        Self {
            ended,
            _abort: AbortOnDrop(ports.spawn.author(task)),
        }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for a cancellation; never returns if the sender is gone without one.
async fn wait_for(cancel: oneshot::Receiver<()>) {
    if cancel.await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = format!("the flow panicked: {}", text.unwrap_or("without a text"));
    // What it carries may panic when it is dropped, and what that panic carries again.
    if let Err(another) = std::panic::catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(another);
    }
    text
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Output(_) => "ended with a result",
            Self::NothingNew => "found nothing new",
            Self::Page(_) => "fetched a page",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::TimedOut => "took too long",
            Self::Canceled => "was cancelled",
        })
    }
}
