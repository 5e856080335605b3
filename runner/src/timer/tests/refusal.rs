//! Ticks that the store or a full backlog refuses (G4, G7).

use std::sync::Arc;

use sdk::prelude::*;
use sdk::schedule::{Missed, Overlap};
use serde_json::json;

use super::faulty_store::Fault;
use super::rig::{Rig, at, reports, values};
use crate::clock::ManualClock;
use crate::instance::{Instance, InstanceStatus};
use crate::record::ResultType;
use crate::settings::Settings;
use crate::store::MemoryStore;

#[tokio::test]
async fn a_tick_that_a_full_store_refuses_runs_when_there_is_room_again_g7() {
    for missed in [Missed::Skip, Missed::RunOnce] {
        let rig = Rig::new("2026-03-06T07:30:00Z").await;
        rig.deploy(&values(&Schedule::cron("@hourly").missed(missed)))
            .await;
        rig.store.fail(Some((Fault::Full, "accept")));
        rig.advance_to("2026-03-06T08:03:00Z").await;
        rig.expect(&[]).await;
        rig.store.fail(None);
        rig.advance_to("2026-03-06T08:03:01Z").await;
        rig.expect(&["2026-03-06T08:00:00Z"]).await;
        let ran = rig.ran().await;
        assert_eq!(
            ran[0].tick.as_ref().unwrap().actual,
            at("2026-03-06T08:03:01Z")
        );
    }
}

#[tokio::test]
async fn the_policy_for_missed_runs_decides_what_a_long_failure_leaves_behind_e14() {
    let due = [
        "2026-03-06T08:00:00Z",
        "2026-03-06T08:02:00Z",
        "2026-03-06T08:04:00Z",
    ];
    let all = Missed::RunAll { within: days(1) };
    for (missed, expected) in [
        (Missed::Skip, &due[..1]),
        (Missed::RunOnce, &due[2..]),
        (all, &due[..]),
    ] {
        let rig = Rig::new("2026-03-06T07:30:00Z").await;
        let schedule = Schedule::cron("*/2 8 * * *").missed(missed);
        rig.deploy(&values(&schedule)).await;
        rig.store.fail(Some((Fault::Full, "accept")));
        rig.advance_to("2026-03-06T08:05:30Z").await;
        rig.store.fail(None);
        rig.advance_to("2026-03-06T08:05:40Z").await;
        rig.expect(expected).await;
    }
}

#[tokio::test]
async fn a_tick_whose_commit_is_in_doubt_runs_once_e17() {
    for overlap in [Overlap::Allow, Overlap::Skip, Overlap::CancelPrevious] {
        let rig = Rig::new("2026-03-06T07:30:00Z").await;
        let schedule = Schedule::cron("@hourly").overlap(overlap);
        rig.deploy(&json!({"report_at": schedule, "takes": 5}))
            .await;
        rig.store.fail(Some((Fault::AnswerLost, "accept")));
        rig.advance_to("2026-03-06T08:00:00Z").await;
        rig.store.fail(None);
        rig.advance_to("2026-03-06T08:30:00Z").await;
        rig.expect(&["2026-03-06T08:00:00Z"]).await;
        assert_eq!(rig.results().await, [Some(ResultType::Completed)]);
    }
}

#[tokio::test]
async fn a_tick_that_a_full_backlog_refuses_is_tried_again_w33() {
    let settings = Settings {
        running: 1,
        backlog: 1,
        ..Settings::default()
    };
    let clock = ManualClock::at(at("2026-03-06T07:30:00Z"));
    let rig = Rig::start_with(reports(), clock, MemoryStore::new(), settings).await;
    for _ in 0..3 {
        rig.deploy(&json!({"report_at": "@hourly", "takes": 1}))
            .await;
    }
    rig.advance_to("2026-03-06T08:00:30Z").await;
    assert_eq!(rig.ran().await.len(), 2);
    rig.advance_to("2026-03-06T08:04:00Z").await;
    let done = Some(ResultType::Completed);
    assert_eq!(rig.results().await, [done, done, done]);
}

#[tokio::test]
async fn a_refused_tick_of_an_instance_that_is_paused_meanwhile_is_dropped_e53() {
    let rig = Rig::new("2026-03-06T07:30:00Z").await;
    let id = rig.deploy(&values(&Schedule::cron("@hourly"))).await;
    rig.store.fail(Some((Fault::Full, "accept")));
    rig.advance_to("2026-03-06T08:10:00Z").await;
    rig.runner.deployer.pause(&id).await.unwrap();
    rig.store.fail(None);
    rig.advance_to("2026-03-06T08:20:00Z").await;
    rig.runner.deployer.resume(&id).await.unwrap();
    rig.advance_to("2026-03-06T09:10:00Z").await;
    rig.expect(&["2026-03-06T09:00:00Z"]).await;
}

#[tokio::test]
async fn a_redeploy_while_a_tick_is_on_its_way_to_the_disk_starts_it_once_e12_e17() {
    let rig = Rig::new("2026-03-06T07:30:00Z").await;
    let schedule = values(&Schedule::cron("@hourly").overlap(Overlap::Skip));
    let id = rig.deploy(&schedule).await;
    rig.store.fail(Some((Fault::Stuck, "accept")));
    rig.advance_to("2026-03-06T08:00:00Z").await;
    rig.redeploy(&id, &schedule).await;
    rig.store.fail(None);
    rig.settle().await;
    rig.expect(&["2026-03-06T08:00:00Z"]).await;
    assert_eq!(rig.results().await, [Some(ResultType::Completed)]);
}

#[tokio::test]
async fn an_instance_that_is_not_active_takes_no_tick_w7() {
    let rig = Rig::new("2026-03-06T07:30:00Z").await;
    let id = rig.deploy(&values(&Schedule::cron("@hourly"))).await;
    let instances = &rig.runner.engine.instances;
    // It was closed a moment ago, and the timer has not been told yet.
    let mut closed = Instance::clone(&*instances.get(&id).unwrap());
    closed.facts.status = InstanceStatus::Deploying;
    instances.put(Arc::new(closed));
    rig.advance_to("2026-03-06T08:30:00Z").await;
    rig.expect(&[]).await;
    // What was due is run when the deploy has ended.
    rig.redeploy(&id, &values(&Schedule::cron("@hourly"))).await;
    rig.expect(&["2026-03-06T08:00:00Z"]).await;
}
