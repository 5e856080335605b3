//! What is kept of an execution: the rows of every store, and the words of the management API for them.

mod body;

use std::sync::Arc;

use bytes::Bytes;
use sdk::host::{LogLevel, StepId};
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::state::StateScope;
use sdk::{Timestamp, payload::Tick};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::body::{Base64, StoredBody, StoredPart};

/// How far an execution is (W51).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It waits for its time: a retry.
    Pending,
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It has ended well.
    Success,
    /// It has ended badly.
    Error,
}

impl Status {
    /// Says whether the execution has ended; from then on nothing about it changes (I7).
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Error)
    }
}

/// How an execution ended (W51).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResultType {
    /// With a result.
    Completed,
    /// With an error.
    Error,
    /// A poll found nothing new.
    PolledNoChanges,
    /// The same delivery came before.
    CanceledAsDuplicate,
    /// Somebody cancelled it.
    Canceled,
    /// It ran over its time limit.
    TimedOut,
    /// A schedule passed it over because the run before it was still going.
    Skipped,
}

/// What caused an execution (W52).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InvokedBy {
    /// An HTTP request at an endpoint.
    Webhook,
    /// A schedule.
    Scheduled,
    /// The deploy of the instance.
    DeployFlow,
    /// The removal of the instance.
    TearDownFlow,
    /// Another flow of the instance.
    CrossFlow,
    /// The failure of the execution before it.
    Retry,
    /// Somebody replayed an execution.
    Replay,
    /// Somebody tried the flow by hand.
    Test,
}

impl InvokedBy {
    /// Returns the word of the management API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "WEBHOOK",
            Self::Scheduled => "SCHEDULED",
            Self::DeployFlow => "DEPLOY_FLOW",
            Self::TearDownFlow => "TEAR_DOWN_FLOW",
            Self::CrossFlow => "CROSS_FLOW",
            Self::Retry => "RETRY",
            Self::Replay => "REPLAY",
            Self::Test => "TEST",
        }
    }
}

/// Which function of the flow an execution runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// `#[on_trigger]` and `#[on_execution]`.
    #[default]
    OnExecution,
    /// `#[on_instance_deploy]`.
    OnInstanceDeploy,
    /// `#[on_instance_remove]`.
    OnInstanceRemove,
    /// `#[on_first_deploy]`.
    OnFirstDeploy,
}

/// One run of a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// The instance.
    pub instance: InstanceId,
    /// The flow.
    pub flow: FlowKey,
    /// Which of its functions.
    pub function: Function,
    /// What caused it.
    pub invoked_by: InvokedBy,
    /// Whether a caller waits for the result.
    pub synchronous: bool,
    /// How far it is.
    pub status: Status,
    /// How it ended.
    pub result: Option<ResultType>,
    /// Its place in the order of arrival; a retry takes the place of the first attempt. Unique among first attempts.
    pub position: u64,
    /// The value by which its flow keeps order (E24).
    pub order_key: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The earliest time at which it may start.
    pub run_at: Option<Timestamp>,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Which attempt it is; 1 is the first.
    pub attempt: u32,
    /// How often it was started without getting on: a process that died while it ran is one.
    pub starts: u32,
    /// Whose recorded steps and execution state it continues: its own id, or that of the first attempt.
    pub journal: ExecutionId,
    /// The execution that it repeats: the first attempt of a retry, the original of a replay or a duplicate.
    pub first: Option<ExecutionId>,
    /// The execution that called it.
    pub parent: Option<ExecutionId>,
    /// The value that makes a newer execution cancel its retries (E22).
    pub unique_id: Option<String>,
    /// The newer execution that it gave way to instead of running (E22).
    pub canceled_by: Option<ExecutionId>,
    /// Why it failed, for the log and the management API.
    pub error: Option<String>,
    /// What its caller may read of that (W29); a repeated delivery is told the same (W34).
    pub caller_error: Option<CallerError>,
    /// Whether it failed, is out of attempts, and was neither replayed nor dismissed (E28).
    pub dead_letter: bool,
}

impl Execution {
    /// Makes one that a webhook started, that waits for its turn and has no place in the order of arrival yet: others differ from it in
    /// what makes them others.
    pub fn queued(
        id: ExecutionId,
        instance: InstanceId,
        flow: FlowKey,
        accepted_at: Timestamp,
    ) -> Self {
        Self {
            journal: id.clone(),
            id,
            instance,
            flow,
            function: Function::OnExecution,
            invoked_by: InvokedBy::Webhook,
            synchronous: false,
            status: Status::Queued,
            result: None,
            position: 0,
            order_key: None,
            accepted_at,
            run_at: None,
            started_at: None,
            ended_at: None,
            attempt: 1,
            starts: 0,
            first: None,
            parent: None,
            unique_id: None,
            canceled_by: None,
            error: None,
            caller_error: None,
            dead_letter: false,
        }
    }
}

