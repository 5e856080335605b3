//! Gaps of the system that we replace, closed: deploys, config values, other flows, other systems (TH-28, 31, 34, 35, 38, 40).

use std::collections::BTreeMap;

use sdk::connection::{Basic, Connection};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Result, Simulation, SimulationError, Upstream};

#[derive(Debug, ConfigVars)]
struct Config {
    /// Where the warehouse is.
    warehouse: Url,
    /// The account there.
    account: Connection<Basic>,
    /// How many orders are fetched at once.
    #[config(default = 50)]
    page_size: u32,
    /// Whether drafts count.
    #[config(default = false)]
    drafts: bool,
    /// When the stock is counted.
    #[config(default = "0 6 * * *", time_zone = "Europe/Paris")]
    count_at: Schedule,
}

/// Has every lifecycle function.
#[derive(Debug)]
struct Lives;

#[flow(key = "lives", trigger = Trigger::instance_deploy())]
impl Lives {
    #[on_instance_deploy]
    async fn deploy(context: &Context<Config>) -> sdk::Result<()> {
        note(context, "deploy of lives").await
    }

    #[on_first_deploy]
    async fn first(context: &Context<Config>) -> sdk::Result<()> {
        note(context, "first deploy of lives").await
    }

    #[on_instance_remove]
    async fn remove(_context: &Context<Config>) -> sdk::Result<&'static str> {
        Ok("gone")
    }

    #[on_execution]
    async fn run(context: &Context<Config>) -> sdk::Result<()> {
        note(context, "run of lives").await
    }
}

/// Sends orders on to another flow.
#[derive(Debug)]
struct Sorts;

#[flow(key = "sorts", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Sorts {
    #[on_instance_deploy]
    async fn deploy(context: &Context<Config>) -> sdk::Result<()> {
        note(context, "deploy of sorts").await
    }

    #[on_execution]
    async fn sort(context: &Context<Config>, order: Value) -> sdk::Result<Value> {
        if order["unknown"] == true {
            context.handle::<Stranger>().call(&()).await?;
        }
        if order["later"] == true {
            return Ok(json!(context.handle::<Stores>().start(&order).await?));
        }
        context.handle::<Stores>().call(&order).await
    }
}

/// Puts an order in the warehouse.
#[derive(Debug)]
struct Stores;

#[flow(key = "stores", trigger = Webhook::unsigned())]
impl Stores {
    #[on_execution]
    async fn store(context: &Context<Config>, order: Value) -> sdk::Result<Value> {
        let config = context.config();
        let put = context.http().post(config.warehouse.join("stock"));
        let put = put.basic(&config.account.username, &config.account.password);
        put.json(&order).send().await?.ok()?.json()
    }
}

/// Is in no integration.
#[derive(Debug)]
struct Stranger;

#[flow(key = "stranger", trigger = Webhook::unsigned())]
impl Stranger {
    #[on_execution]
    async fn run(_context: &Context<Config>) -> sdk::Result<()> {
        Ok(())
    }
}

/// Shows its config values.
#[derive(Debug)]
struct Shows;

#[flow(key = "shows", trigger = Trigger::scheduled_by(|config: &Config| &config.count_at))]
impl Shows {
    #[on_execution]
    async fn show(context: &Context<Config>) -> sdk::Result<Value> {
        let Config {
            warehouse,
            page_size,
            drafts,
            ..
        } = context.config();
        Ok(json!([warehouse.as_str(), page_size, drafts]))
    }
}

/// A function that every flow uses: what another system calls a component.
async fn note(context: &Context<Config>, text: &'static str) -> sdk::Result<()> {
    let add = move |notes: Option<Vec<String>>| {
        let mut notes = notes.unwrap_or_default();
        notes.push(text.to_owned());
        notes
    };
    context.integration_state().update("notes", add).await?;
    Ok(())
}

fn lab() -> Simulation<Config> {
    let integration = Integration::new("lives")
        .flow::<Lives>()
        .flow::<Sorts>()
        .flow::<Stores>()
        .flow::<Shows>();
    Simulation::of(integration).at("2026-03-27T16:50:00Z")
}

