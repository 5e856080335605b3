//! A store that fails when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runner::record::{
    Execution, LogRecord, StateEntry, StateKey, StepRecord, StoredAnswer, StoredOutput,
    StoredPayload,
};
use runner::store::{
    Commit, Committed, Cursor, ExecutionFilter, InstanceRecord, MemoryStore, Store, StoreError,
    StoreResult,
};
use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, FlowKey, InstanceId};

/// What the store says when it fails; no answer may hold it.
pub(crate) const WORDS: &str = "postgres://user:password@host";

#[derive(Debug, Default)]
pub(crate) struct Failing {
    store: MemoryStore,
    fails: AtomicBool,
}

impl Failing {
    pub(crate) fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    fn or_fail<'a, T: Send + 'a>(
        &self,
        answer: BoxFuture<'a, StoreResult<T>>,
    ) -> BoxFuture<'a, StoreResult<T>> {
        if self.fails.load(Ordering::Relaxed) {
            let fault = StoreError::Unavailable(WORDS.to_owned());
            return Box::pin(std::future::ready(Err(fault)));
        }
        answer
    }
}

impl Store for Failing {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        self.or_fail(self.store.commit(commit))
    }

    fn execution<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Execution>>> {
        self.or_fail(self.store.execution(id))
    }

    fn payload<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Arc<StoredPayload>>>> {
        self.or_fail(self.store.payload(id))
    }

    fn output<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredOutput>>> {
        self.or_fail(self.store.output(id))
    }

    fn answer<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredAnswer>>> {
        self.or_fail(self.store.answer(id))
    }

    fn claimant<'a>(
        &'a self,
        value: &'a str,
        at: Timestamp,
    ) -> BoxFuture<'a, StoreResult<Option<ExecutionId>>> {
        self.or_fail(self.store.claimant(value, at))
    }

    fn steps<'a>(
        &'a self,
        journal: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Vec<StepRecord>>> {
        self.or_fail(self.store.steps(journal))
    }

    fn logs<'a>(
        &'a self,
        id: &'a ExecutionId,
        from: u32,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<LogRecord>>> {
        self.or_fail(self.store.logs(id, from, limit))
    }

    fn executions<'a>(
        &'a self,
        filter: &'a ExecutionFilter,
        cursor: Option<&'a Cursor>,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<Execution>>> {
        self.or_fail(self.store.executions(filter, cursor, limit))
    }

    fn unfinished(&self, after: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<Execution>>> {
        self.or_fail(self.store.unfinished(after, limit))
    }

    fn last_position(&self) -> BoxFuture<'_, StoreResult<u64>> {
        self.or_fail(self.store.last_position())
    }

    fn state<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, StoreResult<(Option<serde_json::Value>, u64)>> {
        self.or_fail(self.store.state(key))
    }

    fn states<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(StateKey, StateEntry)>>> {
        self.or_fail(self.store.states(instance))
    }

    fn state_size<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, StoreResult<u64>> {
        self.or_fail(self.store.state_size(instance))
    }

    fn instances(&self) -> BoxFuture<'_, StoreResult<Vec<Arc<InstanceRecord>>>> {
        self.or_fail(self.store.instances())
    }

    fn last_ticks<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(FlowKey, Timestamp)>>> {
        self.or_fail(self.store.last_ticks(instance))
    }

    fn check(&self) -> BoxFuture<'_, StoreResult<()>> {
        self.or_fail(self.store.check())
    }
}
