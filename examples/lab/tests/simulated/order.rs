//! Which delivery runs when, and which does not.

use lab::{Ordered, PerKey};
use serde_json::{Value, json};
use testing::Result;

use crate::deploy;

/// E25, W34: the same `/id` is one execution, and the second caller gets the answer of the first.
#[tokio::test]
async fn ordered_takes_each_id_once() -> Result {
    let (_lab, instance) = deploy().await?;
    let send = |id: u32| instance.webhook::<Ordered>().json(json!({"id": id})).send();
    let first = send(7).await;
    let again = send(7).await;
    let other = send(8).await;
    assert_eq!(first.response.body, again.response.body);
    assert_ne!(first.response.body, other.response.body);

    let results: Vec<Value> = instance
        .executions::<Ordered>()
        .await
        .iter()
        .map(|run| json!(run.result))
        .collect();
    assert_eq!(results, ["COMPLETED", "CANCELED_AS_DUPLICATE", "COMPLETED"]);
    Ok(())
}

/// E24: what is kept in order by key runs, all of it.
#[tokio::test]
async fn per_key_takes_every_delivery_of_every_key() -> Result {
    let (lab, instance) = deploy().await?;
    for n in 1..=3 {
        for key in ["a", "b"] {
            let item = json!({"key": key, "n": n});
            instance
                .webhook::<PerKey>()
                .json(item)
                .send()
                .await
                .assert_status(200);
        }
    }
    lab.run_until_idle().await?;
    let runs = instance.executions::<PerKey>().await;
    assert_eq!(runs.len(), 6);
    for run in &runs {
        run.assert_completed();
    }
    Ok(())
}

/// A delivery that does not fit is refused by name, and keeps nobody else from running.
#[tokio::test]
async fn per_key_goes_on_after_a_delivery_that_does_not_fit() -> Result {
    let (_lab, instance) = deploy().await?;
    let send = |item: Value| instance.webhook::<PerKey>().json(item).send();
    let misfit = send(json!({"key": "a"})).await;
    misfit.execution().assert_failed("missing field `n`");
    send(json!({"key": "a", "n": 2}))
        .await
        .execution()
        .assert_completed();
    Ok(())
}
