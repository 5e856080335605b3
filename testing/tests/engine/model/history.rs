//! What really happened, in order: durable writes as the disk saw them, and author code as it ran.
//!
//! Author code has no other way out than a thread-local: flows are plain functions. Each test runs on a thread of its own, and so do all
//! of its tasks.

use std::cell::RefCell;

use runner::store::Write;
use sdk::Timestamp;
use sdk::id::ExecutionId;

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// These writes are durable.
    Committed {
        point: &'static str,
        writes: Vec<Write>,
    },
    /// Author code of an execution began.
    Began(ExecutionId),
    /// Author code of an execution is gone: it ended, or was dropped.
    Left(ExecutionId),
    /// The work of a step ran, the step of this count.
    StepRan(ExecutionId, u32),
    /// The process died.
    Died,
}

thread_local! {
    static EVENTS: RefCell<Vec<(Timestamp, Event)>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn record(at: Timestamp, event: Event) {
    // Threads that end drop tasks after their locals.
    let _ = EVENTS.try_with(|events| events.borrow_mut().push((at, event)));
}

/// Takes what happened since this was last asked.
pub(crate) fn take() -> Vec<(Timestamp, Event)> {
    EVENTS.with_borrow_mut(std::mem::take)
}
