use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Simulation, Upstream};

#[derive(ConfigVars)]
struct Config {
    /// Where the customer's account is.
    account: Url,
}

struct Events;

#[flow(key = "events", lifecycle_retry = Retry::times(3).every(seconds(2)))]
impl Events {
    #[on_execution]
    async fn take(_context: &Context<Config>, event: Value) -> Result<Value> {
        Ok(event)
    }

    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> Result<()> {
        let state = context.instance_state();
        if state.get::<String>("subscription").await?.is_none() {
            let body = json!({"url": context.webhook_url()});
            let url = context.config().account.join("subscriptions");
            let key = context.instance().id.as_str();
            let request = context.http().post(url).header("idempotency-key", key).json(&body);
            let made: Value = request.send().await?.ok()?.json()?;
            state.set("subscription", &made["id"]).await?;
        }
        Ok(())
    }

    #[on_instance_remove]
    async fn unsubscribe(context: &Context<Config>) -> Result<()> {
        let state = context.instance_state();
        let Some(id) = state.get::<String>("subscription").await? else {
            return Ok(());
        };
        let url = context.config().account.join(&format!("subscriptions/{id}"));
        context.http().delete(url).send().await?.ok()?;
        state.remove("subscription").await
    }

    #[on_first_deploy]
    async fn fill_back(context: &Context<Config>) -> Result<()> {
        context.handle::<Events>().start(&json!("what was there before")).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_customer_is_subscribed_once_and_unsubscribed_at_the_end() -> testing::Result {
    let account = Upstream::start().await;
    let made = |id| Reply::json(201, json!({"id": id}));
    account.on("POST", "/subscriptions", [Reply::status(503), made("s-1"), made("s-2")]).await;
    account.on("DELETE", "/subscriptions/s-1", [Reply::status(204)]).await;
    let lab = Simulation::of(Integration::new("events").flow::<Events>());
    let instance = lab.deploy(Config { account: account.url() }).await?;

    instance.redeploy(Config { account: account.url() }).await?;
    let runs = instance.executions::<Events>().await;
    assert_eq!(runs.iter().filter(|run| run.output == json!("what was there before")).count(), 1);

    instance.remove_keeping(days(7)).await?;
    lab.advance(days(6)).await?;
    instance.redeploy_as_is().await?;
    assert_eq!(instance.timeline().await.state["instance of events: subscription"], "s-2");
    Ok(())
}
