use sdk::prelude::*;
use serde_json::json;
use testing::Simulation;

struct Greet;

#[flow(key = "greet", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Greet {
    #[on_execution]
    async fn greet(context: &Context, visitor: Visitor) -> Result<String> {
        let count = |visits: Option<u32>| visits.unwrap_or(0) + 1;
        let visits = context.instance_state().update(&visitor.name, count).await?;
        Ok(format!("Hello, {}! This is visit {visits}.", visitor.name))
    }
}

#[derive(serde::Deserialize)]
struct Visitor {
    name: String,
}

fn integration() -> Integration<()> {
    Integration::new("greeter").flow::<Greet>()
}

#[tokio::test]
async fn a_visitor_is_greeted_by_name() -> testing::Result {
    let lab = Simulation::of(integration()).at("2026-03-27T16:50:00Z");
    let instance = lab.deploy(()).await?;

    let report = instance.webhook::<Greet>().json(json!({"name": "Ada"})).send().await;

    insta::assert_yaml_snapshot!(report);
    Ok(())
}

#[tokio::test]
async fn a_visitor_without_a_name_is_told_what_is_missing() -> testing::Result {
    let lab = Simulation::of(integration());
    let instance = lab.deploy(()).await?;

    let report = instance.webhook::<Greet>().json(json!({})).send().await;

    report.check(|it| {
        it.status(400);
        it.failed("missing field `name`");
        it.requests([]);
    });
    assert_eq!(instance.instance_state::<Greet>().get::<u32>("Ada").await, None);
    Ok(())
}
