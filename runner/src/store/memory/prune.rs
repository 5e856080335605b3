//! Retention in memory, by the same rules as in a database (E30).

use std::collections::HashSet;

use sdk::Timestamp;
use sdk::id::ExecutionId;
use sdk::state::StateScope;

use super::Tables;
use crate::record::Execution;
use crate::store::Prune;

impl Tables {
    /// Takes away what ended before the given times; says how much it was.
    pub(super) fn prune(&mut self, prune: Prune) -> usize {
        let at_most = usize::try_from(prune.at_most).unwrap_or(usize::MAX);
        let ended = self.ended_before(prune.executions_before, at_most);
        let mut count = ended.len();
        for id in ended {
            self.remove(&id, prune.results_before);
            self.steps.remove(&id);
            self.logs.remove(&id);
            self.states
                .retain(|key, _| key.scope != StateScope::Execution || *key.owner != *id.as_str());
        }
        count += self.prune_results(prune.results_before, at_most);
        count += self.prune_logs(prune.logs_before, at_most);
        let old = |(until, _): &(Timestamp, ExecutionId)| *until < prune.claims_before;
        let mut claims: Vec<_> = self.claims.iter().filter(|(_, claim)| old(claim)).collect();
        claims.sort_by_key(|(_, (until, _))| *until);
        let gone: Vec<String> = claims
            .into_iter()
            .take(at_most)
            .map(|(value, _)| value.clone())
            .collect();
        count += gone.len();
        for value in gone {
            self.claims.remove(&value);
        }
        count
    }

    /// Takes an execution away; a result that is to be kept longer becomes an orphan.
    fn remove(&mut self, id: &ExecutionId, results_before: Timestamp) {
        let Some(row) = self.executions.remove(id) else {
            return;
        };
        if let (Some(output), Some(at)) = (row.output, row.execution.ended_at)
            && at >= results_before
        {
            self.orphans.insert(id.clone(), (at, output));
        }
    }

    /// Returns the oldest executions that have ended, but none whose journal another one goes on with: its steps would run again (G2). A
    /// dead letter stays with its journal until it is replayed or dismissed (E28).
    fn ended_before(&self, before: Timestamp, at_most: usize) -> Vec<ExecutionId> {
        let going_on: HashSet<&ExecutionId> = self
            .executions
            .values()
            .map(|row| &row.execution)
            .filter(|it| !it.status.is_final() || it.dead_letter)
            .map(|it| &it.journal)
            .collect();
        let executions = self.executions.values().map(|row| &row.execution);
        let mut old: Vec<&Execution> = executions
            .filter(|it| it.accepted_at < before && it.ended_at.is_some_and(|at| at < before))
            .filter(|it| !it.dead_letter && !going_on.contains(&it.id))
            .collect();
        old.sort_by_key(|it| it.accepted_at);
        old.into_iter()
            .take(at_most)
            .map(|it| it.id.clone())
            .collect()
    }

    fn prune_results(&mut self, before: Timestamp, at_most: usize) -> usize {
        let kept = self
            .executions
            .iter()
            .filter(|(_, row)| row.output.is_some());
        let kept = kept.filter_map(|(id, row)| Some((row.execution.ended_at?, id)));
        let orphans = self.orphans.iter().map(|(id, (at, _))| (*at, id));
        let mut old: Vec<(Timestamp, ExecutionId)> = kept
            .chain(orphans)
            .filter(|(at, _)| *at < before)
            .map(|(at, id)| (at, id.clone()))
            .collect();
        old.sort_unstable();
        old.truncate(at_most);
        for (_, id) in &old {
            self.orphans.remove(id);
            if let Some(row) = self.executions.get_mut(id) {
                row.output = None;
            }
        }
        old.len()
    }

    fn prune_logs(&mut self, before: Timestamp, at_most: usize) -> usize {
        let lines = self.logs.values().flatten();
        let mut times: Vec<Timestamp> = lines
            .map(|line| line.at)
            .filter(|at| *at < before)
            .collect();
        times.sort_unstable();
        let count = at_most.min(times.len());
        let mut left = count;
        let Some(last) = left.checked_sub(1).and_then(|last| times.get(last)) else {
            return 0;
        };
        for lines in self.logs.values_mut() {
            lines.retain(|line| {
                let goes = left > 0 && line.at <= *last;
                left -= usize::from(goes);
                !goes
            });
        }
        self.logs.retain(|_, lines| !lines.is_empty());
        count
    }
}
