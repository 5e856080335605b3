//! Which execution runs next (E24): lanes of executions that wait for one another.
//!
//! A flow that runs everything at once has one lane without a limit, a throttled one a lane with a limit, an ordered one a lane for each
//! value of its key that runs one execution at a time. An execution has its place in a lane before it is on disk, in the order of
//! arrival, so that commits that come back in another order change nothing.
//!
//! Above the lanes stands the instance: no more of its executions run at once than its limit says (E50), those of its lanes by the order
//! in which they came. Instances that wait for a place of the runner take turns, so that none waits for the backlog of another.

mod share;
mod table;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use sdk::id::{FlowKey, InstanceId};
use sdk::queue::{Poison, Queue};

use self::table::Table;

/// Which lane: an instance, a flow, and for an ordered flow the value of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The instance.
    pub instance: InstanceId,
    /// The flow.
    pub flow: FlowKey,
    /// The value of the key; `None` for a flow that keeps no order.
    pub key: Option<String>,
}

impl LaneId {
    fn flow(&self) -> (InstanceId, FlowKey) {
        (self.instance.clone(), self.flow.clone())
    }
}

/// Where an execution stands in its lane, the first in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// Whether it waits for the turn of its run. The pages and slices of the run that has the turn stand in front of it, although they
    /// came later (E6, E15).
    pub waits_for_turn: bool,
    /// Its position.
    pub position: u64,
}

/// What came of entering a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is this one's turn: it may start as soon as it is on disk.
    Start,
    /// It waits for its turn; hand it over with [`Lanes::ready`] once it is on disk.
    Wait,
}

/// What an execution that does not run keeps closed until it lets go: by its place, it is the only one that can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its position.
    pub position: u64,
    /// Whether it holds all lanes of its flow, and not only its own.
    pub whole_flow: bool,
}

/// The lanes of all flows. `J` is what waits in them.
#[derive(Debug)]
pub struct Lanes<J>(Mutex<Table<J>>);

impl<J> Lanes<J> {
    /// Makes lanes in which at most this many run at once, all together, and of each instance at most `of_instance`, unless it has
    /// another [limit](Self::limit). 0 sets no limit for an instance.
    pub fn new(most_running: usize, of_instance: u32) -> Self {
        let table = Table::new(most_running, most(of_instance));
        Self(Mutex::new(table))
    }

    /// Sets how many executions of an instance run at once; 0 sets no limit, `None` takes the usual one. What runs goes on. Returns what
    /// may start now.
    pub fn limit(&self, instance: &InstanceId, own: Option<u32>) -> Vec<J> {
        let mut table = self.table();
        table.limit(instance, own.map(most));
        table.serve()
    }

    /// Takes a place of an instance for an execution that starts at once and waits in no lane; the caller must follow with
    /// [`leave_instance`](Self::leave_instance).
    ///
    /// # Errors
    ///
    /// The limit, if so many run.
    pub fn enter_instance(&self, instance: &InstanceId) -> Result<(), usize> {
        self.table().enter_share(instance)
    }

    /// Gives back a place that was taken by [`enter_instance`](Self::enter_instance); returns what may start now.
    pub fn leave_instance(&self, instance: &InstanceId) -> Vec<J> {
        let mut table = self.table();
        table.leave_share(instance);
        table.serve()
    }

    /// Returns the limit of an instance of which so many run.
    pub fn full_at(&self, instance: &InstanceId) -> Option<usize> {
        self.table().full_at(instance)
    }

    /// Returns of how many instances as many run as may.
    pub fn at_limit(&self) -> usize {
        self.table().at_limit()
    }

    /// Takes a place in a lane. The caller must follow with [`ready`](Self::ready), [`leave`](Self::leave) or, after
    /// [`Entry::Start`], with [`end`](Self::end).
    pub fn enter(&self, id: &LaneId, queue: &Queue, standing: Standing) -> Entry {
        self.arrive(id, queue, || standing).1
    }

    /// Takes a place as [`enter`](Self::enter) does, and its position in the same moment: of two that arrive at once, the one that
    /// may start is the first by position too, so that a restart does not turn them round.
    pub fn arrive(
        &self,
        id: &LaneId,
        queue: &Queue,
        next: impl FnOnce() -> Standing,
    ) -> (u64, Entry) {
        let mut table = self.table();
        let standing = next();
        if table.start_newcomer(id, queue) {
            return (standing.position, Entry::Start);
        }
        table.lane(id, queue).waiting.insert(standing, None);
        table.count_wait(id);
        // In an ordered lane it may stand in front of one that is on disk.
        table.settle(id);
        (standing.position, Entry::Wait)
    }

