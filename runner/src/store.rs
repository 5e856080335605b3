//! Where everything is kept. One front, several backs: memory for tests, SQLite, PostgreSQL; one conformance suite holds them all.
//!
//! A [`Commit`] is the only way to change anything: it is applied as a whole or not at all, and it is durable when
//! [`Store::commit`] returns. So the points of a commit are exactly the points at which a crash can divide an execution.

#[cfg(feature = "server")]
mod code;
#[cfg(feature = "crash-points")]
mod crash;
#[cfg(feature = "server")]
mod head;
mod layer;
mod memory;
mod point;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "server")]
mod sealed;
#[cfg(feature = "server")]
mod sqlite;
#[cfg(feature = "server")]
mod standing;

#[cfg(test)]
mod conformance;

use std::sync::Arc;

use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, FlowKey, InstanceId};

#[cfg(feature = "crash-points")]
pub use self::crash::CrashAt;
pub use self::layer::StoreLayer;
pub use self::memory::MemoryStore;
pub use self::point::Point;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresError, PostgresOptions, PostgresStore};
#[cfg(feature = "server")]
pub use self::sqlite::{OpenError, SqliteOptions, SqliteStore};
#[cfg(feature = "server")]
pub use self::standing::Standing;
use crate::record::{
    CallerError, Execution, LogRecord, ResultType, StateEntry, StateKey, Status, StepRecord,
    StoredAnswer, StoredOutput, StoredPayload,
};

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room: nothing was written.
    #[error("the store is full: {0}; free disk space, it goes on by itself")]
    Full(String),
    /// The store cannot be reached or does not answer; what was asked may or may not have been done.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// What was read cannot be understood.
    #[error("the store holds what cannot be read: {0}")]
    Damaged(String),
}

/// The result of asking the store.
pub type StoreResult<T> = Result<T, StoreError>;

/// Changes that are applied as a whole or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The name of its [`Point`]: `accept`, `start`, `step`, `finish` …
    pub point: &'static str,
    /// The changes, in order.
    pub writes: Vec<Write>,
}

impl Commit {
    /// Puts a commit together.
    pub fn new(point: Point, writes: Vec<Write>) -> Self {
        let point = point.name();
        Self { point, writes }
    }

    /// Returns how many bytes it brings, roughly.
    #[cfg(feature = "server")]
    fn weight(&self) -> usize {
        let weight = |write: &Write| match write {
            Write::Accept(accept) => {
                let body = accept.payload.as_ref().map_or(0, |it| it.raw_body.len());
                2048 + body
            }
            Write::Finish(finish) => 1024 + finish.output.as_ref().map_or(0, |it| it.data.len()),
            Write::Log(lines) => lines.iter().map(|line| 128 + line.text.len()).sum(),
            Write::Step(step) => 512 + step.end.as_ref().map_or_else(String::len, value_weight),
            Write::State(change) => 512 + change.value.as_ref().map_or(0, value_weight),
            _ => 512,
        };
        self.writes.iter().map(weight).sum()
    }
}

