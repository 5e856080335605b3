//! When ticks run, and what the flow is told of them (E4, E10, E11, E13, E16, E17, E18).

use std::sync::Arc;

use sdk::flow::AnyConfig;
use sdk::prelude::*;
use serde_json::json;

use super::rig::{Config, Rig, at, reports, values};
use crate::clock::ManualClock;
use crate::record::ResultType;
use crate::store::MemoryStore;

#[tokio::test]
async fn a_run_is_told_its_time_the_one_before_and_the_one_after_e17() {
    let rig = Rig::new("2026-03-06T12:00:00Z").await;
    rig.deploy(&values(&Schedule::cron("*/5 8-16 * * 1-5")))
        .await;
    rig.clock.advance_to(at("2026-03-06T16:55:00.250Z"));
    rig.settle().await;
    let ran = rig.ran().await;
    let tick = ran[0].tick.as_ref().unwrap();
    assert_eq!(tick.nominal, at("2026-03-06T16:55:00Z"));
    assert_eq!(tick.actual, at("2026-03-06T16:55:00.250Z"));
    assert_eq!(tick.previous, Some(at("2026-03-06T16:50:00Z")));
    assert_eq!(
        tick.next,
        Some(at("2026-03-09T08:00:00Z")),
        "the next working day"
    );
}

#[tokio::test]
async fn a_time_in_a_zone_runs_once_through_both_changes_of_the_clock_e11_e13() {
    let rig = Rig::new("2026-03-07T00:00:00Z").await;
    let half_past_two = Schedule::cron("30 2 * * *").in_zone("America/New_York");
    rig.deploy(&values(&half_past_two)).await;
    rig.advance_to("2026-03-10T00:00:00Z").await;
    // In the night to the eighth, half past two does not exist: it runs when the gap ends.
    rig.expect(&[
        "2026-03-07T02:30:00-05:00",
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ])
    .await;

    let rig = Rig::new("2026-10-31T12:00:00Z").await;
    let half_past_one = Schedule::cron("30 1 * * *").in_zone("America/New_York");
    rig.deploy(&values(&half_past_one)).await;
    rig.advance_to("2026-11-03T00:00:00Z").await;
    // In the night to the first of November, half past one comes twice: it runs the first time.
    rig.expect(&["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"])
        .await;
}

#[tokio::test]
async fn an_interval_counts_from_the_first_deploy_e10() {
    let rig = Rig::new("2026-03-06T12:07:00Z").await;
    let id = rig.deploy(&values(&Schedule::every(minutes(90)))).await;
    rig.advance_to("2026-03-06T14:00:00Z").await;
    rig.redeploy(&id, &values(&Schedule::every(minutes(90))))
        .await;
    rig.advance_to("2026-03-06T17:00:00Z").await;
    rig.expect(&[
        "2026-03-06T13:37:00Z",
        "2026-03-06T15:07:00Z",
        "2026-03-06T16:37:00Z",
    ])
    .await;
}

#[tokio::test]
async fn once_runs_at_the_deploy_and_never_again_e10() {
    let rig = Rig::new("2026-03-06T12:00:00Z").await;
    let id = rig.deploy(&values(&Schedule::once())).await;
    rig.expect(&["2026-03-06T12:00:00Z"]).await;
    rig.advance_to("2026-03-06T13:00:00Z").await;
    rig.redeploy(&id, &values(&Schedule::once())).await;
    let rig = rig.restart(reports(), "2026-03-07T12:00:00Z").await;
    rig.advance_to("2026-03-08T00:00:00Z").await;
    rig.expect(&["2026-03-06T12:00:00Z"]).await;
}

#[tokio::test]
async fn a_schedule_is_not_due_at_times_before_it_was_there_e12() {
    let rig = Rig::new("2026-03-06T08:00:30Z").await;
    rig.deploy(&values(&Schedule::cron("0 8 * * *"))).await;
    rig.advance_to("2026-03-07T07:59:59Z").await;
    rig.expect(&[]).await;
    rig.advance_to("2026-03-07T08:00:00Z").await;
    rig.expect(&["2026-03-07T08:00:00Z"]).await;
}

#[tokio::test]
async fn instances_are_spread_and_each_keeps_its_place_e16() {
    let rig = Rig::new("2026-03-06T07:00:00Z").await;
    let spread = values(&Schedule::cron("0 8 * * *").spread(hours(1)));
    for _ in 0..20 {
        rig.deploy(&spread).await;
    }
    rig.advance_to("2026-03-06T09:00:00Z").await;
    let rig = rig.restart(reports(), "2026-03-07T07:00:00Z").await;
    rig.advance_to("2026-03-07T09:00:00Z").await;
    let ran = rig.ran().await;
    assert_eq!(ran.len(), 40);
    let mut offsets = std::collections::BTreeSet::new();
    for first in &ran[..20] {
        let second = ran[20..]
            .iter()
            .find(|ran| ran.execution.instance == first.execution.instance)
            .unwrap();
        let offset = |ran: &super::rig::Ran| {
            let tick = ran.tick.as_ref().unwrap();
            tick.actual.since(tick.nominal)
        };
        assert_eq!(offset(first), offset(second));
        assert!(offset(first) < hours(1));
        offsets.insert(offset(first));
    }
    assert!(offsets.len() > 15, "{offsets:?}");
}