    /// Hands over what is on disk and waits; returns what may start now.
    pub fn ready(&self, id: &LaneId, standing: Standing, job: J) -> Vec<J> {
        let mut table = self.table();
        if let Some(lane) = table.lanes.get_mut(id) {
            lane.waiting.insert(standing, Some(job));
        }
        table.settle(id);
        table.serve()
    }

    /// Gives up a place in which nothing runs; returns what may start now.
    pub fn leave(&self, id: &LaneId, standing: Standing) -> Vec<J> {
        let mut table = self.table();
        let lane = table.lanes.get_mut(id);
        if lane.is_some_and(|lane| lane.waiting.remove(&standing).is_some()) {
            table.count_leave(id);
        }
        table.settle(id);
        table.serve()
    }

    /// Takes a waiting execution out of its lane, if it is on disk and still there. A lane that keeps order stays closed until the
    /// execution is [released](Self::release) or comes back. Nothing can start that could not before.
    pub fn take(&self, id: &LaneId, standing: Standing) -> Option<J> {
        let mut table = self.table();
        let lane = table.lanes.get_mut(id)?;
        let job = lane.waiting.get_mut(&standing)?.take()?;
        lane.waiting.remove(&standing);
        table.count_leave(id);
        let hold = Hold {
            position: standing.position,
            whole_flow: false,
        };
        table.hold(id, hold);
        table.settle(id);
        Some(job)
    }

    /// Ends one that was started; `hold` keeps an ordered lane closed for its retry or because it is parked. Returns what may start.
    pub fn end(&self, id: &LaneId, hold: Option<Hold>) -> Vec<J> {
        let mut table = self.table();
        table.count_end(id);
        if let Some(hold) = hold {
            table.hold(id, hold);
        }
        table.settle(id);
        table.serve()
    }

    /// Puts an execution back at its place, in front of those that came later, and opens what it held itself. Returns what may start.
    pub fn reenter(&self, id: &LaneId, queue: &Queue, standing: Standing, job: J) -> Vec<J> {
        let mut table = self.table();
        table.lane(id, queue).waiting.insert(standing, Some(job));
        table.count_wait(id);
        table.release(id, standing.position);
        table.serve()
    }

    /// Holds a lane for an execution that waits for its retry or is parked: after a restart.
    pub fn hold(&self, id: &LaneId, queue: &Queue, hold: Hold) {
        let mut table = self.table();
        if id.key.is_some() {
            table.lane(id, queue);
        }
        table.hold(id, hold);
    }

    /// Opens what the execution at this position holds, if it holds anything; returns what may start now.
    pub fn release(&self, id: &LaneId, position: u64) -> Vec<J> {
        let mut table = self.table();
        table.release(id, position);
        table.serve()
    }

    /// Says whether the execution at this position holds its lane or its flow.
    pub fn is_held_by(&self, id: &LaneId, position: u64) -> bool {
        let table = self.table();
        let lane = table.lanes.get(id);
        let flow = table.blocked.get(&id.flow());
        lane.is_some_and(|lane| lane.held_by.contains(&position))
            || flow.is_some_and(|held_by| held_by.contains(&position))
    }

    /// Says whether anything runs or waits in a lane, or holds it.
    pub fn is_busy(&self, id: &LaneId) -> bool {
        // A lane in which nothing is left is forgotten.
        self.table()
            .lanes
            .get(id)
            .is_some_and(|lane| !lane.is_idle())
    }

    /// Looks at everything that is on disk and waits in a lane, in its order.
    pub fn waiting_in<T>(&self, id: &LaneId, view: impl Fn(&J) -> T) -> Vec<T> {
        let table = self.table();
        let waiting = table.lanes.get(id).map(|lane| lane.waiting.values());
        waiting.into_iter().flatten().flatten().map(view).collect()
    }

    /// Returns how many wait.
    pub fn waiting(&self) -> usize {
        self.table().waiting
    }

    /// Returns how many of an instance wait.
    pub fn waiting_of(&self, instance: &InstanceId) -> usize {
        self.table().waiting_of(instance)
    }

    /// Returns how many run that were started from a lane.
    pub fn running(&self) -> usize {
        self.table().running
    }

    fn table(&self) -> MutexGuard<'_, Table<J>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many a limit lets run; 0 sets none.
fn most(limit: u32) -> usize {
    match limit {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    }
}

/// Returns what a failed execution that is out of attempts does to its lane.
pub fn poison(queue: &Queue) -> Poison {
    match queue {
        Queue::Sequential { poison } | Queue::OrderBy { poison, .. } => *poison,
        Queue::Parallel | Queue::Throttled(_) => Poison::Skip,
    }
}
