//! What is due when: all schedules in the order of their next ticks, and what the workers have in hand.

use std::collections::{BTreeSet, HashMap, HashSet};

use sdk::Timestamp;
use sdk::id::{FlowKey, InstanceId};
use sdk::payload;
use sdk::schedule::{Missed, Overlap};

use super::plan::{Plan, Watch};
use crate::calendar::Tick;

/// How many ticks are started at the same time: so many accepts share the commits of the store.
const MOST_WORKERS: usize = 512;

/// Which schedule: a flow of an instance has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) instance: InstanceId,
    pub(super) flow: FlowKey,
}

/// All schedules.
#[derive(Debug)]
pub(super) struct Agenda {
    entries: HashMap<Key, Entry>,
    /// By the time at which the next tick is due.
    queue: BTreeSet<(Timestamp, Key)>,
    /// What the workers have in hand: one tick of a schedule at a time, because a claim stands for all ticks before it.
    busy: HashSet<Key>,
    workers: usize,
    /// The store has refused a tick: nothing starts until it answers again.
    paused: bool,
    watching_since: Timestamp,
    /// When the timer wakes up by itself; `None` is never.
    wakes_at: Option<Timestamp>,
    next_generation: u64,
}

#[derive(Debug)]
struct Entry {
    generation: u64,
    plan: Plan,
    /// Its place in the queue.
    due: Option<Timestamp>,
    /// What was begun and refused.
    refused: Option<Attempt>,
}

/// One tick that is to be started.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) key: Key,
    pub(super) nominal: Timestamp,
    pub(super) previous: Option<Timestamp>,
    pub(super) next: Option<Timestamp>,
    pub(super) overlap: Overlap,
    missed: Missed,
    /// It may have been accepted already: what becomes of the runs before it is decided.
    pub(super) in_doubt: bool,
    generation: u64,
}

impl Attempt {
    /// Returns what the flow is told of the moment (E17).
    pub(super) fn tick(&self, actual: Timestamp) -> payload::Tick {
        payload::Tick {
            nominal: self.nominal,
            actual,
            previous: self.previous,
            next: self.next,
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// The tick is claimed, by this process or by another.
    Claimed,
    /// It was not accepted, or, in doubt, nobody knows.
    Refused {
        /// Whether it may have been accepted all the same.
        in_doubt: bool,
    },
    /// The instance takes no ticks.
    Closed,
}

impl Agenda {
    /// Makes an empty agenda of a process that is there since now.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            entries: HashMap::new(),
            queue: BTreeSet::new(),
            busy: HashSet::new(),
            workers: 0,
            paused: false,
            watching_since: now,
            wakes_at: None,
            next_generation: 0,
        }
    }

    /// Adds a schedule, or puts it in the place of the one with its key.
    pub(super) fn put(&mut self, key: &Key, plan: Plan, now: Timestamp) {
        self.remove(key);
        let entry = Entry {
            generation: self.next_generation,
            plan,
            due: None,
            refused: None,
        };
        self.next_generation += 1;
        self.entries.insert(key.clone(), entry);
        self.place(key, now);
    }

