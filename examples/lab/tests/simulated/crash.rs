//! Crashes, retries and clock changes.

use lab::{Counter, Flaky, Ordered, PerKey, Signed, Steps, Tick};
use sdk::time::{hours, minutes};
use serde_json::json;
use testing::Result;

use crate::deploy;

/// G1 to G5: what was accepted ends as it would have, wherever the process dies, and a retry overwrites nothing that is newer.
#[tokio::test]
async fn the_lab_survives_a_crash_anywhere() -> Result {
    let (lab, instance) = deploy().await?;
    let signed = instance.webhook::<Signed>().json(json!({"a": 1}));
    signed.signed().send().await.assert_status(200);
    instance.webhook::<Steps>().query("ms", 5).send().await;
    instance
        .webhook::<Flaky>()
        .query("succeed_on", 3)
        .send()
        .await;
    for id in [7, 7, 8] {
        let order = instance.webhook::<Ordered>().json(json!({"id": id}));
        order.send().await;
    }
    let item = json!({"key": "a", "n": 1});
    instance.webhook::<PerKey>().json(item).send().await;
    instance.webhook::<Counter>().direct().send().await;
    lab.advance(minutes(1)).await?;
    let sweep = lab.survives_a_crash_anywhere().await?;
    for point in ["deploy", "accept", "step", "finish"] {
        assert!(sweep.points.contains(&point), "{:?}", sweep.points);
    }
    lab.keeps_order_across_retries().await?;
    Ok(())
}

/// E13: the hour that Europe skips is an hour of sixty ticks all the same; the lab ticks by UTC.
#[tokio::test]
async fn tick_takes_no_notice_of_a_clock_change() -> Result {
    let (lab, instance) = deploy().await?;
    lab.advance_to("2026-03-29T00:30:00Z").await?;
    let before = instance.executions::<Tick>().await.len();
    lab.advance(hours(1)).await?;
    assert_eq!(instance.executions::<Tick>().await.len() - before, 60);
    Ok(())
}
