//! What one instance has of the places in which executions run (E50).

use std::collections::BTreeSet;

use super::LaneId;

/// What one instance has of the places in which executions run.
#[derive(Debug)]
pub(super) struct Share {
    /// How many of its executions may run at once.
    pub(super) limit: usize,
    /// How many run: those of its lanes, and those that do not wait in a lane but take a place.
    pub(super) running: usize,
    /// How many wait in its lanes.
    pub(super) waiting: usize,
    /// Its lanes that could start one if there were a place, by the position of that one: who came first is first.
    pub(super) ready: BTreeSet<(u64, LaneId)>,
    /// Whether it stands in the line of instances that could start one.
    pub(super) in_line: bool,
}

impl Share {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            running: 0,
            waiting: 0,
            ready: BTreeSet::new(),
            in_line: false,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.running < self.limit
    }

    /// Says whether one may start that waits in no lane. While something of the instance stands in the line for a place of the runner,
    /// such callers leave it one of the instance: they take theirs at once, and it would find none whenever its turn comes.
    pub(super) fn has_room_for_caller(&self) -> bool {
        self.running.saturating_add(usize::from(self.in_line)) < self.limit
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting == 0 && self.ready.is_empty() && !self.in_line
    }
}
