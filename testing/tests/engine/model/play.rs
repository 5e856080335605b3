//! Plays a script on the engine, with the reference beside it.

use std::collections::HashMap;
use std::sync::Arc;

use runner::clock::Clock as _;
use runner::engine::{ControlError, ReplayFrom};
use runner::instance::Instance;
use runner::record::{InvokedBy, StateKey, Status};
use runner::settings::Settings;
use runner::store::Store as _;
use sdk::id::ExecutionId;
use sdk::prelude::*;
use sdk::state::StateScope;

use super::flows::{self, FLOWS, Order};
use super::history::{self, Event};
use super::reference::Reference;
use crate::world::{Fault, Lasting, World};

/// One thing that happens to the engine.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Send {
        flow: usize,
        order: Order,
    },
    Advance(u64),
    Cancel(usize),
    Replay(usize, ReplayFrom),
    Dismiss(usize),
    /// The process dies at a commit to come, and is started again after this many seconds.
    Crash {
        commits: u32,
        after: bool,
    },
    /// The store fails at a commit to come.
    Fault {
        commits: u32,
        fault: Fault,
    },
    /// The instance is deployed again, so that so many of its executions run at once; 0 sets no limit.
    Limit(u32),
    /// The process is stopped in order.
    Stop {
        grace: u64,
    },
}

/// How long a process that died stays down.
const DOWN: u64 = 9;

struct Player {
    lasting: Lasting,
    world: World,
    instance: Arc<Instance>,
    reference: Reference,
    /// What callers were told, by send.
    answers: HashMap<usize, ExecutionId>,
    /// Until when a value is remembered, and its first execution.
    deliveries: HashMap<u8, (Timestamp, usize)>,
}

/// Plays a script to its end, and on until everything has ended.
pub(crate) async fn play(ops: Vec<Op>) {
    history::take();
    let settings = Settings {
        rate_per_second: 0,
        // A crash is not the fault of what ran: this has a test of its own.
        deaths: 0,
        ..Settings::default()
    };
    let lasting = Lasting::new(flows::integration(), settings);
    let world = World::start(&lasting, None).await;
    let instance = world.deploy().await;
    let mut player = Player {
        lasting,
        world,
        instance,
        reference: Reference::default(),
        answers: HashMap::new(),
        deliveries: HashMap::new(),
    };
    for op in ops {
        player.op(op).await;
        player.look_around().await;
    }
    player.finish().await;
    player.world.kill();
}

impl Player {
    async fn op(&mut self, op: Op) {
        match op {
            Op::Send { flow, order } => self.send(flow, order).await,
            Op::Advance(length) => self.advance(length).await,
            Op::Cancel(pick) => self.cancel(pick).await,
            Op::Replay(pick, from) => self.replay(pick, from).await,
            Op::Dismiss(pick) => self.dismiss(pick).await,
            Op::Crash { commits, after } => {
                let fault = if after {
                    Fault::DiesAfter
                } else {
                    Fault::DiesBefore
                };
                self.world.store.arm(commits, fault);
            }
            Op::Fault { commits, fault } => self.world.store.arm(commits, fault),
            Op::Limit(most) => self.limit(most).await,
            Op::Stop { grace } => self.stop(grace).await,
        }
    }

    /// What becomes of a deploy that fails is not the subject: none is made while a fault is to come.
    async fn limit(&mut self, most: u32) {
        if self.world.store.is_armed() || self.is_failing() {
            return;
        }
        let next = usize::try_from(most).ok().filter(|most| *most > 0);
        // What the deploy starts starts under the new limit, and what ran before goes on.
        let before = std::mem::replace(&mut self.reference.limit, next);
        let id = Some(self.instance.id.clone());
        self.instance = self.world.deploy_at_most(id, Some(most)).await;
        if next.is_some_and(|next| before.is_none_or(|before| next < before)) {
            self.reference.limit = before;
        }
        self.read_history();
        self.reference.limit = next;
    }

