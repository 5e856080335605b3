//! What an integration is made of, and what a customer gets of it (E1, E50).

use runner::record::{ResultType, Status};
use sdk::connection::{ApiKey, Connection};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Settings, Simulation};

use crate::bench::{refusal, results, settings};

struct Twin;

#[flow(key = "twin", retry = Retry::times(11))]
impl Twin {
    #[on_execution]
    async fn run(_context: &Context) -> sdk::Result<()> {
        Ok(())
    }
}

struct OtherTwin;

#[flow(key = "twin", queue = Queue::order_by("no pointer"))]
impl OtherTwin {
    #[on_execution]
    async fn run(_context: &Context) -> sdk::Result<()> {
        Ok(())
    }
}

/// E1: a flow is known by its key, so two cannot have the same; whatever else is wrong with an integration is said at once.
#[test]
fn an_integration_is_refused_with_all_its_faults() {
    let integration = Integration::<()>::new("i")
        .flow::<Twin>()
        .flow::<OtherTwin>();
    let faults = integration.build().unwrap_err().0;
    let expected = [
        "flow `twin`: it asks for 11 retries; at most 10 are possible",
        "flow `twin`: `no pointer` is not a JSON pointer; write it like `/customer/id`",
        "flow `twin`: its key is used by two flows; give each its own",
    ];
    for text in expected {
        assert!(
            faults.iter().any(|fault| fault == text),
            "{text} in {faults:#?}"
        );
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[derive(ConfigVars)]
struct Config {
    /// How the customer is greeted.
    greeting: String,
    /// The customer's account at Acme.
    acme: Connection<ApiKey>,
    /// When the customer is reminded.
    reminds: Schedule,
}

fn config(greeting: &str, reminds: &'static str) -> Config {
    Config {
        greeting: greeting.to_owned(),
        acme: Connection::new(ApiKey {
            key: format!("key of {greeting}").into(),
        }),
        reminds: Schedule::cron(reminds),
    }
}

struct Greets;

#[flow(key = "greets", queue = Queue::throttled(1))]
impl Greets {
    #[on_execution]
    async fn run(context: &Context<Config>) -> sdk::Result<Value> {
        context.sleep(seconds(10)).await;
        let config = context.config();
        let is_its_own = config.acme.key.expose() == format!("key of {}", config.greeting);
        Ok(json!([config.greeting, is_its_own]))
    }
}

struct Reminds;

#[flow(key = "reminds", trigger = Trigger::scheduled_by(|config: &Config| &config.reminds))]
impl Reminds {
    #[on_execution]
    async fn run(_context: &Context<Config>) -> sdk::Result<()> {
        Ok(())
    }
}

fn lab() -> Simulation<Config> {
    let integration = Integration::new("i").flow::<Greets>().flow::<Reminds>();
    Simulation::of(integration).with_settings(Settings {
        rate_per_second: 3,
        ..settings()
    })
}

/// E1: a flow has its own URL or its own schedule, by its key.
#[tokio::test]
async fn each_flow_has_a_url_or_a_schedule_of_its_own() -> Result {
    let lab = lab();
    let acme = lab.deploy_for("acme", config("hello", "0 8 * * *")).await?;
    let deployed = lab
        .runner()
        .await?
        .engine
        .instances
        .get(acme.id())
        .ok_or("an instance")?;
    let keys: Vec<_> = deployed
        .facts
        .endpoints
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(keys, ["greets"]);
    assert!(acme.next_fire::<Reminds>().is_some());
    assert_eq!(acme.next_fire::<Greets>(), None);
    Ok(())
}

/// E50: an instance has its own config, credentials, endpoint, keys and schedule, and its own limits of rate and concurrency.
#[tokio::test]
async fn what_one_customer_has_and_does_is_nothing_to_another() -> Result {
    let lab = lab();
    let acme = lab.deploy_for("acme", config("hello", "0 8 * * *")).await?;
    let other = lab
        .deploy_for("other", config("moin", "30 9 * * *"))
        .await?;
    assert_ne!(acme.url_of::<Greets>(), other.url_of::<Greets>());
    let (first, second) = (acme.next_fire::<Reminds>(), other.next_fire::<Reminds>());
    assert!(first.is_some() && second.is_some() && first != second);

    // A key that one demands is none to the other.
    let key = acme.add_api_key::<Greets>().await?;
    acme.webhook::<Greets>().send().await.assert_refused(401);
    other
        .webhook::<Greets>()
        .api_key(&key)
        .send()
        .await
        .assert_status(200);

    // One is over its rate, for which the refused request counts too, and the other is not.
    for _ in 0..2 {
        acme.webhook::<Greets>()
            .api_key(&key)
            .send()
            .await
            .assert_status(200);
    }
    acme.webhook::<Greets>()
        .api_key(&key)
        .send()
        .await
        .assert_refused(429);
    other.webhook::<Greets>().send().await.assert_status(200);

    // One at a time of each, and not of both together.
    let running = |runs: Vec<testing::report::ExecutionReport>| {
        runs.iter()
            .filter(|run| run.status == Status::Running)
            .count()
    };
    assert_eq!(running(acme.executions::<Greets>().await), 1);
    assert_eq!(running(other.executions::<Greets>().await), 1);
    lab.advance(minutes(1)).await?;
    for (instance, greeting, count) in [(acme, "hello", 2), (other, "moin", 2)] {
        let runs = instance.executions::<Greets>().await;
        assert_eq!(results(&runs), vec![ResultType::Completed; count]);
        assert!(runs.iter().all(|run| run.output == json!([greeting, true])));
    }
    Ok(())
}

#[derive(ConfigVars)]
struct Several {
    /// The secrets of the sender.
    secrets: Vec<Secret>,
    /// When it looks.
    looks_at: Vec<Schedule>,
}

struct Careless;

#[flow(key = "careless", trigger = Webhook::signed_by(providers::github(), |config: &Several| &config.secrets[0]))]
impl Careless {
    #[on_execution]
    async fn run(_context: &Context<Several>) -> sdk::Result<()> {
        Ok(())
    }
}

struct Looks;

#[flow(key = "looks", trigger = Trigger::scheduled_by(|config: &Several| &config.looks_at[0]))]
impl Looks {
    #[on_execution]
    async fn run(_context: &Context<Several>) -> sdk::Result<()> {
        Ok(())
    }
}

/// E27, E51: what an author's function takes from the config variables for a trigger is looked at before anything runs, and what it panics
/// at is refused.
#[tokio::test]
async fn config_values_at_which_a_trigger_panics_are_refused() -> Result {
    let flows = Integration::new("i").flow::<Careless>().flow::<Looks>();
    let lab = Simulation::of(flows);
    let none = Several {
        secrets: Vec::new(),
        looks_at: Vec::new(),
    };
    assert_eq!(
        refusal(lab.deploy(none).await),
        "the config values do not fit: `careless` is a flow whose trigger panics on these values: index out of bounds: the len is 0 but the index is 0; `looks` is a flow whose trigger panics on these values: index out of bounds: the len is 0 but the index is 0"
    );
    let some = Several {
        secrets: vec!["s3cret-of-github".into()],
        looks_at: vec![Schedule::cron("0 7 * * *")],
    };
    let instance = lab.deploy(some).await?;
    assert!(instance.next_fire::<Looks>().is_some());
    Ok(())
}
