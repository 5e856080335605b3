//! A store in front of another.

use std::sync::Arc;

use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use serde_json::Value;

use super::{Commit, Committed, Cursor, ExecutionFilter, InstanceRecord, Store, StoreResult};
use crate::record::{
    Execution, LogRecord, StateEntry, StateKey, StepRecord, StoredAnswer, StoredOutput,
    StoredPayload,
};

/// Stands in front of a store and is one itself: what it does not change is passed on.
///
/// For stores that watch, or that fail on purpose.
///
/// ```
/// use runner::store::{MemoryStore, Store, StoreLayer};
///
/// struct Plain(MemoryStore);
///
/// impl StoreLayer for Plain {
///     fn inner(&self) -> &dyn Store {
///         &self.0
///     }
/// }
///
/// let store: Box<dyn Store> = Box::new(Plain(MemoryStore::new()));
/// ```
pub trait StoreLayer: Send + Sync + 'static {
    /// The store behind it.
    fn inner(&self) -> &dyn Store;

    /// Answers a commit.
    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        self.inner().commit(commit)
    }

    /// Passes on what the store behind it answers to anything that is read.
    fn on_read<'a, T: Send + 'a>(
        &'a self,
        answer: BoxFuture<'a, StoreResult<T>>,
    ) -> BoxFuture<'a, StoreResult<T>> {
        answer
    }

    /// Says whether a commit can be taken.
    fn on_check(&self) -> BoxFuture<'_, StoreResult<()>> {
        self.on_read(self.inner().check())
    }
}

impl<L: StoreLayer> Store for L {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        self.on_commit(commit)
    }

    fn execution<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Execution>>> {
        self.on_read(self.inner().execution(id))
    }

    fn payload<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Arc<StoredPayload>>>> {
        self.on_read(self.inner().payload(id))
    }

    fn output<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredOutput>>> {
        self.on_read(self.inner().output(id))
    }

    fn answer<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredAnswer>>> {
        self.on_read(self.inner().answer(id))
    }

    fn claimant<'a>(
        &'a self,
        value: &'a str,
        at: Timestamp,
    ) -> BoxFuture<'a, StoreResult<Option<ExecutionId>>> {
        self.on_read(self.inner().claimant(value, at))
    }

    fn steps<'a>(
        &'a self,
        journal: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Vec<StepRecord>>> {
        self.on_read(self.inner().steps(journal))
    }

    fn logs<'a>(
        &'a self,
        id: &'a ExecutionId,
        from: u32,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<LogRecord>>> {
        self.on_read(self.inner().logs(id, from, limit))
    }

    fn executions<'a>(
        &'a self,
        filter: &'a ExecutionFilter,
        cursor: Option<&'a Cursor>,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<Execution>>> {
        self.on_read(self.inner().executions(filter, cursor, limit))
    }

    fn unfinished(&self, after: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<Execution>>> {
        self.on_read(self.inner().unfinished(after, limit))
    }

    fn last_position(&self) -> BoxFuture<'_, StoreResult<u64>> {
        self.on_read(self.inner().last_position())
    }

    fn state<'a>(&'a self, key: &'a StateKey) -> BoxFuture<'a, StoreResult<(Option<Value>, u64)>> {
        self.on_read(self.inner().state(key))
    }

    fn states<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(StateKey, StateEntry)>>> {
        self.on_read(self.inner().states(instance))
    }

    fn state_size<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, StoreResult<u64>> {
        self.on_read(self.inner().state_size(instance))
    }

    fn instances(&self) -> BoxFuture<'_, StoreResult<Vec<Arc<InstanceRecord>>>> {
        self.on_read(self.inner().instances())
    }

    fn last_ticks<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(FlowKey, Timestamp)>>> {
        self.on_read(self.inner().last_ticks(instance))
    }

    fn check(&self) -> BoxFuture<'_, StoreResult<()>> {
        self.on_check()
    }
}