    async fn send(&mut self, flow: usize, order: Order) {
        let rules = &FLOWS[flow];
        let now = self.world.clock.now();
        let body = serde_json::to_value(&order).unwrap();
        self.reference.in_doubt = self.world.store.failed_lately();
        let answer = self.world.post(&self.instance, rules.key, &body).await;
        self.read_history();
        self.reference.in_doubt = false;
        let remembered = order
            .dedupe
            .filter(|_| rules.window.is_some())
            .and_then(|value| self.deliveries.get(&value))
            .filter(|(until, _)| *until > now)
            .map(|(_, first)| *first);
        if let Some((503, _)) = answer {
            assert!(self.world.store.failed_lately(), "G7");
        } else if let Some((status, body)) = answer {
            assert_eq!(status, 200, "{body}");
            let id = ExecutionId::new(body["executionId"].as_str().unwrap());
            let item = &self.reference.items[&id];
            // E25: the answer to a duplicate is the first execution.
            assert_eq!(item.order.number, remembered.unwrap_or(order.number));
            self.answers.insert(order.number, id);
        }
        let accepted = self.reference.items.values().any(|item| {
            item.order.number == order.number && item.made.invoked_by == InvokedBy::Webhook
        });
        if let (true, None, Some(value), Some(window)) =
            (accepted, remembered, order.dedupe, rules.window)
        {
            let until = now + seconds(window);
            self.deliveries.insert(value, (until, order.number));
        }
    }

    async fn advance(&mut self, length: u64) {
        let (reference, store) = (&mut self.reference, Arc::clone(&self.world.store));
        let look = |now| {
            read_history(reference);
            if !store.is_dead() && !store.failed_lately() {
                reference.check_rest(now);
            }
        };
        self.world.advance(seconds(length), look).await;
    }

    fn is_failing(&self) -> bool {
        self.world.store.is_dead() || self.world.store.failed_lately()
    }

    fn pick(&self, pick: usize) -> Option<ExecutionId> {
        let ids = &self.reference.ids;
        ids.get(pick % ids.len().max(1)).cloned()
    }

    async fn cancel(&mut self, pick: usize) {
        let Some(id) = self.pick(pick) else { return };
        let ended = self.reference.items[&id].is_final();
        self.reference.to_cancel.insert(id.clone());
        let (engine, asked) = (Arc::clone(&self.world.runner.engine), id.clone());
        let answer = self
            .world
            .drive(async move { engine.cancel(&asked).await })
            .await;
        self.read_history();
        match answer {
            Some(Ok(())) => assert!(!ended && self.reference.items[&id].is_final()),
            Some(Err(ControlError::Store(_))) => assert!(self.world.store.failed_lately()),
            Some(Err(refusal)) => assert!(ended, "{refusal}"),
            // One whose end is being recorded is waited for.
            None => assert!(self.is_failing(), "a cancel of {id} hangs"),
        }
        if !self.is_failing() {
            self.reference.to_cancel.remove(&id);
        }
    }

    async fn replay(&mut self, pick: usize, from: ReplayFrom) {
        let Some(id) = self.pick(pick) else { return };
        let item = self.reference.items[&id].clone();
        let (engine, asked) = (Arc::clone(&self.world.runner.engine), id.clone());
        let answer = self
            .world
            .drive(async move { engine.replay(&asked, from).await })
            .await;
        self.read_history();
        match answer {
            Some(Ok(replay)) => {
                assert!(item.is_final());
                let replay = &self.reference.items[&replay];
                assert_eq!(replay.made.first, Some(id.clone()), "W53");
                assert!(!self.reference.items[&id].dead, "E28");
            }
            Some(Err(ControlError::NotReplayable(..))) => {
                // What only records that a delivery came again never had a payload of its own.
                let ran = item.made.status != Status::Success;
                assert!(!item.is_final() || !ran, "{id} cannot be replayed");
            }
            Some(Err(ControlError::Store(_))) => assert!(self.world.store.failed_lately()),
            Some(Err(refusal)) => panic!("{refusal}"),
            None => assert!(self.world.store.is_dead(), "a replay of {id} hangs"),
        }
    }

