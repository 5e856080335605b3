//! What happens when.

use lab::{Flaky, OnDeploy, OnRemove, Steps, Tick};
use sdk::time::{days, minutes};
use serde_json::json;
use testing::Result;

use crate::deploy;

/// E21: five more attempts, a second apart, each linked to the first.
#[tokio::test]
async fn flaky_is_tried_again_at_exact_times() -> Result {
    let (lab, instance) = deploy().await?;
    let first = instance
        .webhook::<Flaky>()
        .query("succeed_on", 4)
        .send()
        .await;
    first
        .execution()
        .assert_failed("attempt 1 fails, attempt 4 will not");
    lab.run_until_idle().await?;

    let attempts = instance.executions::<Flaky>().await;
    let times: Vec<(u32, String)> = attempts
        .iter()
        .map(|run| {
            (
                run.attempt,
                run.started_at.unwrap_or(run.accepted_at).to_string(),
            )
        })
        .collect();
    let expected = [
        (1, "2026-03-27T16:50:00Z".to_owned()),
        (2, "2026-03-27T16:50:01Z".to_owned()),
        (3, "2026-03-27T16:50:02Z".to_owned()),
        (4, "2026-03-27T16:50:03Z".to_owned()),
    ];
    assert_eq!(times, expected);
    assert!(
        attempts[1..]
            .iter()
            .all(|run| run.repeats.as_ref() == Some(&attempts[0].id))
    );
    assert_eq!(attempts[3].output, json!({"attempt": 4}));
    Ok(())
}

#[tokio::test]
async fn flaky_is_given_up_after_five_more_attempts() -> Result {
    let (lab, instance) = deploy().await?;
    instance
        .webhook::<Flaky>()
        .query("succeed_on", 7)
        .send()
        .await;
    lab.run_until_idle().await?;
    assert_eq!(instance.executions::<Flaky>().await.len(), 6);
    assert_eq!(lab.now().to_string(), "2026-03-27T16:50:05Z");
    instance
        .last::<Flaky>()
        .await
        .assert_failed("attempt 6 fails");
    Ok(())
}

/// E17: each minute of a day once, with the time for which it was planned.
#[tokio::test]
async fn tick_runs_once_a_minute_all_day() -> Result {
    let (lab, instance) = deploy().await?;
    assert_eq!(
        instance
            .next_fire::<Tick>()
            .map(|at| at.to_string())
            .as_deref(),
        Some("2026-03-27T16:51:00Z")
    );
    lab.advance(days(1)).await?;

    let ticks = instance.executions::<Tick>().await;
    assert_eq!(ticks.len(), 24 * 60);
    for (number, tick) in ticks.iter().enumerate() {
        let expected = ticks[0].accepted_at + minutes(1) * u32::try_from(number)?;
        assert_eq!(tick.output["tick"]["nominal"], expected.to_string());
        assert_eq!(tick.accepted_at, expected);
    }
    insta::assert_yaml_snapshot!(ticks.last());
    assert_eq!(
        instance.cross_flow_state().get("ticks").await,
        Some(24 * 60)
    );
    Ok(())
}

/// W7, E53: a paused instance does not tick, and what was due meanwhile does not run later.
#[tokio::test]
async fn tick_rests_while_the_instance_is_paused() -> Result {
    let (lab, instance) = deploy().await?;
    lab.advance(minutes(2)).await?;
    instance.pause().await?;
    assert_eq!(instance.next_fire::<Tick>(), None);
    lab.advance(minutes(10)).await?;
    instance.resume().await?;
    lab.advance(minutes(1)).await?;
    assert_eq!(instance.executions::<Tick>().await.len(), 3);
    Ok(())
}

/// E20: three steps with time between them.
#[tokio::test]
async fn steps_take_their_time() -> Result {
    let (lab, instance) = deploy().await?;
    instance.webhook::<Steps>().query("ms", 250).send().await;
    assert_eq!(instance.last::<Steps>().await.steps.len(), 1);
    lab.run_until_idle().await?;
    let run = instance.last::<Steps>().await;
    let names: Vec<&str> = run.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three"]);
    assert_eq!(
        run.ended_at.map(|at| at.to_string()).as_deref(),
        Some("2026-03-27T16:50:00.5Z")
    );
    Ok(())
}

/// E51, E52: a deploy and a removal start flows, and a redeploy does it again.
#[tokio::test]
async fn on_deploy_and_on_remove_run_when_they_should() -> Result {
    let (_lab, instance) = deploy().await?;
    assert_eq!(instance.executions::<OnDeploy>().await.len(), 1);
    let again = instance.redeploy_as_is().await?;
    insta::assert_yaml_snapshot!(again);
    assert_eq!(instance.executions::<OnRemove>().await.len(), 0);
    insta::assert_yaml_snapshot!(instance.remove().await?);
    Ok(())
}
