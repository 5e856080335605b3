//! Who has shown the token in this browser.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::header::{COOKIE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use sdk::Timestamp;
use sdk::time::hours;
use sha2::{Digest as _, Sha256};

/// The sessions of this process, in memory: a restart ends them all.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Timestamp>>);

/// How long a session holds.
const LENGTH: Duration = hours(12);
/// How many there may be; one more ends the oldest.
const MOST: usize = 100;

impl Sessions {
    /// Begins the session with this id, which nobody can guess; returns the cookie.
    pub(super) fn begin(
        &self,
        id: &str,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let mut sessions = self.all();
        sessions.retain(|_, until| *until > now);
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, until)| **until);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.map(|key| sessions.remove(&key));
        }
        sessions.insert(key(id), now + LENGTH);
        cookie(headers, id, LENGTH)
    }

    /// Says whether the session that a request names holds.
    pub(super) fn know(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let sessions = self.all();
        shown(headers).is_some_and(|id| sessions.get(&key(&id)).is_some_and(|until| *until > now))
    }

    /// Ends the session that a request names; returns the cookie that takes it out of the browser.
    pub(super) fn end(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if let Some(id) = shown(headers) {
            self.all().remove(&key(&id));
        }
        cookie(headers, "", Duration::ZERO)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions are kept by their digest: to look one up takes as long for a good guess as for a bad one.
fn key(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

/// Cookies know no ports: two servers on one machine would end each other's sessions under one name.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let host = host.and_then(|host| Authority::try_from(host).ok());
    let port = host.and_then(|host| host.port_u16()).unwrap_or(0);
    format!("console-{port}")
}

fn cookie(headers: &HeaderMap, id: &str, length: Duration) -> Option<HeaderValue> {
    let cookie = format!(
        "{}={id}; Path=/console; HttpOnly; SameSite=Strict; Max-Age={}",
        name(headers),
        length.as_secs()
    );
    HeaderValue::try_from(cookie).ok()
}

fn shown(headers: &HeaderMap) -> Option<String> {
    let name = name(headers);
    let lines = headers.get_all(COOKIE).iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let mut pairs = texts
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(found, _)| *found == name)
        .map(|(_, id)| id.to_owned())
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.all().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn from(port: u16, id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, format!("localhost:{port}").parse().unwrap());
        let cookies = format!("other=1; console-{port}={id}");
        headers.insert(COOKIE, cookies.parse().unwrap());
        headers
    }

    #[test]
    fn a_session_holds_for_twelve_hours_at_its_own_port() {
        let sessions = Sessions::default();
        let cookie = sessions.begin("abc", &from(3001, ""), START).unwrap();
        assert_eq!(
            cookie,
            "console-3001=abc; Path=/console; HttpOnly; SameSite=Strict; Max-Age=43200"
        );
        let last = Timestamp::from_millis(START.as_millis() + 43_200_000 - 1);
        assert!(sessions.know(&from(3001, "abc"), last));
        assert!(!sessions.know(&from(3001, "abc"), START + LENGTH));
        assert!(!sessions.know(&from(3001, "abd"), START));
        assert!(!sessions.know(&from(3001, ""), START));
        let mut elsewhere = from(3001, "abc");
        elsewhere.insert(HOST, "localhost:4001".parse().unwrap());
        assert!(!sessions.know(&elsewhere, START));
    }

    #[test]
    fn one_session_too_many_ends_the_oldest_and_leaving_ends_ones_own() {
        let sessions = Sessions::default();
        for count in 0..=MOST {
            let at = START + Duration::from_secs(count as u64);
            sessions.begin(&format!("id-{count}"), &from(1, ""), at);
        }
        let now = START + hours(1);
        assert!(!sessions.know(&from(1, "id-0"), now));
        assert!(sessions.know(&from(1, "id-1"), now));
        let gone = sessions.end(&from(1, "id-1")).unwrap();
        assert!(gone.to_str().unwrap().ends_with("Max-Age=0"));
        assert!(!sessions.know(&from(1, "id-1"), now));
        assert!(sessions.know(&from(1, "id-2"), now));
    }
}
