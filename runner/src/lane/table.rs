//! What runs, what waits and what is held, with the rules by which one follows another.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use sdk::id::{FlowKey, InstanceId};
use sdk::queue::Queue;

use super::share::Share;
use super::{Hold, LaneId, Standing};

#[derive(Debug)]
pub(super) struct Table<J> {
    pub(super) lanes: HashMap<LaneId, Lane<J>>,
    /// Flows in which nothing starts, and who holds them.
    pub(super) blocked: HashMap<(InstanceId, FlowKey), BTreeSet<u64>>,
    /// What each instance has of the places, for those of which something runs or waits for a place.
    shares: HashMap<InstanceId, Share>,
    /// The limits of instances that have one of their own.
    limits: HashMap<InstanceId, usize>,
    /// The limit of all others.
    usual_limit: usize,
    /// Instances that could start one if fewer were running in all: each starts one, and goes to the end of the line.
    line: VecDeque<InstanceId>,
    most_running: usize,
    pub(super) running: usize,
    pub(super) waiting: usize,
}

#[derive(Debug)]
pub(super) struct Lane<J> {
    limit: usize,
    running: usize,
    /// Nothing starts until the executions at these positions let go: one that waits for its retry, or is parked.
    pub(super) held_by: BTreeSet<u64>,
    /// The one for which it is listed in the share of its instance, as one that could start if there were a place.
    listed: Option<Standing>,
    /// In order: `None` is not on disk yet.
    pub(super) waiting: BTreeMap<Standing, Option<J>>,
}

impl<J> Lane<J> {
    fn can_start(&self) -> bool {
        self.held_by.is_empty() && self.running < self.limit
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.held_by.is_empty() && self.waiting.is_empty()
    }

    /// Returns where the one stands whose turn it is. In an ordered lane the first one, if it is on disk; else the first that is.
    fn next(&self, ordered: bool) -> Option<Standing> {
        if !self.can_start() {
            return None;
        }
        let mut waiting = self.waiting.iter();
        if ordered {
            waiting
                .next()
                .filter(|(_, job)| job.is_some())
                .map(|(standing, _)| *standing)
        } else {
            waiting
                .find(|(_, job)| job.is_some())
                .map(|(standing, _)| *standing)
        }
    }
}

