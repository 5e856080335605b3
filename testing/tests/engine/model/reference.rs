//! The reference: what may happen, written without looking at how the engine does it. It reads the history and refuses what breaks a rule.

use std::collections::{BTreeMap, HashSet};

use runner::record::{Execution, InvokedBy, ResultType, Status};
use runner::store::{Accept, Finish, Write};
use sdk::id::ExecutionId;
use sdk::prelude::*;

use super::flows::{End, FLOWS, Lanes, Order, Rules, TIME_LIMIT};
use super::history::Event;

/// One execution, as the durable writes tell of it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) made: Execution,
    pub(crate) order: Order,
    pub(crate) rules: &'static Rules,
    pub(crate) status: Status,
    pub(crate) result: Option<ResultType>,
    pub(crate) ended_at: Timestamp,
    pub(crate) dead: bool,
}

impl Item {
    pub(crate) fn is_final(&self) -> bool {
        self.status.is_final()
    }

    /// The executions among which order is kept; `None` if none is.
    fn lane(&self) -> Option<(&'static str, u8)> {
        match self.rules.order {
            Lanes::Sequential(_) => Some((self.rules.key, 0)),
            Lanes::ByKey(_) => Some((self.rules.key, self.order.key)),
            Lanes::Parallel | Lanes::Throttled(_) => None,
        }
    }
}

#[derive(Default)]
pub(crate) struct Reference {
    pub(crate) items: BTreeMap<ExecutionId, Item>,
    /// In the order in which they were accepted.
    pub(crate) ids: Vec<ExecutionId>,
    /// Those that somebody asked to cancel.
    pub(crate) to_cancel: HashSet<ExecutionId>,
    /// Whether the engine may not know yet what is on disk, because an answer got lost.
    pub(crate) in_doubt: bool,
    /// How many run at once; `None` sets no limit.
    pub(crate) limit: Option<usize>,
    /// Author code that runs.
    present: HashSet<ExecutionId>,
    /// Author code that has begun in this life of the process.
    begun: HashSet<ExecutionId>,
    /// Steps whose result is durable: a journal and a count.
    steps: HashSet<(ExecutionId, u32)>,
    last_position: u64,
}

