//! The integration that the tests manage.

use sdk::endpoint::Route;
use sdk::prelude::*;
use serde_json::{Value, json};

/// Whatever the flow `leaks` gets hold of; no answer may hold it.
pub(crate) const CANARY: &str = "canary-4b1d-hidden";

#[derive(ConfigVars)]
pub(crate) struct Config {
    /// What the customer calls the account.
    #[config(default = "main")]
    pub(crate) account: String,
    /// The key of the account.
    pub(crate) api_secret: Secret,
    /// Which lifecycle function fails.
    #[config(default = "none")]
    pub(crate) breaks: String,
}

pub(crate) fn integration() -> Integration<Config> {
    Integration::new("managed")
        .version("1.2.3")
        .description("Is managed.")
        .flow::<Greet>()
        .flow::<Leaks>()
        .flow::<Fails>()
        .flow::<Slow>()
        .flow::<Nightly>()
        .flow::<Subscribes>()
}

/// The key of the flow that routes.
pub(crate) const ROUTING_KEY: &str = "key of the organization";

/// Logs what it is told and routes to `greet`.
pub(crate) struct Dispatch;

#[flow(
    key = "dispatch",
    security = Security::Organization,
    organization_keys = [ROUTING_KEY],
)]
impl Dispatch {
    #[on_execution]
    async fn decide(context: &Context, payload: Payload) -> Result<Route> {
        let data = payload.data();
        context
            .log()
            .info(data["note"].as_str().unwrap_or_default());
        let customer = data["customer"].as_str().unwrap_or_default();
        Ok(Route::to::<Greet>().of_customer(customer))
    }
}

struct Greet;

/// Greets.
#[flow(key = "greet")]
impl Greet {
    #[on_execution]
    async fn greet(context: &Context<Config>, payload: Payload) -> Result<Value> {
        context.log().info("greeting");
        context.log().warn("still greeting");
        let account = &context.config().account;
        let more = |count: Option<u64>| count.unwrap_or(0) + 1;
        let count = context.instance_state().update("count", more).await?;
        context.cross_flow_state().set("last", account).await?;
        Ok(json!({"hello": payload.data(), "account": account, "count": count}))
    }
}

struct Leaks;

#[flow(
    key = "leaks",
    trigger = Webhook::signed_by(
        SignatureScheme::hmac("x-signature", sdk::signature::Hash::Sha256),
        |config: &Config| &config.api_secret,
    ),
    queue = Queue::order_by("/id").on_poison(Poison::Park),
)]
impl Leaks {
    #[on_execution]
    async fn leak(context: &Context<Config>, payload: Payload) -> Result<Value> {
        let secret = context.config().api_secret.expose().to_owned();
        context.log().error(format!("the secret is {secret}"));
        context.instance_state().set("secret", &secret).await?;
        let told = secret.clone();
        context
            .step("tell", || async { Ok(json!({"told": told})) })
            .await?;
        if payload.query_parameters.get("fail").is_some() {
            return Err(Error::new(format!("it failed with {secret}")));
        }
        Ok(json!({"secret": secret}))
    }
}

struct Fails;

#[flow(key = "fails", trigger = Webhook::unsigned(), retry = Retry::times(1).every(minutes(2)))]
impl Fails {
    #[on_execution]
    async fn fail(context: &Context<Config>) -> Result<()> {
        let attempt = context.attempt();
        context.step("first", || async move { Ok(attempt) }).await?;
        Err(Error::new("no luck"))
    }
}

struct Slow;

#[flow(key = "slow", trigger = Webhook::unsigned(), queue = Queue::sequential())]
impl Slow {
    #[on_execution]
    async fn wait(context: &Context<Config>) -> Result<()> {
        context.sleep(minutes(10)).await;
        Ok(())
    }
}

struct Nightly;

#[flow(key = "nightly", trigger = Schedule::cron("0 3 * * *").in_zone("Europe/Paris"))]
impl Nightly {
    #[on_execution]
    async fn run(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

struct Subscribes;

#[flow(key = "subscribes", trigger = Webhook::unsigned())]
impl Subscribes {
    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> Result<()> {
        fail_if(context, "deploy")
    }

    #[on_instance_remove]
    async fn unsubscribe(context: &Context<Config>) -> Result<()> {
        fail_if(context, "remove")
    }
}

fn fail_if(context: &Context<Config>, what: &str) -> Result<()> {
    if context.config().breaks == what {
        let secret = context.config().api_secret.expose();
        return Err(Error::new(format!("cannot {what} with {secret}")));
    }
    Ok(())
}
