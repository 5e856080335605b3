//! Schedules that change, and instances that are paused (E12, E53).

use sdk::integration::BuiltIntegration;
use sdk::prelude::*;
use sdk::schedule::Missed;
use serde_json::json;

use super::faulty_store::Fault;
use super::rig::{Rig, at, reports, values};
use crate::clock::ManualClock;
use crate::deploy::Removal;
use crate::store::MemoryStore;

#[tokio::test]
async fn another_schedule_counts_from_its_deploy_on_and_the_old_one_is_gone_e12() {
    let rig = Rig::new("2026-03-06T07:00:00Z").await;
    let id = rig.deploy(&values(&Schedule::cron("0 8 * * *"))).await;
    rig.advance_to("2026-03-06T12:00:00Z").await;
    let nine = Schedule::cron("0 9 * * *").missed(Missed::RunAll { within: days(7) });
    rig.redeploy(&id, &values(&nine)).await;
    rig.expect(&["2026-03-06T08:00:00Z"]).await;
    let rig = rig.restart(reports(), "2026-03-07T07:30:00Z").await;
    rig.advance_to("2026-03-07T10:00:00Z").await;
    rig.expect(&["2026-03-06T08:00:00Z", "2026-03-07T09:00:00Z"])
        .await;
}

#[tokio::test]
async fn a_run_that_was_due_when_the_schedule_changed_still_runs_e12() {
    let rig = Rig::new("2026-03-06T07:00:00Z").await;
    let id = rig.deploy(&values(&Schedule::cron("0 8 * * *"))).await;
    rig.store.fail(Some((Fault::Full, "accept")));
    rig.advance_to("2026-03-06T08:00:10Z").await;
    rig.redeploy(&id, &values(&Schedule::cron("0 9 * * *")))
        .await;
    rig.expect(&[]).await;
    let changed = rig.store.inner.fork();
    rig.store.fail(None);
    rig.advance_to("2026-03-06T09:30:00Z").await;
    let both = ["2026-03-06T08:00:00Z", "2026-03-06T09:00:00Z"];
    rig.expect(&both).await;

    // The same if the process dies before the store answers again.
    rig.runner.abort();
    let clock = ManualClock::at(at("2026-03-06T09:30:00Z"));
    let rig = Rig::start(reports(), clock, changed).await;
    rig.expect(&both).await;
    let rig = rig.restart(reports(), "2026-03-06T10:00:00Z").await;
    rig.expect(&both).await;
}

#[tokio::test]
async fn a_redeploy_with_the_same_schedule_neither_loses_nor_doubles_a_run_e12() {
    let rig = Rig::new("2026-03-06T07:00:00Z").await;
    let spread = values(&Schedule::cron("0 8 * * *").spread(hours(1)));
    let id = rig.deploy(&spread).await;
    // Between the nominal time and this instance's place in the spread.
    rig.advance_to("2026-03-06T08:00:00Z").await;
    rig.redeploy(&id, &spread).await;
    rig.advance_to("2026-03-06T09:00:00Z").await;
    rig.redeploy(&id, &spread).await;
    rig.advance_to("2026-03-06T10:00:00Z").await;
    rig.expect(&["2026-03-06T08:00:00Z"]).await;
}

#[tokio::test]
async fn a_redeploy_at_the_very_moment_of_a_run_keeps_it_e12() {
    let rig = Rig::new("2026-03-06T07:00:00Z").await;
    let eight = Schedule::cron("0 8 * * *").missed(Missed::Skip);
    let id = rig.deploy(&values(&eight)).await;
    rig.clock.advance_to(at("2026-03-06T08:00:00Z"));
    // Nothing has looked at the clock yet.
    rig.redeploy(&id, &values(&Schedule::cron("0 9 * * *")))
        .await;
    rig.advance_to("2026-03-06T08:30:00Z").await;
    rig.expect(&["2026-03-06T08:00:00Z"]).await;
}