impl Reference {
    pub(crate) fn see(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Committed { point, writes } => self.committed(at, point, writes),
            Event::Began(id) => {
                assert!(self.present.insert(id.clone()), "{id} runs twice at once");
                self.check_throttle();
                let running = self.present.len();
                let fits = self.limit.is_none_or(|limit| running <= limit);
                // What ran before the limit was lowered goes on, also where it has to begin again on changed state.
                let begins_again = !self.begun.insert(id.clone());
                assert!(fits || begins_again, "E50: {running} run at once");
            }
            Event::Left(id) => {
                self.present.remove(id);
            }
            Event::StepRan(id, count) => {
                let journal = self.items[id].made.journal.clone();
                let again = self.steps.contains(&(journal, *count));
                assert!(!again, "I4: step {count} of {id} runs again");
            }
            Event::Died => {
                self.present.clear();
                self.begun.clear();
                for item in self.items.values_mut() {
                    if item.status == Status::Running {
                        item.status = Status::Queued;
                    }
                }
            }
        }
    }

    fn check_throttle(&self) {
        for rules in FLOWS {
            let Lanes::Throttled(limit) = rules.order else {
                continue;
            };
            let of_flow = |id: &&ExecutionId| self.items[*id].rules.key == rules.key;
            let running = self.present.iter().filter(of_flow).count();
            assert!(running <= limit, "{running} run at once");
        }
    }

    fn committed(&mut self, at: Timestamp, point: &str, writes: &[Write]) {
        let accepted: Vec<&Accept> = writes.iter().filter_map(accept_of).collect();
        if point == "accept" && !self.in_doubt {
            self.check_retries_give_way(&accepted, writes);
        }
        for write in writes {
            match write {
                Write::Finish(finish) => self.finish(at, finish, &accepted),
                Write::Step(step) => {
                    self.steps.insert((step.journal.clone(), step.step.count));
                }
                Write::DeadLetter { id, dead } => self.items.get_mut(id).unwrap().dead = *dead,
                Write::Accept(accept) => {
                    self.accept(accept, point);
                    if accept.execution.status == Status::Running {
                        self.start(at, &accept.execution.id);
                    }
                }
                Write::Start { id, .. } => self.start(at, id),
                Write::Requeue { id, .. } => {
                    self.items.get_mut(id).unwrap().status = Status::Queued;
                }
                _ => {}
            }
        }
    }

    fn accept(&mut self, accept: &Accept, point: &str) {
        let made = accept.execution.clone();
        let id = made.id.clone();
        let order = match (&accept.payload, &made.first) {
            (Some(payload), _) => serde_json::from_slice(&payload.raw_body).unwrap(),
            (None, Some(first)) => self.items[first].order.clone(),
            (None, None) => panic!("{id} has no payload"),
        };
        let rules = FLOWS.iter().find(|rules| rules.key == made.flow.as_str());
        let item = Item {
            order,
            rules: rules.unwrap(),
            status: made.status,
            result: made.result,
            ended_at: made.accepted_at,
            dead: false,
            made,
        };
        match item.made.invoked_by {
            InvokedBy::Webhook if point == "accept" => {
                assert!(item.made.position > self.last_position, "positions grow");
                self.last_position = item.made.position;
                let twin = self.items.values().find(|other| {
                    other.order.number == item.order.number
                        && other.made.invoked_by == InvokedBy::Webhook
                });
                assert!(twin.is_none(), "I2: a send became two executions");
            }
            InvokedBy::Webhook => assert_eq!(item.result, Some(ResultType::CanceledAsDuplicate)),
            InvokedBy::Retry => assert_eq!(point, "finish", "a retry comes with a failure"),
            InvokedBy::Replay => self.check_replay(&item),
            other => panic!("nothing is invoked by {other:?}"),
        }
        let fresh = self.items.insert(id.clone(), item).is_none();
        assert!(fresh, "{id} is accepted twice");
        self.ids.push(id);
    }

    fn check_replay(&mut self, replay: &Item) {
        let original = &self.items[replay.made.first.as_ref().unwrap()];
        assert!(original.is_final());
        if original.dead && original.rules.order.poison() != Poison::Skip {
            assert_eq!(
                replay.made.position, original.made.position,
                "what waits for a replay stays behind it"
            );
        } else {
            let position = replay.made.position;
            assert!(
                position > self.last_position,
                "a newcomer at {position}, after {}",
                self.last_position
            );
            self.last_position = replay.made.position;
        }
    }

    /// E22: what waits for its retry goes when a newer one with the same unique id comes.
    fn check_retries_give_way(&self, accepted: &[&Accept], writes: &[Write]) {
        for accept in accepted {
            let payload = accept.payload.as_ref().unwrap();
            let order: Order = serde_json::from_slice(&payload.raw_body).unwrap();
            let of_same_id = |item: &&Item| {
                item.rules.unique
                    && item.rules.key == accept.execution.flow.as_str()
                    && order
                        .unique
                        .is_some_and(|unique| item.order.unique == Some(unique))
                    && item.status == Status::Pending
            };
            for item in self.items.values().filter(of_same_id) {
                let gone = |write: &Write| matches!(write, Write::Finish(finish) if finish.id == item.made.id);
                assert!(writes.iter().any(gone), "E22: {} goes on", item.made.id);
            }
        }
    }

    /// I5 and E24: in an ordered lane the first that has not ended runs, alone, unless the lane is closed.
    fn start(&mut self, at: Timestamp, id: &ExecutionId) {
        let item = &self.items[id];
        assert!(!item.is_final(), "I7: {id} starts after its end");
        assert!(
            item.made.run_at.is_none_or(|run_at| run_at <= at),
            "E21: {id} starts before its time"
        );
        if let Some(lane) = item.lane() {
            for (other_id, other) in self.items.iter().filter(|(other, _)| *other != id) {
                let in_lane = other.lane() == Some(lane);
                let in_flow = other.rules.key == item.rules.key;
                assert!(
                    !(in_lane && !other.is_final() && other.made.position < item.made.position),
                    "I5: {id} starts before {other_id}"
                );
                assert!(
                    !(in_lane && other.status == Status::Running),
                    "I5: {id} starts while {other_id} runs"
                );
                let closed = match other.rules.order.poison() {
                    Poison::Skip => false,
                    Poison::Park => in_lane,
                    // What was chosen to start in the same instant may start.
                    Poison::Block => in_lane || (in_flow && other.ended_at < at),
                };
                assert!(
                    !(closed && other.dead),
                    "E24: {id} starts behind {other_id}"
                );
            }
        }
        self.items.get_mut(id).unwrap().status = Status::Running;
    }

    fn finish(&mut self, at: Timestamp, finish: &Finish, accepted: &[&Accept]) {
        let item = self.items[&finish.id].clone();
        let id = &finish.id;
        assert!(!item.is_final(), "I7: {id} ends twice");
        let follow_up = accepted.iter().find(|accept| {
            let next = &accept.execution;
            next.invoked_by == InvokedBy::Retry && next.journal == item.made.journal
        });
        match finish.result {
            ResultType::Canceled => {
                assert!(self.to_cancel.contains(id), "nobody cancelled {id}");
                assert!(follow_up.is_none() && !finish.dead_letter);
            }
            ResultType::CanceledAsDuplicate => {
                let known = self.items.values().map(|newer| &newer.made);
                let coming = accepted.iter().map(|accept| &accept.execution);
                let mut newer = known.chain(coming).filter(|it| supersedes(it, &item.made));
                assert!(
                    newer.any(|it| Some(&it.id) == finish.canceled_by.as_ref()),
                    "E22: {id}"
                );
                assert_eq!(item.status, Status::Pending, "E22");
                assert!(item.order.unique.is_some(), "E22: {id} has no unique id");
            }
            result => {
                assert_eq!(item.status, Status::Running);
                let (expected, wait) = expected_end(&item);
                assert_eq!(result, expected, "{id}: {:?}", finish.error);
                assert_eq!(follow_up.is_some(), wait.is_some(), "E21: {id} {item:?}");
                let failed = expected != ResultType::Completed;
                assert_eq!(finish.dead_letter, failed && wait.is_none(), "E28: {id}");
                if let (Some(wait), Some(follow_up)) = (wait, follow_up) {
                    let next = &follow_up.execution;
                    assert_eq!(next.run_at, Some(finish.at + seconds(wait)), "E21: {id}");
                    assert_eq!(next.attempt, item.made.attempt + 1);
                    assert_eq!(next.position, item.made.position);
                    if next.status.is_final() {
                        assert_eq!(next.result, Some(ResultType::CanceledAsDuplicate));
                        let newer = &self.items[next.canceled_by.as_ref().unwrap()].made;
                        assert!(supersedes(newer, next), "E22: {id}");
                    }
                }
            }
        }
        let item = self.items.get_mut(id).unwrap();
        item.status = finish.status;
        item.result = Some(finish.result);
        item.ended_at = at;
        item.dead = finish.dead_letter;
    }
}

