//! Webhooks through the front door.

use sdk::prelude::*;
use serde_json::json;
use testing::{Result, Settings, Simulation};

#[derive(Debug)]
struct Adds;

#[flow(key = "adds", security = Security::CustomerOptional)]
impl Adds {
    #[on_execution]
    async fn add(context: &Context, amount: u64) -> sdk::Result<u64> {
        context.log().info(format!("adding {amount}"));
        let step = context.step("double", || async { Ok(amount * 2) }).await?;
        context
            .instance_state()
            .update("total", |total: Option<u64>| total.unwrap_or(0) + step)
            .await
    }
}

fn adds() -> Simulation<()> {
    Simulation::of(Integration::new("adds").flow::<Adds>()).at("2026-03-27T16:50:00Z")
}

/// TH-20 to TH-24, TH-39: the whole report, equal from run to run without redactions.
#[tokio::test]
async fn a_report_tells_everything() -> Result {
    let lab = adds();
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Adds>().json(21).send().await;
    insta::assert_yaml_snapshot!(report);
    instance.webhook::<Adds>().json("not a number").send().await;
    insta::assert_yaml_snapshot!(instance.timeline().await);
    Ok(())
}

/// W6: a key is demanded once one is set.
#[tokio::test]
async fn an_api_key_is_demanded_once_one_is_set() -> Result {
    let lab = adds();
    let instance = lab.deploy(()).await?;
    assert_eq!(
        instance.webhook::<Adds>().json(1).send().await.status(),
        200
    );
    let key = instance.add_api_key::<Adds>().await?;
    let refused = instance.webhook::<Adds>().json(1).send().await;
    assert_eq!(refused.status(), 401);
    assert!(refused.execution.is_none());
    assert_eq!(
        instance
            .webhook::<Adds>()
            .api_key("wrong")
            .json(1)
            .send()
            .await
            .status(),
        401
    );
    assert_eq!(
        instance
            .webhook::<Adds>()
            .api_key(key)
            .json(1)
            .send()
            .await
            .status(),
        200
    );
    assert_eq!(instance.executions::<Adds>().await.len(), 2);
    Ok(())
}

/// W7: a paused instance answers 503 with `Retry-After`.
#[tokio::test]
async fn a_paused_instance_is_closed() -> Result {
    let lab = adds();
    let instance = lab.deploy(()).await?;
    instance.pause().await?;
    let report = instance.webhook::<Adds>().json(1).send().await;
    assert_eq!(
        (
            report.status(),
            report.response.headers.contains_key("retry-after")
        ),
        (503, true)
    );
    instance.resume().await?;
    assert_eq!(
        instance.webhook::<Adds>().json(1).send().await.status(),
        200
    );
    Ok(())
}

/// W31 and G6: the fifty-first request within a second is refused, leaves nothing, and the window slides with the one clock.
#[tokio::test]
async fn the_rate_limit_slides_with_the_clock() -> Result {
    let lab = adds();
    let instance = lab.deploy(()).await?;
    for _ in 0..50 {
        assert_eq!(
            instance.webhook::<Adds>().json(1).send().await.status(),
            200
        );
    }
    let refused = instance.webhook::<Adds>().json(1).send().await;
    assert_eq!(refused.status(), 429);
    let text = refused.response.body["error"].as_str().unwrap_or_default();
    assert!(text.ends_with("has exceeded maximum allowed throughput of 50 requests/second. Please throttle your requests."), "{text}");
    assert_eq!(instance.executions::<Adds>().await.len(), 50);
    lab.advance(seconds(1)).await?;
    assert_eq!(
        instance.webhook::<Adds>().json(1).send().await.status(),
        200
    );
    Ok(())
}

/// W34: the same delivery twice is one execution, and the window ends.
#[tokio::test]
async fn an_idempotency_key_makes_two_deliveries_one_execution() -> Result {
    let lab = adds().with_settings(Settings {
        idempotency_seconds: 60,
        ..Settings::default()
    });
    let instance = lab.deploy(()).await?;
    let send = || {
        instance
            .webhook::<Adds>()
            .header("idempotency-key", "k-1")
            .json(1)
            .send()
    };
    let (first, second) = (send().await, send().await);
    assert_eq!(first.response.body, second.response.body);
    lab.advance(seconds(60)).await?;
    assert_ne!(send().await.response.body, first.response.body);
    let ran =
        |run: &&testing::ExecutionReport| run.result == Some(runner::record::ResultType::Completed);
    assert_eq!(
        instance
            .executions::<Adds>()
            .await
            .iter()
            .filter(ran)
            .count(),
        2
    );
    Ok(())
}

/// E50: several instances have their own state.
#[tokio::test]
async fn instances_share_nothing() -> Result {
    let lab = adds();
    let (acme, other) = (
        lab.deploy_for("acme", ()).await?,
        lab.deploy_for("other", ()).await?,
    );
    acme.webhook::<Adds>().json(5).send().await;
    other.webhook::<Adds>().json(7).send().await;
    let total = |timeline: testing::Timeline| timeline.state["instance of adds: total"].clone();
    assert_eq!(
        (total(acme.timeline().await), total(other.timeline().await)),
        (json!(10), json!(14))
    );
    Ok(())
}
