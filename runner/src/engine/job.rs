//! One execution in the engine: where it waits, and what it waits with.

use std::sync::Arc;

use sdk::integration::FlowParts;
use sdk::options::Settled;
use sdk::queue::Queue;
use sdk::{Body, Payload, Timestamp};

use crate::envelope::identity;
use crate::instance::Instance;
use crate::lane::{LaneId, Standing};
use crate::record::{Execution, Function, InvokedBy, Status, StoredPayload};

/// One execution in the engine.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) execution: Execution,
    pub(super) instance: Arc<Instance>,
    pub(super) flow: Arc<FlowParts>,
    /// `None` is read from the store when its turn comes, so that a long backlog is small.
    pub(super) payload: Option<Arc<StoredPayload>>,
    /// The payload as it was read at the door, for a run that starts at once: nothing is read twice.
    pub(super) read: Option<Payload>,
    /// Whether its start is counted on disk already.
    pub(super) counted: bool,
    /// Whether its journal may hold something.
    pub(super) resumed: bool,
    /// The latest moment at which an attempt may begin for which a deploy or a removal waits; `None` if none does (E51).
    pub(super) tried_until: Option<Timestamp>,
}

impl Job {
    /// Returns the lane of the execution; only executions of a flow wait for one another, not its lifecycle functions.
    pub(super) fn lane(&self) -> Option<LaneId> {
        (self.execution.function == Function::OnExecution).then(|| LaneId {
            instance: self.execution.instance.clone(),
            flow: self.execution.flow.clone(),
            key: self.execution.order_key.clone(),
        })
    }

    /// Returns where it stands in its lane.
    pub(super) fn standing(&self) -> Standing {
        self.standing_at(self.execution.position)
    }

    /// Returns where it stands in its lane at this position.
    pub(super) fn standing_at(&self, position: u64) -> Standing {
        standing(&self.flow.options.queue, &self.execution, position)
    }

    /// Says whether it takes a place of its instance without waiting in a lane: somebody waits for its end (E50). What an execution
    /// calls runs in the place of that one, which waits for it: with a place of its own, the two could wait for each other for ever. What
    /// a deploy or a removal waits for needs none: they must go on while the limit is reached.
    pub(super) fn takes_place(&self) -> bool {
        let execution = &self.execution;
        execution.synchronous
            && execution.function == Function::OnExecution
            && execution.invoked_by != InvokedBy::CrossFlow
            && self.tried_until.is_none()
    }

    pub(super) fn queue(&self) -> Queue {
        let in_turn = self.execution.order_key.is_some();
        match (&self.flow.options.queue, self.flow.options.batch_limit) {
            (Queue::Parallel | Queue::Throttled(_), _) if in_turn => Queue::sequential(),
            (Queue::Parallel, Some(limit)) => Queue::Throttled(limit),
            (Queue::Throttled(most), Some(limit)) => Queue::Throttled(limit.min(*most)),
            (queue, _) => queue.clone(),
        }
    }

    pub(super) fn count_start(&mut self, now: Timestamp) {
        self.execution.status = Status::Running;
        self.execution.started_at = Some(now);
        self.execution.starts += 1;
        self.counted = true;
    }
}

/// Returns where an execution stands in its lane. What belongs to the run of a schedule that has the turn stands in front of the runs
/// that wait for theirs; only one run has the turn, so no more need be known of it (E15, `queue`).
pub(super) fn standing(queue: &Queue, execution: &Execution, position: u64) -> Standing {
    let keeps_own_order = matches!(queue, Queue::Sequential { .. } | Queue::OrderBy { .. });
    let takes_turns = execution.order_key.is_some() && !keeps_own_order;
    Standing {
        waits_for_turn: !takes_turns || execution.parent.is_none(),
        position,
    }
}

/// Returns the value by which a flow keeps order among its executions (E24).
pub(super) fn order_key(options: &Settled, body: &Body) -> Option<String> {
    match &options.queue {
        Queue::OrderBy { pointer, .. } => {
            Some(body.pointer(pointer).unwrap_or_default().to_string())
        }
        Queue::Sequential { .. } => Some(String::new()),
        Queue::Parallel | Queue::Throttled(_) => None,
    }
}

/// Returns the value that makes a newer execution cancel the waiting retries of this one (E22).
pub(super) fn unique_id(options: &Settled, body: &Body) -> Option<String> {
    identity(body, options.retry.unique_pointer()?)
}