/// E22: says whether an execution makes the retries of another needless.
pub(super) fn supersedes(newer: &Execution, older: &Execution) -> bool {
    older.unique_id.is_some()
        && newer.unique_id == older.unique_id
        && newer.flow == older.flow
        && newer.position > older.position
        && !matches!(newer.invoked_by, InvokedBy::Replay | InvokedBy::Retry)
        && newer.result != Some(ResultType::CanceledAsDuplicate)
}

fn accept_of(write: &Write) -> Option<&Accept> {
    match write {
        Write::Accept(accept) => Some(accept),
        _ => None,
    }
}

/// Says how an attempt ends, and after how many seconds it is tried again.
fn expected_end(item: &Item) -> (ResultType, Option<u64>) {
    let (act, attempt, rules) = (
        item.order.act(item.made.attempt),
        item.made.attempt,
        item.rules,
    );
    let doubled = if rules.backoff { attempt - 1 } else { 0 };
    let usual = Some(rules.delay << doubled).filter(|_| attempt <= rules.retries);
    if act.sleep >= TIME_LIMIT {
        return (ResultType::TimedOut, usual);
    }
    match act.end {
        End::Succeeds => (ResultType::Completed, None),
        End::Fails | End::Panics => (ResultType::Error, usual),
        End::FailsForGood => (ResultType::Error, None),
        End::FailsAndNamesTheTime(wait) => (ResultType::Error, usual.map(|_| wait)),
    }
}
