//! A store at which a process dies.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use runner::store::{Commit, Committed, MemoryStore, Store, StoreLayer, StoreResult, Write};
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, FlowKey};

/// On which side of a durable write the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The write is not done.
    Before,
    /// The write is done, and nobody has been told.
    After,
}

/// A durable write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Its kind: `accept`, `step`, `finish` …
    pub(super) kind: &'static str,
    /// What is written: the flow, and the step if it is one.
    pub(super) place: String,
}

/// A store in memory that counts durable writes and stops answering at one of them, as it looks to a process that dies there.
pub(super) struct CrashStore {
    inner: MemoryStore,
    points: Mutex<Vec<Point>>,
    /// The flow of each execution that was accepted.
    flows: Mutex<HashMap<ExecutionId, FlowKey>>,
    crash: Option<(usize, Side)>,
    crashed: Arc<AtomicBool>,
}

impl CrashStore {
    /// Dies at the write of this number, counted from 0; never if there is none.
    pub(super) fn new(crash: Option<(usize, Side)>, crashed: Arc<AtomicBool>) -> Self {
        Self {
            inner: MemoryStore::new(),
            points: Mutex::default(),
            flows: Mutex::default(),
            crash,
            crashed,
        }
    }

    /// Returns each durable write so far.
    pub(super) fn points(&self) -> Vec<Point> {
        self.points
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says what a commit writes.
    fn point(&self, commit: &Commit) -> Point {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let place = commit.writes.iter().find_map(|write| match write {
            Write::Accept(accept) => {
                let flow = accept.execution.flow.clone();
                flows.insert(accept.execution.id.clone(), flow.clone());
                Some(format!("flow `{flow}`"))
            }
            Write::Step(record) => {
                let step = &record.step.name;
                let flow = flows.get(&record.execution)?;
                Some(format!("`{step}` in flow `{flow}`"))
            }
            Write::Start { id, .. } | Write::Requeue { id, .. } => {
                flows.get(id).map(|flow| format!("flow `{flow}`"))
            }
            Write::Finish(finish) => flows.get(&finish.id).map(|flow| format!("flow `{flow}`")),
            _ => None,
        });
        Point {
            kind: commit.point,
            place: place.unwrap_or_default(),
        }
    }
}

impl StoreLayer for CrashStore {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        if self.crashed.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        let number = {
            let point = self.point(&commit);
            let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
            points.push(point);
            points.len() - 1
        };
        let side = self
            .crash
            .filter(|(at, _)| *at == number)
            .map(|(_, side)| side);
        if side != Some(Side::Before) {
            let committed = self.inner.commit(commit);
            if side.is_none() {
                return committed;
            }
            // A store in memory has done it when it returns the future.
            drop(committed);
        }
        self.crashed.store(true, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }

    /// Answers, unless the process is dead.
    fn on_read<'a, T: Send + 'a>(
        &'a self,
        answer: BoxFuture<'a, StoreResult<T>>,
    ) -> BoxFuture<'a, StoreResult<T>> {
        if self.crashed.load(Ordering::SeqCst) {
            Box::pin(std::future::pending())
        } else {
            answer
        }
    }
}

impl fmt::Debug for CrashStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashStore")
            .field("crash", &self.crash)
            .finish_non_exhaustive()
    }
}
