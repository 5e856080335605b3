//! What was invoiced is reported.

use acme_orders::{Config, DailyReport, ReceiveOrder, integration};
use sdk::prelude::*;
use serde_json::json;
use testing::{Reply, Result, Simulation};

use crate::{acme, config, deploy};

/// The last Sunday of March lies between the two reports: seven in the morning is 6:00 UTC before it and 5:00 UTC after it.
#[tokio::test]
async fn the_report_comes_at_seven_in_paris_before_and_after_the_clock_change() -> Result {
    let acme = acme().await;
    acme.on(
        "POST",
        "/invoices",
        [Reply::json(201, json!({"id": "invoice-1"}))],
    )
    .await;
    acme.on("PUT", "/reports/2026-03-27T06:00:00Z", [Reply::status(204)])
        .await;
    acme.on("PUT", "/reports/2026-03-30T05:00:00Z", [Reply::status(204)])
        .await;
    let lab = Simulation::of(integration()).at("2026-03-26T20:00:00Z");
    let instance = lab.deploy(config(&acme)).await?;
    let next: Vec<String> = instance
        .next_fires::<DailyReport>(3)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        next,
        [
            "2026-03-27T06:00:00Z",
            "2026-03-30T05:00:00Z",
            "2026-03-31T05:00:00Z"
        ]
    );

    lab.advance(days(1)).await?;
    instance
        .webhook::<ReceiveOrder>()
        .json(json!({"id": "order-7", "total_cents": 4200}))
        .signed()
        .send()
        .await
        .assert_status(200);
    lab.advance_to("2026-03-30T07:00:00+02:00").await?;

    insta::assert_yaml_snapshot!(instance.executions::<DailyReport>().await);
    let unreported: Option<i64> = instance.integration_state().get("unreported cents").await;
    assert_eq!(unreported, Some(0));
    Ok(())
}

/// A time that the clock leaps over comes once, at the moment at which the gap ends (E13).
#[tokio::test]
async fn a_report_at_a_time_that_does_not_exist_comes_when_the_gap_ends() -> Result {
    let acme = acme().await;
    acme.on("PUT", "/reports/2026-03-29T01:00:00Z", [Reply::status(204)])
        .await;
    let lab = Simulation::of(integration()).at("2026-03-28T12:00:00Z");
    let at_night = Schedule::cron("30 2 * * *").in_zone("Europe/Paris");
    let instance = lab
        .deploy(Config {
            report_at: at_night,
            ..config(&acme)
        })
        .await?;

    lab.advance_to("2026-03-29T23:00:00+02:00").await?;

    assert_eq!(instance.executions::<DailyReport>().await.len(), 1);
    instance.last::<DailyReport>().await.assert_completed();
    Ok(())
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again_when_a_report_is_tried_again() -> Result {
    let acme = acme().await;
    let replies = [Reply::status(503), Reply::status(204)];
    acme.on("PUT", "/reports/2026-03-30T05:00:00Z", replies)
        .await;
    let (lab, instance) = deploy(&acme).await?;

    lab.advance_to("2026-03-30T05:09:59Z").await?;
    assert_eq!(instance.executions::<DailyReport>().await.len(), 2);
    assert!(instance.last::<DailyReport>().await.result.is_none());
    lab.advance(seconds(1)).await?;

    let last = instance.last::<DailyReport>().await;
    last.assert_completed();
    assert_eq!(
        last.started_at.map(|at| at.to_string()).as_deref(),
        Some("2026-03-30T05:10:00Z")
    );
    Ok(())
}

#[tokio::test]
async fn a_customer_who_changes_the_schedule_gets_the_next_report_by_the_new_one() -> Result {
    let acme = acme().await;
    let (_lab, instance) = deploy(&acme).await?;
    let later = Schedule::cron("15 9 * * *").in_zone("Europe/Paris");

    let redeployed = instance
        .redeploy(Config {
            report_at: later,
            ..config(&acme)
        })
        .await?;

    assert_eq!(redeployed.requests, [], "the webhook is there already");
    let next = instance.next_fire::<DailyReport>().map(|at| at.to_string());
    assert_eq!(next.as_deref(), Some("2026-03-28T08:15:00Z"));
    Ok(())
}
