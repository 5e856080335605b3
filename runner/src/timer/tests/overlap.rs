//! What happens when the last run is still going (E15).

use sdk::prelude::*;
use sdk::schedule::Overlap;
use serde_json::json;

use super::rig::{Rig, at, reports};
use crate::record::{ResultType, Status};

/// Runs each minute for so many minutes.
async fn each_minute(overlap: Overlap, takes: u32) -> Rig {
    let rig = Rig::new("2026-03-06T12:00:30Z").await;
    let schedule = Schedule::cron("* * * * *").overlap(overlap);
    rig.deploy(&json!({"report_at": schedule, "takes": takes}))
        .await;
    rig
}

#[tokio::test]
async fn runs_go_beside_one_another_if_nothing_is_said_e15() {
    let rig = each_minute(Overlap::Allow, 5).await;
    rig.advance_to("2026-03-06T12:03:00Z").await;
    let ran = rig.ran().await;
    assert_eq!(ran.len(), 3);
    let running = |status| status == Status::Running;
    assert!(ran.iter().all(|ran| running(ran.execution.status)));
}

#[tokio::test]
async fn a_run_that_is_passed_over_is_recorded_as_skipped_e15() {
    let rig = each_minute(Overlap::Skip, 2).await;
    rig.advance_to("2026-03-06T12:04:30Z").await;
    let ran = rig.ran().await;
    let results: Vec<_> = ran.iter().map(|ran| ran.execution.result).collect();
    let (done, skipped) = (Some(ResultType::Completed), Some(ResultType::Skipped));
    // The run at two past ends at the very moment at which the one at four past is due: either is right.
    assert_eq!(results[..2], [done, skipped]);
    let passed_over = &ran[1];
    assert_eq!(passed_over.execution.status, Status::Success);
    assert_eq!(passed_over.execution.starts, 0);
    assert_eq!(passed_over.execution.started_at, None);
    assert_eq!(
        passed_over.execution.ended_at,
        Some(at("2026-03-06T12:02:00Z"))
    );
    assert_eq!(passed_over.tick, None, "nothing is kept of it");
    let rig = rig.restart(reports(), "2026-03-06T12:04:40Z").await;
    assert_eq!(rig.ran().await.len(), 4, "its tick is claimed");
}

#[tokio::test]
async fn a_run_that_waits_for_its_retry_is_still_going_e15() {
    let rig = Rig::new("2026-03-06T12:00:30Z").await;
    let schedule = Schedule::cron("*/4 * * * *").overlap(Overlap::Skip);
    rig.deploy(&json!({"report_at": schedule, "fails": true}))
        .await;
    rig.advance_to("2026-03-06T12:16:00Z").await;
    let skipped = Some(ResultType::Skipped);
    let failed = Some(ResultType::Error);
    // The retry of the first runs at fourteen past.
    assert_eq!(rig.results().await, [failed, skipped, skipped, failed]);
}

#[tokio::test]
async fn a_queued_run_waits_for_the_one_before_it_and_they_stay_in_order_e15() {
    let rig = each_minute(Overlap::Queue, 2).await;
    rig.advance_to("2026-03-06T12:03:30Z").await;
    let status = |ran: &[super::rig::Ran]| -> Vec<Status> {
        ran.iter().map(|ran| ran.execution.status).collect()
    };
    assert_eq!(
        status(&rig.ran().await),
        [Status::Success, Status::Running, Status::Queued]
    );
    // Those that wait are found again, in order and one at a time.
    let rig = rig.restart(reports(), "2026-03-06T12:03:40Z").await;
    assert_eq!(
        status(&rig.ran().await),
        [Status::Success, Status::Running, Status::Queued]
    );
    rig.advance_to("2026-03-06T12:05:45Z").await;
    let ran = rig.ran().await;
    assert_eq!(
        status(&ran),
        [
            Status::Success,
            Status::Success,
            Status::Running,
            Status::Queued,
            Status::Queued
        ]
    );
    assert_eq!(ran[1].execution.ended_at, ran[2].execution.started_at);
}

#[tokio::test]
async fn a_queued_run_waits_for_the_retry_of_the_one_before_it_too_e15() {
    let rig = Rig::new("2026-03-06T12:00:30Z").await;
    let schedule = Schedule::cron("*/4 * * * *").overlap(Overlap::Queue);
    rig.deploy(&json!({"report_at": schedule, "fails": true}))
        .await;
    rig.advance_to("2026-03-06T12:13:00Z").await;
    let results = rig.results().await;
    assert_eq!(results, [Some(ResultType::Error), None, None]);
    rig.advance_to("2026-03-06T12:14:30Z").await;
    assert_eq!(rig.results().await[1], Some(ResultType::Error));
}

#[tokio::test]
async fn the_run_before_is_cancelled_and_the_new_one_starts_e15() {
    let rig = each_minute(Overlap::CancelPrevious, 5).await;
    rig.advance_to("2026-03-06T12:03:30Z").await;
    let canceled = Some(ResultType::Canceled);
    assert_eq!(rig.results().await, [canceled, canceled, None]);
    let ran = rig.ran().await;
    assert_eq!(ran[0].execution.ended_at, Some(at("2026-03-06T12:02:00Z")));
    assert_eq!(
        ran[1].execution.started_at,
        Some(at("2026-03-06T12:02:00Z"))
    );
}

#[tokio::test]
async fn catching_up_cancels_one_missed_run_after_the_other_e14_e15() {
    use sdk::schedule::Missed;
    let rig = Rig::new("2026-03-06T12:00:30Z").await;
    let schedule = Schedule::cron("* * * * *")
        .overlap(Overlap::CancelPrevious)
        .missed(Missed::RunAll { within: hours(1) });
    rig.deploy(&json!({"report_at": schedule, "takes": 5}))
        .await;
    let rig = rig.restart(reports(), "2026-03-06T12:04:30Z").await;
    let canceled = Some(ResultType::Canceled);
    assert_eq!(rig.results().await, [canceled, canceled, canceled, None]);
}