/// Why an execution failed, as far as its caller may know (W29).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerError {
    /// What the caller may read.
    pub text: String,
    /// The status that the author chose.
    pub status: Option<u16>,
}

/// What an execution was given: kept byte for byte (W13).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredPayload {
    /// The HTTP method.
    pub method: String,
    /// The headers in the order in which they came; values need not be text.
    pub headers: Vec<(String, HeaderBytes)>,
    /// The path after the endpoint id, decoded.
    pub path_fragment: String,
    /// The query parameters.
    pub query: Vec<(String, String)>,
    /// The URL of the call.
    pub invoke_url: Option<String>,
    /// The content type.
    pub content_type: Option<String>,
    /// The moment of the schedule.
    pub tick: Option<Tick>,
    /// The page of a batching trigger.
    pub cursor: Option<Value>,
    /// The body, where it is not what the raw bytes read as: that of a slice, or one that code made. `None` reads the raw bytes again.
    pub body: Option<StoredBody>,
    /// What `#[on_trigger]` made of all this, if it changed anything before the execution was accepted (W21).
    pub handed_on: Option<Box<HandedOn>>,
    /// What `#[on_trigger]` decided, if it has run before the execution was accepted.
    pub triggered: Option<TriggerEnd>,
    /// The changes of state that `#[on_trigger]` made, committed when the execution succeeds.
    pub trigger_state: Vec<PendingState>,
    /// All of this but the raw body, sealed, as a store keeps it: then the rest is empty, and the raw body is sealed too.
    #[serde(skip)]
    pub sealed: Option<String>,
    /// The raw body; kept beside the rest.
    #[serde(skip)]
    pub raw_body: Bytes,
}

/// The payload that `#[on_trigger]` handed on in place of the one that came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandedOn {
    /// The payload, but for its raw bytes.
    pub payload: StoredPayload,
    /// Its raw bytes; `None` are those that came.
    pub raw_body: Option<Base64>,
}

/// What `#[on_trigger]` decided about the rest of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerEnd {
    /// `#[on_execution]` runs.
    PassedOn,
    /// There is nothing new: nothing runs.
    NothingNew,
    /// A page of items: each slice becomes an execution (E6).
    Page {
        /// The items.
        items: Vec<Value>,
        /// Where the next page begins.
        cursor: Option<Value>,
    },
}

/// The bytes of a header value: text where it is text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HeaderBytes {
    /// Visible ASCII.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// A change of state that waits for the outcome of its execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingState {
    /// The scope.
    pub scope: StateScope,
    /// The key.
    pub key: String,
    /// The new value; `None` removes the key.
    pub value: Option<Value>,
    /// The version that the change was made from, where that matters.
    pub expected: Option<u64>,
}

/// What an execution gave back.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredOutput {
    /// The content type.
    pub content_type: String,
    /// The status for the caller, if the author chose one.
    pub status: Option<u16>,
    /// The headers for the caller.
    pub headers: Vec<(String, HeaderBytes)>,
    /// Whether the data is text, so that it can be answered directly.
    pub text_like: bool,
    /// The data.
    pub data: Bytes,
}

/// The response that `#[on_trigger]` gave to an asynchronous caller; a duplicate delivery gets it again (W34).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// The status.
    pub status: u16,
    /// The headers, content type among them.
    pub headers: Vec<(String, HeaderBytes)>,
    /// The body; `None` is the default one.
    pub body: Option<Vec<u8>>,
}

/// A step that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// Whose journal it stands in.
    pub journal: ExecutionId,
    /// Which step.
    pub step: StepId,
    /// The execution that ran it.
    pub execution: ExecutionId,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How often its work was tried.
    pub attempts: u32,
    /// Its result, or why it failed.
    pub end: Result<Value, String>,
}

/// A line of the log of an execution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogRecord {
    /// The execution.
    pub execution: ExecutionId,
    /// Its place in the log of the execution.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// How urgent it is.
    pub level: LogLevel,
    /// The step in which it was written, if it was in one.
    pub step: Option<String>,
    /// What it says.
    pub text: String,
    /// Values beside the text.
    pub fields: Value,
}

/// Which value of the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey {
    /// The instance.
    pub instance: InstanceId,
    /// The scope.
    pub scope: StateScope,
    /// What the scope belongs to: the flow, the journal of the execution, or empty for the whole instance.
    pub owner: Arc<str>,
    /// The key that the author chose.
    pub key: String,
}

/// A value of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct StateEntry {
    /// The value.
    pub value: Value,
    /// How often it was written; a removed key begins anew above its last version.
    pub version: u64,
}
