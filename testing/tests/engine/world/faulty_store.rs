//! A store that fails, or dies with its process, at a chosen commit; it tells the history what was made durable.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use runner::clock::{Clock as _, ManualClock};
use runner::store::{Commit, Committed, MemoryStore, Store, StoreError, StoreLayer, StoreResult};
use sdk::Timestamp;
use sdk::host::BoxFuture;

use crate::model::history::{self, Event};

/// What happens at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies before the commit is durable.
    DiesBefore,
    /// The process dies after the commit is durable, before anybody is told.
    DiesAfter,
    /// The commit is not done, and nobody knows.
    LostBefore,
    /// The commit is done, and nobody knows.
    LostAfter,
    /// There is no room.
    Full,
    /// The commit is done, and whoever made it is told a little later.
    Late,
}

/// A store on a disk that outlives it.
pub(crate) struct FaultyStore {
    disk: MemoryStore,
    clock: ManualClock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many commits go well before the fault.
    armed: Option<(u32, Fault)>,
    struck_at: Option<Timestamp>,
    dead: bool,
}

impl FaultyStore {
    pub(crate) fn new(disk: MemoryStore, clock: ManualClock) -> Self {
        Self {
            disk,
            clock,
            state: Mutex::default(),
        }
    }

    /// Lets the fault strike once, after so many commits that go well.
    pub(crate) fn arm(&self, after: u32, fault: Fault) {
        self.state().armed = Some((after, fault));
    }

    pub(crate) fn disarm(&self) {
        self.state().armed = None;
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.state().armed.is_some()
    }

    /// Says whether a fault struck a moment ago: the engine waits before it asks again.
    pub(crate) fn failed_lately(&self) -> bool {
        let now = self.clock.now();
        let struck_at = self.state().struck_at;
        struck_at.is_some_and(|at| now.since(at) < Duration::from_secs(5))
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub(crate) fn kill(&self) {
        self.state().dead = true;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strikes(&self, point: &str) -> Option<Fault> {
        let mut state = self.state();
        let (left, fault) = state.armed?;
        let kills = matches!(fault, Fault::DiesBefore | Fault::DiesAfter);
        // A step that cannot be recorded fails its run, which is a story of its own.
        if !kills && point == "step" {
            return None;
        }
        if left > 0 {
            state.armed = Some((left - 1, fault));
            return None;
        }
        state.armed = None;
        state.dead = kills;
        state.struck_at = Some(self.clock.now());
        Some(fault)
    }

    async fn apply(&self, commit: Commit) -> StoreResult<Committed> {
        let event = Event::Committed {
            point: commit.point,
            writes: commit.writes.clone(),
        };
        let committed = self.disk.commit(commit).await?;
        if committed == Committed::Done {
            history::record(self.clock.now(), event);
        }
        Ok(committed)
    }
}

impl StoreLayer for FaultyStore {
    fn inner(&self) -> &dyn Store {
        &self.disk
    }

    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        if self.is_dead() {
            return Box::pin(std::future::pending());
        }
        let lost = || Err(StoreError::Unavailable("the line is cut".to_owned()));
        let fault = self.strikes(commit.point);
        Box::pin(async move {
            match fault {
                None => self.apply(commit).await,
                Some(Fault::DiesBefore) => std::future::pending().await,
                Some(Fault::DiesAfter) => {
                    let _ = self.apply(commit).await;
                    std::future::pending().await
                }
                Some(Fault::LostBefore) => lost(),
                Some(Fault::LostAfter) => {
                    let _ = self.apply(commit).await;
                    lost()
                }
                Some(Fault::Full) => Err(StoreError::Full("no room".to_owned())),
                Some(Fault::Late) => {
                    let committed = self.apply(commit).await;
                    tokio::task::yield_now().await;
                    committed
                }
            }
        })
    }

    /// Answers, unless the process is dead.
    fn on_read<'a, T: Send + 'a>(
        &'a self,
        answer: BoxFuture<'a, StoreResult<T>>,
    ) -> BoxFuture<'a, StoreResult<T>> {
        if self.is_dead() {
            Box::pin(std::future::pending())
        } else {
            answer
        }
    }
}
