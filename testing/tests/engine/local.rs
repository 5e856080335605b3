//! The local instance, which stands in the source, over restarts: what an operator has changed about it stays (E50, E53).

use std::sync::Arc;

use runner::deploy::DeployRequest;
use runner::instance::{Instance, InstanceStatus};
use sdk::config::ConfigValues;
use sdk::prelude::*;
use serde_json::json;

use crate::bench::settings;
use crate::world::{Lasting, World};

#[derive(ConfigVars)]
struct Config {
    /// How a customer is greeted.
    greeting: String,
}

struct Greets;

#[flow(key = "greets", trigger = Webhook::unsigned())]
impl Greets {
    #[on_execution]
    async fn run(context: &Context<Config>) -> Result<String> {
        Ok(context.config().greeting.clone())
    }
}

struct Parts;

#[flow(key = "parts", trigger = Webhook::unsigned())]
impl Parts {
    #[on_execution]
    async fn run(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

fn hello() -> Config {
    let greeting = "hello".to_owned();
    Config { greeting }
}

fn good_day() -> Config {
    let greeting = "good day".to_owned();
    Config { greeting }
}

fn integration(local: fn() -> Config) -> Integration<Config> {
    Integration::new("i").flow::<Greets>().local_instance(local)
}

async fn local(world: &World) -> Arc<Instance> {
    let runner = Arc::clone(&world.runner);
    let found = world.drive(async move { runner.deploy_local().await });
    found.await.unwrap().unwrap().unwrap()
}

/// Starts another process, as `serve` does.
async fn again(lasting: &Lasting, world: World) -> (World, Arc<Instance>) {
    world.kill();
    let world = World::start(lasting, None).await;
    let local = local(&world).await;
    (world, local)
}

async fn redeploy(world: &World, instance: &Instance, request: DeployRequest) {
    let (deployer, id) = (Arc::clone(&world.runner.deployer), instance.id.clone());
    let report = world.drive(async move { deployer.deploy(Some(id), request).await });
    assert!(report.await.unwrap().unwrap().succeeded);
}

async fn pause(world: &World, instance: &Instance) {
    let (deployer, id) = (Arc::clone(&world.runner.deployer), instance.id.clone());
    let paused = world.drive(async move { deployer.pause(&id).await });
    paused.await.unwrap().unwrap();
}

fn values(greeting: &str) -> ConfigValues {
    let mut values = ConfigValues::new();
    values.insert("greeting".to_owned(), json!(greeting));
    values
}

fn renamed(greeting: &str) -> DeployRequest {
    DeployRequest {
        name: Some("Acme".to_owned()),
        config: Some(values(greeting)),
        ..DeployRequest::default()
    }
}

#[tokio::test]
async fn what_an_operator_changed_about_the_local_instance_outlives_a_restart() {
    let lasting = Lasting::new(integration(hello).build().unwrap(), settings());
    let world = World::start(&lasting, None).await;
    let first = local(&world).await;
    redeploy(&world, &first, renamed("ahoy")).await;

    let (world, found) = again(&lasting, world).await;
    assert_eq!((found.facts.name.as_str(), &found.id), ("Acme", &first.id));
    assert_eq!(found.secrets.values, values("ahoy"));
    pause(&world, &found).await;

    let (world, found) = again(&lasting, world).await;
    assert_eq!(found.facts.status, InstanceStatus::Paused);
    assert_eq!(
        world.post(&found, "greets", &json!({})).await.unwrap().0,
        503
    );
}

#[tokio::test]
async fn another_flow_comes_to_the_local_instance_and_the_values_of_the_operator_stay() {
    let mut lasting = Lasting::new(integration(hello).build().unwrap(), settings());
    let world = World::start(&lasting, None).await;
    let first = local(&world).await;
    redeploy(&world, &first, renamed("ahoy")).await;

    lasting.integration = integration(hello).flow::<Parts>().build().unwrap();
    let (_world, found) = again(&lasting, world).await;
    assert!(found.webhook_urls.contains_key("parts"));
    assert_eq!(found.secrets.values, values("ahoy"));
}

#[tokio::test]
async fn other_values_in_the_source_are_deployed() {
    let mut lasting = Lasting::new(integration(hello).build().unwrap(), settings());
    let world = World::start(&lasting, None).await;
    let first = local(&world).await;
    redeploy(&world, &first, renamed("ahoy")).await;

    lasting.integration = integration(good_day).build().unwrap();
    let (world, found) = again(&lasting, world).await;
    assert_eq!(found.secrets.values, values("good day"));
    assert_eq!(found.facts.name, "Acme");
    let deployed_at = found.facts.deployed_at;
    world.advance(seconds(1), |_| {}).await;
    let (_world, found) = again(&lasting, world).await;
    assert_eq!(found.facts.deployed_at, deployed_at);
}
