//! What the commands show and do of connections by OAuth 2.0 (E55).

use sdk::connection::{Grant, OAuth2, OAuthProvider};
use sdk::prelude::*;
use serde_json::json;

use super::shop::Shop;
use crate::deploy::DeployRequest;

struct Crm;

impl OAuthProvider for Crm {
    fn grant() -> Grant {
        Grant::authorization_code("https://crm.example/authorize", "https://crm.example/token")
    }
}

#[derive(ConfigVars)]
struct Config {
    crm: Connection<OAuth2<Crm>>,
}

struct Reads;

#[flow(key = "reads", trigger = Webhook::unsigned())]
impl Reads {
    #[on_execution]
    async fn read(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn e55_a_connection_is_listed_and_the_url_of_its_provider_printed() {
    let shop = Shop::of(Integration::new("connected").flow::<Reads>()).await;
    let config = json!({"crm": {"client_id": "client-1", "client_secret": "canary-canary"}});
    let request = DeployRequest {
        name: Some("acme".to_owned()),
        config: config.as_object().cloned(),
        ..DeployRequest::default()
    };
    shop.runner.deployer.deploy(None, request).await.unwrap();

    let told = shop.run("connections").await;
    assert_eq!(
        told.text(),
        "VARIABLE\tGRANT\tSTATUS\tAUTHORIZED AT\tEXPIRES AT\tERROR\ncrm\tAUTHORIZATION_CODE\tNOT_AUTHORIZED\t\t\t\n"
    );
    let listed = shop.run("connections acme --json").await.json();
    assert_eq!(listed["items"][0]["variable"], "crm");
    let shown = shop.run("instances acme").await;
    assert!(
        shown.text().contains("\nConnections\nVARIABLE\t"),
        "{shown:?}"
    );

    let told = shop.run("connections acme --authorize crm").await;
    let url = told.text();
    assert!(
        url.starts_with("https://crm.example/authorize?") && url.lines().count() == 1,
        "{url}"
    );
    assert!(told.notes.contains("give it to nobody else"), "{told:?}");
    let sent = shop.run("connections --authorize crm --json").await.json();
    assert!(
        sent["url"].is_string() && sent["expires_at"].is_string(),
        "{sent}"
    );

    let told = shop.run("connections --forget crm").await;
    assert_eq!(told.failure(), "nothing is granted to connection `crm`");
    let told = shop.run("connections --authorize none").await;
    assert!(
        told.failure().contains("no connection by OAuth 2.0 `none`"),
        "{told:?}"
    );
    assert!(
        shop.run("connections --forget crm --authorize crm")
            .await
            .failure
            .is_some()
    );
}
