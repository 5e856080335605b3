//! A store that fails when it is told to.

use std::sync::atomic::{AtomicBool, Ordering};

use runner::store::{Commit, Committed, MemoryStore, Store, StoreError, StoreLayer, StoreResult};
use sdk::host::BoxFuture;

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

impl StoreLayer for Failing {
    fn inner(&self) -> &dyn Store {
        &self.store
    }

    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        self.or_fail(self.store.commit(commit))
    }

    fn on_read<'a, T: Send + 'a>(
        &'a self,
        answer: BoxFuture<'a, StoreResult<T>>,
    ) -> BoxFuture<'a, StoreResult<T>> {
        self.or_fail(answer)
    }
}
