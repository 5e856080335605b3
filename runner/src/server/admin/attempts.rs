//! Slows down those who guess the token.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sdk::Timestamp;
use sdk::time::minutes;

use crate::server::Peer;

/// How many wrong tokens an address may show within a minute.
const MOST: usize = 5;
const WINDOW: Duration = minutes(1);
/// How many addresses are remembered before the old ones are looked through.
const TIDY_AT: usize = 1024;

/// The wrong tokens of the last minute, by address.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<Option<IpAddr>, Vec<Timestamp>>>);

impl Attempts {
    /// Returns how long this address must wait; `None` if it may try.
    pub(super) fn wait(&self, peer: Option<Peer>, now: Timestamp) -> Option<Duration> {
        let failures = self.failures();
        let recent: Vec<Timestamp> = failures
            .get(&address(peer))?
            .iter()
            .copied()
            .filter(|at| is_recent(*at, now))
            .collect();
        let decisive = recent.len().checked_sub(MOST)?;
        recent
            .get(decisive)
            .map(|oldest| (*oldest + WINDOW).since(now))
    }

    /// Counts a wrong token.
    pub(super) fn note(&self, peer: Option<Peer>, now: Timestamp) {
        let mut failures = self.failures();
        if failures.len() >= TIDY_AT {
            failures.retain(|_, times| times.iter().any(|at| is_recent(*at, now)));
        }
        let times = failures.entry(address(peer)).or_default();
        times.retain(|at| is_recent(*at, now));
        times.push(now);
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, Vec<Timestamp>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) < WINDOW
}

/// Whoever has one address of an IPv6 network has all of its /64.
fn address(peer: Option<Peer>) -> Option<IpAddr> {
    let Peer(socket) = peer?;
    Some(match socket.ip().to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::unnecessary_wraps,
        reason = "a peer is an option wherever it is asked for"
    )]
    fn peer(address: &str) -> Option<Peer> {
        Some(Peer((address.parse::<IpAddr>().unwrap(), 1).into()))
    }

    #[test]
    fn the_sixth_attempt_waits_until_the_first_is_a_minute_old() {
        let attempts = Attempts::default();
        let start = Timestamp::from_millis(1_000_000);
        for count in 0..5 {
            let at = start + Duration::from_secs(count);
            assert_eq!(attempts.wait(peer("10.0.0.1"), at), None, "{count}");
            attempts.note(peer("10.0.0.1"), at);
        }
        let later = start + Duration::from_secs(10);
        assert_eq!(
            attempts.wait(peer("10.0.0.1"), later),
            Some(Duration::from_secs(50))
        );
        assert_eq!(attempts.wait(peer("10.0.0.2"), later), None);
        assert_eq!(attempts.wait(peer("10.0.0.1"), start + WINDOW), None);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_together() {
        let attempts = Attempts::default();
        let now = Timestamp::from_millis(0);
        for count in 0..5 {
            attempts.note(peer(&format!("2001:db8::{count}")), now);
        }
        assert!(attempts.wait(peer("2001:db8::ffff"), now).is_some());
        assert_eq!(attempts.wait(peer("2001:db8:0:1::1"), now), None);
    }
}
