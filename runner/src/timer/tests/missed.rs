//! What becomes of runs that were due while no process was there (E14, G4).

use sdk::prelude::*;
use sdk::schedule::Missed;

use super::rig::{Rig, at, reports, values};
use crate::clock::ManualClock;

/// Deploys an hourly schedule, stops after the run at one o'clock and starts again at half past five.
async fn down_from_one_to_half_past_five(missed: Missed) -> Rig {
    let rig = Rig::new("2026-03-06T00:30:00Z").await;
    rig.deploy(&values(&Schedule::cron("@hourly").missed(missed)))
        .await;
    rig.advance_to("2026-03-06T01:10:00Z").await;
    rig.restart(reports(), "2026-03-06T05:30:00Z").await
}

#[tokio::test]
async fn missed_runs_are_skipped_where_the_schedule_says_so_e14() {
    let rig = down_from_one_to_half_past_five(Missed::Skip).await;
    rig.expect(&["2026-03-06T01:00:00Z"]).await;
    rig.advance_to("2026-03-06T06:00:00Z").await;
    rig.expect(&["2026-03-06T01:00:00Z", "2026-03-06T06:00:00Z"])
        .await;
}

#[tokio::test]
async fn the_latest_missed_run_stands_for_all_e14() {
    let rig = down_from_one_to_half_past_five(Missed::RunOnce).await;
    let caught_up = ["2026-03-06T01:00:00Z", "2026-03-06T05:00:00Z"];
    rig.expect(&caught_up).await;
    let again = rig.restart(reports(), "2026-03-06T05:45:00Z").await;
    again.expect(&caught_up).await;
}

#[tokio::test]
async fn all_missed_runs_within_the_grace_period_run_oldest_first_e14() {
    let rig = down_from_one_to_half_past_five(Missed::RunAll { within: hours(3) }).await;
    rig.expect(&[
        "2026-03-06T01:00:00Z",
        "2026-03-06T03:00:00Z",
        "2026-03-06T04:00:00Z",
        "2026-03-06T05:00:00Z",
    ])
    .await;
}

#[tokio::test]
async fn a_schedule_that_never_ran_misses_only_what_was_due_since_its_deploy_e14() {
    let rig = Rig::new("2026-03-06T03:30:00Z").await;
    let all = Schedule::cron("@hourly").missed(Missed::RunAll { within: days(7) });
    rig.deploy(&values(&all)).await;
    let rig = rig.restart(reports(), "2026-03-06T05:30:00Z").await;
    rig.expect(&["2026-03-06T04:00:00Z", "2026-03-06T05:00:00Z"])
        .await;
}

#[tokio::test]
async fn a_crash_at_any_commit_of_the_catching_up_neither_loses_nor_doubles_a_run_g4() {
    let rig = Rig::new("2026-03-06T00:30:00Z").await;
    let all = Schedule::cron("@hourly").missed(Missed::RunAll { within: days(7) });
    rig.deploy(&values(&all)).await;
    rig.store.keep_copies();
    rig.set_clock("2026-03-06T10:30:00Z").await;
    let expected: Vec<Timestamp> = (1..=10)
        .map(|hour| at(&format!("2026-03-06T{hour:02}:00:00Z")))
        .collect();
    assert_eq!(rig.nominal().await, expected);

    let copies = rig.store.copies();
    assert!(copies.len() >= 20, "each accept and each end is a commit");
    for copy in copies {
        let after = ManualClock::at(at("2026-03-06T10:31:00Z"));
        let after = Rig::start(reports(), after, copy).await;
        assert_eq!(after.nominal().await, expected);
        let ran = after.ran().await;
        assert!(ran.iter().all(|ran| ran.execution.status.is_final()));
    }
}

#[tokio::test]
async fn a_clock_that_leaps_forward_leaves_missed_runs_behind_e14() {
    for (missed, expected) in [
        (Missed::Skip, &["2026-03-06T06:00:00Z"][..]),
        (
            Missed::RunOnce,
            &["2026-03-06T05:00:00Z", "2026-03-06T06:00:00Z"],
        ),
        (
            Missed::RunAll { within: hours(2) },
            &[
                "2026-03-06T04:00:00Z",
                "2026-03-06T05:00:00Z",
                "2026-03-06T06:00:00Z",
            ],
        ),
    ] {
        let rig = Rig::new("2026-03-06T00:30:00Z").await;
        rig.deploy(&values(&Schedule::cron("@hourly").missed(missed)))
            .await;
        rig.set_clock("2026-03-06T05:30:00Z").await;
        rig.advance_to("2026-03-06T06:00:00Z").await;
        rig.expect(expected).await;
    }
}

#[tokio::test]
async fn a_run_that_was_due_while_the_clock_change_was_missed_is_caught_up_e13_e14() {
    let rig = Rig::new("2026-03-07T12:00:00Z").await;
    let half_past_two = Schedule::cron("30 2 * * *").in_zone("America/New_York");
    rig.deploy(&values(&half_past_two)).await;
    let rig = rig.restart(reports(), "2026-03-08T12:00:00Z").await;
    rig.expect(&["2026-03-08T03:00:00-04:00"]).await;
    let ran = rig.ran().await;
    let tick = ran[0].tick.as_ref().unwrap();
    assert_eq!(tick.actual, rig.now());
    assert_eq!(tick.previous, Some(at("2026-03-07T02:30:00-05:00")));
}

#[tokio::test]
async fn once_runs_however_late_and_whatever_the_policy_e10() {
    let rig = Rig::new("2026-03-06T12:00:00Z").await;
    rig.store
        .fail(Some((super::faulty_store::Fault::Full, "accept")));
    rig.deploy(&values(&Schedule::once().missed(Missed::Skip)))
        .await;
    rig.expect(&[]).await;
    let rig = rig.restart(reports(), "2026-03-08T12:00:00Z").await;
    rig.expect(&["2026-03-06T12:00:00Z"]).await;
}

#[tokio::test]
async fn a_clock_that_was_ahead_at_the_start_makes_no_time_missed_e14() {
    let rig = Rig::new("2026-03-06T08:30:00Z").await;
    let schedule = values(&Schedule::cron("@hourly").missed(Missed::Skip));
    let id = rig.deploy(&schedule).await;
    let rig = rig.restart(reports(), "2026-03-06T12:30:00Z").await;
    rig.set_clock("2026-03-06T10:30:00Z").await;
    rig.redeploy(&id, &schedule).await;
    rig.advance_to("2026-03-06T11:30:00Z").await;
    rig.expect(&["2026-03-06T11:00:00Z"]).await;
}
