//! Which execution of a flow runs next (E24), and which delivery is one that came before (E25).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::hours;

/// Which execution of a flow runs next (E24). Queues take asynchronous executions; a synchronous caller does not wait in one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// All at once.
    #[default]
    Parallel,
    /// At most this many of an instance at once, the rest in the order in which they came.
    Throttled(u32),
    /// One at a time, strictly in the order in which they came, retries included.
    Sequential {
        /// What a failed execution does to those behind it.
        poison: Poison,
    },
    /// Strictly in order for each value at a JSON pointer of the payload; different values run at once.
    OrderBy {
        /// The JSON pointer, for example `/customer/id`.
        pointer: String,
        /// What a failed execution does to those behind it with the same value.
        poison: Poison,
    },
}

/// What an execution that is out of attempts does to those behind it in a queue that keeps order (E24).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poison {
    /// Those behind it go on.
    #[default]
    Skip,
    /// Those of the same key wait until it is replayed or dismissed; other keys go on.
    Park,
    /// The whole queue of the flow waits until it is replayed or dismissed.
    Block,
}

impl Queue {
    /// At most `limit` executions of an instance at once.
    pub fn throttled(limit: u32) -> Self {
        Self::Throttled(limit)
    }

    /// One at a time, in the order in which they came.
    pub fn sequential() -> Self {
        Self::Sequential {
            poison: Poison::Skip,
        }
    }

    /// In order for each value at this JSON pointer of the payload.
    pub fn order_by(pointer: impl Into<String>) -> Self {
        Self::OrderBy {
            pointer: pointer.into(),
            poison: Poison::Skip,
        }
    }

    /// Says what an execution that is out of attempts does to those behind it; it changes only queues that keep order.
    #[must_use]
    pub fn on_poison(self, poison: Poison) -> Self {
        match self {
            Self::Sequential { .. } => Self::Sequential { poison },
            Self::OrderBy { pointer, .. } => Self::OrderBy { pointer, poison },
            other => other,
        }
    }
}

/// Which delivery is one that came before: the same value in the payload within a window (E25).
///
/// Null is no value, and neither is an integer beyond 64 bits, or a fraction that has more than 15 digits when it was read as a double: such
/// a delivery always runs. Long numbers are safe as texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dedupe {
    pointer: String,
    window_ms: u64,
}

impl Dedupe {
    /// Compares the value at this JSON pointer of the payload, for 24 hours if nothing else is said.
    pub fn by(pointer: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            window_ms: 0,
        }
        .within(hours(24))
    }

    /// Sets how long a value is remembered, from its first delivery on.
    #[must_use]
    pub fn within(mut self, window: Duration) -> Self {
        self.window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Returns the JSON pointer.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Returns how long a value is remembered.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }
}
