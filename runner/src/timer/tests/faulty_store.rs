//! A store that fails when it is told to, and keeps a copy of itself after each commit.

use std::sync::{Arc, Mutex};

use sdk::host::BoxFuture;
use tokio::sync::Notify;

use crate::store::{Commit, Committed, MemoryStore, Store, StoreError, StoreLayer, StoreResult};

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

impl StoreLayer for FaultyStore {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
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

    fn on_check(&self) -> BoxFuture<'_, StoreResult<()>> {
        let fault = *self.fault.lock().unwrap();
        let answer = match fault {
            Some((Fault::Full, _)) => Err(StoreError::Full("no room".to_owned())),
            _ => Ok(()),
        };
        Box::pin(std::future::ready(answer))
    }
}
