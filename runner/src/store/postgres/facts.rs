//! Why a commit of a group is not done. What that depends on is read once for all of them, in one exchange; what one commit of the group
//! changes, the next one finds changed.

use std::collections::{HashMap, HashSet};

use sdk::id::{ExecutionId, InstanceId};
use tokio_postgres::Row;

use super::fault::Fault;
use super::row::{self, number};
use super::session::{Ask, Value};
use crate::record::StateKey;
use crate::store::code::Coded as _;
use crate::store::{Accept, Commit, Committed, StateChange, TickClaim, Write, lasting_change};

/// What stands in the tables, as far as the commits of a group depend on it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    executions: HashSet<String>,
    /// Until when a delivery is claimed, and by which execution.
    claims: HashMap<String, (i64, ExecutionId)>,
    states: HashMap<StateKey, Kept>,
    sizes: HashMap<InstanceId, u64>,
    ticks: HashMap<(String, String), i64>,
}

/// What is known of a value of the state.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    version: u64,
    /// The bytes of key and value; none if there is no value.
    size: u64,
}

/// What is read at once, in the order of the questions.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Executions,
    Claims,
    States,
    Sizes,
    Ticks,
}

/// The questions of a group.
#[derive(Debug, Default)]
pub(super) struct Questions {
    kinds: Vec<Kind>,
}

impl Questions {
    /// Puts the questions together, and says which they are.
    pub(super) fn of(commits: &[&Commit]) -> (Self, Vec<Ask<'static>>) {
        let mut wanted = Wanted::default();
        for write in commits.iter().flat_map(|commit| &commit.writes) {
            wanted.add(write);
        }
        let (mut kinds, mut asks) = (Vec::new(), Vec::new());
        for (kind, ask) in wanted.asks() {
            kinds.push(kind);
            asks.push(ask);
        }
        (Self { kinds }, asks)
    }

    /// Reads the answers.
    pub(super) fn read(&self, answers: &[Vec<Row>]) -> Result<Facts, Fault> {
        let mut facts = Facts::default();
        for (kind, rows) in self.kinds.iter().zip(answers) {
            for found in rows {
                facts.learn(*kind, found)?;
            }
        }
        Ok(facts)
    }
}

/// What is looked up, column by column.
#[derive(Default)]
struct Wanted {
    executions: Vec<Vec<u8>>,
    claims: Vec<Vec<u8>>,
    states: StateKeys,
    sizes: Vec<Vec<u8>>,
    ticks: (Vec<Vec<u8>>, Vec<Vec<u8>>),
}

/// The keys of values of the state, column by column.
#[derive(Default)]
struct StateKeys {
    instances: Vec<Vec<u8>>,
    scopes: Vec<i64>,
    owners: Vec<Vec<u8>>,
    keys: Vec<Vec<u8>>,
}

impl Wanted {
    fn add(&mut self, write: &Write) {
        let bytes = |text: &str| text.as_bytes().to_vec();
        match write {
            Write::Accept(accept) => {
                self.executions.push(bytes(accept.execution.id.as_str()));
                let claims = accept.claims.iter().map(|claim| bytes(&claim.value));
                self.claims.extend(claims);
            }
            Write::State(StateChange { key, .. }) => {
                self.states.instances.push(bytes(key.instance.as_str()));
                self.states.scopes.push(key.scope.code());
                self.states.owners.push(bytes(&key.owner));
                self.states.keys.push(bytes(&key.key));
            }
            Write::StateLimit { instance, .. } => self.sizes.push(bytes(instance.as_str())),
            Write::Tick(claim) => {
                self.ticks.0.push(bytes(claim.instance.as_str()));
                self.ticks.1.push(bytes(claim.flow.as_str()));
            }
            _ => {}
        }
    }

    fn asks(self) -> Vec<(Kind, Ask<'static>)> {
        let mut asks = Vec::new();
        if !self.executions.is_empty() {
            let sql = "SELECT id FROM execution WHERE id = ANY ($1)";
            asks.push((
                Kind::Executions,
                Ask::new(sql, vec![Box::new(self.executions)]),
            ));
        }
        if !self.claims.is_empty() {
            let sql = "SELECT value, until, execution FROM claim WHERE value = ANY ($1)";
            asks.push((Kind::Claims, Ask::new(sql, vec![Box::new(self.claims)])));
        }
        if !self.states.keys.is_empty() {
            let sql = "SELECT instance, scope, owner, key, version, \
                coalesce(octet_length(key) + octet_length(value), 0)::bigint FROM state \
                JOIN unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[]) AS wanted (instance, scope, owner, key) \
                USING (instance, scope, owner, key)";
            let columns = self.states;
            let values: Vec<Value<'static>> = vec![
                Box::new(columns.instances),
                Box::new(columns.scopes),
                Box::new(columns.owners),
                Box::new(columns.keys),
            ];
            asks.push((Kind::States, Ask::new(sql, values)));
        }
        if !self.sizes.is_empty() {
            let sql = "SELECT instance, bytes FROM state_size WHERE instance = ANY ($1)";
            asks.push((Kind::Sizes, Ask::new(sql, vec![Box::new(self.sizes)])));
        }
        if !self.ticks.0.is_empty() {
            let sql = "SELECT instance, flow, nominal FROM tick \
                JOIN unnest($1::bytea[], $2::bytea[]) AS wanted (instance, flow) USING (instance, flow)";
            let (instances, flows) = self.ticks;
            let values: Vec<_> = vec![Box::new(instances) as _, Box::new(flows) as _];
            asks.push((Kind::Ticks, Ask::new(sql, values)));
        }
        asks
    }
}

