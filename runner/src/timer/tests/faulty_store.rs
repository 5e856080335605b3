//! A store that fails when it is told to, and keeps a copy of itself after each commit.

use std::sync::{Arc, Mutex};

use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use serde_json::Value;
use tokio::sync::Notify;

use crate::record::{
    Execution, LogRecord, StateEntry, StateKey, StepRecord, StoredAnswer, StoredOutput,
    StoredPayload,
};
use crate::store::{
    Commit, Committed, Cursor, ExecutionFilter, InstanceRecord, MemoryStore, Store, StoreError,
    StoreResult,
};

/// How the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is full: nothing is written.
    Full,
    /// It writes, but its answer gets lost.
    AnswerLost,
    /// It writes nothing and does not answer until it no longer fails.
    Stuck,
}

/// A store that fails when it is told to. Clones are the same store.
#[derive(Clone, Default)]
pub(super) struct FaultyStore {
    pub(super) inner: MemoryStore,
    fault: Arc<Mutex<Option<(Fault, &'static str)>>>,
    changed: Arc<Notify>,
    copies: Arc<Mutex<Option<Vec<MemoryStore>>>>,
}

impl FaultyStore {
    pub(super) fn of(inner: MemoryStore) -> Self {
        Self {
            inner,
            ..Self::default()
        }
    }

    /// Makes commits at this point fail, or none.
    pub(super) fn fail(&self, fault: Option<(Fault, &'static str)>) {
        *self.fault.lock().unwrap() = fault;
        self.changed.notify_waiters();
    }

    /// Keeps a copy after each commit from now on.
    pub(super) fn keep_copies(&self) {
        *self.copies.lock().unwrap() = Some(Vec::new());
    }

    /// Returns the copies: what a crash at each point leaves behind.
    pub(super) fn copies(&self) -> Vec<MemoryStore> {
        self.copies.lock().unwrap().take().unwrap_or_default()
    }
}

impl Store for FaultyStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        Box::pin(async move {
            let point = commit.point;
            let fault = || {
                let fault = *self.fault.lock().unwrap();
                fault.filter(|(_, at)| *at == point).map(|(fault, _)| fault)
            };
            while fault() == Some(Fault::Stuck) {
                self.changed.notified().await;
            }
            let fault = fault();
            if fault == Some(Fault::Full) {
                return Err(StoreError::Full("no room".to_owned()));
            }
            let committed = self.inner.commit(commit).await;
            if let Some(copies) = &mut *self.copies.lock().unwrap() {
                copies.push(self.inner.fork());
            }
            if fault == Some(Fault::AnswerLost) {
                return Err(StoreError::Unavailable("the answer got lost".to_owned()));
            }
            committed
        })
    }

    fn check(&self) -> BoxFuture<'_, StoreResult<()>> {
        let fault = *self.fault.lock().unwrap();
        let answer = match fault {
            Some((Fault::Full, _)) => Err(StoreError::Full("no room".to_owned())),
            _ => Ok(()),
        };
        Box::pin(std::future::ready(answer))
    }

    fn execution<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Execution>>> {
        self.inner.execution(id)
    }

    fn payload<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Arc<StoredPayload>>>> {
        self.inner.payload(id)
    }

    fn output<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredOutput>>> {
        self.inner.output(id)
    }

    fn answer<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredAnswer>>> {
        self.inner.answer(id)
    }

    fn claimant<'a>(
        &'a self,
        value: &'a str,
        at: Timestamp,
    ) -> BoxFuture<'a, StoreResult<Option<ExecutionId>>> {
        self.inner.claimant(value, at)
    }

    fn steps<'a>(
        &'a self,
        journal: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Vec<StepRecord>>> {
        self.inner.steps(journal)
    }

    fn logs<'a>(
        &'a self,
        id: &'a ExecutionId,
        from: u32,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<LogRecord>>> {
        self.inner.logs(id, from, limit)
    }

    fn executions<'a>(
        &'a self,
        filter: &'a ExecutionFilter,
        cursor: Option<&'a Cursor>,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<Execution>>> {
        self.inner.executions(filter, cursor, limit)
    }

    fn unfinished(&self, after: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<Execution>>> {
        self.inner.unfinished(after, limit)
    }

    fn last_position(&self) -> BoxFuture<'_, StoreResult<u64>> {
        self.inner.last_position()
    }

    fn state<'a>(&'a self, key: &'a StateKey) -> BoxFuture<'a, StoreResult<(Option<Value>, u64)>> {
        self.inner.state(key)
    }

    fn states<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(StateKey, StateEntry)>>> {
        self.inner.states(instance)
    }

    fn state_size<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, StoreResult<u64>> {
        self.inner.state_size(instance)
    }

    fn instances(&self) -> BoxFuture<'_, StoreResult<Vec<Arc<InstanceRecord>>>> {
        self.inner.instances()
    }

    fn last_ticks<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(FlowKey, Timestamp)>>> {
        self.inner.last_ticks(instance)
    }
}
