//! Planted faults that come out only when a step is not run again, or when a newer execution overtakes a retry; and scripts that do
//! everything that a simulation offers.

use sdk::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use testing::{Reply, Result, Simulation, Upstream};

#[derive(Debug, ConfigVars)]
struct Config {
    /// Where the other system is.
    upstream: Url,
}

/// Remembers from inside a step what it has made. The step does not run again, and what it remembered is gone.
#[derive(Debug)]
struct Remembers;

#[flow(key = "remembers", retry = Retry::times(1).every(minutes(1)))]
impl Remembers {
    #[on_execution]
    async fn make(context: &Context<Config>) -> sdk::Result<()> {
        let make = || async {
            let url = context.config().upstream.join("things");
            let made: Value = context.http().post(url).send().await?.ok()?.json()?;
            context.instance_state().set("thing", &made).await?;
            Ok(made)
        };
        context.step("make", make).await?;
        context.step("look", || async { Ok(1) }).await?;
        Ok(())
    }
}

/// The state of an order at the sender.
#[derive(Debug, Deserialize)]
struct Order {
    id: String,
    state: String,
}

async fn mirror(context: &Context<Config>, order: &Order) -> sdk::Result<()> {
    let path = format!("orders/{}", order.id);
    let request = context.http().put(context.config().upstream.join(&path));
    request.json(&json!(order.state)).send().await?.ok()?;
    Ok(())
}

/// Keeps what an order was last said to be. Two deliveries of one order may change places when the first is tried again.
#[derive(Debug)]
struct Hasty;

#[flow(key = "hasty", retry = Retry::times(3).every(minutes(1)))]
impl Hasty {
    #[on_execution]
    async fn keep(context: &Context<Config>, order: Order) -> sdk::Result<()> {
        context.step("mirror", || mirror(context, &order)).await?;
        let state = context.instance_state();
        state.set(&order.id, &order.state).await
    }
}

/// As [`Hasty`], one delivery of an order after another.
#[derive(Debug)]
struct Patient;

#[flow(key = "patient", retry = Retry::times(3).every(minutes(1)), queue = Queue::order_by("/id"))]
impl Patient {
    #[on_execution]
    async fn keep(context: &Context<Config>, order: Order) -> sdk::Result<()> {
        context.step("mirror", || mirror(context, &order)).await?;
        let state = context.instance_state();
        state.set(&order.id, &order.state).await
    }
}

/// Adds up: it does not matter what comes first.
#[derive(Debug)]
struct Adds;

#[flow(key = "adds", retry = Retry::times(3).every(minutes(1)))]
impl Adds {
    #[on_execution]
    async fn add(context: &Context<Config>, number: u64) -> sdk::Result<()> {
        let add = move |sum: Option<u64>| sum.unwrap_or(0) + number;
        context.instance_state().update("sum", add).await?;
        Ok(())
    }

    #[on_instance_remove]
    async fn refuse(_context: &Context<Config>) -> sdk::Result<()> {
        Err(Error::new("it cannot be removed"))
    }
}

/// Answers whoever shows a key, with a redirect to its result.
#[derive(Debug)]
struct Guarded;

#[flow(
    key = "guarded",
    trigger = Webhook::unsigned(),
    security = Security::CustomerRequired,
    respond = Respond::WithResult,
)]
impl Guarded {
    #[on_execution]
    async fn answer(context: &Context<Config>, number: u64) -> sdk::Result<u64> {
        context.step("double", || async { Ok(number * 2) }).await
    }
}

/// Ticks once an hour.
#[derive(Debug)]
struct Hourly;

#[flow(key = "hourly", trigger = Schedule::cron("0 * * * *"))]
impl Hourly {
    #[on_execution]
    async fn tick(context: &Context<Config>) -> sdk::Result<()> {
        let add = |ticks: Option<u64>| ticks.unwrap_or(0) + 1;
        context.cross_flow_state().update("ticks", add).await?;
        Ok(())
    }
}

async fn upstream() -> (Upstream, Config) {
    let upstream = Upstream::start().await;
    let thing = Reply::json(201, json!({"id": 7}));
    upstream.allow("POST", "/things", [thing]).await;
    upstream
        .allow("PUT", "/orders/a", [Reply::status(204)])
        .await;
    upstream
        .allow("PUT", "/orders/b", [Reply::status(204)])
        .await;
    let config = Config {
        upstream: upstream.url(),
    };
    (upstream, config)
}

