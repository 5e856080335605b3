//! Many schedules at once, and several processes on one store (E17, G4).

use std::collections::HashSet;

use sdk::prelude::*;
use sdk::schedule::{Missed, Overlap};

use super::rig::{Rig, at, reports, values};
use crate::clock::ManualClock;
use crate::store::Store as _;

#[tokio::test]
async fn ten_thousand_schedules_of_one_minute_all_start_exactly_once_g4() {
    let rig = Rig::new("2026-03-06T07:30:00Z").await;
    let schedule = values(&Schedule::cron("0 8 * * *").overlap(Overlap::Skip));
    let request = || crate::deploy::DeployRequest {
        config: schedule.as_object().cloned(),
        ..Default::default()
    };
    for _ in 0..10_000 {
        rig.runner.deployer.deploy(None, request()).await.unwrap();
    }
    rig.clock.advance_to(at("2026-03-06T08:00:00Z"));
    for _ in 0..1000 {
        rig.settle().await;
        let started = rig.store.last_position().await.unwrap();
        if started >= 10_000 && rig.runner.engine.load() == (0, 0) {
            break;
        }
    }
    let ran = rig.ran().await;
    let instances: HashSet<_> = ran
        .iter()
        .map(|ran| ran.execution.instance.clone())
        .collect();
    assert_eq!((ran.len(), instances.len()), (10_000, 10_000));
    assert!(ran.iter().all(|ran| ran.tick.is_some()));
}

#[tokio::test]
async fn nothing_happens_while_nothing_is_due() {
    let rig = Rig::new("2026-03-06T07:30:00Z").await;
    for _ in 0..100 {
        rig.deploy(&values(&Schedule::cron("0 8 * * *"))).await;
    }
    // The retention looks once an hour; nothing else but the timer sleeps, and it sleeps once.
    assert_eq!(rig.clock.next_deadline(), Some(at("2026-03-06T08:00:00Z")));
    assert_eq!(rig.clock.sleepers(), 2);
}

#[tokio::test]
async fn two_processes_on_one_store_start_each_tick_once_e17() {
    let one = Rig::new("2026-03-06T07:30:00Z").await;
    let all = Schedule::cron("*/10 * * * *").missed(Missed::RunAll { within: days(1) });
    for _ in 0..10 {
        one.deploy(&values(&all)).await;
    }
    let clock: ManualClock = one.clock.clone();
    let other = Rig::start(reports(), clock, one.store.inner.clone()).await;
    one.advance_to("2026-03-06T08:00:00Z").await;
    assert_eq!(one.nominal().await.len(), 30);
    // One of them is gone for a while; the other one goes on.
    one.runner.abort();
    other.advance_to("2026-03-06T08:30:00Z").await;
    let ran = other.ran().await;
    let ticks: HashSet<_> = ran
        .iter()
        .map(|ran| {
            (
                ran.execution.instance.clone(),
                ran.tick.as_ref().unwrap().nominal,
            )
        })
        .collect();
    assert_eq!((ran.len(), ticks.len()), (60, 60));
}
