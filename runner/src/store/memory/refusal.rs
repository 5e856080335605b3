//! Why a commit is not done, by the same rules as in a database.

use sdk::Timestamp;
use sdk::id::{ExecutionId, InstanceId};

use super::Tables;
use crate::store::{Accept, Committed, Write, lasting_change};

impl Tables {
    /// Says why a commit must not be done, if so: asked before any of it is.
    pub(super) fn refuse(&self, writes: &[Write]) -> Option<Committed> {
        writes.iter().find_map(|write| match write {
            Write::Accept(accept) => self.refuse_accept(accept),
            Write::State(change) => {
                let version = self.states.get(&change.key).map_or(0, |kept| kept.version);
                change
                    .expected
                    .is_some_and(|expected| expected != version)
                    .then_some(Committed::StateChanged)
            }
            Write::StateLimit { instance, bytes } => self
                .outgrows(instance, *bytes, writes)
                .then_some(Committed::StateFull),
            Write::Tick(claim) => {
                let last = self
                    .ticks
                    .get(&(claim.instance.clone(), claim.flow.clone()));
                last.is_some_and(|last| *last >= claim.nominal)
                    .then_some(Committed::TickTaken)
            }
            _ => None,
        })
    }

    fn outgrows(&self, instance: &InstanceId, limit: u64, writes: &[Write]) -> bool {
        let before = self.state_size(instance);
        let mut after = before;
        for change in writes
            .iter()
            .filter_map(|write| lasting_change(write, instance))
        {
            let replaced = self.states.get(&change.key).map_or(0, |kept| kept.size);
            after = (after + change.size()).saturating_sub(replaced);
        }
        after > limit && after > before
    }

    fn refuse_accept(&self, accept: &Accept) -> Option<Committed> {
        let id = &accept.execution.id;
        let at = accept.execution.accepted_at;
        let mut claims = accept.claims.iter();
        let claimed = claims.find_map(|claim| self.claimant(&claim.value, at));
        let before = || self.executions.contains_key(id).then_some(id);
        let first = claimed.or_else(before);
        first.cloned().map(Committed::Duplicate)
    }

    pub(super) fn claimant(&self, value: &str, at: Timestamp) -> Option<&ExecutionId> {
        let (until, first) = self.claims.get(value)?;
        (*until > at).then_some(first)
    }
}
