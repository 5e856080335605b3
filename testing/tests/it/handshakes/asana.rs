//! A sender that brings the secret by which it will sign, while the deploy function that subscribes to it still waits (W41, A.5).

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use runner::Runner;
use runner::deploy::DeployRequest;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, SimulatedInstance, Simulation};

/// The front door, for the deploy function that stands for Asana's answer to a subscription.
static DOOR: Mutex<Option<Arc<Runner>>> = Mutex::new(None);

#[derive(Debug, ConfigVars)]
struct Config {
    /// What Asana brings while the deploy function waits; nothing if it is empty.
    brings: String,
    /// Whether the deploy function fails after that.
    fails: bool,
    /// Secrets that the customer has not filled in.
    secrets: Vec<Secret>,
}

#[derive(Debug)]
struct Tasks;

#[flow(key = "tasks", trigger = Webhook::signed_by_secret_of(providers::asana()))]
impl Tasks {
    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> sdk::Result<()> {
        let config = context.config();
        let door = DOOR.lock().map_err(|_| Error::new("poisoned"))?.clone();
        if let Some(door) = door.filter(|_| !config.brings.is_empty()) {
            let url = &context.webhook_urls()["tasks"];
            let question = Request::post(url.as_str())
                .header("x-hook-secret", &config.brings)
                .body(Bytes::new())
                .map_err(|fault| Error::new(fault.to_string()))?;
            let answer = door.ingress.receive(question).await;
            if answer.headers().get("x-hook-secret").is_none() {
                return Err(Error::new("the handshake was not answered"));
            }
        }
        if config.fails {
            return Err(Error::new("the deploy fails after the handshake"));
        }
        Ok(())
    }

    #[on_execution]
    async fn take(_context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        Ok(payload.data())
    }
}

/// A flow whose secret is a config variable takes none from the sender.
#[derive(Debug)]
struct Fixed;

#[flow(key = "fixed", trigger = Webhook::signed_by_any(providers::asana(), |config: &Config| &config.secrets))]
impl Fixed {
    #[on_execution]
    async fn take(_context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        Ok(payload.data())
    }
}

fn lab() -> Simulation<Config> {
    let integration = Integration::new("asana").flow::<Tasks>().flow::<Fixed>();
    Simulation::of(integration).at("2026-03-27T16:50:00Z")
}

fn config(brings: &str, fails: bool) -> Config {
    Config {
        brings: brings.to_owned(),
        fails,
        secrets: Vec::new(),
    }
}

async fn bring<F: Flow<Config = Config>>(
    instance: &SimulatedInstance<Config>,
    secret: &str,
) -> u16 {
    let report = instance
        .webhook::<F>()
        .header("x-hook-secret", secret)
        .send()
        .await;
    assert!(report.execution.is_none(), "{report}");
    report.response.status
}

async fn deliver(instance: &SimulatedInstance<Config>, secret: &str) -> u16 {
    let webhook = instance.webhook::<Tasks>().json(json!({"events": []}));
    webhook.signed_with(secret).send().await.response.status
}

/// What is brought while a deploy fails goes with the subscription that the next deploy makes again.
async fn w41_what_was_brought_during_a_deploy_that_failed_is_forgotten_by_the_next() -> Result {
    let lab = lab();
    let runner = lab.runner().await?;
    *DOOR.lock().expect("nobody has panicked") = Some(Arc::clone(&runner));
    assert!(lab.deploy(config("old", true)).await.is_err());
    let brought = || {
        let instances = runner.engine.instances.all();
        let instance = instances.first().expect("the instance");
        (
            instance.id.clone(),
            instance.secrets.brought["tasks"].clone(),
        )
    };
    let (id, secret) = brought();
    assert_eq!(secret, "old");
    let request = DeployRequest {
        config: Some(config("new", false).encode()),
        ..DeployRequest::default()
    };
    let deploy = runner.deployer.deploy(Some(id), request);
    assert!(lab.while_time_passes(deploy).await??.succeeded);
    assert_eq!(brought().1, "new");
    Ok(())
}

/// The one test that uses the door, so that no two set it.
#[tokio::test]
async fn w41_asana_brings_its_secret_while_the_deploy_function_still_runs() -> Result {
    w41_what_was_brought_during_a_deploy_that_failed_is_forgotten_by_the_next().await?;
    let lab = lab();
    *DOOR.lock().expect("nobody has panicked") = Some(lab.runner().await?);
    let instance = lab.deploy(config("b537207f", false)).await?;
    let runner = lab.runner().await?;
    *DOOR.lock().expect("nobody has panicked") = None;

    assert_eq!(deliver(&instance, "b537207f").await, 200);
    assert_eq!(deliver(&instance, "another").await, 401);
    // The simulation signs with what was brought.
    let webhook = instance.webhook::<Tasks>().json(json!({"events": [1]}));
    let report = webhook.signed().send().await;
    assert_eq!(report.execution().output, json!({"events": [1]}));

    let found = runner.engine.instances.get(instance.id()).expect("it");
    assert_eq!(found.facts.verified["tasks"].by, "Asana");
    // It is not among what is open, and no log of the instance shows it.
    let open = serde_json::to_string(&found.facts)?;
    assert!(!open.contains("b537207f"), "{open}");
    assert_eq!(
        found.redactor.text("b537207f was brought"),
        "[signing_secret] was brought"
    );
    Ok(())
}

