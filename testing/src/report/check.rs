//! Expectations of a report: all that are not met are told at once, with what happened.

use std::fmt;
use std::panic::Location;

use runner::record::ResultType;
use serde::Serialize;
use serde_json::Value;

use super::story::short;
use super::{ExecutionReport, Report};
use crate::outbound::RequestReport;
use crate::witness::Told;

/// What a test expects of a report or an execution; [`Report::check`] and [`ExecutionReport::check`] hand one out.
#[derive(Debug)]
pub struct Expectations<'a> {
    status: Option<u16>,
    execution: Option<&'a ExecutionReport>,
    requests: Option<&'a [RequestReport]>,
    count: usize,
    unmet: Vec<(String, &'static Location<'static>)>,
}

impl Report {
    /// Checks any number of expectations, and fails the test with all that are not met and what happened.
    ///
    /// # Panics
    ///
    /// An expectation is not met.
    #[track_caller]
    pub fn check(&self, expect: impl FnOnce(&mut Expectations<'_>)) -> &Self {
        let mut all = Expectations {
            status: Some(self.status()),
            execution: self.execution.as_ref(),
            requests: Some(&self.requests),
            count: 0,
            unmet: Vec::new(),
        };
        expect(&mut all);
        all.end(self, &self.told);
        self
    }
}

impl ExecutionReport {
    /// As [`Report::check`], for an execution without a caller: it has no answer and no requests.
    ///
    /// # Panics
    ///
    /// An expectation is not met.
    #[track_caller]
    pub fn check(&self, expect: impl FnOnce(&mut Expectations<'_>)) -> &Self {
        let mut all = Expectations {
            status: None,
            execution: Some(self),
            requests: None,
            count: 0,
            unmet: Vec::new(),
        };
        expect(&mut all);
        all.end(self, &self.told);
        self
    }
}

impl Expectations<'_> {
    /// Expects an answer with this status.
    #[track_caller]
    pub fn status(&mut self, status: u16) {
        let found = self
            .status
            .map_or("there is no answer".to_owned(), |it| it.to_string());
        let met = self.status == Some(status);
        self.note(met, || format!("the status {status}"), || found);
    }

    /// Expects that the execution has ended well.
    #[track_caller]
    pub fn completed(&mut self) {
        let met = self.execution.and_then(|it| it.result) == Some(ResultType::Completed);
        let found = self.end_of_execution();
        self.note(met, || "a completed execution".to_owned(), || found);
    }

    /// Expects that the execution has failed with an error that holds this text.
    #[track_caller]
    pub fn failed(&mut self, text: &str) {
        let error = self.execution.and_then(|it| it.error.as_deref());
        let met = error.is_some_and(|error| error.contains(text));
        let found = self.end_of_execution();
        self.note(met, || format!("a failure with `{text}`"), || found);
    }

    /// Expects this result of the execution.
    #[track_caller]
    pub fn output(&mut self, output: impl Serialize) {
        let expected = value(output);
        let found = self.execution.map(|it| &it.output);
        let met = found == Some(&expected);
        let found = found.map_or("there is no execution".to_owned(), short);
        self.note(met, || format!("the result {}", short(&expected)), || found);
    }

    /// Expects this result of a step; of the last one if there are several of the name.
    #[track_caller]
    pub fn step(&mut self, name: &str, result: impl Serialize) {
        let expected = value(result);
        let steps = self.execution.map_or(&[][..], |it| &it.steps);
        let step = steps.iter().rev().find(|step| step.name == name);
        let met = step.and_then(|it| it.result.as_ref()) == Some(&expected);
        let found = match step.map(|it| (&it.result, &it.error)) {
            Some((Some(result), _)) => short(result),
            Some((None, error)) => format!("it failed: {}", error.as_deref().unwrap_or_default()),
            None => {
                let names: Vec<_> = steps.iter().map(|it| format!("`{}`", it.name)).collect();
                if names.is_empty() {
                    "no step ended".to_owned()
                } else {
                    format!("there are {}", names.join(", "))
                }
            }
        };
        let wanted = || format!("step `{name}` with {}", short(&expected));
        self.note(met, wanted, || found);
    }

    /// Expects that the execution set this value of the state; `key` is the scope and the key, or the key alone.
    #[track_caller]
    pub fn state(&mut self, key: &str, to: impl Serialize) {
        let expected = value(to);
        let changes = self.execution.map_or(&[][..], |it| &it.state);
        let is_it =
            |place: &str| place == key || place.split_once(": ").is_some_and(|it| it.1 == key);
        let change = changes.iter().rev().find(|change| is_it(&change.key));
        let met = change.is_some_and(|change| change.value == expected);
        let found = match change {
            Some(change) => short(&change.value),
            None if changes.is_empty() => "the state was not changed".to_owned(),
            None => {
                let keys: Vec<_> = changes.iter().map(|it| format!("`{}`", it.key)).collect();
                format!("only {} changed", keys.join(", "))
            }
        };
        let wanted = || format!("state `{key}` = {}", short(&expected));
        self.note(met, wanted, || found);
    }

    /// Expects exactly these requests to other systems, in this order, each as `POST /orders`.
    #[track_caller]
    pub fn requests<'r>(&mut self, requests: impl IntoIterator<Item = &'r str>) {
        let expected: Vec<_> = requests.into_iter().map(str::to_owned).collect();
        let line = |it: &RequestReport| format!("{} {}", it.method, it.path);
        let found = self
            .requests
            .map(|all| all.iter().map(line).collect::<Vec<_>>());
        let met = found.as_ref() == Some(&expected);
        let list = |all: &[String]| match all {
            [] => "no request".to_owned(),
            all => all.join(", "),
        };
        let found = found.map_or("they are in the report of the webhook".to_owned(), |all| {
            list(&all)
        });
        self.note(met, || list(&expected), || found);
    }

    /// Expects anything else: `what` is said if it is not so.
    #[track_caller]
    pub fn that(&mut self, met: bool, what: &str) {
        self.note(met, || what.to_owned(), || "it is not so".to_owned());
    }

    fn end_of_execution(&self) -> String {
        let Some(execution) = self.execution else {
            return "there is no execution".to_owned();
        };
        match (&execution.error, execution.result) {
            (Some(error), _) => format!("it failed with `{error}`"),
            (None, Some(ResultType::Completed)) => "it completed".to_owned(),
            (None, Some(other)) => value(other).as_str().unwrap_or_default().to_owned(),
            (None, None) => "it has not ended".to_owned(),
        }
    }

    #[track_caller]
    fn note(
        &mut self,
        met: bool,
        expected: impl FnOnce() -> String,
        happened: impl FnOnce() -> String,
    ) {
        self.count += 1;
        if !met {
            let text = format!("expected {}, happened: {}", expected(), happened());
            self.unmet.push((text, Location::caller()));
        }
    }

    #[track_caller]
    #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
    fn end(&self, happened: &impl fmt::Display, told: &Told) {
        let unmet = match &self.unmet[..] {
            [] => return,
            [(text, _)] if self.count == 1 => text.clone(),
            unmet => {
                let lines = unmet
                    .iter()
                    .map(|(text, at)| format!("\n  {text} ({}:{})", at.file(), at.line()));
                let lines: String = lines.collect();
                format!(
                    "{} of {} expectations are not met:{lines}",
                    unmet.len(),
                    self.count
                )
            }
        };
        told.tell();
        panic!("{unmet}\n\nwhat happened:\n{happened}");
    }
}

fn value(of: impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}
