//! Deliveries that come again (W34): each is answered as the first one was, and nothing of it runs twice.

use runner::record::ResultType;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Report, Result, Settings, SimulatedInstance, Simulation};

use crate::bench::{results, settings};

struct Orders;

/// Counts what its trigger does; refuses an order of zero with a status of its own and a text that only the log may hold.
#[flow(key = "orders", respond = Respond::Directly)]
impl Orders {
    #[on_trigger]
    async fn look(context: &Context, payload: Payload) -> sdk::Result<Payload> {
        context
            .cross_flow_state()
            .merge("looked", |n: Option<u32>| n.unwrap_or(0) + 1)
            .await?;
        Ok(payload)
    }

    #[on_execution]
    async fn take(_context: &Context, number: u32) -> sdk::Result<Value> {
        if number == 0 {
            let told = Error::new("the ledger at 10.0.0.7 refused").for_caller("no such order");
            return Err(told.with_status(422));
        }
        Ok(json!({"taken": number}))
    }
}

fn lab() -> Simulation<()> {
    Simulation::of(Integration::new("i").flow::<Orders>()).at("2026-03-27T16:50:00Z")
}

async fn send(instance: &SimulatedInstance<()>, number: u32) -> Report {
    let request = instance.webhook::<Orders>().header("idempotency-key", "k");
    request.json(number).send().await
}

/// W29, W34: the second delivery of a run that failed is told what the first was told: text, status and execution id.
#[tokio::test]
async fn a_repeated_delivery_of_a_failed_run_gets_the_first_refusal() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let (first, again) = (send(&instance, 0).await, send(&instance, 0).await);
    assert_eq!(first.status(), 422);
    assert_eq!(first.response.body, json!({"error": "no such order"}));
    assert_eq!(again.response, first.response);
    Ok(())
}

/// W34: `#[on_trigger]` does not run for a delivery that came before, and its record says what it is.
#[tokio::test]
async fn a_trigger_does_not_run_for_a_repeated_delivery() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let (first, again) = (send(&instance, 3).await, send(&instance, 3).await);
    assert_eq!(first.response.body, json!({"taken": 3}));
    assert_eq!(again.response, first.response);
    assert_eq!(
        instance.cross_flow_state().get::<u32>("looked").await,
        Some(1)
    );
    let mut ends = results(&instance.executions::<Orders>().await);
    ends.sort_by_key(|end| *end == ResultType::CanceledAsDuplicate);
    assert_eq!(
        ends,
        [ResultType::Completed, ResultType::CanceledAsDuplicate]
    );
    Ok(())
}

/// W34, E30: when the first run is no longer kept, the sender of a repeated delivery is told so at once.
#[tokio::test]
async fn a_repeated_delivery_of_a_run_that_is_not_kept_is_told_so() -> Result {
    let day = 24 * 3600;
    let lab = lab().with_settings(Settings {
        idempotency_seconds: 30 * day,
        keep_executions_seconds: day,
        ..settings()
    });
    let instance = lab.deploy(()).await?;
    let first = send(&instance, 3).await;
    assert_eq!(first.status(), 200);
    lab.advance(hours(26)).await?;
    let before = lab.now();
    let again = send(&instance, 3).await;
    assert_eq!(again.status(), 410);
    assert_eq!(
        again.response.body,
        json!({"error": "This delivery came before; the result of its first run is no longer kept."})
    );
    assert_eq!(lab.now(), before);
    Ok(())
}