fn values(warehouse: &str) -> sdk::config::ConfigValues {
    let account = json!({"username": "warehouse-user", "password": "warehouse-password"});
    BTreeMap::from([("warehouse", json!(warehouse)), ("account", account)])
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// TH-28, TH-40: every lifecycle function runs, in the author's order, the first deploy once, and each is recorded.
#[tokio::test]
async fn lifecycle_functions_run_in_order() -> Result {
    let lab = lab();
    let instance = lab
        .customer("acme")
        .deploy_values(values("http://warehouse.example"))
        .await?;
    lab.run_until_idle().await?;
    let notes: Option<Vec<String>> = instance.integration_state().get("notes").await;
    let first = [
        "deploy of lives",
        "first deploy of lives",
        "deploy of sorts",
        "run of lives",
    ];
    assert_eq!(notes.unwrap_or_default(), first);

    let again = instance.redeploy_as_is().await?;
    lab.run_until_idle().await?;
    assert!(
        again
            .executions
            .iter()
            .all(|run| run.function != runner::record::Function::OnFirstDeploy)
    );
    let notes: Option<Vec<String>> = instance.integration_state().get("notes").await;
    assert_eq!(
        notes.unwrap_or_default()[4..],
        ["deploy of lives", "deploy of sorts", "run of lives"]
    );

    let removed = instance.remove().await?;
    assert_eq!(removed.executions[0].assert_completed().output, "gone");
    Ok(())
}

/// TH-31, TH-40: a call returns what the flow returned, and is recorded with its lineage; a flow that is not there is an error.
#[tokio::test]
async fn calls_between_flows_are_real_and_recorded() -> Result {
    let warehouse = Upstream::start().await;
    let replies = [
        Reply::json(201, json!({"shelf": 7})),
        Reply::json(201, json!({"shelf": 8})),
    ];
    warehouse.on("POST", "/stock", replies).await;
    let lab = lab();
    let instance = lab
        .customer("acme")
        .deploy_values(values(warehouse.url().as_str()))
        .await?;
    let sorts = |order: Value| instance.webhook::<Sorts>().json(order).send();

    let called = sorts(json!({"id": 1})).await;
    assert_eq!(called.response.body, json!({"shelf": 7}));
    assert_eq!(
        called.further[0].called_by.as_ref(),
        Some(&called.execution().id)
    );
    assert_eq!(called.requests[0].flow, "stores");

    let started = sorts(json!({"id": 2, "later": true})).await;
    let run = instance.last::<Stores>().await;
    assert_eq!(
        (started.response.body, &run.output),
        (json!(run.id), &json!({"shelf": 8}))
    );

    let unknown = sorts(json!({"unknown": true})).await;
    unknown.execution().assert_failed("no flow `stranger`");
    Ok(())
}

/// TH-34, TH-35: a flow sees the values that were given and the defaults of the others; what does not fit is refused with a sentence.
#[tokio::test]
async fn config_values_are_those_that_were_given() -> Result {
    let lab = lab();
    let mut given = values("http://warehouse.example");
    given.insert("drafts".to_owned(), json!(true));
    let instance = lab.customer("acme").deploy_values(given).await?;
    lab.advance_to("2026-03-28T06:00:00+01:00").await?;
    assert_eq!(
        instance.last::<Shows>().await.output,
        json!(["http://warehouse.example", 50, true])
    );

    let mut wrong = values("http://warehouse.example");
    wrong.insert("page_size".to_owned(), Value::Null);
    wrong.insert("warehouse".to_owned(), json!(7));
    let refusal = lab.customer("other").deploy_values(wrong).await;
    let Err(refusal @ SimulationError::Deploy(_)) = refusal else {
        return Err("values that do not fit were taken".into());
    };
    insta::assert_snapshot!(refusal);
    Ok(())
}

/// TH-38: code that flows share, and connections, work in a test as they do in production.
#[tokio::test]
async fn shared_functions_and_connections_work() -> Result {
    let warehouse = Upstream::start().await;
    warehouse
        .on("POST", "/stock", [Reply::json(201, json!({}))])
        .await;
    let lab = lab();
    let instance = lab
        .customer("acme")
        .deploy_values(values(warehouse.url().as_str()))
        .await?;
    let report = instance
        .webhook::<Stores>()
        .json(json!({"id": 1}))
        .send()
        .await;
    report.execution().assert_completed();
    let sent = &warehouse.received()[0].headers["authorization"];
    assert_eq!(sent, "Basic d2FyZWhvdXNlLXVzZXI6d2FyZWhvdXNlLXBhc3N3b3Jk");
    assert_eq!(report.requests[0].headers["authorization"], "[secret]");
    Ok(())
}

/// Simulations share nothing: many at once give what each gives alone.
#[tokio::test]
async fn simulations_run_beside_each_other() -> Result {
    let run = || async {
        let warehouse = Upstream::start().await;
        warehouse
            .on("POST", "/stock", [Reply::json(201, json!({"shelf": 7}))])
            .await;
        let lab = lab();
        let instance = lab
            .customer("acme")
            .deploy_values(values(warehouse.url().as_str()))
            .await?;
        instance
            .webhook::<Sorts>()
            .json(json!({"id": 1}))
            .send()
            .await;
        lab.advance(days(2)).await?;
        let mut timeline = instance.timeline().await;
        // Only the port differs.
        timeline.executions.retain(|run| run.flow != "shows");
        Result::<testing::Timeline>::Ok(timeline)
    };
    let (one, two, three) = tokio::join!(run(), run(), run());
    let one = one?;
    assert_eq!((&one, &one), (&two?, &three?));
    Ok(())
}
