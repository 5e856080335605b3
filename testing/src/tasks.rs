//! The tasks of a simulation: it knows when all of them wait, so that time can move on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use runner::spawn::Spawn;
use sdk::host::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Starts tasks on the runtime of the test and counts those that have something to do.
#[derive(Clone)]
pub struct Tasks {
    runtime: Handle,
    busy: Arc<Busy>,
    all: Arc<Mutex<Vec<AbortHandle>>>,
}

/// How many tasks, requests and so on have something to do at the moment.
#[derive(Debug, Default)]
pub struct Busy {
    count: AtomicUsize,
    changed: Notify,
}

impl Busy {
    /// Counts one more until the token is dropped.
    pub fn token(self: &Arc<Self>) -> BusyToken {
        self.count.fetch_add(1, Ordering::SeqCst);
        BusyToken(Arc::clone(self))
    }

    /// Waits until nobody has anything to do.
    pub async fn settle(&self) {
        loop {
            let changed = self.changed.notified();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// Stands for somebody who has something to do.
#[derive(Debug)]
pub struct BusyToken(Arc<Busy>);

impl Drop for BusyToken {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

impl Tasks {
    /// Starts tasks on the runtime that this is called on.
    pub fn here() -> Self {
        Self {
            runtime: Handle::current(),
            busy: Arc::default(),
            all: Arc::default(),
        }
    }

    /// Returns the count of those that have something to do.
    pub fn busy(&self) -> &Arc<Busy> {
        &self.busy
    }

    /// Ends every task at once, as a crash does.
    pub fn abort_all(&self) {
        for task in self
            .all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            task.abort();
        }
    }

    fn start(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        let state = Arc::new(TaskState {
            busy: Arc::clone(&self.busy),
            woken: AtomicBool::new(true),
            token: Mutex::new(Some(self.busy.token())),
            outer: Mutex::new(None),
        });
        let handle = self.runtime.spawn(Tracked { task, state }).abort_handle();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= 1024 {
            all.retain(|task| !task.is_finished());
        }
        all.push(handle.clone());
        handle
    }
}

impl Spawn for Tasks {
    fn engine(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        self.start(task)
    }

    fn author(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        self.start(task)
    }
}

/// A task that is busy from when it is woken to when it has nothing more to do.
struct Tracked {
    task: BoxFuture<'static, ()>,
    state: Arc<TaskState>,
}

struct TaskState {
    busy: Arc<Busy>,
    woken: AtomicBool,
    token: Mutex<Option<BusyToken>>,
    outer: Mutex<Option<Waker>>,
}

impl TaskState {
    fn take_token(&self) -> Option<BusyToken> {
        self.token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Wake for TaskState {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.busy.token());
        }
        let outer = self
            .outer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl Future for Tracked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let state = Arc::clone(&self.state);
        *state.outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        // The token of this poll is given back at its end; one for a wake-up in between is a new one.
        let token = state.take_token();
        state.woken.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&state));
        let polled = self.task.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            drop(state.take_token());
        }
        drop(token);
        polled
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // A wake-up after this finds `woken` set and counts nothing.
        self.state.woken.store(true, Ordering::SeqCst);
        drop(self.state.take_token());
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}
