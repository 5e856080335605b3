//! Gaps of the system that we replace, closed: polling, batches and schedules (TH-25 to 27, TH-29).

use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Result, Simulation, Upstream};

#[derive(Debug, ConfigVars)]
struct Config {
    /// Where the shop is.
    shop: Url,
}

/// Looks every five minutes for orders that are new.
#[derive(Debug)]
struct NewOrders;

#[flow(key = "new-orders", trigger = Trigger::poll(Schedule::every(minutes(5))))]
impl NewOrders {
    #[on_trigger]
    async fn look(context: &Context<Config>) -> sdk::Result<TriggerOutput> {
        let seen: u64 = context.instance_state().get("seen").await?.unwrap_or(0);
        let url = context.config().shop.join(&format!("orders?after={seen}"));
        let orders: Vec<u64> = context.http().get(url).send().await?.ok()?.json()?;
        let Some(last) = orders.last() else {
            return Ok(TriggerOutput::nothing_new());
        };
        context.instance_state().set("seen", last).await?;
        TriggerOutput::json(&orders)
    }

    #[on_execution]
    async fn take(_context: &Context<Config>, orders: Vec<u64>) -> sdk::Result<Vec<u64>> {
        Ok(orders)
    }
}

/// Fetches pages at night, and works on slices of them.
#[derive(Debug)]
struct Pages;

#[flow(key = "pages", trigger = Schedule::cron("0 2 * * *"), batch_size = 2)]
impl Pages {
    #[on_trigger]
    async fn fetch(_context: &Context<Config>, payload: Payload) -> sdk::Result<TriggerOutput> {
        match payload.cursor.as_ref().and_then(Value::as_u64) {
            None => TriggerOutput::page(&["a", "b", "c"], Some(&1)),
            Some(_) => TriggerOutput::page(&["d"], None::<&u64>),
        }
    }

    #[on_execution]
    async fn work(_context: &Context<Config>, items: Value) -> sdk::Result<Value> {
        Ok(items)
    }
}

fn shop_lab() -> Simulation<Config> {
    let integration = Integration::new("shop").flow::<NewOrders>().flow::<Pages>();
    Simulation::of(integration).at("2026-03-27T16:50:00Z")
}

/// TH-25, TH-26: a poll keeps its place in the state, and when there is nothing new nothing runs.
#[tokio::test]
async fn a_poll_keeps_its_place_and_runs_only_for_what_is_new() -> Result {
    let shop = Upstream::start().await;
    shop.on(
        "GET",
        "/orders?after=0",
        [Reply::json(200, json!([])), Reply::json(200, json!([7, 8]))],
    )
    .await;
    shop.on("GET", "/orders?after=8", [Reply::json(200, json!([9]))])
        .await;
    let lab = shop_lab();
    let instance = lab.deploy(Config { shop: shop.url() }).await?;
    lab.advance(minutes(15)).await?;
    insta::assert_yaml_snapshot!(instance.executions::<NewOrders>().await);
    assert_eq!(
        instance.instance_state::<NewOrders>().get("seen").await,
        Some(9)
    );
    Ok(())
}

/// TH-27: pages are fetched until there is no cursor, and cut into executions of `batch_size`.
#[tokio::test]
async fn pages_are_fetched_to_the_last_and_cut_into_slices() -> Result {
    let shop = Upstream::start().await;
    shop.allow("GET", "/orders?after=0", [Reply::json(200, json!([]))])
        .await;
    let lab = shop_lab();
    let instance = lab.deploy(Config { shop: shop.url() }).await?;
    lab.advance_to("2026-03-28T02:00:00Z").await?;
    let runs = instance.executions::<Pages>().await;
    let outputs: Vec<&Value> = runs
        .iter()
        .map(|run| &run.output)
        .filter(|output| !output.is_null())
        .collect();
    assert_eq!(outputs, [&json!(["a", "b"]), &json!(["c"]), &json!(["d"])]);
    Ok(())
}

/// TH-29: cron is read, the next times are known, and time goes to any of them.
#[tokio::test]
async fn schedules_are_known_and_time_goes_to_them() -> Result {
    let shop = Upstream::start().await;
    shop.allow("GET", "/orders?after=0", [Reply::json(200, json!([]))])
        .await;
    let lab = shop_lab();
    let instance = lab.deploy(Config { shop: shop.url() }).await?;
    let next = |count| -> Vec<String> {
        let times = instance.next_fires::<Pages>(count);
        times.iter().map(ToString::to_string).collect()
    };
    assert_eq!(next(2), ["2026-03-28T02:00:00Z", "2026-03-29T02:00:00Z"]);
    assert_eq!(
        instance
            .next_fire::<NewOrders>()
            .map(|at| at.to_string())
            .as_deref(),
        Some("2026-03-27T16:55:00Z")
    );
    lab.advance_to("2026-03-28T02:00:00Z").await?;
    assert_eq!(next(1), ["2026-03-29T02:00:00Z"]);
    assert_eq!(lab.now().to_string(), "2026-03-28T02:00:00Z");
    Ok(())
}