fn lab<F: Flow<Config = Config>>() -> Simulation<Config> {
    Simulation::of(Integration::new("faults").flow::<F>()).at("2026-03-27T16:50:00Z")
}

fn order(id: &str, state: &str) -> Value {
    json!({"id": id, "state": state})
}

/// G3: what a step writes to the state is not there when the step does not run again.
#[tokio::test]
async fn a_state_write_that_a_crash_loses_is_caught_and_told_where() -> Result {
    let ((_upstream, config), lab) = (upstream().await, lab::<Remembers>());
    let instance = lab.deploy(config).await?;
    instance.webhook::<Remembers>().send().await;
    let failure = lab
        .survives_a_crash_anywhere()
        .await
        .expect_err("a finding");
    insta::assert_snapshot!(failure.to_string());
    Ok(())
}

/// G5: a retry that comes after a newer delivery has the last word.
#[tokio::test]
async fn an_order_that_a_retry_breaks_is_caught_and_told_where() -> Result {
    let ((_upstream, config), lab) = (upstream().await, lab::<Hasty>());
    let instance = lab.deploy(config).await?;
    for (id, state) in [("a", "paid"), ("b", "paid"), ("a", "shipped")] {
        let webhook = instance.webhook::<Hasty>().json(order(id, state));
        webhook.send().await.execution().assert_completed();
    }
    // No crash shows it: newer deliveries come when the process is up again.
    lab.survives_a_crash_anywhere().await?;
    let failure = lab
        .keeps_order_across_retries()
        .await
        .expect_err("a finding");
    insta::assert_snapshot!(failure.to_string());
    Ok(())
}

/// G5: the same with a queue that keeps order, and where order does not matter.
#[tokio::test]
async fn an_order_that_is_kept_or_does_not_matter_is_no_finding() -> Result {
    let ((_upstream, config), lab) = (upstream().await, lab::<Patient>());
    let instance = lab.deploy(config).await?;
    for (id, state) in [("a", "paid"), ("b", "paid"), ("a", "shipped")] {
        let webhook = instance.webhook::<Patient>().json(order(id, state));
        webhook.send().await.execution().assert_completed();
    }
    lab.keeps_order_across_retries().await?;

    let ((_upstream, config), lab) = (upstream().await, self::lab::<Adds>());
    let instance = lab.deploy(config).await?;
    for number in [1, 2, 3] {
        instance.webhook::<Adds>().json(number).send().await;
    }
    lab.keeps_order_across_retries().await?;
    Ok(())
}

/// Keys that are made on the way, answers that are followed, schedules, pauses, another config, deploys that are refused and removals
/// that fail: the sweep does all of it again.
#[tokio::test]
async fn a_script_of_everything_that_a_simulation_offers_is_done_again() -> Result {
    let (_upstream, config) = upstream().await;
    let (_other, second) = upstream().await;
    let again = Config {
        upstream: config.upstream.clone(),
    };
    let flows = Integration::new("faults")
        .flow::<Guarded>()
        .flow::<Adds>()
        .flow::<Hourly>();
    let lab = Simulation::of(flows).at("2026-03-27T16:50:00Z");
    let refused = lab.deploy(second).await.expect_err("no key");
    assert!(refused.to_string().contains("guarded"), "{refused}");
    let first_key = "key-of-the-first-deploy";
    let customer = lab.customer("acme").api_key::<Guarded>(first_key);
    let instance = customer.deploy(config).await?;

    let key = instance.add_api_key::<Guarded>().await?;
    let call = |key: &str| {
        let webhook = instance.webhook::<Guarded>().json(21).api_key(key);
        webhook.send()
    };
    call("a guess").await.assert_refused(401);
    for key in [first_key, &key] {
        let redirect = call(key).await;
        redirect.assert_status(303);
        assert_eq!(instance.follow(&redirect).await.body::<u64>(), 42);
    }
    instance.webhook::<Adds>().json(1).send().await;
    lab.advance(hours(2)).await?;
    instance.pause().await?;
    lab.advance(hours(1)).await?;
    instance.resume().await?;
    instance.redeploy(again).await?;
    lab.advance_to("2026-03-27T22:00:00Z").await?;
    let kept = instance.remove().await.expect_err("it is refused");
    assert!(kept.to_string().contains("it cannot be removed"), "{kept}");

    let sweep = lab.survives_a_crash_anywhere().await?;
    assert!(sweep.points.contains(&"keys"), "{:?}", sweep.points);
    lab.keeps_order_across_retries().await?;
    Ok(())
}
