//! How many requests an endpoint or a customer may send within a length of time (W31, E50).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sdk::Timestamp;
use sdk::time::seconds;

/// A sliding window for each name: a request is refused if as many were taken under its name as may be within the last window.
#[derive(Debug)]
pub struct RateLimit {
    window: Duration,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    taken: HashMap<String, VecDeque<Timestamp>>,
    tidied_at: Timestamp,
}

impl RateLimit {
    /// Counts within windows of this length.
    pub fn within(window: Duration) -> Self {
        Self {
            window,
            windows: Mutex::default(),
        }
    }

    /// Says whether a request may be taken under this name now, of at most so many within the window, and counts it if so; 0 sets no
    /// limit.
    pub fn take(&self, name: &str, most: u32, now: Timestamp) -> bool {
        if most == 0 {
            return true;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.tidy(now, self.window);
        if !windows.taken.contains_key(name) {
            windows.taken.insert(name.to_owned(), VecDeque::new());
        }
        let Some(taken) = windows.taken.get_mut(name) else {
            return false;
        };
        let began = now - self.window;
        while taken.front().is_some_and(|at| *at <= began) {
            taken.pop_front();
        }
        let free = taken.len() < most;
        if free {
            taken.push_back(now);
        }
        free
    }
}

impl Windows {
    /// Forgets names under which nothing has come for a while.
    fn tidy(&mut self, now: Timestamp, window: Duration) {
        if now.since(self.tidied_at) < seconds(60) {
            return;
        }
        self.tidied_at = now;
        let began = now - window;
        self.taken
            .retain(|_, taken| taken.back().is_some_and(|at| *at > began));
    }
}

#[cfg(test)]
mod tests {
    use sdk::time::millis;

    use super::*;

    #[test]
    fn the_fifty_first_request_within_a_second_is_refused_and_the_window_slides() {
        let rate = RateLimit::within(seconds(1));
        let start = Timestamp::from_millis(1_000_000);
        for count in 0..50 {
            assert!(rate.take("a", 50, start + millis(count * 10)), "{count}");
        }
        assert!(!rate.take("a", 50, start + millis(999)));
        assert!(rate.take("b", 50, start + millis(999)));
        assert!(rate.take("a", 50, start + millis(1000)));
        assert!(!rate.take("a", 50, start + millis(1001)));
    }

    #[test]
    fn zero_sets_no_limit() {
        let rate = RateLimit::within(seconds(1));
        assert!((0..1000).all(|_| rate.take("a", 0, Timestamp::from_millis(0))));
    }
}
