use sdk::endpoint::{Field, SharedEndpoint};
use sdk::prelude::*;
use serde_json::json;
use testing::Simulation;

#[derive(serde::Deserialize)]
struct Order {
    item: u32,
}

struct Orders;

#[flow(key = "orders", trigger = Webhook::unsigned())]
impl Orders {
    #[on_execution]
    async fn take(context: &Context, order: Order) -> Result<String> {
        Ok(format!("{} for {}", order.item, context.customer().name))
    }
}

struct Returns;

#[flow(key = "returns", trigger = Webhook::unsigned())]
impl Returns {
    #[on_execution]
    async fn take(_context: &Context, order: Order) -> Result<u32> {
        Ok(order.item)
    }
}

fn integration() -> Integration {
    let endpoint = SharedEndpoint::customer_from(Field::body("/shop")).flow_from(Field::header("x-topic"));
    Integration::new("shops").flow::<Orders>().flow::<Returns>().shared_endpoint(endpoint)
}

#[tokio::test]
async fn each_shop_gets_its_own_orders() -> testing::Result {
    let lab = Simulation::of(integration());
    let acme = lab.deploy_for("acme", ()).await?;
    let globex = lab.deploy_for("globex", ()).await?;
    assert_eq!(acme.url_of::<Orders>(), globex.url_of::<Returns>());

    let order = lab.shared_webhook().header("x-topic", "orders");
    order.json(json!({"shop": "globex", "item": 7})).send().await.execution().assert_completed();
    assert_eq!(globex.last::<Orders>().await.output, "7 for globex");

    let lost = lab.shared_webhook().header("x-topic", "orders");
    let report = lost.json(json!({"shop": "initech"})).send().await;
    report.assert_status(404).execution().assert_failed("there is no customer `initech`");
    Ok(())
}
