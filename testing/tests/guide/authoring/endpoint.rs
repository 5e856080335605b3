use sdk::endpoint::{Route, SharedEndpoint};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::Simulation;

struct Dispatch;

/// Reads from the topic of a delivery whose it is and what it is about: `acme/orders`.
#[flow(key = "dispatch")]
impl Dispatch {
    #[on_execution]
    async fn decide(_context: &Context, payload: Payload) -> Result<Route> {
        let topic = payload.header("x-topic").ok_or_else(|| Error::new("a delivery has a header `x-topic`"))?;
        let (customer, flow) = topic.split_once('/').unwrap_or((topic, Orders::KEY));
        Ok(Route::to_flow(flow).of_customer(customer))
    }
}

struct Orders;

#[flow(key = "orders", trigger = Webhook::unsigned())]
impl Orders {
    #[on_execution]
    async fn take(context: &Context, _order: Value) -> Result<String> {
        Ok(context.customer().name.clone())
    }
}

fn integration() -> Integration {
    Integration::new("shops").flow::<Orders>().shared_endpoint(SharedEndpoint::routed_by::<Dispatch>())
}

#[tokio::test]
async fn a_topic_says_whose_order_it_is() -> testing::Result {
    let lab = Simulation::of(integration());
    let acme = lab.deploy_for("acme", ()).await?;
    let _globex = lab.deploy_for("globex", ()).await?;

    let order = lab.shared_webhook().header("x-topic", "acme/orders");
    let report = order.json(json!({"item": 7})).send().await;

    assert_eq!(report.execution().assert_completed().output, "acme");
    assert_eq!(acme.executions::<Orders>().await.len(), 1);
    Ok(())
}
