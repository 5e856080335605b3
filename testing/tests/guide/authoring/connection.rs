use sdk::connection::{Grant, OAuth2, OAuthProvider};
use sdk::prelude::*;
use serde_json::json;
use testing::{OAuthServer, Reply, Simulation};

struct Crm;

impl OAuthProvider for Crm {
    fn grant() -> Grant {
        Grant::authorization_code("https://crm.example/authorize", "https://crm.example/token").scope("contacts.read")
    }
}

#[derive(ConfigVars)]
struct Config {
    /// The customer's account with Crm.
    crm: Connection<OAuth2<Crm>>,
    /// Where Crm is.
    #[config(default = "https://crm.example")]
    url: Url,
}

struct Names;

#[flow(key = "names", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Names {
    #[on_execution]
    async fn fetch(context: &Context<Config>) -> Result<Vec<String>> {
        let Config { crm, url } = context.config();
        let contacts = context.http().get(url.join("contacts")).authorized_by(crm);
        contacts.send().await?.ok()?.json()
    }
}

#[tokio::test]
async fn names_come_from_crm_for_as_long_as_somebody_lets_us() -> testing::Result {
    let crm = OAuthServer::start().await;
    crm.guard("/contacts", Reply::json(200, ["Ada"])).await;
    let lab = Simulation::of(Integration::new("names").flow::<Names>());
    let instance = lab.deploy(Config { crm: crm.connection(), url: Url::parse(&crm.url(""))? }).await?;

    instance.webhook::<Names>().send().await.execution().assert_failed("connection `crm` is not authorised");

    instance.authorize("crm", &crm).await?;
    assert_eq!(instance.webhook::<Names>().send().await.execution().output, json!(["Ada"]));

    // The access token is renewed when its time is over.
    lab.advance(hours(1)).await?;
    assert_eq!(instance.webhook::<Names>().send().await.execution().output, json!(["Ada"]));

    crm.revoke();
    lab.advance(hours(1)).await?;
    let report = instance.webhook::<Names>().send().await;
    report.execution().assert_failed("connection `crm` must be authorised again");
    Ok(())
}
