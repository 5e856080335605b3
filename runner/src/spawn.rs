//! Where work runs: the engine's own tasks apart from author code, so that one that blocks or loops stops nothing else (E27).

use std::fmt;

use sdk::host::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Starts tasks.
pub trait Spawn: Send + Sync + 'static {
    /// Starts a task of the engine.
    fn engine(&self, task: BoxFuture<'static, ()>) -> AbortHandle;

    /// Starts a task that calls author code.
    fn author(&self, task: BoxFuture<'static, ()>) -> AbortHandle;
}

/// Starts tasks on tokio runtimes: one for the engine, one for author code.
#[derive(Clone)]
pub struct Runtimes {
    engine: Handle,
    author: Handle,
}

impl Runtimes {
    /// Uses these two runtimes.
    pub fn new(engine: Handle, author: Handle) -> Self {
        Self { engine, author }
    }
}

impl Spawn for Runtimes {
    fn engine(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        self.engine.spawn(task).abort_handle()
    }

    fn author(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        self.author.spawn(task).abort_handle()
    }
}

impl fmt::Debug for Runtimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtimes")
    }
}
