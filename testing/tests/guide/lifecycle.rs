use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Simulation, Upstream};

#[derive(ConfigVars)]
struct Config {
    /// Where the shop is.
    shop: Url,
}

struct Orders;

#[flow(key = "orders", trigger = Webhook::unsigned())]
impl Orders {
    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> Result<()> {
        let state = context.instance_state();
        if state.get::<Value>("hook").await?.is_none() {
            let url = json!({"url": context.webhook_url()});
            let post = context.http().post(context.config().shop.join("hooks"));
            let hook: Value = post.json(&url).send().await?.ok()?.json()?;
            state.set("hook", &hook).await?;
        }
        Ok(())
    }

    #[on_execution]
    async fn take(_context: &Context<Config>, order: Value) -> Result<Value> {
        Ok(order)
    }
}

#[tokio::test]
async fn a_shop_is_asked_for_webhooks_once() -> testing::Result {
    let shop = Upstream::start().await;
    shop.on("POST", "/hooks", [Reply::json(201, json!({"id": 1}))]).await;
    let lab = Simulation::of(Integration::new("orders").flow::<Orders>());
    let instance = lab.deploy(Config { shop: shop.url() }).await?;
    assert_eq!(shop.received()[0].body["url"], instance.url_of::<Orders>());

    let again = instance.redeploy_as_is().await?;
    assert_eq!(again.requests, []);
    lab.deploys_twice_alike().await?;

    let other = lab.deploy_for("other", Config { shop: shop.url() }).await?;
    assert_ne!(instance.url_of::<Orders>(), other.url_of::<Orders>());
    Ok(())
}
