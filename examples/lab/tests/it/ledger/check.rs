//! Holds what was promised against what is there. Everything that does not fit is a violation; nothing here gives up at the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use runner::record::{InvokedBy, ResultType, Status};
use serde_json::Value;

use super::evidence::{Evidence, Image, Stored};
use super::{Delivery, Reply, order};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The invariant, `I1` to `I8`.
    pub(crate) rule: &'static str,
    pub(crate) text: String,
}

/// Collects violations.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Violation>);

impl Findings {
    pub(super) fn check(&mut self, holds: bool, rule: &'static str, text: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation { rule, text: text() });
        }
    }
}

/// Returns everything in which the evidence goes against I1 to I8.
pub(crate) fn violations(evidence: &Evidence) -> Vec<Violation> {
    let mut findings = Findings::default();
    let by_number = runs_by_number(&mut findings, evidence);
    let empty = Vec::new();
    for delivery in &evidence.deliveries {
        let runs = by_number.get(&delivery.number).unwrap_or(&empty);
        nothing_is_lost(&mut findings, delivery, runs);
        nothing_is_made_up(&mut findings, evidence, delivery, runs);
    }
    everything_has_an_outcome(&mut findings, evidence);
    promises_stood_on_the_disk(&mut findings, evidence);
    effects_are_there_and_bounded(&mut findings, evidence);
    no_finished_step_runs_again(&mut findings, evidence);
    order::is_kept(&mut findings, evidence, &by_number);
    no_tick_runs_twice(&mut findings, evidence);
    no_end_changes(&mut findings, evidence);
    the_log_is_quiet(&mut findings, &evidence.log);
    findings.0
}

/// The executions of each delivery, those left out that only record that it came again.
pub(super) type Runs<'a> = BTreeMap<u64, Vec<&'a Stored>>;

fn runs_by_number<'a>(findings: &mut Findings, evidence: &'a Evidence) -> Runs<'a> {
    let mut runs = Runs::new();
    let webhooks = evidence.stored.iter().filter(|stored| {
        stored.execution.invoked_by == InvokedBy::Webhook
            && stored.execution.result != Some(ResultType::CanceledAsDuplicate)
    });
    for stored in webhooks {
        let body = stored.body.as_deref().unwrap_or_default();
        let number = serde_json::from_slice(body)
            .ok()
            .and_then(|body: Value| body["number"].as_u64());
        let known = number.filter(|number| {
            evidence
                .deliveries
                .iter()
                .any(|delivery| delivery.number == *number)
        });
        findings.check(known.is_some(), "I2", || {
            format!("{} belongs to nothing that was sent", stored.execution.id)
        });
        runs.entry(number.unwrap_or(u64::MAX))
            .or_default()
            .push(stored);
    }
    runs
}

fn nothing_is_lost(findings: &mut Findings, delivery: &Delivery, runs: &[&Stored]) {
    let number = delivery.number;
    let held: BTreeSet<&str> = delivery.held().collect();
    findings.check(held.len() <= 1, "I1", || {
        format!("delivery {number} was answered with several ids: {held:?}")
    });
    for id in held {
        let Some(run) = runs.iter().find(|run| run.execution.id.as_str() == id) else {
            findings.check(false, "I1", || {
                format!("delivery {number}: {id} was promised and is not there")
            });
            continue;
        };
        findings.check(
            run.body.as_ref() == Some(&delivery.body)
                && run.execution.flow.as_str() == delivery.flow,
            "I1",
            || format!("delivery {number}: {id} has another body or flow than was sent"),
        );
    }
}

fn nothing_is_made_up(
    findings: &mut Findings,
    evidence: &Evidence,
    delivery: &Delivery,
    runs: &[&Stored],
) {
    let is_open = delivery
        .tries
        .iter()
        .any(|sending| matches!(sending.reply, Reply::Broken(_) | Reply::Awaited));
    let is_in_doubt = evidence.is_in_doubt
        && delivery
            .tries
            .iter()
            .any(|sending| sending.reply == Reply::Refused(503));
    let is_unknown = is_in_doubt || (is_open && !evidence.is_graceful);
    let most = usize::from(delivery.is_accepted() || is_unknown);
    findings.check(runs.len() <= most, "I2", || {
        let ids: Vec<&str> = runs.iter().map(|run| run.execution.id.as_str()).collect();
        let replies: Vec<&Reply> = delivery.tries.iter().map(|it| &it.reply).collect();
        format!(
            "delivery {} has executions {ids:?}, and its caller was told {replies:?}",
            delivery.number
        )
    });
}

fn everything_has_an_outcome(findings: &mut Findings, evidence: &Evidence) {
    for Stored { execution, .. } in &evidence.stored {
        findings.check(execution.status == Status::Success, "I1", || {
            let (id, flow) = (&execution.id, &execution.flow);
            let (status, error) = (execution.status, execution.error.as_deref());
            format!("{id} of `{flow}` came to no good end: {status:?} {error:?}")
        });
    }
}

