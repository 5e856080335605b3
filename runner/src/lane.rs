//! Which execution runs next (E24): lanes of executions that wait for one another.
//!
//! A flow that runs everything at once has one lane without a limit, a throttled one a lane with a limit, an ordered one a lane for each
//! value of its key that runs one execution at a time. An execution has its place in a lane before it is on disk, in the order of
//! arrival, so that commits that come back in another order change nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
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

/// What came of entering a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is this one's turn: it may start as soon as it is on disk.
    Start,
    /// It waits for its turn; hand it over with [`Lanes::ready`] once it is on disk.
    Wait,
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
    /// Lanes that could start one if fewer were running in all.
    starved: VecDeque<LaneId>,
    running: usize,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<J> {
    limit: usize,
    running: usize,
    /// Nothing starts until the execution that holds the lane lets go: it waits for its retry, or it is parked.
    held: bool,
    starved: bool,
    /// By position: `None` is not on disk yet.
    waiting: BTreeMap<u64, Option<J>>,
}

impl<J> Lanes<J> {
    /// Makes lanes in which at most this many run at once, all together.
    pub fn new(most_running: usize) -> Self {
        let table = Table {
            lanes: HashMap::new(),
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
        let full = table.running >= self.most_running;
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

    /// Takes a waiting execution out of its lane, if it is still there.
    pub fn take(&self, id: &LaneId, position: u64) -> Option<J> {
        let mut table = self.table();
        let job = table.lanes.get_mut(id)?.waiting.remove(&position)?;
        table.waiting -= 1;
        table.tidy(id);
        job
    }

    /// Ends one that was started; `hold` keeps an ordered lane closed for its retry or because it is parked. Returns what may start.
    pub fn end(&self, id: &LaneId, hold: bool) -> Vec<J> {
        let mut table = self.table();
        table.running = table.running.saturating_sub(1);
        if let Some(lane) = table.lanes.get_mut(id) {
            lane.running = lane.running.saturating_sub(1);
            lane.held = hold && id.key.is_some();
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

    /// Puts an execution back at its place, in front of those that came later, and opens the lane that was held for it.
    pub fn reenter(&self, id: &LaneId, queue: &Queue, position: u64, job: J) -> Vec<J> {
        let mut table = self.table();
        let lane = table.lane(id, queue);
        lane.held = false;
        lane.waiting.insert(position, Some(job));
        table.waiting += 1;
        table.start(id, self.most_running)
    }

    /// Holds a lane for an execution that waits for its retry: after a restart.
    pub fn hold(&self, id: &LaneId, queue: &Queue) {
        if id.key.is_some() {
            self.table().lane(id, queue).held = true;
        }
    }

    /// Opens a held lane; returns what may start now.
    pub fn release(&self, id: &LaneId) -> Vec<J> {
        let mut table = self.table();
        if let Some(lane) = table.lanes.get_mut(id) {
            lane.held = false;
        }
        table.start(id, self.most_running)
    }

    /// Says whether anything runs or waits in a lane, or holds it.
    pub fn is_busy(&self, id: &LaneId) -> bool {
        // A lane in which nothing is left is forgotten.
        self.table()
            .lanes
            .get(id)
            .is_some_and(|lane| lane.running > 0 || lane.held || !lane.waiting.is_empty())
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
        !self.held && self.running < self.limit
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
            held: false,
            starved: false,
            waiting: BTreeMap::new(),
        };
        self.lanes.entry(id.clone()).or_insert_with(new)
    }

    fn start(&mut self, id: &LaneId, most_running: usize) -> Vec<J> {
        let mut started = Vec::new();
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
        let idle = |lane: &Lane<J>| {
            lane.running == 0 && !lane.held && !lane.starved && lane.waiting.is_empty()
        };
        if self.lanes.get(id).is_some_and(idle) {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn lane(key: Option<&str>) -> LaneId {
        LaneId {
            instance: InstanceId::new("i"),
            flow: FlowKey::new("f"),
            key: key.map(str::to_owned),
        }
    }

    #[test]
    fn an_ordered_lane_runs_one_at_a_time_in_the_order_of_arrival() {
        let (lanes, id, queue) = (Lanes::new(10), lane(Some("")), Queue::sequential());
        assert_eq!(lanes.enter(&id, &queue, 1), Entry::Start);
        assert_eq!(lanes.enter(&id, &queue, 2), Entry::Wait);
        assert_eq!(lanes.enter(&id, &queue, 3), Entry::Wait);
        // The third is on disk before the second: it still waits for it.
        assert!(lanes.ready(&id, 3, "third").is_empty());
        assert!(lanes.end(&id, false).is_empty());
        assert_eq!(lanes.ready(&id, 2, "second"), ["second"]);
        assert_eq!(lanes.end(&id, false), ["third"]);
        assert!(lanes.end(&id, false).is_empty());
        assert_eq!((lanes.running(), lanes.waiting()), (0, 0));
    }

    #[test]
    fn of_many_that_arrive_at_once_the_one_that_starts_has_the_first_position() {
        let (id, queue) = (lane(Some("")), Queue::sequential());
        for _ in 0..200 {
            let (lanes, next) = (Lanes::<()>::new(10), AtomicU64::new(1));
            let arrive = || {
                let next = || next.fetch_add(1, Ordering::Relaxed);
                lanes.arrive(&id, &queue, next)
            };
            let arrived = std::thread::scope(|scope| {
                let threads = [(); 4].map(|()| scope.spawn(arrive));
                threads.map(|thread| thread.join().unwrap())
            });
            let started = arrived.iter().filter(|(_, entry)| *entry == Entry::Start);
            assert_eq!(started.collect::<Vec<_>>(), [&(1, Entry::Start)]);
        }
    }

    #[test]
    fn a_held_lane_waits_for_the_retry_and_other_keys_go_on() {
        let (lanes, queue) = (Lanes::new(10), Queue::order_by("/key"));
        let (a, b) = (lane(Some("a")), lane(Some("b")));
        assert_eq!(lanes.enter(&a, &queue, 1), Entry::Start);
        assert_eq!(lanes.enter(&a, &queue, 2), Entry::Wait);
        assert!(lanes.ready(&a, 2, "a2").is_empty());
        assert!(lanes.end(&a, true).is_empty());
        assert_eq!(lanes.enter(&b, &queue, 3), Entry::Start);
        assert_eq!(lanes.reenter(&a, &queue, 1, "a1 again"), ["a1 again"]);
        assert_eq!(lanes.end(&a, false), ["a2"]);
    }

    #[test]
    fn a_throttle_lets_so_many_run_and_a_full_house_makes_everyone_wait() {
        let (lanes, id) = (Lanes::new(3), lane(None));
        let entries: Vec<Entry> = (1..=3)
            .map(|position| lanes.enter(&id, &Queue::throttled(2), position))
            .collect();
        assert_eq!(entries, [Entry::Start, Entry::Start, Entry::Wait]);
        let other = LaneId {
            flow: FlowKey::new("g"),
            ..lane(None)
        };
        assert_eq!(lanes.enter(&other, &Queue::Parallel, 4), Entry::Start);
        assert_eq!(lanes.enter(&other, &Queue::Parallel, 5), Entry::Wait);
        assert!(lanes.ready(&other, 5, "g5").is_empty());
        assert!(lanes.ready(&id, 3, "f3").is_empty());
        assert_eq!(lanes.end(&id, false), ["f3"]);
        assert_eq!(lanes.end(&id, false), ["g5"]);
    }

    #[test]
    fn one_that_never_reached_the_disk_does_not_hold_up_those_behind_it() {
        let (lanes, id, queue) = (Lanes::new(10), lane(Some("")), Queue::sequential());
        assert_eq!(lanes.enter(&id, &queue, 1), Entry::Start);
        assert_eq!(lanes.enter(&id, &queue, 2), Entry::Wait);
        assert_eq!(lanes.enter(&id, &queue, 3), Entry::Wait);
        assert!(lanes.ready(&id, 3, "third").is_empty());
        assert!(lanes.end(&id, false).is_empty());
        assert_eq!(lanes.leave(&id, 2), ["third"]);
    }
}
