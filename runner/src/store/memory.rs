//! The store of simulations: plain maps behind one lock.

mod prune;
mod refusal;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::state::StateScope;

use super::{
    Accept, ClearState, Commit, Committed, Cursor, ExecutionFilter, Finish, InstanceRecord,
    StateChange, Store, StoreResult, Write,
};
use crate::record::{
    Execution, InvokedBy, LogRecord, ResultType, StateEntry, StateKey, Status, StepRecord,
    StoredAnswer, StoredOutput, StoredPayload,
};

/// A store in memory: what it holds goes with it. Clones share what they hold.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Tables>>);

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

#[derive(Clone, Default)]
struct Tables {
    executions: HashMap<ExecutionId, Row>,
    /// Results whose execution is no longer kept, and when it ended.
    orphans: HashMap<ExecutionId, (Timestamp, StoredOutput)>,
    unfinished: BTreeSet<(u64, ExecutionId)>,
    steps: HashMap<ExecutionId, Vec<StepRecord>>,
    logs: HashMap<ExecutionId, Vec<LogRecord>>,
    claims: HashMap<String, (Timestamp, ExecutionId)>,
    states: BTreeMap<StateKey, Kept>,
    instances: BTreeMap<InstanceId, Arc<InstanceRecord>>,
    ticks: BTreeMap<(InstanceId, FlowKey), Timestamp>,
    last_position: u64,
}

#[derive(Clone)]
struct Row {
    execution: Execution,
    payload: Option<Arc<StoredPayload>>,
    answer: Option<StoredAnswer>,
    output: Option<StoredOutput>,
}

#[derive(Clone)]
struct Kept {
    value: Option<serde_json::Value>,
    version: u64,
    /// How many bytes the value takes with its key.
    size: u64,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a store that holds what this one holds now, and goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.tables().clone())))
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tables) -> T,
    ) -> BoxFuture<'static, StoreResult<T>> {
        let found = read(&self.tables());
        Box::pin(std::future::ready(Ok(found)))
    }
}

