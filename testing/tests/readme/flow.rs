use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Simulation, Upstream};

#[derive(ConfigVars)]
struct Config {
    /// Where the customer's warehouse listens.
    warehouse: Url,
}

struct FileOrder;

/// Files each order in the customer's warehouse.
#[flow(key = "file-order", trigger = Webhook::unsigned(), retry = Retry::times(5).every(minutes(4)))]
impl FileOrder {
    #[on_execution]
    async fn file(context: &Context<Config>, order: Value) -> Result<Value> {
        let orders = context.config().warehouse.join("orders");
        let post = || async { context.http().post(&orders).json(&order).send().await?.ok()?.json() };
        context.step("file the order", post).await
    }
}

#[tokio::test]
async fn an_order_is_filed_when_the_warehouse_is_back() -> testing::Result {
    let warehouse = Upstream::start().await;
    let replies = [Reply::status(503), Reply::json(201, json!({"number": 7}))];
    warehouse.on("POST", "/orders", replies).await;
    let lab = Simulation::of(Integration::new("orders").flow::<FileOrder>());
    let instance = lab.deploy(Config { warehouse: warehouse.url() }).await?;

    let report = instance.webhook::<FileOrder>().json(json!({"item": "widget"})).send().await;
    assert_eq!(report.status(), 200); // accepted; the first attempt meets the 503

    lab.advance(minutes(4)).await?;
    let attempts = instance.executions::<FileOrder>().await;
    assert_eq!(attempts[1].output, json!({"number": 7}));
    Ok(())
}