#[tokio::test]
async fn a_poll_looks_at_each_tick_and_says_when_there_is_nothing_new_e4() {
    struct Look;

    #[flow(key = "look", trigger = Trigger::poll(Schedule::every(minutes(5))))]
    impl Look {
        #[on_trigger]
        async fn look(context: &Context) -> Result<TriggerOutput> {
            let seen = context.instance_state().get::<u32>("seen").await?;
            context
                .instance_state()
                .set("seen", &(seen.unwrap_or(0) + 1))
                .await?;
            Ok(match seen {
                None => TriggerOutput::payload(Payload::json(&json!("new"))),
                Some(_) => TriggerOutput::nothing_new(),
            })
        }

        #[on_execution]
        async fn file(_context: &Context, what: String) -> Result<String> {
            Ok(what)
        }
    }

    let integration = Integration::<()>::new("looks").flow::<Look>().build();
    let clock = ManualClock::at(at("2026-03-06T12:00:00Z"));
    let rig = Rig::start(integration.unwrap(), clock, MemoryStore::new()).await;
    rig.deploy(&json!({})).await;
    rig.advance_to("2026-03-06T12:10:00Z").await;
    let expected = [ResultType::Completed, ResultType::PolledNoChanges];
    assert_eq!(rig.results().await, expected.map(Some));
}

#[tokio::test]
async fn the_next_times_are_told_for_instances_whose_schedules_are_on_e17() {
    let rig = Rig::new("2026-03-06T12:00:00Z").await;
    let id = rig.deploy(&values(&Schedule::cron("@hourly"))).await;
    rig.advance_to("2026-03-06T13:00:00Z").await;
    let upcoming = rig.runner.timer.upcoming(&id, 2);
    assert_eq!(upcoming.len(), 1);
    assert_eq!(upcoming[0].0.as_str(), "report");
    let nominal: Vec<Timestamp> = upcoming[0].1.iter().map(|tick| tick.nominal).collect();
    assert_eq!(
        nominal,
        [at("2026-03-06T14:00:00Z"), at("2026-03-06T15:00:00Z")]
    );
    rig.runner.deployer.pause(&id).await.unwrap();
    assert_eq!(rig.runner.timer.upcoming(&id, 2), []);
}

#[tokio::test]
async fn schedules_that_are_wrong_or_never_fire_are_refused_with_the_flow_e18() {
    let rig = Rig::new("2026-03-06T12:00:00Z").await;
    let check = |schedule: Schedule| {
        let values = values(&Schedule::once());
        let mut config = Config::decode(values.as_object().unwrap()).unwrap();
        config.report_at = schedule;
        let config: AnyConfig = Arc::new(config);
        rig.runner.timer.check(&reports(), &config)
    };
    let fault = |schedule| check(schedule).unwrap_err().pop().unwrap().1;
    assert_eq!(check(Schedule::cron("@daily")), Ok(()));
    assert_eq!(check(Schedule::once()), Ok(()));
    assert_eq!(
        fault(Schedule::cron("0 25 * * *")),
        "is wrong: `0 25 * * *` cannot be read: hours go from 0 to 23 (at byte 2)"
    );
    assert!(fault(Schedule::cron("0 0 30 2 *")).starts_with("is wrong"));
    assert!(fault(Schedule::cron("@daily").in_zone("Mars/Olympus")).contains("Mars/Olympus"));
    let other: AnyConfig = Arc::new(());
    let faults = rig.runner.timer.check(&reports(), &other).unwrap_err();
    assert_eq!(faults[0].0.as_str(), "report");
}

#[tokio::test]
async fn a_clock_that_is_set_back_repeats_nothing() {
    let rig = Rig::new("2026-03-06T12:00:00Z").await;
    rig.deploy(&values(&Schedule::cron("@hourly"))).await;
    rig.advance_to("2026-03-06T14:00:00Z").await;
    rig.set_clock("2026-03-06T12:30:00Z").await;
    rig.advance_to("2026-03-06T14:30:00Z").await;
    let twice = ["2026-03-06T13:00:00Z", "2026-03-06T14:00:00Z"];
    rig.expect(&twice).await;
    rig.advance_to("2026-03-06T15:00:00Z").await;
    assert_eq!(rig.nominal().await.len(), 3);
}
