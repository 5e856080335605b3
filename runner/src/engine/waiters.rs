//! Who waits for the end of an execution: of this attempt, or of the last one.

use sdk::id::ExecutionId;
use tokio::sync::oneshot;

use super::{Engine, Outcome, lock};

/// Somebody who waits for the end of an execution.
pub(super) struct Waiter {
    told: oneshot::Sender<Outcome>,
    /// Whether an attempt that is followed by another one is not the end for it.
    of_last: bool,
}

impl Engine {
    /// Returns the end of an execution; the receiver fails if the engine stops before.
    pub fn wait_for(&self, id: &ExecutionId) -> oneshot::Receiver<Outcome> {
        self.enter_waiter(id, false)
    }

    /// Returns the end of the last attempt of an execution (E51); the receiver fails if the engine stops before.
    pub(super) fn wait_for_last(&self, id: &ExecutionId) -> oneshot::Receiver<Outcome> {
        self.enter_waiter(id, true)
    }

    fn enter_waiter(&self, id: &ExecutionId, of_last: bool) -> oneshot::Receiver<Outcome> {
        let (told, receiver) = oneshot::channel();
        let waiter = Waiter { told, of_last };
        lock(&self.waiters)
            .entry(id.clone())
            .or_default()
            .push(waiter);
        receiver
    }

    /// Says whether somebody waits for the end of an execution.
    pub fn is_waited_for(&self) -> bool {
        !lock(&self.waiters).is_empty()
    }

    /// Says whether somebody still waits for the last attempt of this execution.
    pub(super) fn is_awaited(&self, id: &ExecutionId) -> bool {
        let waiters = lock(&self.waiters);
        let mut waiting = waiters.get(id).into_iter().flatten();
        waiting.any(|waiter| waiter.of_last && !waiter.told.is_closed())
    }

    /// Forgets those who no longer wait for an execution.
    pub fn tidy_waiters(&self, id: &ExecutionId) {
        let mut waiters = lock(&self.waiters);
        if let Some(waiting) = waiters.get_mut(id) {
            waiting.retain(|waiter| !waiter.told.is_closed());
            if waiting.is_empty() {
                waiters.remove(id);
            }
        }
    }

    pub(super) fn forget_waiters(&self, id: &ExecutionId) {
        lock(&self.waiters).remove(id);
    }

    /// Tells everybody who waits for the end of an execution.
    pub(super) fn tell(&self, id: &ExecutionId, outcome: &Outcome) {
        let waiters = lock(&self.waiters).remove(id);
        for waiter in waiters.into_iter().flatten() {
            // Whoever waited may have gone.
            let _ = waiter.told.send(outcome.clone());
        }
    }

    /// Tells those who wait for the end of this attempt; whoever waits for the last one waits for its retry from now on.
    pub(super) fn tell_of_attempt(&self, outcome: &Outcome, retry: &ExecutionId) {
        let mut waiters = lock(&self.waiters);
        let all = waiters.remove(&outcome.id).into_iter().flatten();
        let (of_last, of_this): (Vec<_>, Vec<_>) = all.partition(|waiter| waiter.of_last);
        if !of_last.is_empty() {
            waiters.entry(retry.clone()).or_default().extend(of_last);
        }
        drop(waiters);
        for waiter in of_this {
            let _ = waiter.told.send(outcome.clone());
        }
    }
}
