//! How many requests an endpoint takes within one second (W31).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use sdk::Timestamp;
use sdk::time::seconds;

/// A sliding window for each endpoint: a request is refused if its endpoint has taken as many as it may within the last second.
#[derive(Debug)]
pub struct RateLimit {
    per_second: usize,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    taken: HashMap<String, VecDeque<Timestamp>>,
    tidied_at: Timestamp,
}

impl RateLimit {
    /// Lets each endpoint take so many requests within one second; 0 sets no limit.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: usize::try_from(per_second).unwrap_or(usize::MAX),
            windows: Mutex::default(),
        }
    }

    /// Says whether an endpoint may take a request now, and counts it if so.
    pub fn take(&self, endpoint: &str, now: Timestamp) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.tidy(now);
        if !windows.taken.contains_key(endpoint) {
            windows.taken.insert(endpoint.to_owned(), VecDeque::new());
        }
        let Some(taken) = windows.taken.get_mut(endpoint) else {
            return false;
        };
        let began = now - seconds(1);
        while taken.front().is_some_and(|at| *at <= began) {
            taken.pop_front();
        }
        let free = taken.len() < self.per_second;
        if free {
            taken.push_back(now);
        }
        free
    }
}

impl Windows {
    /// Forgets endpoints that nobody has called for a while.
    fn tidy(&mut self, now: Timestamp) {
        if now.since(self.tidied_at) < seconds(60) {
            return;
        }
        self.tidied_at = now;
        let began = now - seconds(1);
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
        let rate = RateLimit::new(50);
        let start = Timestamp::from_millis(1_000_000);
        for count in 0..50 {
            assert!(rate.take("a", start + millis(count * 10)), "{count}");
        }
        assert!(!rate.take("a", start + millis(999)));
        assert!(rate.take("b", start + millis(999)));
        assert!(rate.take("a", start + millis(1000)));
        assert!(!rate.take("a", start + millis(1001)));
    }

    #[test]
    fn zero_sets_no_limit() {
        let rate = RateLimit::new(0);
        assert!((0..1000).all(|_| rate.take("a", Timestamp::from_millis(0))));
    }
}