impl Tables {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Accept(accept) => self.accept(*accept),
            Write::Start { id, at, starts } => self.change(&id, |execution| {
                execution.status = Status::Running;
                execution.started_at = Some(at);
                execution.starts = starts;
            }),
            Write::Requeue { id, starts } => self.change(&id, |execution| {
                execution.status = Status::Queued;
                execution.starts = starts;
            }),
            Write::Step(step) => self.step(*step),
            Write::Finish(finish) => self.finish(*finish),
            Write::Log(lines) => lines.into_iter().for_each(|line| self.log(line)),
            Write::State(change) => self.change_state(change),
            Write::ClearState(clear) => self.clear_state(&clear),
            Write::PutInstance(instance) => {
                self.instances.insert(instance.id.clone(), instance);
            }
            Write::EraseInstance(id) => self.erase_instance(&id),
            Write::Tick(claim) => {
                self.ticks
                    .insert((claim.instance, claim.flow), claim.nominal);
            }
            Write::DeadLetter { id, dead } => {
                if let Some(row) = self.executions.get_mut(&id) {
                    row.execution.dead_letter = dead;
                }
            }
            // It was kept before anything was done.
            Write::StateLimit { .. } => {}
            Write::Prune(prune) => drop(self.prune(prune)),
        }
    }

    fn accept(&mut self, accept: Accept) {
        let Accept {
            execution,
            payload,
            answer,
            claims,
        } = accept;
        for claim in claims {
            self.claims
                .insert(claim.value, (claim.until, execution.id.clone()));
        }
        self.last_position = self.last_position.max(execution.position);
        if !execution.status.is_final() {
            self.unfinished
                .insert((execution.position, execution.id.clone()));
        }
        self.executions.insert(
            execution.id.clone(),
            Row {
                execution,
                payload,
                answer,
                output: None,
            },
        );
    }

    /// Changes an execution that has not ended; the end is never changed, but for its being a dead letter.
    fn change(&mut self, id: &ExecutionId, change: impl FnOnce(&mut Execution)) {
        if let Some(row) = self.executions.get_mut(id)
            && !row.execution.status.is_final()
        {
            change(&mut row.execution);
        }
    }

    fn log(&mut self, line: LogRecord) {
        if self.executions.contains_key(&line.execution) {
            let lines = self.logs.entry(line.execution.clone()).or_default();
            let place = lines.partition_point(|other| other.number <= line.number);
            lines.insert(place, line);
        }
    }

    fn step(&mut self, step: StepRecord) {
        self.change(&step.execution, |execution| {
            execution.starts = execution.starts.min(1);
        });
        if !self.executions.contains_key(&step.journal) {
            return;
        }
        let steps = self.steps.entry(step.journal.clone()).or_default();
        steps.retain(|other| other.step != step.step);
        steps.push(step);
    }

    fn finish(&mut self, finish: Finish) {
        let Some(row) = self.executions.get_mut(&finish.id) else {
            return;
        };
        let execution = &mut row.execution;
        if execution.status.is_final() {
            return;
        }
        execution.status = finish.status;
        execution.result = Some(finish.result);
        execution.ended_at = Some(finish.at);
        execution.error = finish.error;
        execution.caller_error = finish.caller_error;
        execution.dead_letter = finish.dead_letter;
        execution.canceled_by = finish.canceled_by;
        row.output = finish.output;
        let key = (execution.position, finish.id);
        self.unfinished.remove(&key);
    }

    fn change_state(&mut self, change: StateChange) {
        let size = change.size();
        let kept = self.states.entry(change.key).or_insert(Kept {
            value: None,
            version: 0,
            size: 0,
        });
        kept.value = change.value;
        kept.size = size;
        kept.version += 1;
    }

    fn clear_state(&mut self, clear: &ClearState) {
        for (key, kept) in &mut self.states {
            let of_owner = clear
                .only
                .as_ref()
                .is_none_or(|(scope, owner)| key.scope == *scope && key.owner == *owner);
            if key.instance == clear.instance && of_owner && kept.value.is_some() {
                kept.value = None;
                kept.size = 0;
                kept.version += 1;
            }
        }
    }

    fn state_size(&self, instance: &InstanceId) -> u64 {
        let lasting = self
            .states
            .iter()
            .filter(|(key, _)| key.instance == *instance && key.scope != StateScope::Execution);
        lasting.map(|(_, kept)| kept.size).sum()
    }

    fn erase_instance(&mut self, id: &InstanceId) {
        self.instances.remove(id);
        self.states.retain(|key, _| key.instance != *id);
        self.ticks.retain(|(instance, _), _| instance != id);
    }

    fn list(
        &self,
        filter: &ExecutionFilter,
        cursor: Option<&Cursor>,
        limit: u32,
    ) -> Vec<Execution> {
        let place = |execution: &Execution| (execution.accepted_at, execution.id.clone());
        let mut found: Vec<&Execution> = self
            .executions
            .values()
            .map(|row| &row.execution)
            .filter(|execution| fits(filter, execution))
            .filter(|execution| cursor.is_none_or(|cursor| place(execution) < *cursor))
            .collect();
        found.sort_by_key(|execution| std::cmp::Reverse(place(execution)));
        found
            .into_iter()
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .cloned()
            .collect()
    }
}

fn fits(filter: &ExecutionFilter, execution: &Execution) -> bool {
    filter
        .instance
        .as_ref()
        .is_none_or(|instance| execution.instance == *instance)
        && filter
            .flow
            .as_ref()
            .is_none_or(|flow| execution.flow == *flow)
        && filter
            .status
            .is_none_or(|status| execution.status == status)
        && filter
            .result
            .is_none_or(|result| execution.result == Some(result))
        && filter
            .since
            .is_none_or(|since| execution.accepted_at >= since)
        && filter
            .until
            .is_none_or(|until| execution.accepted_at < until)
        && filter
            .first
            .as_ref()
            .is_none_or(|first| execution.first.as_ref() == Some(first))
        && (!filter.dead_letters || execution.dead_letter)
        && filter
            .superseding
            .as_ref()
            .is_none_or(|(unique_id, position)| {
                execution.unique_id.as_ref() == Some(unique_id)
                    && execution.position > *position
                    && !matches!(execution.invoked_by, InvokedBy::Replay | InvokedBy::Retry)
                    && execution.result != Some(ResultType::CanceledAsDuplicate)
            })
}