#[tokio::test]
async fn once_in_the_place_of_another_schedule_runs_at_the_redeploy_e10_e12() {
    let rig = Rig::new("2026-03-06T07:30:00Z").await;
    let id = rig.deploy(&values(&Schedule::cron("@hourly"))).await;
    rig.advance_to("2026-03-06T08:00:00Z").await;
    rig.redeploy(&id, &values(&Schedule::once())).await;
    rig.advance_to("2026-03-06T12:00:00Z").await;
    assert_eq!(rig.nominal().await.len(), 2);
    rig.redeploy(&id, &values(&Schedule::once())).await;
    assert_eq!(rig.nominal().await.len(), 2);
}

fn fixed(minute: &'static str) -> BuiltIntegration {
    struct AtTen;
    struct AtTwenty;

    #[flow(key = "sum", trigger = Schedule::cron("10 * * * *"))]
    impl AtTen {
        #[on_execution]
        async fn run(_context: &Context) -> Result<()> {
            Ok(())
        }
    }

    #[flow(key = "sum", trigger = Schedule::cron("20 * * * *"))]
    impl AtTwenty {
        #[on_execution]
        async fn run(_context: &Context) -> Result<()> {
            Ok(())
        }
    }

    let integration = Integration::<()>::new("sums");
    let integration = match minute {
        "10" => integration.flow::<AtTen>(),
        _ => integration.flow::<AtTwenty>(),
    };
    integration.build().unwrap()
}

#[tokio::test]
async fn a_new_version_with_another_schedule_owes_the_old_one_and_counts_from_its_start_e12() {
    let clock = ManualClock::at(at("2026-03-06T07:00:00Z"));
    let rig = Rig::start(fixed("10"), clock, MemoryStore::new()).await;
    rig.deploy(&json!({})).await;
    rig.advance_to("2026-03-06T08:00:00Z").await;
    // The old version goes down before ten past, the new one comes up after twenty past.
    let rig = rig.restart(fixed("20"), "2026-03-06T08:30:00Z").await;
    let caught_up = ["2026-03-06T07:10:00Z", "2026-03-06T08:10:00Z"];
    rig.expect(&caught_up).await;
    let rig = rig.restart(fixed("20"), "2026-03-06T09:15:00Z").await;
    rig.expect(&caught_up).await;
    rig.advance_to("2026-03-06T09:20:00Z").await;
    assert_eq!(rig.nominal().await[2], at("2026-03-06T09:20:00Z"));
}

#[tokio::test]
async fn what_is_due_while_an_instance_is_paused_does_not_run_later_e53() {
    let rig = Rig::new("2026-03-06T07:30:00Z").await;
    let all = Schedule::cron("@hourly").missed(Missed::RunAll { within: days(7) });
    let id = rig.deploy(&values(&all)).await;
    rig.advance_to("2026-03-06T08:30:00Z").await;
    rig.runner.deployer.pause(&id).await.unwrap();
    rig.advance_to("2026-03-06T10:30:00Z").await;
    rig.runner.deployer.resume(&id).await.unwrap();
    rig.advance_to("2026-03-06T10:40:00Z").await;
    rig.expect(&["2026-03-06T08:00:00Z"]).await;
    let rig = rig.restart(reports(), "2026-03-06T11:30:00Z").await;
    rig.expect(&["2026-03-06T08:00:00Z", "2026-03-06T11:00:00Z"])
        .await;
}

#[tokio::test]
async fn a_removed_instance_is_not_scheduled_e52() {
    let rig = Rig::new("2026-03-06T07:30:00Z").await;
    let id = rig.deploy(&values(&Schedule::cron("@hourly"))).await;
    rig.runner
        .deployer
        .remove(&id, Removal::default())
        .await
        .unwrap();
    rig.advance_to("2026-03-06T09:30:00Z").await;
    rig.expect(&[]).await;
}