impl<J> Table<J> {
    pub(super) fn new(most_running: usize, usual_limit: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            blocked: HashMap::new(),
            shares: HashMap::new(),
            limits: HashMap::new(),
            usual_limit,
            line: VecDeque::new(),
            most_running,
            running: 0,
            waiting: 0,
        }
    }

    pub(super) fn lane(&mut self, id: &LaneId, queue: &Queue) -> &mut Lane<J> {
        let limit = match queue {
            Queue::Throttled(limit) => usize::try_from(*limit).unwrap_or(usize::MAX),
            Queue::Sequential { .. } | Queue::OrderBy { .. } => 1,
            Queue::Parallel => usize::MAX,
        };
        let new = || Lane {
            limit,
            running: 0,
            held_by: BTreeSet::new(),
            listed: None,
            waiting: BTreeMap::new(),
        };
        self.lanes.entry(id.clone()).or_insert_with(new)
    }

    fn share(&mut self, instance: &InstanceId) -> &mut Share {
        let own = self.limits.get(instance).copied();
        let limit = own.unwrap_or(self.usual_limit);
        let share = self.shares.entry(instance.clone());
        share.or_insert_with(|| Share::new(limit))
    }

    fn is_blocked(&self, id: &LaneId) -> bool {
        !self.blocked.is_empty() && self.blocked.contains_key(&id.flow())
    }

    /// Starts one at once that has just come, if nothing keeps it from it. Who waits in its lane came before; whoever waits in another
    /// one would run already if there were a place.
    pub(super) fn start_newcomer(&mut self, id: &LaneId, queue: &Queue) -> bool {
        let full = self.running >= self.most_running || self.is_blocked(id);
        let lane = self.lane(id, queue);
        let first = lane.waiting.is_empty() && lane.can_start();
        let starts = first && !full && self.share(&id.instance).has_room();
        if starts {
            self.count_start(id);
        }
        starts
    }

    fn count_start(&mut self, id: &LaneId) {
        self.running += 1;
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.running += 1;
        }
        self.share(&id.instance).running += 1;
    }

    /// Gives back the place of one that was started from a lane.
    pub(super) fn count_end(&mut self, id: &LaneId) {
        self.running = self.running.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.running = lane.running.saturating_sub(1);
        }
        self.leave_share(&id.instance);
    }

    /// Takes a place of an instance for one that waits in no lane; `Err` with the limit if it is reached.
    pub(super) fn enter_share(&mut self, instance: &InstanceId) -> Result<(), usize> {
        let share = self.share(instance);
        if !share.has_room_for_caller() {
            return Err(share.limit);
        }
        share.running += 1;
        Ok(())
    }

    /// Gives a place of an instance back.
    pub(super) fn leave_share(&mut self, instance: &InstanceId) {
        if let Some(share) = self.shares.get_mut(instance) {
            share.running = share.running.saturating_sub(1);
        }
        self.line_up(instance);
    }

    /// Counts one more that waits in a lane.
    pub(super) fn count_wait(&mut self, id: &LaneId) {
        self.waiting += 1;
        self.share(&id.instance).waiting += 1;
    }

    /// Counts one less that waits in a lane; whoever calls this settles the lane.
    pub(super) fn count_leave(&mut self, id: &LaneId) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(share) = self.shares.get_mut(&id.instance) {
            share.waiting = share.waiting.saturating_sub(1);
        }
    }

    /// Returns how many of an instance wait.
    pub(super) fn waiting_of(&self, instance: &InstanceId) -> usize {
        self.shares.get(instance).map_or(0, |share| share.waiting)
    }

    /// Says whether an instance could start one more for a caller who waits for it; the limit if not.
    pub(super) fn full_at(&self, instance: &InstanceId) -> Option<usize> {
        let share = self.shares.get(instance);
        share
            .filter(|share| !share.has_room_for_caller())
            .map(|share| share.limit)
    }

    /// Returns of how many instances as many run as may.
    pub(super) fn at_limit(&self) -> usize {
        let shares = self.shares.values();
        shares.filter(|share| !share.has_room()).count()
    }

    /// Sets the limit of an instance; `None` takes the usual one.
    pub(super) fn limit(&mut self, instance: &InstanceId, own: Option<usize>) {
        match own {
            Some(limit) => self.limits.insert(instance.clone(), limit),
            None => self.limits.remove(instance),
        };
        if let Some(share) = self.shares.get_mut(instance) {
            share.limit = own.unwrap_or(self.usual_limit);
        }
        self.line_up(instance);
    }

    /// Only lanes that keep an order can be held.
    pub(super) fn hold(&mut self, id: &LaneId, hold: Hold) {
        if id.key.is_none() {
            return;
        }
        if hold.whole_flow {
            let held_by = self.blocked.entry(id.flow()).or_default();
            held_by.insert(hold.position);
            if held_by.len() == 1 {
                self.settle_flow(&id.flow());
            }
        } else if let Some(lane) = self.lanes.get_mut(id) {
            lane.held_by.insert(hold.position);
        }
        self.settle(id);
    }

    pub(super) fn release(&mut self, id: &LaneId, position: u64) {
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.held_by.remove(&position);
        }
        let flow = id.flow();
        if let Some(held_by) = self.blocked.get_mut(&flow)
            && held_by.remove(&position)
            && held_by.is_empty()
        {
            self.blocked.remove(&flow);
            self.settle_flow(&flow);
        }
        self.settle(id);
    }

    fn settle_flow(&mut self, (instance, flow): &(InstanceId, FlowKey)) {
        let of_flow = |id: &&LaneId| id.instance == *instance && id.flow == *flow;
        let lanes: Vec<LaneId> = self.lanes.keys().filter(of_flow).cloned().collect();
        for lane in lanes {
            self.settle(&lane);
        }
    }

    /// Lists a lane in the share of its instance as one that could start, or no longer, and forgets one in which nothing is left.
    /// Whoever changes a lane calls this.
    pub(super) fn settle(&mut self, id: &LaneId) {
        let blocked = self.is_blocked(id);
        let Some(lane) = self.lanes.get_mut(id) else {
            return;
        };
        let next = lane.next(id.key.is_some()).filter(|_| !blocked);
        let before = std::mem::replace(&mut lane.listed, next);
        let is_over = lane.is_idle();
        if before != next {
            let share = self.share(&id.instance);
            if let Some(before) = before {
                share.ready.remove(&(before.position, id.clone()));
            }
            if let Some(next) = next {
                share.ready.insert((next.position, id.clone()));
            }
        }
        if is_over {
            self.lanes.remove(id);
        }
        self.line_up(&id.instance);
    }

    /// Puts an instance into the line if it could start one, and forgets its share if nothing is left of it.
    fn line_up(&mut self, instance: &InstanceId) {
        let Some(share) = self.shares.get_mut(instance) else {
            return;
        };
        if share.is_idle() {
            self.shares.remove(instance);
        } else if !share.in_line && share.has_room() && !share.ready.is_empty() {
            share.in_line = true;
            self.line.push_back(instance.clone());
        }
    }

    /// Starts as many as there are places: of the instance in front that which came first, then of the next.
    pub(super) fn serve(&mut self) -> Vec<J> {
        let mut started = Vec::new();
        while self.running < self.most_running {
            let Some(instance) = self.line.pop_front() else {
                break;
            };
            let Some(share) = self.shares.get_mut(&instance) else {
                continue;
            };
            share.in_line = false;
            // The limit may have been lowered, or the place taken, since it stands there.
            let next = share.has_room().then(|| share.ready.pop_first());
            let Some((_, id)) = next.flatten() else {
                self.line_up(&instance);
                continue;
            };
            let job = self.lanes.get_mut(&id).and_then(|lane| {
                let standing = lane.listed.take()?;
                lane.waiting.remove(&standing).flatten()
            });
            if let Some(job) = job {
                self.count_leave(&id);
                self.count_start(&id);
                started.push(job);
            }
            self.settle(&id);
        }
        started
    }
}
