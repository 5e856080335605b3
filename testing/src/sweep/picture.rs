//! What is left of a script when it has ended, as far as a crash must not change it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::order::Last;

/// What is left of a script when it has ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Picture {
    /// How many executions of each flow have ended in each way.
    pub(super) executions: BTreeMap<String, usize>,
    /// The state of each instance.
    pub(super) state: BTreeMap<String, Value>,
    /// The status of each answer; `None` if the caller got none.
    pub(super) answers: Vec<Option<u16>>,
    /// How each deploy and removal ended.
    pub(super) lifecycle: Vec<Result<(), String>>,
    /// What was written last in each place, and by whom.
    pub(super) last: Last,
    /// How often each request was sent to another system.
    pub(super) requests: BTreeMap<Sent, usize>,
}

/// A request to another system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sent {
    /// The method and the path.
    pub(super) what: String,
    /// The flow that sent it.
    pub(super) flow: String,
    /// The step from which it was sent.
    pub(super) step: Option<String>,
    /// Whether it was sent by a lifecycle function, which is run again as a whole.
    pub(super) lifecycle: bool,
}

impl Sent {
    /// Says whether sending it twice does no harm.
    fn is_safe(&self) -> bool {
        ["GET ", "HEAD ", "OPTIONS "]
            .iter()
            .any(|method| self.what.starts_with(method))
    }
}

impl Picture {
    /// Says what is wrong with a run that was stopped, in comparison with this one.
    pub(super) fn compare(&self, stopped: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (execution, expected, seen) in both(&self.executions, &stopped.executions) {
            if expected != seen {
                wrong.push(format!(
                    "{seen} instead of {expected} executions: {execution}"
                ));
            }
        }
        for key in self.state.keys().chain(stopped.state.keys()) {
            let (expected, seen) = (self.state.get(key), stopped.state.get(key));
            let remedy = if seen.is_none() {
                "; a step that has finished does not run again: write to the state outside of steps"
            } else {
                ""
            };
            let text = format!(
                "the state {key} is {} instead of {}{remedy}",
                show(seen),
                show(expected)
            );
            if expected != seen && !wrong.contains(&text) {
                wrong.push(text);
            }
        }
        for (number, (expected, seen)) in self.lifecycle.iter().zip(&stopped.lifecycle).enumerate()
        {
            if expected != seen {
                wrong.push(format!(
                    "deploy or removal {} {} instead of: it {}",
                    number + 1,
                    ended(seen),
                    ended(expected)
                ));
            }
        }
        for (number, (expected, seen)) in self.answers.iter().zip(&stopped.answers).enumerate() {
            if seen.is_some() && expected != seen {
                wrong.push(format!(
                    "request {} was answered {seen:?} instead of {expected:?}",
                    number + 1
                ));
            }
        }
        for (sent, expected, seen) in both(&self.requests, &stopped.requests) {
            wrong.extend(compare_sent(sent, expected, seen));
        }
        wrong
    }

    /// Says what a second deploy did again.
    pub(super) fn second_deploy(&self, twice: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (sent, once, seen) in both(&self.requests, &twice.requests) {
            if sent.lifecycle && sent.what.starts_with("POST ") && seen > once {
                wrong.push(format!(
                    "a deploy function of flow `{}` sent `{}` again at the second deploy; let it remember what it made, or look first",
                    sent.flow, sent.what
                ));
            }
        }
        for (key, before) in &self.state {
            let after = twice.state.get(key);
            if after != Some(before) {
                wrong.push(format!(
                    "the second deploy changed the state {key} from {before} to {}",
                    show(after)
                ));
            }
        }
        wrong
    }
}

fn ended(end: &Result<(), String>) -> String {
    match end {
        Ok(()) => "succeeded".to_owned(),
        Err(fault) => format!("failed ({fault})"),
    }
}

fn compare_sent(sent: &Sent, expected: usize, seen: usize) -> Option<String> {
    let Sent {
        what,
        flow,
        step,
        lifecycle,
    } = sent;
    if seen < expected {
        return Some(format!(
            "`{what}` of flow `{flow}` was sent {seen} times instead of {expected}"
        ));
    }
    let allowed = if step.is_some() {
        expected + 1
    } else {
        expected
    };
    if seen <= allowed || *lifecycle || sent.is_safe() {
        return None;
    }
    Some(match step {
        Some(step) => format!(
            "step `{step}` of flow `{flow}` sent `{what}` {seen} times instead of {expected}"
        ),
        None => format!(
            "flow `{flow}` sent `{what}` again, {seen} times instead of {expected}; put it into a step"
        ),
    })
}

/// Returns each key of two maps of counts, with its count in both.
fn both<'a, K: Ord>(
    one: &'a BTreeMap<K, usize>,
    other: &'a BTreeMap<K, usize>,
) -> Vec<(&'a K, usize, usize)> {
    let mut keys: Vec<&K> = one.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| {
            (
                key,
                one.get(key).copied().unwrap_or(0),
                other.get(key).copied().unwrap_or(0),
            )
        })
        .collect()
}

fn show(value: Option<&Value>) -> String {
    value.map_or_else(|| "not there".to_owned(), Value::to_string)
}
