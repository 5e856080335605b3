//! Trace context (W3C): what came in with a webhook goes out with every request of its execution.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use sdk::id::ExecutionId;
use sha2::{Digest as _, Sha256};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// As much of a `tracestate` is passed on; a longer one is left out whole.
const LONGEST_STATE: usize = 512;

/// The trace to which an execution belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// 32 hexadecimal digits.
    id: String,
    sampled: bool,
    state: Option<HeaderValue>,
}

impl Trace {
    /// Returns the trace that the headers of a payload name. If they name none, it is a new one, made from the id of the journal: all
    /// attempts of an execution belong to one trace, and in a simulation it is the same in every run.
    pub fn of(headers: &HeaderMap, journal: &ExecutionId) -> Self {
        Self::read(headers).unwrap_or_else(|| Self {
            id: digest(&["trace", journal.as_str()], 16),
            sampled: true,
            state: None,
        })
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(PARENT).iter();
        let parent = parents.next()?.to_str().ok()?;
        // Two parents are none.
        if parents.next().is_some() {
            return None;
        }
        let mut parts = parent.split('-');
        let (version, id) = (parts.next()?, parts.next()?);
        let (span, flags) = (parts.next()?, parts.next()?);
        // A later version may say more behind the flags.
        let whole = parts.next().is_none() || version != "00";
        let fits = is_hex(version, 2)
            && version != "ff"
            && is_hex(id, 32)
            && is_hex(span, 16)
            && is_hex(flags, 2)
            && is_told(id)
            && is_told(span);
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (whole && fits).then(|| Self {
            id: id.to_owned(),
            sampled: flags & 1 == 1,
            state: state(headers),
        })
    }

    /// Returns the id of the trace: 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Names the trace in the headers of a request, unless its author did; `span` is what makes the request one of its own.
    pub fn name(&self, headers: &mut HeaderMap, span: &str) {
        if headers.contains_key(PARENT) {
            return;
        }
        let span = digest(&["span", &self.id, span], 8);
        let parent = format!("00-{}-{span}-0{}", self.id, u8::from(self.sampled));
        if let Ok(parent) = HeaderValue::try_from(parent) {
            headers.insert(PARENT, parent);
        }
        if let Some(state) = &self.state {
            headers.insert(STATE, state.clone());
        }
    }
}

/// Returns what senders on the way have to say of the trace.
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let texts: Option<Vec<&str>> = headers
        .get_all(STATE)
        .iter()
        .map(|value| value.to_str().ok())
        .collect();
    let text = texts?.join(",");
    let fits = !text.is_empty() && text.len() <= LONGEST_STATE;
    fits.then(|| HeaderValue::try_from(text).ok()).flatten()
}

fn is_hex(text: &str, length: usize) -> bool {
    let digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == length && text.bytes().all(digit)
}

/// All zeros stand for "none".
fn is_told(id: &str) -> bool {
    id.bytes().any(|byte| byte != b'0')
}

fn digest(parts: &[&str], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut text = String::with_capacity(bytes * 2);
    for byte in hash.finalize().iter().take(bytes) {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn of(pairs: &[(&'static str, &str)]) -> Trace {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        Trace::of(&map, &"journal".into())
    }

    #[test]
    fn a_trace_that_came_goes_on_under_a_span_of_its_own() {
        let trace = of(&[
            ("traceparent", &format!("00-{ID}-{SPAN}-01")),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ]);
        let mut sent = HeaderMap::new();
        trace.name(&mut sent, "first");
        let parent = sent["traceparent"].to_str().unwrap().to_owned();
        assert!(parent.starts_with(&format!("00-{ID}-")) && parent.ends_with("-01"));
        assert!(!parent.contains(SPAN) && parent.len() == 55, "{parent}");
        assert_eq!(sent["tracestate"], "a=1,b=2");
        let mut other = HeaderMap::new();
        trace.name(&mut other, "second");
        assert_ne!(other["traceparent"], parent);
    }

    #[test]
    fn what_is_no_trace_begins_a_new_one_that_is_always_the_same() {
        let new = of(&[]);
        assert!(is_hex(new.id(), 32) && new.sampled);
        let zeros = "0".repeat(32);
        for parent in [
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{ID}-0000000000000000-01"),
            format!("ff-{ID}-{SPAN}-01"),
            format!("00-{ID}-{SPAN}-01-more"),
            format!("00-{}-{SPAN}-01", ID.to_uppercase()),
            format!("00-{ID}-{SPAN}"),
            "nonsense".to_owned(),
            String::new(),
        ] {
            let trace = of(&[("traceparent", &parent), ("tracestate", "a=1")]);
            assert_eq!(trace, new, "{parent}");
        }
        let parent = format!("00-{ID}-{SPAN}-01");
        assert_eq!(
            of(&[("traceparent", &parent), ("traceparent", &parent)]),
            new
        );
        assert_ne!(Trace::of(&HeaderMap::new(), &"another".into()), new);
    }

    #[test]
    fn a_later_version_is_understood_and_not_being_sampled_is_kept() {
        let trace = of(&[("traceparent", &format!("cc-{ID}-{SPAN}-00-more"))]);
        assert_eq!((trace.id(), trace.sampled), (ID, false));
        let mut sent = HeaderMap::new();
        trace.name(&mut sent, "first");
        assert!(sent["traceparent"].to_str().unwrap().ends_with("-00"));
    }

    #[test]
    fn an_author_may_name_another_trace_and_a_long_state_is_left_out() {
        let long = "a=".to_owned() + &"x".repeat(LONGEST_STATE);
        let trace = of(&[
            ("traceparent", &format!("00-{ID}-{SPAN}-01")),
            ("tracestate", &long),
        ]);
        assert_eq!(trace.state, None);
        let mut own = headers(&[("traceparent", "mine")]);
        trace.name(&mut own, "first");
        assert_eq!(own["traceparent"], "mine");
    }
}
