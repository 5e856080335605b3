//! Whether an older execution that was tried again wrote over what a newer one had written.

use std::collections::BTreeMap;

use serde_json::Value;

/// Something that an execution wrote over: a value of the state, or what a PUT, PATCH or DELETE left in another system.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// What was written.
    pub(super) place: String,
    /// What was written there.
    pub(super) value: Value,
    /// The flow of the execution.
    pub(super) flow: String,
    /// The place of the execution in the order of arrival; a retry has that of its first attempt.
    pub(super) position: u64,
}

/// What was written last, and by whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Last {
    places: BTreeMap<(String, String), LastWrite>,
}

#[derive(Clone, Debug, PartialEq)]
struct LastWrite {
    value: Value,
    /// Whether a newer execution of the flow had written there before.
    is_late: bool,
    newest: u64,
}

impl Last {
    /// Reads what was written, in the order in which it was.
    pub(super) fn of(all: impl IntoIterator<Item = Written>) -> Self {
        let mut places: BTreeMap<_, LastWrite> = BTreeMap::new();
        for written in all {
            let key = (written.place, written.flow);
            let newest = places.get(&key).map_or(0, |last| last.newest);
            let last = LastWrite {
                value: written.value,
                is_late: written.position < newest,
                newest: newest.max(written.position),
            };
            places.insert(key, last);
        }
        Self { places }
    }

    /// Says what an older execution of the other run left, in comparison with this one.
    pub(super) fn overwritten_in(&self, other: &Self) -> Vec<String> {
        let late = other.places.iter().filter(|(_, last)| last.is_late);
        late.filter_map(|((place, flow), last)| {
            let expected = self.places.get(&(place.clone(), flow.clone()))?;
            (expected.value != last.value).then(|| {
                format!(
                    "{place} is {} instead of {}: flow `{flow}` was tried again after a newer execution of it had written there; \
                     give it `queue = Queue::order_by(…)` or `Queue::sequential()`",
                    last.value, expected.value
                )
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn last(all: &[(&str, &str, u64, i32)]) -> Last {
        Last::of(all.iter().map(|(place, flow, position, value)| Written {
            place: (*place).to_owned(),
            value: json!(value),
            flow: (*flow).to_owned(),
            position: *position,
        }))
    }

    #[test]
    fn an_older_write_after_a_newer_one_is_told_unless_it_leaves_the_same() {
        let in_order = last(&[("a", "f", 1, 1), ("a", "f", 2, 2)]);
        let turned = last(&[("a", "f", 2, 2), ("a", "f", 1, 1)]);
        let told = in_order.overwritten_in(&turned);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("a is 1 instead of 2: flow `f` was tried again"));
        assert_eq!(in_order.overwritten_in(&in_order), [""; 0]);

        let same = last(&[("a", "f", 1, 3), ("a", "f", 2, 3)]);
        let turned = last(&[("a", "f", 2, 3), ("a", "f", 1, 3)]);
        assert_eq!(same.overwritten_in(&turned), [""; 0]);
    }

    #[test]
    fn other_flows_and_other_places_have_an_order_of_their_own() {
        let in_order = last(&[("a", "f", 1, 1), ("a", "g", 2, 2), ("b", "f", 3, 3)]);
        let turned = last(&[("b", "f", 3, 3), ("a", "g", 2, 2), ("a", "f", 1, 1)]);
        assert_eq!(in_order.overwritten_in(&turned), [""; 0]);
    }
}
