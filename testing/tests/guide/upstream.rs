use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Simulation, Upstream};

#[derive(ConfigVars)]
struct Config {
    /// Where the customer's warehouse listens.
    warehouse: Url,
    /// The warehouse's token.
    token: Secret,
}

struct FileOrder;

#[flow(key = "file-order", trigger = Webhook::unsigned(), retry = Retry::times(5).every(minutes(4)))]
impl FileOrder {
    #[on_execution]
    async fn file(context: &Context<Config>, order: Value) -> Result<Value> {
        let Config { warehouse, token } = context.config();
        let post = || async {
            let request = context.http().post(warehouse.join("orders")).bearer(token);
            request.json(&order).send().await?.ok()?.json()
        };
        context.step("file the order", post).await
    }
}

#[tokio::test]
async fn an_order_is_filed_when_the_warehouse_has_time() -> testing::Result {
    let warehouse = Upstream::start().await;
    let busy = Reply::status(429).header("retry-after", "90");
    let filed = Reply::json(201, json!({"number": 7}));
    warehouse.on("POST", "/orders", [busy, filed]).await;

    let lab = Simulation::of(Integration::new("orders").flow::<FileOrder>());
    let config = Config { warehouse: warehouse.url(), token: "token-of-the-customer".into() };
    let instance = lab.deploy(config).await?;

    let report = instance.webhook::<FileOrder>().json(json!({"item": "widget"})).send().await;
    report.execution().assert_failed("429 Too Many Requests");
    assert_eq!(report.requests[0].headers["authorization"], "Bearer [token]");

    lab.advance(seconds(90)).await?;
    let filed = instance.last::<FileOrder>().await;
    assert_eq!(filed.step("file the order"), &json!({"number": 7}));

    // The same script again, stopped at every durable write and carried on.
    lab.survives_a_crash_anywhere().await?;
    Ok(())
}