/// Returns how many bytes a value takes as JSON, roughly, without writing it.
#[cfg(feature = "server")]
fn value_weight(value: &serde_json::Value) -> usize {
    use serde_json::Value;

    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => 2 + text.len(),
        Value::Array(items) => 2 + items.iter().map(value_weight).sum::<usize>(),
        Value::Object(fields) => {
            let weight = |(name, value): (&String, &Value)| 4 + name.len() + value_weight(value);
            2 + fields.iter().map(weight).sum::<usize>()
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new execution with its payload. One whose id is kept already is not done again: it is a [`Committed::Duplicate`] of itself,
    /// so that a commit whose answer got lost can be repeated.
    Accept(Box<Accept>),
    /// An execution starts: counted before author code runs.
    Start {
        /// The execution.
        id: ExecutionId,
        /// When.
        at: Timestamp,
        /// How often it was started without getting on, this start included.
        starts: u32,
    },
    /// An execution that was interrupted, or waits again, is put back.
    Requeue {
        /// The execution.
        id: ExecutionId,
        /// How often it was started without getting on.
        starts: u32,
    },
    /// A step has ended; the starts of its execution begin anew at one. It replaces one of the same id, and goes with its journal.
    Step(Box<StepRecord>),
    /// An execution has ended.
    Finish(Box<Finish>),
    /// Lines of the log; those of an execution that is not kept are dropped.
    Log(Vec<LogRecord>),
    /// A value of the state changes.
    State(StateChange),
    /// Nothing of the commit is done if with its changes the state of an instance would take more than so many bytes (E42). What was larger
    /// before may grow smaller.
    StateLimit {
        /// The instance.
        instance: InstanceId,
        /// The limit, in bytes as [`Store::state_size`] counts them.
        bytes: u64,
    },
    /// All values of the state of an instance, or of one owner in a scope, go.
    ClearState(ClearState),
    /// An instance is set up or changed.
    PutInstance(Arc<InstanceRecord>),
    /// An instance, its state and its ticks are erased; its executions stay until retention takes them.
    EraseInstance(InstanceId),
    /// A tick of a schedule is claimed; refused if it was claimed before (E17).
    Tick(TickClaim),
    /// Whether an execution counts as a dead letter (E28).
    DeadLetter {
        /// The execution.
        id: ExecutionId,
        /// Whether it does.
        dead: bool,
    },
    /// Everything that ended before these times goes, the oldest first. An execution stays as long as an unfinished one goes on with its
    /// journal, and a dead letter until it is none any more (E28). A result has its own time, whether its execution is kept or not (W24).
    /// A commit with this alone is answered [`Committed::Pruned`].
    Prune(Prune),
}

/// A new execution.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The execution.
    pub execution: Execution,
    /// What it is given; `None` for one that only records that nothing ran.
    pub payload: Option<Arc<StoredPayload>>,
    /// What the caller was answered, if the author chose it.
    pub answer: Option<StoredAnswer>,
    /// The deliveries that it must not repeat; if one is claimed already, nothing of the commit is done.
    pub claims: Vec<DedupeClaim>,
}

/// A value that stands for one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DedupeClaim {
    /// The value, with the instance, the flow and the kind in front.
    pub value: String,
    /// Until when it is remembered.
    pub until: Timestamp,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The execution.
    pub id: ExecutionId,
    /// `Success` or `Error`.
    pub status: Status,
    /// How it ended.
    pub result: ResultType,
    /// When.
    pub at: Timestamp,
    /// Why it failed.
    pub error: Option<String>,
    /// What its caller may read of that.
    pub caller_error: Option<CallerError>,
    /// What it gave back.
    pub output: Option<StoredOutput>,
    /// Whether it is a dead letter from now on.
    pub dead_letter: bool,
    /// The newer execution that it gives way to (E22).
    pub canceled_by: Option<ExecutionId>,
}

/// A change of one value of the state.
#[derive(Clone, Debug)]
pub struct StateChange {
    /// Which value.
    pub key: StateKey,
    /// The new value as JSON; `None` removes it.
    pub value: Option<serde_json::Value>,
    /// The version that must be there (0 for none), else nothing of the commit is done.
    pub expected: Option<u64>,
}

impl StateChange {
    /// Returns how many bytes the value takes with its key; none if it is removed.
    pub fn size(&self) -> u64 {
        let value = self.value.as_ref();
        let bytes = value.map_or(0, |value| self.key.key.len() + value.to_string().len());
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Returns the change that a write makes to the state of an instance which outlives executions.
fn lasting_change<'a>(write: &'a Write, instance: &InstanceId) -> Option<&'a StateChange> {
    match write {
        Write::State(change) => Some(change).filter(|change| {
            change.key.scope != sdk::state::StateScope::Execution
                && change.key.instance == *instance
        }),
        _ => None,
    }
}

/// Which values of the state go.
#[derive(Clone, Debug)]
pub struct ClearState {
    /// The instance.
    pub instance: InstanceId,
    /// Only this scope and owner.
    pub only: Option<(sdk::state::StateScope, Arc<str>)>,
}

/// A claim to one tick of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TickClaim {
    /// The instance.
    pub instance: InstanceId,
    /// The flow.
    pub flow: FlowKey,
    /// The nominal time of the tick.
    pub nominal: Timestamp,
}

/// What retention takes away (E30).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prune {
    /// Executions that were accepted and ended before this, with all that belongs to them.
    pub executions_before: Timestamp,
    /// Log lines older than this.
    pub logs_before: Timestamp,
    /// Results of executions that ended before this.
    pub results_before: Timestamp,
    /// Delivery claims that ran out before this.
    pub claims_before: Timestamp,
    /// At most so many rows of each kind, so that the writer is not held up.
    pub at_most: u32,
}

