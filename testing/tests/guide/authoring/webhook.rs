use sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use testing::Simulation;

#[derive(ConfigVars)]
struct Config {
    /// Shopify's signing secret for webhooks.
    signing_secret: Secret,
}

struct ReceiveOrder;

/// Takes orders from Shopify.
#[flow(
    key = "receive-order",
    trigger = Webhook::signed_by(providers::shopify(), |config: &Config| &config.signing_secret),
    respond = Respond::Directly,
)]
impl ReceiveOrder {
    #[on_execution]
    async fn receive(context: &Context<Config>, order: Order) -> Result<Receipt> {
        if order.total_cents == 0 {
            let error = Error::new(format!("order {} of {} is empty", order.id, context.customer().name));
            return Err(error.for_caller("an order needs a total").with_status(422).permanent());
        }
        context.log().info(format!("order {}", order.id));
        Ok(Receipt { order: order.id })
    }
}

#[derive(Deserialize)]
struct Order {
    id: u64,
    total_cents: u64,
}

#[derive(Serialize)]
struct Receipt {
    order: u64,
}

fn integration() -> Integration<Config> {
    Integration::new("orders").flow::<ReceiveOrder>()
}

#[tokio::test]
async fn an_order_is_answered_with_a_receipt_or_a_reason() -> testing::Result {
    let lab = Simulation::of(integration());
    let instance = lab.deploy(Config { signing_secret: "s3cret".into() }).await?;
    let order = |total: u64| instance.webhook::<ReceiveOrder>().json(json!({"id": 7, "total_cents": total}));

    let report = order(4200).signed().send().await;
    assert_eq!(report.response.body, json!({"order": 7}));

    let report = order(0).signed().send().await;
    report.assert_status(422).execution().assert_failed("order 7 of acme is empty");
    assert_eq!(report.response.body, json!({"error": "an order needs a total"}));

    order(4200).send().await.assert_refused(401);
    Ok(())
}
