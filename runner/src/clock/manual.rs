//! A clock that is moved by hand.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use sdk::Timestamp;
use sdk::host::BoxFuture;

use super::Clock;

/// A clock that stands still until it is moved. Clones are the same clock.
///
/// Whoever sleeps on it is woken in the order of the times, and among equal ones in the order in which they lay down; so a simulation
/// is the same in every run.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<Hands>>);

struct Hands {
    now: Timestamp,
    next_number: u64,
    /// Who sleeps, by the time to wake up and by number; `None` has not looked at the clock yet.
    sleepers: BTreeMap<(Timestamp, u64), Option<Waker>>,
}

impl ManualClock {
    /// Makes a clock that shows this time.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands {
            now,
            next_number: 0,
            sleepers: BTreeMap::new(),
        })))
    }

    /// Moves the clock forward and wakes everyone whose time has come; a time that is past moves nothing. All of them find the clock at
    /// `to`: to let each wake up at its own time, go from one [`next_deadline`](Self::next_deadline) to the next.
    pub fn advance_to(&self, to: Timestamp) {
        let to = self.now().max(to);
        self.set_to(to);
    }

    /// Sets the clock, also back, as an operator may set the clock of a machine. Whoever sleeps until a time sleeps until then.
    pub fn set_to(&self, to: Timestamp) {
        let mut hands = self.hands();
        hands.now = to;
        let late = hands.sleepers.split_off(&(to, u64::MAX));
        let due = std::mem::replace(&mut hands.sleepers, late);
        drop(hands);
        for waker in due.into_values().flatten() {
            waker.wake();
        }
    }

    /// Returns the earliest time at which someone wants to be woken; `None` if nobody sleeps.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let hands = self.hands();
        hands.sleepers.keys().next().map(|(at, _)| *at)
    }

    /// Returns how many sleep.
    pub fn sleepers(&self) -> usize {
        self.hands().sleepers.len()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands().now
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut hands = self.hands();
        if at <= hands.now {
            return Box::pin(std::future::ready(()));
        }
        let place = (at, hands.next_number);
        hands.next_number += 1;
        hands.sleepers.insert(place, None);
        let clock = self.clone();
        Box::pin(Sleep { clock, place })
    }
}

/// Someone who sleeps: it is over when its place is no longer among the sleepers.
struct Sleep {
    clock: ManualClock,
    place: (Timestamp, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.clock.hands().sleepers.get_mut(&self.place) {
            Some(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.hands().sleepers.remove(&self.place);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hands = self.hands();
        f.debug_struct("ManualClock")
            .field("now", &hands.now)
            .field("sleepers", &hands.sleepers.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::StreamExt as _;
    use futures_util::stream::FuturesUnordered;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn sleepers_wake_in_the_order_of_their_times_and_then_of_their_lying_down() {
        let clock = ManualClock::at(at(0));
        let mut sleepers: FuturesUnordered<_> = [(30, 'd'), (10, 'a'), (20, 'b'), (20, 'c')]
            .into_iter()
            .map(|(until, name)| clock.sleep_until(at(until)).map(move |()| name))
            .collect();
        assert_eq!(sleepers.next().now_or_never(), None);
        assert_eq!(clock.next_deadline(), Some(at(10)));
        clock.advance_to(at(20));
        let woken = std::iter::from_fn(|| sleepers.next().now_or_never().flatten());
        assert_eq!(woken.collect::<String>(), "abc");
        assert_eq!(clock.next_deadline(), Some(at(30)));
    }

    #[test]
    fn a_clock_that_is_set_back_wakes_nobody_and_one_that_advances_never_goes_back() {
        let clock = ManualClock::at(at(100));
        let mut sleep = clock.sleep_until(at(110));
        clock.set_to(at(50));
        assert_eq!((&mut sleep).now_or_never(), None);
        clock.advance_to(at(40));
        assert_eq!(clock.now(), at(50));
        clock.advance_to(at(110));
        clock.set_to(at(50));
        assert_eq!(
            sleep.now_or_never(),
            Some(()),
            "its time had come, whatever the clock shows now"
        );
        assert_eq!(
            clock.sleep_until(at(50)).now_or_never(),
            Some(()),
            "a time that is here needs no sleep"
        );
    }

    #[test]
    fn who_no_longer_waits_is_no_deadline() {
        let clock = ManualClock::at(at(0));
        drop(clock.sleep_until(at(10)));
        assert_eq!(clock.next_deadline(), None);
    }
}