/// What came of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// All of it was done.
    Done,
    /// All of it was done, and it took so many away: executions, results, log lines and claims together.
    Pruned(u64),
    /// Nothing was done: this execution has claimed the delivery before.
    Duplicate(ExecutionId),
    /// Nothing was done: a value of the state has changed since it was read.
    StateChanged,
    /// Nothing was done: the state of the instance would be larger than its limit.
    StateFull,
    /// Nothing was done: the tick was claimed before.
    TickTaken,
}

/// An instance as it is kept: everything but its place in memory. `sealed` holds config values and API keys, encrypted.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InstanceRecord {
    /// Its id.
    pub id: InstanceId,
    /// What is open about it, as JSON.
    pub open: serde_json::Value,
    /// What is secret about it, sealed.
    pub sealed: Vec<u8>,
}

/// Which executions are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Of this instance.
    pub instance: Option<InstanceId>,
    /// Of this flow.
    pub flow: Option<FlowKey>,
    /// With this status.
    pub status: Option<Status>,
    /// With this kind of end.
    pub result: Option<ResultType>,
    /// Accepted at or after this time.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
    /// Repeating this execution.
    pub first: Option<ExecutionId>,
    /// Only dead letters.
    pub dead_letters: bool,
    /// Only what a retry with this unique id and position gives way to: first attempts with the same id at a later position, but no
    /// replays and no repeated deliveries (E22).
    pub superseding: Option<(String, u64)>,
}

/// Where a page of a list ends: the order is newest first, by time of acceptance and then by id.
pub type Cursor = (Timestamp, ExecutionId);

/// Where everything is kept.
pub trait Store: Send + Sync + 'static {
    /// Applies a commit; it is durable when the future is done. A commit is on its way as soon as this is called: a future that is dropped
    /// takes nothing back.
    ///
    /// Nothing that has ended changes any more (I7): a start, a requeue or a second end of it does nothing. Only whether it is a dead
    /// letter can change.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>>;

    /// Returns an execution.
    fn execution<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Execution>>>;

    /// Returns what an execution was given.
    fn payload<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Arc<StoredPayload>>>>;

    /// Returns what an execution gave back, also when the execution itself is no longer kept.
    fn output<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredOutput>>>;

    /// Returns what the caller of an execution was answered, if the author chose it.
    fn answer<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredAnswer>>>;

    /// Returns the execution that has claimed a delivery, if the claim still holds at this time.
    fn claimant<'a>(
        &'a self,
        value: &'a str,
        at: Timestamp,
    ) -> BoxFuture<'a, StoreResult<Option<ExecutionId>>>;

    /// Returns the steps of a journal, in the order in which they ended.
    fn steps<'a>(&'a self, journal: &'a ExecutionId)
    -> BoxFuture<'a, StoreResult<Vec<StepRecord>>>;

    /// Returns at most `limit` lines of the log of an execution, from line `from` on.
    fn logs<'a>(
        &'a self,
        id: &'a ExecutionId,
        from: u32,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<LogRecord>>>;

    /// Returns executions, newest first: those after `cursor`, at most `limit`.
    fn executions<'a>(
        &'a self,
        filter: &'a ExecutionFilter,
        cursor: Option<&'a Cursor>,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<Execution>>>;

    /// Returns executions that have not ended, in the order of their position: those above `after`, at most `limit`.
    fn unfinished(&self, after: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<Execution>>>;

    /// Returns the highest position ever given; 0 if none was.
    fn last_position(&self) -> BoxFuture<'_, StoreResult<u64>>;

    /// Returns a value of the state, and the version of the key: 0 if it was never written.
    fn state<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, StoreResult<(Option<serde_json::Value>, u64)>>;

    /// Returns all values of the state of an instance, in the order of their keys.
    fn states<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(StateKey, StateEntry)>>>;

    /// Returns how many bytes the state of an instance takes: keys and values as JSON, but not that of single executions (E42).
    fn state_size<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, StoreResult<u64>>;

    /// Returns all instances.
    fn instances(&self) -> BoxFuture<'_, StoreResult<Vec<Arc<InstanceRecord>>>>;

    /// Returns the last claimed tick of each schedule of an instance.
    fn last_ticks<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(FlowKey, Timestamp)>>>;

    /// Says whether the store can take a commit.
    fn check(&self) -> BoxFuture<'_, StoreResult<()>>;
}
