//! Orders come in.

use acme_orders::ReceiveOrder;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Result};

use crate::{acme, deploy};

fn order() -> Value {
    json!({"id": "order-7", "total_cents": 4200})
}

fn invoice() -> Reply {
    Reply::json(201, json!({"id": "invoice-1"}))
}

#[tokio::test]
async fn an_order_that_arrives_signed_is_invoiced() -> Result {
    let acme = acme().await;
    acme.on("POST", "/invoices", [invoice()]).await;
    let (lab, instance) = deploy(&acme).await?;

    let report = instance
        .webhook::<ReceiveOrder>()
        .json(order())
        .signed()
        .send()
        .await;

    insta::assert_yaml_snapshot!(report);
    let unreported: Option<i64> = instance.integration_state().get("unreported cents").await;
    assert_eq!(unreported, Some(4200));
    lab.survives_a_crash_anywhere().await?;
    Ok(())
}

#[tokio::test]
async fn an_order_with_a_wrong_signature_or_none_is_refused() -> Result {
    let acme = acme().await;
    let (_lab, instance) = deploy(&acme).await?;
    let webhook = || instance.webhook::<ReceiveOrder>().json(order());

    let unsigned = webhook().send().await;
    let forged = webhook().signed_with("a guess").send().await;

    unsigned.assert_refused(401);
    forged.assert_refused(401);
    insta::assert_yaml_snapshot!(forged);
    Ok(())
}

#[tokio::test]
async fn an_order_is_invoiced_when_acme_says_that_it_has_time() -> Result {
    let acme = acme().await;
    let busy = Reply::status(429).header("retry-after", "90");
    acme.on("POST", "/invoices", [busy, invoice()]).await;
    let (lab, instance) = deploy(&acme).await?;

    let report = instance
        .webhook::<ReceiveOrder>()
        .json(order())
        .signed()
        .send()
        .await;
    report.assert_status(200);
    report.execution().assert_failed("429 Too Many Requests");

    lab.advance(seconds(89)).await?;
    assert_eq!(acme.received().len(), 2, "the webhook and one attempt");
    lab.advance(seconds(1)).await?;
    instance.last::<ReceiveOrder>().await.assert_completed();
    insta::assert_yaml_snapshot!(instance.timeline().await);
    Ok(())
}

#[tokio::test]
async fn an_order_that_acme_announces_twice_gets_one_invoice() -> Result {
    let acme = acme().await;
    acme.on("POST", "/invoices", [invoice(), invoice()]).await;
    let (lab, instance) = deploy(&acme).await?;
    let announce = || {
        instance
            .webhook::<ReceiveOrder>()
            .json(order())
            .signed()
            .send()
    };

    let first = announce().await;
    lab.advance(hours(23)).await?;
    let second = announce().await;
    assert_eq!(second.response.body, first.response.body);
    assert_eq!(second.requests, []);

    // A day after the first announcement it would be a new order.
    lab.advance(hours(1)).await?;
    let third = announce().await;
    assert_ne!(third.response.body, first.response.body);
    assert_eq!(third.execution().step("create invoice")["id"], "invoice-1");
    Ok(())
}

#[tokio::test]
async fn an_order_of_nothing_fails_for_good() -> Result {
    let acme = acme().await;
    let (lab, instance) = deploy(&acme).await?;

    instance
        .webhook::<ReceiveOrder>()
        .json(json!({"id": "order-8", "total_cents": 0}))
        .signed()
        .send()
        .await
        .execution()
        .assert_failed("an order of nothing gets no invoice");

    lab.advance(days(1)).await?;
    let attempts = instance.executions::<ReceiveOrder>().await;
    assert_eq!(attempts.last().map(|last| last.attempt), Some(1));
    Ok(())
}