    async fn dismiss(&mut self, pick: usize) {
        let Some(id) = self.pick(pick) else { return };
        let engine = Arc::clone(&self.world.runner.engine);
        let answer = self
            .world
            .drive(async move { engine.dismiss(&id).await })
            .await;
        assert!(answer.is_some_and(|answer| answer.is_ok()) || self.is_failing());
    }

    async fn stop(&mut self, grace: u64) {
        let runner = Arc::clone(&self.world.runner);
        let stopped = self
            .world
            .drive(async move { runner.stop(seconds(grace)).await });
        if stopped.await.is_none() {
            self.world.advance(seconds(grace + 2), |_| {}).await;
        }
        self.start_again(0).await;
    }

    /// Reads what happened, starts a process that died again, and sees that nobody waits for nothing.
    async fn look_around(&mut self) {
        self.world.settle().await;
        if self.world.store.is_dead() {
            self.start_again(DOWN).await;
        }
        self.read_history();
        if !self.world.store.is_dead() && !self.world.store.failed_lately() {
            self.reference.check_rest(self.world.clock.now());
        }
    }

    async fn start_again(&mut self, down: u64) {
        self.read_history();
        history::record(self.world.clock.now(), Event::Died);
        let next = self.world.clock.now() + seconds(down);
        self.world.store.kill();
        self.lasting.clock.advance_to(next);
        let next = World::start(&self.lasting, None).await;
        std::mem::replace(&mut self.world, next).kill();
        // What the dead one leaves behind when it is dropped means nothing any more.
        tokio::task::yield_now().await;
        self.read_history();
    }

    fn read_history(&mut self) {
        read_history(&mut self.reference);
    }

    /// Lets everything come to its end, then opens what was closed by dead letters, until nothing is left.
    async fn finish(&mut self) {
        self.world.store.disarm();
        self.advance(5).await;
        loop {
            while self.reference.is_going(self.world.clock.now()) {
                self.advance(60).await;
                self.read_history();
            }
            self.check_state().await;
            let items = self.reference.items.iter();
            let dead: Vec<ExecutionId> = items
                .filter(|(_, item)| item.dead)
                .map(|(id, _)| id.clone())
                .collect();
            if dead.is_empty() {
                break;
            }
            for id in dead {
                let engine = Arc::clone(&self.world.runner.engine);
                let dismissed = self.world.drive(async move { engine.dismiss(&id).await });
                dismissed.await.unwrap().unwrap();
                self.look_around().await;
            }
        }
        for (number, id) in &self.answers {
            let item = self.reference.items.get(id);
            assert!(item.is_some(), "I1: send {number} is lost");
        }
        for (id, item) in &self.reference.items {
            assert!(item.is_final(), "I1: {id} never ends: {item:?}");
            let stored = self.lasting.disk.execution(id).await.unwrap().unwrap();
            assert_eq!(
                (stored.status, stored.result),
                (item.status, item.result),
                "I7"
            );
        }
    }

    async fn check_state(&self) {
        for rules in FLOWS {
            let key = StateKey {
                instance: self.instance.id.clone(),
                scope: StateScope::Instance,
                owner: rules.key.into(),
                key: "count".to_owned(),
            };
            let (count, _) = self.lasting.disk.state(&key).await.unwrap();
            let count = count.map_or(0, |count| count.as_u64().unwrap());
            let expected = self.reference.expected_count(rules);
            assert_eq!(
                usize::try_from(count).unwrap(),
                expected,
                "G3: {}",
                rules.key
            );
        }
    }
}

fn read_history(reference: &mut Reference) {
    for (at, event) in history::take() {
        reference.see(at, &event);
    }
}
