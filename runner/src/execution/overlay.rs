//! The state as one execution sees it: what is stored, and over it what this execution wrote (E40 to E42).

use std::collections::{BTreeMap, HashMap};

use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::state::{MergeFn, StateScope, StateWrite};
use sdk::{Error, Result};
use serde_json::Value;

use crate::record::{PendingState, StateKey};
use crate::store::{StateChange, Store};

/// Whose state an execution reads and writes.
#[derive(Clone, Debug)]
pub(super) struct StateOwner {
    pub(super) instance: InstanceId,
    pub(super) flow: FlowKey,
    pub(super) journal: ExecutionId,
}

impl StateOwner {
    pub(super) fn key(&self, scope: StateScope, key: &str) -> StateKey {
        let owner = match scope {
            StateScope::Execution => self.journal.as_str().into(),
            StateScope::Instance => self.flow.as_str().into(),
            StateScope::CrossFlow | StateScope::Integration => "".into(),
        };
        StateKey {
            instance: self.instance.clone(),
            scope,
            owner,
            key: key.to_owned(),
        }
    }
}

/// What one execution wrote, and the versions that it saw.
#[derive(Default)]
pub(super) struct Overlay {
    entries: BTreeMap<(StateScope, String), Pending>,
    seen: HashMap<(StateScope, String), u64>,
    stored_size: Option<u64>,
}

#[derive(Clone)]
struct Pending {
    base: Base,
    expected: Option<u64>,
    merges: Vec<MergeFn>,
}

#[derive(Clone)]
enum Base {
    /// What is stored at the commit.
    Stored,
    /// This value; `None` for a key that was removed.
    Written(Option<Value>),
}

impl Overlay {
    /// Begins with what `#[on_trigger]` wrote before the execution was accepted.
    pub(super) fn seeded(pending: &[PendingState]) -> Self {
        let entry = |pending: &PendingState| {
            let place = (pending.scope, pending.key.clone());
            let base = Base::Written(pending.value.clone());
            (
                place,
                Pending {
                    base,
                    expected: pending.expected,
                    merges: Vec::new(),
                },
            )
        };
        Self {
            entries: pending.iter().map(entry).collect(),
            ..Self::default()
        }
    }

    /// Returns what a key is to this execution, given what is stored under it.
    pub(super) fn read(
        &mut self,
        scope: StateScope,
        key: &str,
        stored: (Option<Value>, u64),
    ) -> Result<Option<Value>> {
        let place = (scope, key.to_owned());
        let (stored, version) = stored;
        self.seen.entry(place.clone()).or_insert(version);
        match self.entries.get(&place) {
            Some(pending) => pending.value(stored),
            None => Ok(stored),
        }
    }

