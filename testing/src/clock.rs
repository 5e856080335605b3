//! The clock of a simulation: it stands still until the test moves it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use runner::clock::Clock;
use sdk::Timestamp;
use sdk::host::BoxFuture;

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<Inner>>);

struct Inner {
    now: Timestamp,
    next: u64,
    /// Who waits, by deadline and then by the order in which they began to wait.
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
}

impl ManualClock {
    /// Makes a clock that stands at this time.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now,
            next: 0,
            sleepers: BTreeMap::new(),
        })))
    }

    /// Moves the clock to a time, or leaves it where it is if that is past, and wakes everyone whose deadline has come, in order.
    pub fn move_to(&self, to: Timestamp) {
        let mut inner = self.inner();
        inner.now = inner.now.max(to);
        let now = inner.now;
        let later = inner.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut inner.sleepers, later);
        drop(inner);
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Returns the earliest time for which somebody waits.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.inner()
            .sleepers
            .keys()
            .next()
            .map(|(deadline, _)| *deadline)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.inner().now
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let number = {
            let mut inner = self.inner();
            inner.next += 1;
            inner.next
        };
        Box::pin(Sleep {
            clock: self.clone(),
            key: (at, number),
        })
    }
}

struct Sleep {
    clock: ManualClock,
    key: (Timestamp, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.clock.inner();
        if inner.now >= self.key.0 {
            inner.sleepers.remove(&self.key);
            return Poll::Ready(());
        }
        inner.sleepers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.inner().sleepers.remove(&self.key);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({})", self.now())
    }
}
