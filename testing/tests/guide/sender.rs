use sdk::prelude::*;
use testing::{Simulation, fixtures};

#[derive(ConfigVars)]
struct Config {
    /// The secret of the webhook at GitHub.
    secret: Secret,
}

struct Deploys;

#[flow(key = "deploys", trigger = Webhook::signed_by(providers::github(), |config: &Config| &config.secret))]
impl Deploys {
    #[on_execution]
    async fn deploy(_context: &Context<Config>, push: Push) -> Result<String> {
        match push.branch.as_str() {
            "refs/heads/main" => Ok(format!("deploys {}", push.after)),
            _ => Ok("stays as it is".to_owned()),
        }
    }
}

#[derive(serde::Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    branch: String,
    after: String,
}

#[tokio::test]
async fn a_push_to_a_branch_deploys_nothing() -> testing::Result {
    let lab = Simulation::of(Integration::new("deploys").flow::<Deploys>());
    let instance = lab.deploy(Config { secret: "webhook-secret".into() }).await?;
    let push = || fixtures::github::push().with("/ref", "refs/heads/draft");

    let report = instance.webhook::<Deploys>().fixture(push()).signed().send().await;
    assert_eq!(report.execution().output, "stays as it is");

    let forged = instance.webhook::<Deploys>().fixture(push()).signed_with("a guess").send().await;
    forged.assert_refused(401);
    Ok(())
}