    /// Returns the value that was written over a key without looking at what is stored, if it was.
    #[expect(
        clippy::option_option,
        reason = "a key may be written over, and what is written may be that it is gone"
    )]
    pub(super) fn written(&self, scope: StateScope, key: &str) -> Option<Option<Value>> {
        let pending = self.entries.get(&(scope, key.to_owned()))?;
        match &pending.base {
            Base::Written(value) if pending.merges.is_empty() => Some(value.clone()),
            _ => None,
        }
    }

    /// Keeps a change, unless the state of the instance would grow over its limit: then everything stays as it was (E42).
    pub(super) async fn try_write(
        &mut self,
        store: &dyn Store,
        owner: &StateOwner,
        (scope, key, write): (StateScope, &str, StateWrite),
        limit: u64,
    ) -> Result<()> {
        let place = (scope, key.to_owned());
        let before = self.entries.get(&place).cloned();
        self.write(scope, key, write);
        if scope == StateScope::Execution {
            return Ok(());
        }
        let checked = self.check_size(store, owner, limit).await;
        if checked.is_err() {
            match before {
                Some(before) => self.entries.insert(place, before),
                None => self.entries.remove(&place),
            };
        }
        checked
    }

    fn write(&mut self, scope: StateScope, key: &str, write: StateWrite) {
        let place = (scope, key.to_owned());
        let seen = self.seen.get(&place).copied();
        let new = || Pending {
            base: Base::Stored,
            expected: None,
            merges: Vec::new(),
        };
        let pending = self.entries.entry(place).or_insert_with(new);
        match write {
            StateWrite::Set(value) => pending.put(Some(value), None),
            StateWrite::Remove => pending.put(None, None),
            StateWrite::Update(value) => {
                // Over a value that this execution wrote itself, nobody else's change can be lost.
                let expected = if matches!(pending.base, Base::Written(_)) {
                    pending.expected
                } else {
                    seen
                };
                pending.put(Some(value), expected);
            }
            StateWrite::Merge(merge) => pending.merges.push(merge),
        }
    }

    /// The size of what is stored is asked once.
    async fn check_size(
        &mut self,
        store: &dyn Store,
        owner: &StateOwner,
        limit: u64,
    ) -> Result<()> {
        let stored = match self.stored_size {
            Some(size) => size,
            None => {
                let size = store.state_size(&owner.instance).await?;
                *self.stored_size.insert(size)
            }
        };
        let written: Vec<Written<'_>> = self
            .entries
            .iter()
            .filter_map(|((scope, key), pending)| match &pending.base {
                Base::Written(value) => Some((owner.key(*scope, key), value.as_ref())),
                Base::Stored => None,
            })
            .collect();
        check_fits(store, stored, &written, limit).await
    }

    /// Returns the changes for the commit; merges are worked out on what is stored now.
    pub(super) async fn changes(
        &self,
        store: &dyn Store,
        owner: &StateOwner,
    ) -> Result<Vec<StateChange>> {
        let mut changes = Vec::with_capacity(self.entries.len());
        for ((scope, key), pending) in &self.entries {
            let key = owner.key(*scope, key);
            let change = match &pending.base {
                Base::Written(value) if pending.merges.is_empty() => StateChange {
                    key,
                    value: value.clone(),
                    expected: pending.expected,
                },
                base => {
                    let (stored, version) = store.state(&key).await?;
                    let expected = match base {
                        Base::Stored => Some(version),
                        Base::Written(_) => pending.expected,
                    };
                    StateChange {
                        value: pending.value(stored)?,
                        key,
                        expected,
                    }
                }
            };
            changes.push(change);
        }
        Ok(changes)
    }

    /// Says whether nothing was written.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Says whether something is merged at the commit.
    pub(super) fn has_merges(&self) -> bool {
        let mut all = self.entries.values();
        all.any(|pending| !pending.merges.is_empty())
    }

    /// Says whether a change that was refused may be worked out again without running the function again: nothing was made from a
    /// value that has changed since.
    pub(super) fn is_only_merges(&self) -> bool {
        self.entries
            .values()
            .all(|pending| pending.expected.is_none())
    }
}

/// A value that is to be written, or to be removed.
type Written<'a> = (StateKey, Option<&'a Value>);

/// Refuses what would make the state of an instance larger than its limit, as early as can be known: what others write meanwhile, and
/// what a merge makes, is known at the commit only, which looks again. What is replaced counts no longer; that is looked up only when it
/// matters.
async fn check_fits(
    store: &dyn Store,
    stored: u64,
    written: &[Written<'_>],
    limit: u64,
) -> Result<()> {
    let mut after = stored;
    let lasting = || {
        let lasts = |(key, _): &&Written<'_>| key.scope != StateScope::Execution;
        written.iter().filter(lasts)
    };
    for (key, value) in lasting() {
        after = after.saturating_add(size(key, *value));
    }
    if after <= limit {
        return Ok(());
    }
    for (key, _) in lasting() {
        let (replaced, _) = store.state(key).await?;
        after = after.saturating_sub(size(key, replaced.as_ref()));
    }
    // What was larger before may grow smaller.
    if after <= limit || after <= stored {
        return Ok(());
    }
    Err(state_full(limit))
}

/// Says that the state of an instance would be larger than its limit (E42).
pub(crate) fn state_full(limit: u64) -> Error {
    let text = format!(
        "the state of the instance would be larger than {limit} bytes; remove keys that are no longer needed"
    );
    Error::new(text).permanent()
}

fn size(key: &StateKey, value: Option<&Value>) -> u64 {
    let bytes = value.map_or(0, |value| key.key.len() + value.to_string().len());
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Pending {
    fn put(&mut self, value: Option<Value>, expected: Option<u64>) {
        *self = Self {
            base: Base::Written(value),
            expected,
            merges: Vec::new(),
        };
    }

    fn value(&self, stored: Option<Value>) -> Result<Option<Value>> {
        let base = match &self.base {
            Base::Stored => stored,
            Base::Written(value) => value.clone(),
        };
        self.merges
            .iter()
            .try_fold(base, |value, merge| merge(value).map(Some))
    }
}