    /// Takes a schedule away.
    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(due) = self.entries.remove(key).and_then(|entry| entry.due) {
            self.queue.remove(&(due, key.clone()));
        }
    }

    /// Returns the next ticks of a schedule that are due after `now`, at most `count`.
    pub(super) fn upcoming(&self, key: &Key, now: Timestamp, count: usize) -> Option<Vec<Tick>> {
        let entry = self.entries.get(key)?;
        Some(entry.plan.upcoming(now, count))
    }

    /// Hands out what is due to as many new workers as there may be.
    pub(super) fn hire(&mut self, now: Timestamp) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        while self.workers < MOST_WORKERS
            && let Some(attempt) = self.take(now)
        {
            self.workers += 1;
            attempts.push(attempt);
        }
        attempts
    }

    /// Notes what came of an attempt and hands the worker the next one; without one the worker is done. Says also whether the timer
    /// must look at the agenda again.
    pub(super) fn go_on(
        &mut self,
        attempt: Attempt,
        came: Came,
        now: Timestamp,
    ) -> (Option<Attempt>, bool) {
        let placed = self.note(attempt, came, now);
        let next = self.take(now);
        if next.is_none() {
            self.workers -= 1;
        }
        let too_late = placed.is_some_and(|due| self.wakes_at.is_none_or(|at| due < at));
        let wake = next.is_none() || too_late;
        (next, wake)
    }

    /// Returns when the timer must wake up. Where there are as many workers as there may be, one of them takes what is due.
    pub(super) fn rest(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut times = self.queue.iter().map(|(due, _)| *due);
        self.wakes_at = if self.workers < MOST_WORKERS {
            times.next()
        } else {
            times.find(|due| *due > now)
        };
        self.wakes_at
    }

    /// Returns how many schedules there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether the store has refused a tick.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Goes on: the store answers again.
    pub(super) fn resume(&mut self) {
        self.paused = false;
    }

    fn take(&mut self, now: Timestamp) -> Option<Attempt> {
        while !self.paused {
            let (due, key) = self.queue.first()?;
            if *due > now {
                return None;
            }
            let key = key.clone();
            self.queue.pop_first();
            let watch = self.watch(now);
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            entry.due = None;
            if let Some(attempt) = entry.attempt(&key, watch) {
                self.busy.insert(key);
                return Some(attempt);
            }
            // The missed ticks do not run: the next one is in the future.
            self.place(&key, now);
        }
        None
    }

    /// Notes what came of an attempt; returns when its schedule is due again.
    fn note(&mut self, mut attempt: Attempt, came: Came, now: Timestamp) -> Option<Timestamp> {
        let key = attempt.key.clone();
        self.busy.remove(&key);
        if matches!(came, Came::Refused { .. }) {
            self.paused = true;
        }
        let entry = self.entries.get_mut(&key)?;
        let same = entry.generation == attempt.generation;
        match came {
            Came::Claimed => {
                entry.plan.settle(attempt.nominal);
                entry.refused = None;
            }
            Came::Refused { in_doubt } if same => {
                attempt.in_doubt |= in_doubt;
                entry.refused = Some(attempt);
            }
            Came::Closed if same => {
                self.remove(&key);
                return None;
            }
            Came::Refused { .. } | Came::Closed => {}
        }
        self.place(&key, now);
        self.entries.get(&key)?.due
    }

    /// Puts a schedule in the queue by its next tick; one that a worker has in hand is put there afterwards.
    fn place(&mut self, key: &Key, now: Timestamp) {
        let watch = self.watch(now);
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if self.busy.contains(key) {
            return;
        }
        if let Some(due) = entry.due.take() {
            self.queue.remove(&(due, key.clone()));
        }
        entry.due = if entry.refused.is_some() {
            Some(now)
        } else {
            entry.plan.next(watch).map(|(tick, _)| tick.due)
        };
        if let Some(due) = entry.due {
            self.queue.insert((due, key.clone()));
        }
    }

    /// A clock that is set back does not make a time missed that this process has still before it.
    fn watch(&mut self, now: Timestamp) -> Watch {
        self.watching_since = self.watching_since.min(now);
        Watch {
            since: self.watching_since,
            now,
        }
    }
}

impl Entry {
    /// Returns the attempt that is to be made now, if one is.
    fn attempt(&mut self, key: &Key, watch: Watch) -> Option<Attempt> {
        // What was refused is tried again as it is, unless it is known that it was not done and a later tick may stand for it.
        let again = self.refused.take().filter(|refused| {
            let coalesces = refused.missed == Missed::RunOnce && !refused.in_doubt;
            !coalesces && !self.plan.is_settled(refused.nominal)
        });
        if again.is_some() {
            return again;
        }
        let (tick, stretch) = self.plan.next(watch)?;
        if tick.due > watch.now {
            return None;
        }
        let calendar = &stretch.calendar;
        let nominal = |tick: Tick| tick.nominal;
        Some(Attempt {
            key: key.clone(),
            nominal: tick.nominal,
            previous: calendar.previous_before(tick.nominal).map(nominal),
            next: calendar.next_after(tick.nominal).map(nominal),
            overlap: stretch.overlap,
            missed: stretch.missed,
            in_doubt: false,
            generation: self.generation,
        })
    }
}
