//! Orders come in by webhook; each gets one invoice.

use sdk::prelude::*;
use sdk::signature::Hash;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Config, report};

/// The flow `receive-order`.
#[derive(Debug)]
pub struct ReceiveOrder;

/// An order, as far as this integration reads it.
#[derive(Debug, Deserialize)]
struct Order {
    id: String,
    total_cents: u32,
}

/// What Acme made: an invoice, a webhook.
#[derive(Debug, Serialize, Deserialize)]
struct Created {
    id: String,
}

/// Files an invoice in the customer's Acme account for each order that Acme announces.
#[flow(
    key = "receive-order",
    // Nothing runs without Acme's signature over the bytes of the request. For a known sender the scheme is one word, such as
    // `providers::shopify()`.
    trigger = Webhook::signed_by(
        SignatureScheme::hmac("x-acme-signature", Hash::Sha256).prefix("sha256="),
        |config: &Config| &config.signing_secret,
    ),
    // An order that is announced a second time within a day does not run again.
    dedupe = Dedupe::by("/id"),
    retry = Retry::times(5).every(minutes(4)).with_backoff(),
)]
impl ReceiveOrder {
    const WEBHOOK_ID: &str = "webhook id";

    #[on_execution]
    async fn file(context: &Context<Config>, order: Order) -> Result<Created> {
        if order.total_cents == 0 {
            // Trying again would not help, so the run fails for good.
            return Err(Error::new("an order of nothing gets no invoice").permanent());
        }
        let invoice = json!({"order": order.id, "total_cents": order.total_cents});
        let make = || create(context, "invoices", &order.id, &invoice);
        // The result of a step is recorded: when the run is tried again, a step that had finished is not.
        let created = context.step("create invoice", make).await?;
        report::add(context, order.total_cents.into()).await?;
        Ok(created)
    }

    /// Asks Acme for webhooks. Every deploy runs this, so it remembers what it did.
    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> Result<()> {
        let state = context.instance_state();
        if state.get::<String>(Self::WEBHOOK_ID).await?.is_some() {
            return Ok(());
        }
        let webhook = json!({"topic": "order.created", "url": context.webhook_url()});
        let key = context.instance().id.as_str();
        let created = create(context, "webhooks", key, &webhook).await?;
        state.set(Self::WEBHOOK_ID, &created.id).await
    }

    #[on_instance_remove]
    async fn unsubscribe(context: &Context<Config>) -> Result<()> {
        let (state, config) = (context.instance_state(), context.config());
        let Some(id) = state.get::<String>(Self::WEBHOOK_ID).await? else {
            return Ok(());
        };
        let url = config.acme_url.join(&format!("webhooks/{id}"));
        let request = context.http().delete(url).bearer(&config.acme.key);
        let response = request.send().await?;
        // A webhook that is gone already is what we want.
        if response.status() != 404 {
            response.ok()?;
        }
        state.remove(Self::WEBHOOK_ID).await
    }
}

/// Makes something in the customer's Acme account, once for each key.
///
/// The process may stop between Acme's answer and our record of it. Then this runs again, and the key makes Acme answer with what is
/// there already.
async fn create(
    context: &Context<Config>,
    path: &str,
    key: &str,
    thing: &Value,
) -> Result<Created> {
    let config = context.config();
    let request = context.http().post(config.acme_url.join(path));
    let request = request
        .bearer(&config.acme.key)
        .header("idempotency-key", key);
    // `ok` makes an error of any status but 2xx. After 429 and 5xx the run is tried again, when `Retry-After` asks for it if Acme
    // sends one; after any other 4xx it is not.
    request.json(thing).send().await?.ok()?.json()
}
