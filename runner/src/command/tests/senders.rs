//! What the commands show and do of the senders of an instance (W41).

use bytes::Bytes;
use http::Request;
use sdk::prelude::*;

use super::shop::{Config, Shop};

struct Files;

#[flow(key = "files", trigger = Webhook::signed_by(providers::dropbox(), |config: &Config| &config.password))]
impl Files {
    #[on_execution]
    async fn take(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

struct Tasks;

#[flow(key = "tasks", trigger = Webhook::signed_by_secret_of(providers::asana()))]
impl Tasks {
    #[on_execution]
    async fn take(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

async fn open() -> Shop {
    let shop = Shop::of(Integration::new("asked").flow::<Files>().flow::<Tasks>()).await;
    shop.deploy("local").await;
    shop
}

/// Asks the endpoint of a flow as its sender does; the status of the answer.
async fn ask(shop: &Shop, flow: &str, query: &str, secret: Option<&str>) -> u16 {
    let instance = shop
        .runner
        .engine
        .instances
        .all()
        .into_iter()
        .next()
        .unwrap();
    let url = format!("{}{query}", instance.webhook_urls[flow]);
    let request = match secret {
        Some(secret) => Request::post(url).header("x-hook-secret", secret),
        None => Request::get(url),
    };
    let request = request.body(Bytes::new()).unwrap();
    shop.runner.ingress.receive(request).await.status().as_u16()
}

#[tokio::test]
async fn w41_the_line_of_the_health_shows_by_whom_an_endpoint_was_verified() {
    let shop = open().await;
    let told = shop.run("instances local").await;
    assert!(!told.text().contains("verified"), "{told:?}");
    assert_eq!(ask(&shop, "files", "?challenge=1", None).await, 200);
    let told = shop.run("instances local").await;
    let shown = told
        .text()
        .lines()
        .find(|line| line.starts_with("health\t"));
    let shown = shown.expect("a line with the health");
    let ending = "; 0 dead letters; endpoint of files verified by Dropbox";
    assert!(shown.ends_with(ending), "{shown}");
}

#[tokio::test]
async fn w41_a_secret_that_a_sender_brought_is_forgotten_by_a_command() {
    let shop = open().await;
    let told = shop.run("keys tasks --forget-secret").await;
    assert!(
        told.failure()
            .contains("no sender has brought a signing secret to flow `tasks`"),
        "{told:?}"
    );
    assert_eq!(ask(&shop, "tasks", "", Some("canary-canary")).await, 200);
    assert_eq!(ask(&shop, "tasks", "", Some("another")).await, 401);
    let told = shop.run("keys tasks --forget-secret").await;
    assert_eq!(told.text(), "");
    assert!(
        told.notes.contains(
            "the signing secret of flow `tasks` is forgotten; subscribe to the sender again"
        ),
        "{told:?}"
    );
    assert_eq!(ask(&shop, "tasks", "", Some("another")).await, 200);
    let told = shop.run("keys --forget-secret").await;
    assert!(told.failure.is_some());
    let told = shop.run("keys tasks --forget-secret --make").await;
    assert!(told.failure.is_some());
}
