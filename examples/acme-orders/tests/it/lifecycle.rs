//! Instances come and go.

use acme_orders::{ReceiveOrder, integration};
use serde_json::json;
use testing::{Reply, Result, Simulation, Upstream};

use crate::{acme, config, deploy};

#[tokio::test]
async fn a_deploy_subscribes_once_and_a_removal_unsubscribes() -> Result {
    let acme = acme().await;
    acme.on("DELETE", "/webhooks/webhook-1", [Reply::status(204)])
        .await;
    let (lab, instance) = deploy(&acme).await?;
    insta::assert_yaml_snapshot!(instance.timeline().await);
    assert_eq!(
        acme.received()[0].body["url"],
        instance.url_of::<ReceiveOrder>()
    );

    let again = instance.redeploy_as_is().await?;
    assert_eq!(again.requests, []);
    lab.deploys_twice_alike().await?;

    let webhook = instance.webhook::<ReceiveOrder>().json(json!({}));
    let late = webhook.signed().request();
    insta::assert_yaml_snapshot!(instance.remove().await?);
    instance.send(late).await.assert_refused(404);
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_is_gone_already_keeps_nobody_from_removing() -> Result {
    let acme = acme().await;
    acme.on("DELETE", "/webhooks/webhook-1", [Reply::status(404)])
        .await;
    let (_lab, instance) = deploy(&acme).await?;
    let removed = instance.remove().await?;
    removed.executions[0].assert_completed();
    Ok(())
}

#[tokio::test]
async fn an_acme_that_refuses_the_webhook_stops_the_deploy_until_it_is_done_again() -> Result {
    let acme = Upstream::start().await;
    let replies = [
        Reply::status(403),
        Reply::json(201, json!({"id": "webhook-1"})),
    ];
    acme.on("POST", "/webhooks", replies).await;
    let lab = Simulation::of(integration());

    let refusal = lab
        .deploy(config(&acme))
        .await
        .err()
        .map(|refusal| refusal.to_string());
    assert_eq!(
        refusal.as_deref(),
        Some(
            "`#[on_instance_deploy]` of flow `receive-order` failed: POST 127.0.0.1 answered 403 Forbidden"
        )
    );
    let instance = &lab.instances().await?[0];
    let webhook = instance.webhook::<ReceiveOrder>().json(json!({}));
    webhook.signed().send().await.assert_refused(503);

    instance.redeploy_as_is().await?;
    let webhook = instance.webhook::<ReceiveOrder>().json(json!({}));
    webhook.signed().send().await.assert_status(200);
    Ok(())
}

#[tokio::test]
async fn two_customers_share_nothing_but_the_code() -> Result {
    let (one, other) = (acme().await, acme().await);
    let lab = Simulation::of(integration());
    let first = lab.deploy_for("one", config(&one)).await?;
    let second = lab.deploy_for("other", config(&other)).await?;
    assert_ne!(
        first.url_of::<ReceiveOrder>(),
        second.url_of::<ReceiveOrder>()
    );
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
    assert_eq!((one.received().len(), other.received().len()), (1, 1));
    Ok(())
}

/// A deploy, an order that Acme has no time for at first, the report of the day, another deploy, a removal: stopped anywhere.
#[tokio::test]
async fn the_whole_life_of_a_customer_survives_a_crash_anywhere() -> Result {
    let acme = acme().await;
    let busy = Reply::status(429).header("retry-after", "90");
    let invoice = Reply::json(201, json!({"id": "invoice-1"}));
    acme.on("POST", "/invoices", [busy, invoice]).await;
    acme.on("PUT", "/reports/2026-03-30T05:00:00Z", [Reply::status(204)])
        .await;
    acme.on("DELETE", "/webhooks/webhook-1", [Reply::status(204)])
        .await;
    let (lab, instance) = deploy(&acme).await?;
    let order = json!({"id": "order-7", "total_cents": 4200});
    let webhook = instance.webhook::<ReceiveOrder>().json(order);
    webhook.signed().send().await.assert_status(200);
    lab.advance_to("2026-03-30T05:00:00Z").await?;
    instance.redeploy_as_is().await?;
    instance.remove().await?;

    lab.survives_a_crash_anywhere().await?;
    lab.keeps_order_across_retries().await?;
    Ok(())
}
