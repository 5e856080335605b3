//! What a simulation remembers of its store beside what the store keeps: which execution changed which state, and every secret that an
//! instance ever had, so that a report shows none of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runner::instance::Instance;
use runner::record::{Execution, StateKey};
use runner::redaction::Redactor;
use runner::store::{Commit, Committed, Store, StoreLayer, StoreResult, Write};
use runner::vault::Vault;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, InstanceId};
use sdk::integration::BuiltIntegration;
use sdk::state::StateScope;
use serde::Serialize;
use serde_json::Value;

/// A change of one value of the state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateReport {
    /// The scope and the key, as in [`Timeline::state`](crate::Timeline::state).
    pub key: String,
    /// The new value; null if the key was removed.
    pub value: Value,
}

/// What an execution changed in the state, and when in the order of commits.
#[derive(Default)]
struct Changes {
    commit: u64,
    all: Vec<StateReport>,
}

/// Whether a failing test has shown what happened. Clones are the same, and equal to any other: it is no part of what a report says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<AtomicBool>);

impl Told {
    pub(crate) fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl PartialEq for Told {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What was seen of a store. Clones are the same witness.
#[derive(Clone)]
pub(crate) struct Witness {
    integration: BuiltIntegration,
    seen: Arc<Mutex<Seen>>,
    told: Told,
}

#[derive(Default)]
struct Seen {
    changes: HashMap<ExecutionId, Changes>,
    /// Every execution in the order of acceptance, with its instance.
    accepted: Vec<(InstanceId, ExecutionId)>,
    /// How many commits changed the state.
    commits: u64,
    /// What was sealed, and what takes it out of text.
    redactors: Vec<(Vec<u8>, Redactor)>,
}

impl Witness {
    pub(crate) fn new(integration: BuiltIntegration) -> Self {
        Self {
            integration,
            seen: Arc::default(),
            told: Told::default(),
        }
    }

    /// Returns whether a failing test has shown what happened.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// Returns what an execution changed in the state, in the order of the commit.
    pub(crate) fn changes_of(&self, execution: &ExecutionId) -> Vec<StateReport> {
        let seen = self.seen();
        let changes = seen.changes.get(execution);
        changes.map(|it| it.all.clone()).unwrap_or_default()
    }

    /// Returns every execution that changed the state, in the order of the commits, with what it changed.
    pub(crate) fn all_changes(&self) -> Vec<(ExecutionId, Vec<StateReport>)> {
        let seen = self.seen();
        let mut all: Vec<_> = seen.changes.iter().collect();
        all.sort_by_key(|(_, changes)| changes.commit);
        all.into_iter()
            .map(|(id, changes)| (id.clone(), changes.all.clone()))
            .collect()
    }

    /// Puts the name of its config variable in the place of each secret that an instance has or had.
    pub(crate) fn text(&self, text: &str) -> String {
        let seen = self.seen();
        seen.redactors
            .iter()
            .fold(text.to_owned(), |text, (_, redactor)| redactor.text(&text))
    }

    /// As [`text`](Self::text), for every text and key in a JSON value.
    pub(crate) fn value(&self, value: Value) -> Value {
        let seen = self.seen();
        seen.redactors
            .iter()
            .fold(value, |value, (_, redactor)| redactor.value(value))
    }

    /// Learns the secrets before anything can use them.
    fn learn(&self, commit: &Commit) {
        for write in &commit.writes {
            let Write::PutInstance(record) = write else {
                continue;
            };
            let known = |(sealed, _): &(Vec<u8>, Redactor)| *sealed == record.sealed;
            if self.seen().redactors.iter().any(known) {
                continue;
            }
            if let Ok(instance) = Instance::read(record, &Vault::clear(), &self.integration, "") {
                let entry = (record.sealed.clone(), instance.redactor);
                self.seen().redactors.push(entry);
            }
        }
    }

    /// Returns how many executions were accepted so far, of all instances.
    pub(crate) fn accepted(&self) -> usize {
        self.seen().accepted.len()
    }

    /// Returns the executions of an instance, or of all, that were accepted after so many.
    pub(crate) fn accepted_after(
        &self,
        instance: Option<&InstanceId>,
        count: usize,
    ) -> Vec<ExecutionId> {
        let seen = self.seen();
        let new = seen.accepted.get(count..).unwrap_or_default().iter();
        new.filter(|(of, _)| instance.is_none_or(|instance| of == instance))
            .map(|(_, id)| id.clone())
            .collect()
    }

    fn note_accepted(&self, accepted: Vec<(InstanceId, ExecutionId)>) {
        self.seen().accepted.extend(accepted);
    }

    fn note(&self, execution: ExecutionId, changes: Vec<StateReport>) {
        let mut seen = self.seen();
        seen.commits += 1;
        let commit = seen.commits;
        let known = seen.changes.entry(execution).or_default();
        known.commit = commit;
        known.all.extend(changes);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the execution that a commit ends, and its changes of state: both stand in one commit (G3).
fn changes(commit: &Commit) -> Option<(ExecutionId, Vec<StateReport>)> {
    let end = commit.writes.iter().find_map(|write| match write {
        Write::Finish(finish) => Some(finish.id.clone()),
        _ => None,
    })?;
    let changes = commit.writes.iter().filter_map(|write| match write {
        Write::State(change) => Some(StateReport::of(&change.key, change.value.clone())),
        _ => None,
    });
    Some((end, changes.collect()))
}

/// Returns the executions that a commit accepts.
fn accepted(commit: &Commit) -> Vec<(InstanceId, ExecutionId)> {
    let accepts = commit.writes.iter().filter_map(|write| match write {
        Write::Accept(accept) => {
            let Execution { instance, id, .. } = &accept.execution;
            Some((instance.clone(), id.clone()))
        }
        _ => None,
    });
    accepts.collect()
}

/// A store with a witness.
pub(crate) struct WitnessedStore {
    inner: Arc<dyn Store>,
    witness: Witness,
}

impl WitnessedStore {
    pub(crate) fn new(inner: Arc<dyn Store>, witness: Witness) -> Self {
        Self { inner, witness }
    }
}

impl StoreLayer for WitnessedStore {
    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        self.witness.learn(&commit);
        let (ended, accepted) = (changes(&commit), accepted(&commit));
        let committed = self.inner.commit(commit);
        Box::pin(async move {
            let committed = committed.await?;
            if let Committed::Done = committed {
                self.witness.note_accepted(accepted);
                if let Some((execution, changes)) = ended {
                    self.witness.note(execution, changes);
                }
            }
            Ok(committed)
        })
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness")
            .field("integration", &self.integration.name)
            .finish_non_exhaustive()
    }
}

impl StateReport {
    pub(crate) fn of(key: &StateKey, value: Option<Value>) -> Self {
        Self {
            key: Self::place(key),
            value: value.unwrap_or_default(),
        }
    }

    /// Shows scope and key: `instance of adds: total`.
    pub(crate) fn place(key: &StateKey) -> String {
        let scope = match key.scope {
            StateScope::Execution => "execution",
            StateScope::Instance => "instance",
            StateScope::CrossFlow => "cross_flow",
            StateScope::Integration => "integration",
        };
        let owner = match &*key.owner {
            "" => String::new(),
            owner => format!(" of {owner}"),
        };
        format!("{scope}{owner}: {}", key.key)
    }

    pub(crate) fn redacted(self, witness: &Witness) -> Self {
        Self {
            key: witness.text(&self.key),
            value: witness.value(self.value),
        }
    }
}
