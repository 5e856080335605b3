use sdk::prelude::*;
use serde::Deserialize;
use testing::{Reply, Simulation, Upstream};

#[derive(ConfigVars)]
struct Config {
    /// Where the shop is.
    shop: Url,
    /// When the stock is counted.
    #[config(default = "30 2 * * MON-FRI", time_zone = "Europe/Paris")]
    count_at: Schedule,
}

struct CountStock;

/// Counts the stock when the customer wants it.
#[flow(key = "count-stock", trigger = Trigger::scheduled_by(|config: &Config| &config.count_at))]
impl CountStock {
    #[on_execution]
    async fn count(_context: &Context<Config>, payload: Payload) -> Result<String> {
        let tick = payload.tick.ok_or_else(|| Error::new("a schedule brings a tick"))?;
        Ok(tick.nominal.to_string())
    }
}

struct NewOrders;

/// Looks every five minutes for orders that came since it looked last.
#[flow(key = "new-orders", trigger = Trigger::poll(Schedule::every(minutes(5))))]
impl NewOrders {
    #[on_trigger]
    async fn look(context: &Context<Config>) -> Result<TriggerOutput> {
        let state = context.instance_state();
        let last: u64 = state.get("last").await?.unwrap_or(0);
        let url = context.config().shop.join(&format!("orders?after={last}"));
        let orders: Vec<Order> = context.http().get(url).send().await?.ok()?.json()?;
        let Some(newest) = orders.last() else {
            return Ok(TriggerOutput::nothing_new());
        };
        state.set("last", &newest.id).await?;
        TriggerOutput::json(&orders.iter().map(|order| order.id).collect::<Vec<_>>())
    }

    #[on_execution]
    async fn take(_context: &Context<Config>, ids: Vec<u64>) -> Result<usize> {
        Ok(ids.len())
    }
}

#[derive(Deserialize)]
struct Order {
    id: u64,
}

#[tokio::test]
async fn the_clock_starts_both() -> testing::Result {
    let shop = Upstream::start().await;
    let replies = [Reply::json(200, [serde_json::json!({"id": 7})]), Reply::json(200, [(); 0])];
    shop.on("GET", "/orders", replies).await;
    let integration = Integration::new("shop").flow::<CountStock>().flow::<NewOrders>();
    let lab = Simulation::of(integration).at("2026-03-26T23:00:00Z");
    let count_at = Schedule::cron("30 2 * * *").in_zone("Europe/Paris");
    let instance = lab.deploy(Config { shop: shop.url(), count_at }).await?;

    lab.advance(minutes(10)).await?;
    let looks = instance.executions::<NewOrders>().await;
    assert_eq!((looks.len(), looks[0].output.clone()), (2, serde_json::json!(1)));

    assert_eq!(instance.next_fire::<CountStock>().map(|at| at.to_string()).as_deref(), Some("2026-03-27T01:30:00Z"));
    Ok(())
}
