//! What becomes of executions that wait or run while their instance is deployed again or removed (E50, E52).

use runner::record::ResultType;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, SimulatedInstance, Simulation};

use crate::bench::{log, outputs, results};

#[derive(ConfigVars)]
struct Config {
    /// The key for the other system.
    key: String,
}

fn config(key: &str) -> Config {
    Config {
        key: key.to_owned(),
    }
}

struct Tries;

#[flow(key = "tries", retry = Retry::times(2).every(minutes(1)))]
impl Tries {
    #[on_execution]
    async fn run(context: &Context<Config>) -> sdk::Result<()> {
        context.log().info(&context.config().key);
        match context.config().key.as_str() {
            "wrong" => Err(Error::new("the key is wrong")),
            _ => Ok(()),
        }
    }
}

struct Lines;

#[flow(key = "lines", queue = Queue::sequential())]
impl Lines {
    #[on_execution]
    async fn run(context: &Context<Config>) -> sdk::Result<Value> {
        context.sleep(seconds(10)).await;
        context.cross_flow_state().set("ran", &true).await?;
        Ok(json!(context.config().key))
    }
}

struct Cleans;

#[flow(key = "cleans")]
impl Cleans {
    #[on_instance_remove]
    async fn remove(context: &Context<Config>) -> sdk::Result<()> {
        context
            .handle::<Cleans>()
            .start(&"in the background".to_owned())
            .await?;
        Ok(())
    }

    #[on_execution]
    async fn clean(context: &Context<Config>, what: String) -> sdk::Result<String> {
        context.sleep(seconds(20)).await;
        Ok(what)
    }
}

async fn deployed(lab: &Simulation<Config>) -> Result<SimulatedInstance<Config>> {
    let instance = lab.deploy(config("wrong")).await?;
    instance.webhook::<Tries>().send().await;
    for _ in 0..2 {
        instance.webhook::<Lines>().send().await;
    }
    Ok(instance)
}

fn lab() -> Simulation<Config> {
    let integration = Integration::new("i").flow::<Tries>();
    Simulation::of(integration.flow::<Lines>().flow::<Cleans>())
}

/// E50, E21: a retry and what waits for its turn run with the config of the last deploy; what runs keeps the one that it began with.
#[tokio::test]
async fn what_waits_through_a_redeploy_runs_with_the_new_config() -> Result {
    let lab = lab();
    let instance = deployed(&lab).await?;
    instance.redeploy(config("right")).await?;
    lab.run_until_idle().await?;
    let tries = instance.executions::<Tries>().await;
    assert_eq!(
        results(&tries),
        [ResultType::Error, ResultType::Completed],
        "one retry is enough"
    );
    assert_eq!(log(&tries[1]), ["right"]);
    let lines = instance.executions::<Lines>().await;
    assert_eq!(outputs(&lines), [json!("wrong"), json!("right")]);
    Ok(())
}

/// E52: whatever waits or runs when an instance is removed ends with it; nothing of it runs, or writes state, afterwards.
#[tokio::test]
async fn what_waits_or_runs_ends_when_its_instance_is_removed() -> Result {
    let lab = lab();
    let instance = deployed(&lab).await?;
    for _ in 0..4 {
        instance.webhook::<Lines>().send().await;
    }
    instance.remove().await?;
    let (error, completed) = (ResultType::Error, ResultType::Completed);
    let canceled = ResultType::Canceled;
    let before = results(&instance.executions::<Tries>().await);
    assert_eq!(before, [error, canceled]);
    lab.advance(minutes(10)).await?;
    assert_eq!(results(&instance.executions::<Tries>().await), before);
    let lines = results(&instance.executions::<Lines>().await);
    assert_eq!(lines.last(), Some(&canceled));
    let cleaned = instance.executions::<Cleans>().await;
    assert_eq!(results(&cleaned), [completed, completed]);
    assert_eq!(cleaned[1].output, "in the background");
    let store = &lab.runner().await?.engine.ports.store;
    assert_eq!(store.state_size(instance.id()).await?, 0);
    Ok(())
}