impl Store for MemoryStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        let mut tables = self.tables();
        let committed = tables.refuse(&commit.writes).unwrap_or_else(|| {
            let mut committed = Committed::Done;
            for write in commit.writes {
                if let Write::Prune(prune) = write {
                    committed = Committed::Pruned(tables.prune(prune) as u64);
                } else {
                    tables.apply(write);
                }
            }
            committed
        });
        Box::pin(std::future::ready(Ok(committed)))
    }

    fn execution<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Execution>>> {
        self.read(|tables| tables.executions.get(id).map(|row| row.execution.clone()))
    }

    fn payload<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Arc<StoredPayload>>>> {
        self.read(|tables| {
            tables
                .executions
                .get(id)
                .and_then(|row| row.payload.clone())
        })
    }

    fn output<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredOutput>>> {
        self.read(|tables| match tables.executions.get(id) {
            Some(row) => row.output.clone(),
            None => tables.orphans.get(id).map(|(_, output)| output.clone()),
        })
    }

    fn answer<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredAnswer>>> {
        self.read(|tables| tables.executions.get(id).and_then(|row| row.answer.clone()))
    }

    fn claimant<'a>(
        &'a self,
        value: &'a str,
        at: Timestamp,
    ) -> BoxFuture<'a, StoreResult<Option<ExecutionId>>> {
        self.read(|tables| tables.claimant(value, at).cloned())
    }

    fn steps<'a>(
        &'a self,
        journal: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Vec<StepRecord>>> {
        self.read(|tables| tables.steps.get(journal).cloned().unwrap_or_default())
    }

    fn logs<'a>(
        &'a self,
        id: &'a ExecutionId,
        from: u32,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<LogRecord>>> {
        self.read(|tables| {
            let lines = tables.logs.get(id).map(Vec::as_slice).unwrap_or_default();
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            lines
                .iter()
                .filter(|line| line.number >= from)
                .take(limit)
                .cloned()
                .collect()
        })
    }

    fn executions<'a>(
        &'a self,
        filter: &'a ExecutionFilter,
        cursor: Option<&'a Cursor>,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<Execution>>> {
        self.read(|tables| tables.list(filter, cursor, limit))
    }

    fn unfinished(&self, after: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<Execution>>> {
        self.read(|tables| {
            let above = tables
                .unfinished
                .iter()
                .filter(|(position, _)| *position > after);
            let rows = above
                .filter_map(|(_, id)| tables.executions.get(id))
                .map(|row| row.execution.clone());
            rows.take(usize::try_from(limit).unwrap_or(usize::MAX))
                .collect()
        })
    }

    fn last_position(&self) -> BoxFuture<'_, StoreResult<u64>> {
        self.read(|tables| tables.last_position)
    }

    fn state<'a>(
        &'a self,
        key: &'a StateKey,
    ) -> BoxFuture<'a, StoreResult<(Option<serde_json::Value>, u64)>> {
        self.read(|tables| {
            tables
                .states
                .get(key)
                .map_or((None, 0), |kept| (kept.value.clone(), kept.version))
        })
    }

    fn states<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(StateKey, StateEntry)>>> {
        self.read(|tables| {
            let of_instance = tables
                .states
                .iter()
                .filter(|(key, _)| key.instance == *instance);
            let entry = |(key, kept): (&StateKey, &Kept)| {
                let value = kept.value.clone()?;
                Some((
                    key.clone(),
                    StateEntry {
                        value,
                        version: kept.version,
                    },
                ))
            };
            of_instance.filter_map(entry).collect()
        })
    }

    fn state_size<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, StoreResult<u64>> {
        self.read(|tables| tables.state_size(instance))
    }

    fn instances(&self) -> BoxFuture<'_, StoreResult<Vec<Arc<InstanceRecord>>>> {
        self.read(|tables| tables.instances.values().cloned().collect())
    }

    fn last_ticks<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(FlowKey, Timestamp)>>> {
        self.read(|tables| {
            let of_instance = tables
                .ticks
                .iter()
                .filter(|((owner, _), _)| owner == instance);
            of_instance
                .map(|((_, flow), nominal)| (flow.clone(), *nominal))
                .collect()
        })
    }

    fn check(&self) -> BoxFuture<'_, StoreResult<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