impl Facts {
    fn learn(&mut self, kind: Kind, found: &Row) -> Result<(), Fault> {
        match kind {
            Kind::Executions => {
                self.executions.insert(row::text(found, 0)?);
            }
            Kind::Claims => {
                let first = row::text(found, 2)?.into();
                let claim = (found.try_get(1)?, first);
                self.claims.insert(row::text(found, 0)?, claim);
            }
            Kind::States => {
                let key = StateKey {
                    instance: row::text(found, 0)?.into(),
                    scope: row::coded(found, 1)?,
                    owner: row::text(found, 2)?.into(),
                    key: row::text(found, 3)?,
                };
                let kept = Kept {
                    version: row::count(found, 4)?,
                    size: row::count(found, 5)?,
                };
                self.states.insert(key, kept);
            }
            Kind::Sizes => {
                let instance = row::text(found, 0)?.into();
                self.sizes.insert(instance, row::count(found, 1)?);
            }
            Kind::Ticks => {
                let schedule = (row::text(found, 0)?, row::text(found, 1)?);
                self.ticks.insert(schedule, found.try_get(2)?);
            }
        }
        Ok(())
    }

    /// Says why a commit must not be done, if so; if it is to be done, the facts are from now on those behind it.
    pub(super) fn decide(&mut self, commit: &Commit) -> Option<Committed> {
        let writes = &commit.writes;
        let refused = writes.iter().find_map(|write| self.refuse(write, writes));
        if refused.is_none() {
            for write in writes {
                self.follow(write);
            }
        }
        refused
    }

    fn refuse(&self, write: &Write, writes: &[Write]) -> Option<Committed> {
        match write {
            Write::Accept(accept) => self.refuse_accept(accept),
            Write::State(change) => {
                let version = self.states.get(&change.key).map_or(0, |kept| kept.version);
                let expected = change.expected;
                expected
                    .is_some_and(|expected| expected != version)
                    .then_some(Committed::StateChanged)
            }
            Write::StateLimit { instance, bytes } => self
                .outgrows(instance, *bytes, writes)
                .then_some(Committed::StateFull),
            Write::Tick(claim) => {
                let last = self.ticks.get(&schedule(claim));
                last.is_some_and(|last| *last >= claim.nominal.as_millis())
                    .then_some(Committed::TickTaken)
            }
            _ => None,
        }
    }

    fn refuse_accept(&self, accept: &Accept) -> Option<Committed> {
        let at = accept.execution.accepted_at.as_millis();
        let mut claims = accept.claims.iter();
        let claimed = claims.find_map(|claim| {
            let (until, first) = self.claims.get(&claim.value)?;
            (*until > at).then_some(first)
        });
        let id = &accept.execution.id;
        let before = || self.executions.contains(id.as_str()).then_some(id);
        claimed.or_else(before).cloned().map(Committed::Duplicate)
    }

    fn outgrows(&self, instance: &InstanceId, limit: u64, writes: &[Write]) -> bool {
        let before = self.sizes.get(instance).copied().unwrap_or(0);
        let mut after = before;
        for change in writes
            .iter()
            .filter_map(|write| lasting_change(write, instance))
        {
            let replaced = self.states.get(&change.key).map_or(0, |kept| kept.size);
            after = after.saturating_add(change.size()).saturating_sub(replaced);
        }
        after > limit && after > before
    }

    fn follow(&mut self, write: &Write) {
        match write {
            Write::Accept(accept) => {
                let id = &accept.execution.id;
                self.executions.insert(id.as_str().to_owned());
                for claim in &accept.claims {
                    let kept = (claim.until.as_millis(), id.clone());
                    self.claims.insert(claim.value.clone(), kept);
                }
            }
            Write::State(change) => {
                let lasts = lasting_change(write, &change.key.instance).is_some();
                let kept = self.states.entry(change.key.clone()).or_default();
                let size = change.size();
                if lasts {
                    // Where nobody asked for it, nobody looks at it.
                    let all = self.sizes.entry(change.key.instance.clone()).or_default();
                    *all = all.saturating_add(size).saturating_sub(kept.size);
                }
                kept.version += 1;
                kept.size = size;
            }
            Write::Tick(claim) => {
                let nominal = claim.nominal.as_millis();
                self.ticks.insert(schedule(claim), nominal);
            }
            _ => {}
        }
    }
}

fn schedule(claim: &TickClaim) -> (String, String) {
    let (instance, flow) = (claim.instance.as_str(), claim.flow.as_str());
    (instance.to_owned(), flow.to_owned())
}

/// Says whether a commit changes what is decided for others in a way that only the tables know: it is done alone.
pub(super) fn stands_alone(commit: &Commit) -> bool {
    commit.writes.iter().any(|write| {
        matches!(
            write,
            Write::ClearState(_) | Write::EraseInstance(_) | Write::Prune(_)
        )
    })
}

/// Returns the highest position that a commit gives.
pub(super) fn position(commit: &Commit) -> Option<i64> {
    let positions = commit.writes.iter().filter_map(|write| match write {
        Write::Accept(accept) => Some(number(accept.execution.position)),
        _ => None,
    });
    positions.max()
}
