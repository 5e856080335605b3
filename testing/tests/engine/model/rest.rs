//! What must be true whenever nothing more can happen without time moving on: nobody waits who could run.

use std::collections::BTreeMap;

use runner::record::{ResultType, Status};
use sdk::prelude::*;

use super::flows::{FLOWS, Lanes, Rules};
use super::reference::{Item, Reference, supersedes};

impl Reference {
    /// I1: whatever was accepted runs as soon as its rules let it.
    pub(crate) fn check_rest(&self, now: Timestamp) {
        for item in self
            .items
            .values()
            .filter(|item| item.status == Status::Pending)
        {
            let mut all = self.items.values();
            let newer = all.find(|newer| supersedes(&newer.made, &item.made));
            assert!(newer.is_none(), "E22: {} waits for its retry", item.made.id);
        }
        let all = self.items.values();
        let running = all.filter(|item| item.status == Status::Running).count();
        if self.limit.is_some_and(|limit| running >= limit) {
            return;
        }
        for rules in FLOWS {
            let of_flow = || {
                self.items
                    .values()
                    .filter(|item| item.rules.key == rules.key)
            };
            let could_run = |item: &&Item| match item.status {
                Status::Queued => true,
                Status::Pending => item.made.run_at.is_none_or(|run_at| run_at <= now),
                _ => false,
            };
            let waiting = of_flow().filter(could_run).count();
            let running = of_flow()
                .filter(|item| item.status == Status::Running)
                .count();
            match rules.order {
                Lanes::Parallel => assert_eq!(waiting, 0, "{} waits", rules.key),
                Lanes::Throttled(limit) => {
                    assert!(
                        waiting == 0 || running == limit,
                        "{waiting} wait, {running} run"
                    );
                }
                Lanes::Sequential(_) => self.check_heads(rules, |_| 0, could_run),
                Lanes::ByKey(_) => self.check_heads(rules, |item| item.order.key, could_run),
            }
        }
    }

    /// Says whether time alone brings something about.
    pub(crate) fn is_going(&self, now: Timestamp) -> bool {
        self.items.values().any(|item| match item.status {
            Status::Running => true,
            Status::Pending => item.made.run_at.is_some_and(|run_at| run_at > now),
            _ => false,
        })
    }

    fn check_heads(
        &self,
        rules: &Rules,
        lane: impl Fn(&Item) -> u8,
        could_run: impl Fn(&&Item) -> bool,
    ) {
        let mut heads: BTreeMap<u8, &Item> = BTreeMap::new();
        let of_flow = || {
            self.items
                .values()
                .filter(|item| item.rules.key == rules.key)
        };
        for item in of_flow().filter(|item| !item.is_final()) {
            let head = heads.entry(lane(item)).or_insert(item);
            if item.made.position < head.made.position {
                *head = item;
            }
        }
        for (key, head) in heads.iter().filter(|(_, head)| could_run(head)) {
            let closed =
                of_flow()
                    .filter(|item| item.dead)
                    .any(|item| match rules.order.poison() {
                        Poison::Skip => false,
                        Poison::Park => lane(item) == *key,
                        Poison::Block => true,
                    });
            assert!(closed, "{} waits in an open lane", head.made.id);
        }
    }

    /// G3: the changes of every execution that succeeded are there, once.
    pub(crate) fn expected_count(&self, rules: &Rules) -> usize {
        let counted = |item: &&Item| {
            item.rules.key == rules.key && item.result == Some(ResultType::Completed)
        };
        self.items.values().filter(counted).count()
    }
}