#[tokio::test]
async fn w41_a_second_secret_never_replaces_the_first() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("", false)).await?;
    assert_eq!(deliver(&instance, "guess").await, 401, "W43: none is known");
    for blank in ["", " "] {
        assert_eq!(bring::<Tasks>(&instance, blank).await, 401);
    }
    assert_eq!(bring::<Tasks>(&instance, "first").await, 200);
    assert_eq!(bring::<Tasks>(&instance, "second").await, 401);
    assert_eq!(
        bring::<Tasks>(&instance, "first").await,
        200,
        "the same again"
    );
    assert_eq!(deliver(&instance, "first").await, 200);
    assert_eq!(deliver(&instance, "second").await, 401);
    Ok(())
}

#[tokio::test]
async fn w41_another_secret_is_let_in_once_the_first_is_forgotten() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("", false)).await?;
    let runner = lab.runner().await?;
    let forget = async || {
        let deployer = &runner.deployer;
        deployer.forget_secret(instance.id(), &"tasks".into()).await
    };
    assert!(!forget().await?, "none has been brought");
    assert_eq!(bring::<Tasks>(&instance, "first").await, 200);
    assert!(forget().await?);
    // Nothing fits until another is there, and nothing says any more that the endpoint was verified.
    assert_eq!(deliver(&instance, "first").await, 401);
    let kept = runner.engine.instances.get(instance.id()).expect("it");
    assert!(kept.secrets.brought.is_empty() && kept.facts.verified.is_empty());
    assert_eq!(bring::<Tasks>(&instance, "second").await, 200);
    assert_eq!(deliver(&instance, "second").await, 200);
    assert_eq!(deliver(&instance, "first").await, 401);
    assert_eq!(bring::<Tasks>(&instance, "third").await, 401);
    Ok(())
}

#[tokio::test]
async fn w43_a_secret_is_brought_only_where_the_flow_expects_it() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("", false)).await?;
    assert_eq!(bring::<Fixed>(&instance, "first").await, 401);
    let webhook = instance.webhook::<Fixed>().json(json!({"events": []}));
    webhook
        .signed_with("first")
        .send()
        .await
        .assert_refused(401);
    Ok(())
}

#[derive(Debug)]
struct Stays;

#[flow(key = "stays", trigger = Webhook::unsigned())]
impl Stays {
    #[on_execution]
    async fn take(_context: &Context<Config>) -> sdk::Result<()> {
        Ok(())
    }

    #[on_instance_remove]
    async fn leave(_context: &Context<Config>) -> sdk::Result<()> {
        Err(Error::new("not now"))
    }
}

/// W41, E52: a removal that failed has unsubscribed nevertheless, so the deploy after it takes the secret of its own subscription.
#[tokio::test]
async fn w41_what_was_brought_before_a_removal_that_failed_is_forgotten_by_the_next_deploy()
-> Result {
    let lab = Simulation::of(Integration::new("asana").flow::<Tasks>().flow::<Stays>());
    let instance = lab.deploy(config("", false)).await?;
    assert_eq!(bring::<Tasks>(&instance, "old").await, 200);
    assert!(instance.remove().await.is_err());
    instance.redeploy_as_is().await?;
    assert_eq!(bring::<Tasks>(&instance, "new").await, 200);
    assert_eq!(deliver(&instance, "new").await, 200);
    Ok(())
}

/// What was brought goes with the other secrets of the record, which the vault seals.
#[tokio::test]
async fn e56_what_was_brought_is_read_back_from_the_record() -> Result {
    let lab = lab();
    let instance = lab.deploy(config("", false)).await?;
    assert_eq!(bring::<Tasks>(&instance, "first").await, 200);
    let runner = lab.runner().await?;
    let ports = &runner.engine.ports;
    let records = ports.store.instances().await?;
    let record = records
        .iter()
        .find(|record| record.id == *instance.id())
        .expect("the record");
    assert!(!record.open.to_string().contains("first\""));
    let read = runner::instance::Instance::read(
        record,
        &ports.vault,
        &ports.integration,
        &ports.public_url,
    )?;
    assert_eq!(read.secrets.brought["tasks"], "first");
    assert_eq!(read.facts.verified["tasks"].by, "Asana");
    Ok(())
}