fn promises_stood_on_the_disk(findings: &mut Findings, evidence: &Evidence) {
    for (kill, image) in evidence.images.iter().enumerate() {
        for id in &image.held {
            findings.check(image.executions.contains_key(id), "I1", || {
                format!("{id} was promised before kill {kill} and was not on the disk then")
            });
        }
    }
}

fn effects_are_there_and_bounded(findings: &mut Findings, evidence: &Evidence) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &evidence.effects {
        *counts.entry(line).or_default() += 1;
    }
    let extra = evidence.effects.len() - counts.len();
    // Each execution that a kill interrupts was at one effect at most.
    let interrupted = |image: &Image| {
        let executions = image.executions.values();
        executions.filter(|it| !it.status.is_final()).count()
    };
    let most: usize = evidence.images.iter().map(interrupted).sum();
    findings.check(extra <= most, "I3", || {
        format!("{extra} effects came again, and kills explain at most {most}")
    });
    let mut explained = BTreeSet::new();
    let walks = evidence.stored.iter().filter(|stored| {
        stored.execution.flow.as_str() == "steps" && stored.execution.status == Status::Success
    });
    for stored in walks {
        let lines = ["one", "two", "three"].map(|step| format!("{} {step}", stored.execution.id));
        let first = |line: &String| evidence.effects.iter().position(|left| left == line);
        let places: Vec<Option<usize>> = lines.iter().map(first).collect();
        findings.check(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "I3",
            || format!("{} left its steps at lines {places:?}", stored.execution.id),
        );
        findings.check(stored.steps.len() == 3, "I4", || {
            let recorded = stored.steps.len();
            format!("{} has {recorded} recorded steps", stored.execution.id)
        });
        explained.extend(lines);
    }
    for delivery in &evidence.deliveries {
        if let Some((key, item)) = &delivery.order {
            let line = order::line(key, item);
            findings.check(
                !delivery.is_accepted() || counts.contains_key(line.as_str()),
                "I3",
                || format!("delivery {} left nothing", delivery.number),
            );
            explained.insert(line);
        }
    }
    // The local instance is deployed once, by the first server.
    explained.insert("on-deploy".to_owned());
    for line in counts.keys() {
        findings.check(explained.contains(*line), "I2", || {
            format!("nothing that was sent explains the effect `{line}`")
        });
    }
}

fn no_finished_step_runs_again(findings: &mut Findings, evidence: &Evidence) {
    for (kill, image) in evidence.images.iter().enumerate() {
        for line in evidence.effects.iter().skip(image.effects) {
            let again = line.split_once(' ').is_some_and(|(id, step)| {
                let place = (id.to_owned(), step.to_owned());
                image.finished_steps.contains(&place)
            });
            findings.check(!again, "I4", || {
                format!("`{line}` ran after kill {kill}, and was finished before")
            });
        }
    }
}

fn no_tick_runs_twice(findings: &mut Findings, evidence: &Evidence) {
    let mut ticks = BTreeSet::new();
    for stored in &evidence.stored {
        if let Some(nominal) = stored.tick {
            let flow = stored.execution.flow.as_str();
            findings.check(ticks.insert((flow, nominal)), "I6", || {
                format!("`{flow}` ran twice for its tick at {nominal}")
            });
        }
    }
}

fn no_end_changes(findings: &mut Findings, evidence: &Evidence) {
    let last: BTreeMap<&str, _> = evidence
        .stored
        .iter()
        .map(|stored| (stored.execution.id.as_str(), &stored.execution))
        .collect();
    for (kill, image) in evidence.images.iter().enumerate() {
        for (id, before) in &image.executions {
            let Some(after) = last.get(id.as_str()) else {
                findings.check(false, "I7", || {
                    format!("{id} was there at kill {kill} and is gone")
                });
                continue;
            };
            let origin = (before.accepted_at, before.position, &before.order_key);
            findings.check(
                origin == (after.accepted_at, after.position, &after.order_key),
                "I7",
                || format!("{id} has another origin than at kill {kill}"),
            );
            let same_end = || {
                (before.status, before.result, before.ended_at)
                    == (after.status, after.result, after.ended_at)
            };
            findings.check(!before.status.is_final() || same_end(), "I7", || {
                format!("{id} had ended at kill {kill}, and ended again")
            });
        }
    }
}

/// A line a tenth of a second at most, and nothing that should be in no log.
fn the_log_is_quiet(findings: &mut Findings, log: &str) {
    const SECRET: &str = "AC49CB66";
    let mut complaints: BTreeMap<String, usize> = BTreeMap::new();
    for text in log.lines() {
        let line: Value = serde_json::from_str(text).unwrap_or_default();
        let is_fit = line.is_object() && !text.contains("panicked") && !text.contains(SECRET);
        findings.check(is_fit, "I8", || format!("this is no line of a log: {text}"));
        if matches!(line["level"].as_str(), Some("WARN" | "ERROR")) {
            let second = line["timestamp"].as_str().unwrap_or_default();
            let second = second.chars().take("2026-01-01T00:00:00".len()).collect();
            *complaints.entry(second).or_default() += 1;
        }
    }
    for (second, count) in complaints {
        findings.check(count <= 10, "I8", || {
            format!("{count} complaints in the log in the second {second}")
        });
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}
