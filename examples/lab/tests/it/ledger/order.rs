//! Order (I5, G5): what arrived first ran first, for each key.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Findings, Runs};
use super::{Delivery, Evidence};

/// Returns the line that an item of an ordered flow leaves; `ordered` has no keys.
pub(super) fn line(key: &str, item: &str) -> String {
    match key {
        "" => item.to_owned(),
        key => format!("{key} {item}"),
    }
}

pub(super) fn is_kept(findings: &mut Findings, evidence: &Evidence, runs: &Runs<'_>) {
    let mut keys: BTreeMap<(&str, &str), Vec<&Delivery>> = BTreeMap::new();
    for delivery in &evidence.deliveries {
        if let Some((key, _)) = &delivery.order {
            keys.entry((delivery.flow, key)).or_default().push(delivery);
        }
    }
    for ((flow, key), deliveries) in keys {
        let place = format!("`{flow}` {key}");
        let mut positions = BTreeMap::new();
        for delivery in &deliveries {
            if let Some([run]) = runs.get(&delivery.number).map(Vec::as_slice) {
                positions.insert(delivery.number, run.execution.position);
            }
        }
        positions_follow_the_callers(findings, &place, &deliveries, &positions);
        effects_follow_the_positions(findings, evidence, &place, &deliveries, &positions);
    }
}

/// What was answered before another one was sent has the place before it.
fn positions_follow_the_callers(
    findings: &mut Findings,
    place: &str,
    deliveries: &[&Delivery],
    positions: &BTreeMap<u64, u64>,
) {
    // (the count, whether it is a sending, delivery)
    let mut events = BTreeSet::new();
    for delivery in deliveries {
        // It has its place from one of its sendings, not before the first.
        let (Some(first), Some(last)) = (delivery.tries.first(), delivery.tries.last()) else {
            continue;
        };
        events.insert((first.sent, true, delivery.number));
        if delivery.is_accepted() {
            events.insert((last.heard, false, delivery.number));
        }
    }
    let mut answered = (0, 0);
    for (_, is_sending, number) in events {
        let Some(position) = positions.get(&number).copied() else {
            continue;
        };
        if is_sending {
            findings.check(position > answered.0, "I5", || {
                let before = answered.1;
                format!("{place}: delivery {number} has its place before {before}, which was answered when it was sent")
            });
        } else {
            answered = answered.max((position, number));
        }
    }
}

/// Effects come in the order of the places. Only the one that a kill interrupted comes again, and before the next.
fn effects_follow_the_positions(
    findings: &mut Findings,
    evidence: &Evidence,
    place: &str,
    deliveries: &[&Delivery],
    positions: &BTreeMap<u64, u64>,
) {
    let numbers: BTreeMap<String, u64> = deliveries
        .iter()
        .filter_map(|delivery| {
            let (key, item) = delivery.order.as_ref()?;
            Some((line(key, item), delivery.number))
        })
        .collect();
    let (mut last, mut again) = ((0, 0), 0);
    for left in &evidence.effects {
        let Some(number) = numbers.get(left) else {
            continue;
        };
        let Some(position) = positions.get(number).copied() else {
            continue;
        };
        findings.check(position >= last.0, "I5", || {
            format!("{place}: `{left}` ran after `{}`", last.1)
        });
        again += usize::from(position == last.0);
        last = (position, *number);
    }
    let kills = evidence.images.len();
    findings.check(again <= kills, "I3", || {
        format!("{place}: {again} came again in {kills} kills")
    });
}
