//! When a failure is tried again (E21, E23).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How often and when a failure is tried again.
///
/// ```
/// use sdk::prelude::*;
///
/// let retry = Retry::times(5).every(minutes(3)).with_backoff();
/// let waits: Vec<_> = (1..=6).map(|attempt| retry.wait_after(attempt, &Error::new("x"))).collect();
/// assert_eq!(waits, [Some(minutes(3)), Some(minutes(6)), Some(minutes(12)), Some(minutes(24)), Some(minutes(48)), None]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    max_attempts: u32,
    delay_ms: u64,
    backoff: bool,
    unique_by: Option<String>,
}

impl Retry {
    /// The longest wait that backoff comes to (E21).
    pub const LONGEST_WAIT: Duration = Duration::from_hours(24);
    /// The most retries that a flow may ask for (E21).
    pub const MOST: u32 = 10;
    /// The longest that a deploy or a removal waits for the retries of one function, all waits together (E51).
    pub const LONGEST_LIFECYCLE_WAIT: Duration = Duration::from_mins(5);

    /// Tries nothing again.
    pub const fn never() -> Self {
        Self::times(0)
    }

    /// Tries again up to `count` times after the first attempt; a flow may ask for 0 to 10.
    pub const fn times(count: u32) -> Self {
        Self {
            max_attempts: count,
            delay_ms: 60_000,
            backoff: false,
            unique_by: None,
        }
    }

    /// Waits this long before each further attempt; one minute if it is not said.
    #[must_use]
    pub fn every(mut self, delay: Duration) -> Self {
        self.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Doubles the wait each time, up to 24 hours.
    #[must_use]
    pub fn with_backoff(mut self) -> Self {
        self.backoff = true;
        self
    }

    /// Cancels the retries of an execution, those that wait and those that would begin to, when a newer one has the same value at this
    /// JSON pointer of the payload (E22). An execution that runs goes on. What counts as a value is said at [`Dedupe`](crate::Dedupe).
    #[must_use]
    pub fn unique_by(mut self, pointer: impl Into<String>) -> Self {
        self.unique_by = Some(pointer.into());
        self
    }

    /// Returns how many further attempts there are.
    pub fn count(&self) -> u32 {
        self.max_attempts
    }

    /// Returns how long the wait before the first further attempt is.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Says whether each wait is twice the one before.
    pub fn backs_off(&self) -> bool {
        self.backoff
    }

    /// Returns the JSON pointer to the unique request id.
    pub fn unique_pointer(&self) -> Option<&str> {
        self.unique_by.as_deref()
    }

    /// Returns how long all waits are together, unless an error names other ones.
    pub fn total_wait(&self) -> Duration {
        let waits = (1..=self.max_attempts.min(Self::MOST)).map(|attempt| self.computed(attempt));
        waits.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Returns how long to wait after the `attempt`-th attempt failed with `error`; `None` if it is not tried again.
    pub fn wait_after(&self, attempt: u32, error: &Error) -> Option<Duration> {
        if attempt > self.max_attempts || error.is_permanent() {
            return None;
        }
        let computed = self.computed(attempt);
        // Another system may ask for patience, but not for ever.
        Some(
            error
                .wait()
                .map_or(computed, |wait| wait.min(Self::LONGEST_WAIT)),
        )
    }

    /// Returns how long to wait after the `attempt`-th attempt when its error names no time.
    fn computed(&self, attempt: u32) -> Duration {
        let doublings = if self.backoff {
            attempt.saturating_sub(1).min(40)
        } else {
            0
        };
        Duration::from_millis(self.delay_ms.saturating_mul(1 << doublings)).min(Self::LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{hours, minutes, seconds};

    #[test]
    fn backoff_is_cut_at_a_day() {
        let retry = Retry::times(10).every(hours(3)).with_backoff();
        assert_eq!(
            retry.wait_after(5, &Error::new("x")),
            Some(Retry::LONGEST_WAIT)
        );
    }

    #[test]
    fn all_waits_together_are_what_the_waits_come_to() {
        let waits = |retry: Retry| retry.total_wait();
        assert_eq!(waits(Retry::never()), Duration::ZERO);
        assert_eq!(waits(Retry::times(3).every(seconds(2))), seconds(6));
        let doubled = Retry::times(3).every(seconds(2)).with_backoff();
        assert_eq!(waits(doubled), seconds(14));
    }

    #[test]
    fn a_permanent_error_is_not_tried_again_and_an_upstream_may_name_the_time() {
        let retry = Retry::times(1).every(minutes(4));
        assert_eq!(retry.wait_after(1, &Error::new("x").permanent()), None);
        assert_eq!(
            retry.wait_after(1, &Error::new("x").retry_after(seconds(7))),
            Some(seconds(7))
        );
        assert_eq!(
            retry.wait_after(1, &Error::new("x").retry_after(hours(1000))),
            Some(Retry::LONGEST_WAIT)
        );
        assert_eq!(retry.wait_after(2, &Error::new("x")), None);
    }
}
