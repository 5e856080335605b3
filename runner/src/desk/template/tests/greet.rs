//! The flow `greet` as its callers meet it.

use serde_json::json;
use testing::Simulation;

use new_integration::{Greet, integration, local};

#[tokio::test]
async fn a_visitor_is_greeted_by_name() -> testing::Result {
    let lab = Simulation::of(integration()).at("2026-03-27T16:50:00Z");
    let instance = lab.deploy(local()).await?;

    let visitor = json!({ "name": "Ada" });
    let report = instance.webhook::<Greet>().json(visitor).send().await;

    // When the answer changes on purpose: `INSTA_UPDATE=always cargo test -p new-integration`.
    insta::assert_yaml_snapshot!(report);
    Ok(())
}
