//! Which execution runs next (E24): lanes of executions that wait for one another.
//!
//! A flow that runs everything at once has one lane without a limit, a throttled one a lane with a limit, an ordered one a lane for each
//! value of its key that runs one execution at a time. An execution has its place in a lane before it is on disk, in the order of
//! arrival, so that commits that come back in another order change nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sdk::id::{FlowKey, InstanceId};
use sdk::queue::{Poison, Queue};

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
pub struct Lanes<J> {
    table: Mutex<Table<J>>,
    most_running: usize,
}

#[derive(Debug)]
struct Table<J> {
    lanes: HashMap<LaneId, Lane<J>>,
    /// Flows in which nothing starts, and who holds them.
    blocked: HashMap<(InstanceId, FlowKey), BTreeSet<u64>>,
    /// Lanes that could start one if fewer were running in all.
    starved: VecDeque<LaneId>,
    running: usize,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<J> {
    limit: usize,
    running: usize,
    /// Nothing starts until the executions at these positions let go: one that waits for its retry, or is parked.
    held_by: BTreeSet<u64>,
    starved: bool,
    /// By position: `None` is not on disk yet.
    waiting: BTreeMap<u64, Option<J>>,
}

impl<J> Lanes<J> {
    /// Makes lanes in which at most this many run at once, all together.
    pub fn new(most_running: usize) -> Self {
        let table = Table {
            lanes: HashMap::new(),
            blocked: HashMap::new(),
            starved: VecDeque::new(),
            running: 0,
            waiting: 0,
        };
        Self {
            table: Mutex::new(table),
            most_running,
        }
    }

    /// Takes a place. The caller must follow with [`ready`](Self::ready), [`leave`](Self::leave) or, after
    /// [`Entry::Start`], with [`end`](Self::end).
    pub fn enter(&self, id: &LaneId, queue: &Queue, position: u64) -> Entry {
        self.arrive(id, queue, || position).1
    }

    /// Takes a place as [`enter`](Self::enter) does, and its position in the same moment: of two that arrive at once, the one that
    /// may start is the first by position too, so that a restart does not turn them round.
    pub fn arrive(
        &self,
        id: &LaneId,
        queue: &Queue,
        next_position: impl FnOnce() -> u64,
    ) -> (u64, Entry) {
        let mut table = self.table();
        let position = next_position();
        let full = table.running >= self.most_running || table.is_blocked(id);
        let lane = table.lane(id, queue);
        if lane.waiting.is_empty() && lane.can_start() && !full {
            lane.running += 1;
            table.running += 1;
            return (position, Entry::Start);
        }
        lane.waiting.insert(position, None);
        table.waiting += 1;
        (position, Entry::Wait)
    }

    /// Hands over what is on disk and waits; returns what may start now.
    pub fn ready(&self, id: &LaneId, position: u64, job: J) -> Vec<J> {
        let mut table = self.table();
        if let Some(lane) = table.lanes.get_mut(id) {
            lane.waiting.insert(position, Some(job));
        }
        table.start(id, self.most_running)
    }

    /// Gives up a place in which nothing runs; returns what may start now.
    pub fn leave(&self, id: &LaneId, position: u64) -> Vec<J> {
        let mut table = self.table();
        let left = table
            .lanes
            .get_mut(id)
            .and_then(|lane| lane.waiting.remove(&position));
        if left.is_some() {
            table.waiting -= 1;
        }
        table.start(id, self.most_running)
    }

    /// Takes a waiting execution out of its lane, if it is on disk and still there. Nothing can start that could not before.
    pub fn take(&self, id: &LaneId, position: u64) -> Option<J> {
        let mut table = self.table();
        let lane = table.lanes.get_mut(id)?;
        let job = lane.waiting.get_mut(&position)?.take()?;
        lane.waiting.remove(&position);
        table.waiting -= 1;
        table.tidy(id);
        Some(job)
    }

    /// Ends one that was started; `hold` keeps an ordered lane closed for its retry or because it is parked. Returns what may start.
    pub fn end(&self, id: &LaneId, hold: Option<Hold>) -> Vec<J> {
        let mut table = self.table();
        table.running = table.running.saturating_sub(1);
        if let Some(lane) = table.lanes.get_mut(id) {
            lane.running = lane.running.saturating_sub(1);
        }
        if let Some(hold) = hold {
            table.hold(id, hold);
        }
        let mut started = table.start(id, self.most_running);
        while table.running < self.most_running {
            let Some(next) = table.starved.pop_front() else {
                break;
            };
            if let Some(lane) = table.lanes.get_mut(&next) {
                lane.starved = false;
            }
            started.extend(table.start(&next, self.most_running));
        }
        started
    }

    /// Puts an execution back at its place, in front of those that came later, and opens what it held itself. Returns what may start.
    pub fn reenter(&self, id: &LaneId, queue: &Queue, position: u64, job: J) -> Vec<J> {
        let mut table = self.table();
        let lane = table.lane(id, queue);
        lane.waiting.insert(position, Some(job));
        table.waiting += 1;
        table.release(id, position, self.most_running)
    }

    /// Puts an execution back that was taken out of its lane; returns what may start now.
    pub fn put_back(&self, id: &LaneId, queue: &Queue, position: u64, job: J) -> Vec<J> {
        let mut table = self.table();
        table.lane(id, queue).waiting.insert(position, Some(job));
        table.waiting += 1;
        table.start(id, self.most_running)
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
        self.table().release(id, position, self.most_running)
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

    /// Looks at everything that is on disk and waits in a lane, in the order of its positions.
    pub fn waiting_in<T>(&self, id: &LaneId, view: impl Fn(&J) -> T) -> Vec<T> {
        let table = self.table();
        let waiting = table.lanes.get(id).map(|lane| lane.waiting.values());
        waiting.into_iter().flatten().flatten().map(view).collect()
    }

    /// Returns how many wait.
    pub fn waiting(&self) -> usize {
        self.table().waiting
    }

    /// Returns how many run.
    pub fn running(&self) -> usize {
        self.table().running
    }

    fn table(&self) -> MutexGuard<'_, Table<J>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Lane<J> {
    fn can_start(&self) -> bool {
        self.held_by.is_empty() && self.running < self.limit
    }

    fn is_idle(&self) -> bool {
        self.running == 0 && self.held_by.is_empty() && self.waiting.is_empty()
    }

    /// Returns the position of the one whose turn it is. In an ordered lane the first one, if it is on disk; else the first that is.
    fn next(&self, ordered: bool) -> Option<u64> {
        if !self.can_start() {
            return None;
        }
        let mut waiting = self.waiting.iter();
        if ordered {
            waiting
                .next()
                .filter(|(_, job)| job.is_some())
                .map(|(position, _)| *position)
        } else {
            waiting
                .find(|(_, job)| job.is_some())
                .map(|(position, _)| *position)
        }
    }
}

impl<J> Table<J> {
    fn lane(&mut self, id: &LaneId, queue: &Queue) -> &mut Lane<J> {
        let limit = match queue {
            Queue::Throttled(limit) => usize::try_from(*limit).unwrap_or(usize::MAX),
            Queue::Sequential { .. } | Queue::OrderBy { .. } => 1,
            Queue::Parallel => usize::MAX,
        };
        let new = || Lane {
            limit,
            running: 0,
            held_by: BTreeSet::new(),
            starved: false,
            waiting: BTreeMap::new(),
        };
        self.lanes.entry(id.clone()).or_insert_with(new)
    }

    fn is_blocked(&self, id: &LaneId) -> bool {
        !self.blocked.is_empty() && self.blocked.contains_key(&id.flow())
    }

    /// Only lanes that keep an order can be held.
    fn hold(&mut self, id: &LaneId, hold: Hold) {
        if id.key.is_none() {
            return;
        }
        if hold.whole_flow {
            let held_by = self.blocked.entry(id.flow()).or_default();
            held_by.insert(hold.position);
        } else if let Some(lane) = self.lanes.get_mut(id) {
            lane.held_by.insert(hold.position);
        }
    }

    fn release(&mut self, id: &LaneId, position: u64, most_running: usize) -> Vec<J> {
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.held_by.remove(&position);
        }
        let mut started = self.start(id, most_running);
        let flow = id.flow();
        if let Some(held_by) = self.blocked.get_mut(&flow)
            && held_by.remove(&position)
            && held_by.is_empty()
        {
            self.blocked.remove(&flow);
            for lane in self.lanes_of(&flow) {
                started.extend(self.start(&lane, most_running));
            }
        }
        started
    }

    /// Returns the lanes of a flow in which something waits, in the order of what waits longest.
    fn lanes_of(&self, (instance, flow): &(InstanceId, FlowKey)) -> Vec<LaneId> {
        let of_flow = |id: &&LaneId| id.instance == *instance && id.flow == *flow;
        let mut lanes: Vec<(u64, LaneId)> = self
            .lanes
            .iter()
            .filter(|(id, _)| of_flow(id))
            .filter_map(|(id, lane)| Some((*lane.waiting.keys().next()?, id.clone())))
            .collect();
        lanes.sort_unstable();
        lanes.into_iter().map(|(_, id)| id).collect()
    }

    fn start(&mut self, id: &LaneId, most_running: usize) -> Vec<J> {
        let mut started = Vec::new();
        if self.is_blocked(id) {
            self.tidy(id);
            return started;
        }
        while let Some(lane) = self.lanes.get_mut(id) {
            let Some(position) = lane.next(id.key.is_some()) else {
                break;
            };
            if self.running >= most_running {
                if !lane.starved {
                    lane.starved = true;
                    self.starved.push_back(id.clone());
                }
                break;
            }
            if let Some(Some(job)) = lane.waiting.remove(&position) {
                lane.running += 1;
                self.running += 1;
                self.waiting -= 1;
                started.push(job);
            }
        }
        self.tidy(id);
        started
    }

    /// Forgets a lane in which nothing is left.
    fn tidy(&mut self, id: &LaneId) {
        let is_over = |lane: &Lane<J>| lane.is_idle() && !lane.starved;
        if self.lanes.get(id).is_some_and(is_over) {
            self.lanes.remove(id);
        }
    }
}

/// Returns what a failed execution that is out of attempts does to its lane.
pub fn poison(queue: &Queue) -> Poison {
    match queue {
        Queue::Sequential { poison } | Queue::OrderBy { poison, .. } => *poison,
        Queue::Parallel | Queue::Throttled(_) => Poison::Skip,
    }
}
