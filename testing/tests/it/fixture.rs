//! What known senders send, signed as they sign it, is taken by the table that verifies in production (W41, W42).

use sdk::prelude::*;
use serde_json::Value;
use testing::fixtures::{self, Fixture};
use testing::{Result, Simulation};

#[derive(Debug, ConfigVars)]
struct Config {
    /// What deliveries are signed with.
    secret: Secret,
}

/// Makes a flow for a sender, and a function that sends it a delivery.
macro_rules! sender {
    ($flow:ident, $key:literal, $provider:expr) => {
        #[derive(Debug)]
        struct $flow;

        #[flow(key = $key, trigger = Webhook::signed_by($provider, |config: &Config| &config.secret))]
        impl $flow {
            #[on_execution]
            async fn take(_context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
                Ok(payload.data())
            }
        }

        impl $flow {
            async fn take_and_refuse(fixture: Fixture, secret: &str) -> Result {
                let lab = Simulation::of(Integration::new("senders").flow::<$flow>()).at("2026-03-27T16:50:00Z");
                let instance = lab.deploy(Config { secret: secret.into() }).await?;
                let sent = fixture.json();
                let webhook = || instance.webhook::<$flow>().fixture(fixture.clone());
                let report = webhook().signed().send().await;
                assert_eq!(report.assert_status(200).execution().output, sent);
                webhook().send().await.assert_refused(401);
                Ok(())
            }
        }
    };
}

sender!(GitHub, "github", providers::github());
sender!(GitLab, "gitlab", providers::gitlab());
sender!(Shopify, "shopify", providers::shopify());
sender!(Slack, "slack", providers::slack());
sender!(Stripe, "stripe", providers::stripe());
sender!(Twilio, "twilio", providers::twilio());
sender!(Meta, "meta", providers::meta());
sender!(Zoom, "zoom", providers::zoom());
sender!(
    StandardWebhooks,
    "standard-webhooks",
    providers::standard_webhooks()
);
sender!(Svix, "svix", providers::svix());

#[tokio::test]
async fn deliveries_of_forges_are_taken() -> Result {
    GitHub::take_and_refuse(fixtures::github::ping(), "a secret").await?;
    GitHub::take_and_refuse(fixtures::github::push(), "a secret").await?;
    GitHub::take_and_refuse(fixtures::github::pull_request_opened(), "a secret").await?;
    GitHub::take_and_refuse(fixtures::github::issue_opened(), "a secret").await?;
    GitLab::take_and_refuse(fixtures::gitlab::push(), "a token").await
}

#[tokio::test]
async fn deliveries_of_shops_are_taken() -> Result {
    Shopify::take_and_refuse(fixtures::shopify::order_created(), "a secret").await?;
    Shopify::take_and_refuse(fixtures::shopify::app_uninstalled(), "a secret").await?;
    Stripe::take_and_refuse(fixtures::stripe::checkout_completed(), "whsec_secret").await?;
    Stripe::take_and_refuse(fixtures::stripe::invoice_paid(), "whsec_secret").await?;
    Stripe::take_and_refuse(fixtures::stripe::payment_succeeded(), "whsec_secret").await
}

#[tokio::test]
async fn deliveries_of_messengers_are_taken() -> Result {
    Slack::take_and_refuse(fixtures::slack::message(), "a secret").await?;
    Slack::take_and_refuse(fixtures::slack::slash_command(), "a secret").await?;
    Twilio::take_and_refuse(fixtures::messaging::twilio_message(), "a token").await?;
    Meta::take_and_refuse(fixtures::messaging::whatsapp_message(), "a secret").await?;
    Zoom::take_and_refuse(fixtures::messaging::zoom_meeting_started(), "a secret").await
}

#[tokio::test]
async fn deliveries_by_the_standard_are_taken() -> Result {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    StandardWebhooks::take_and_refuse(fixtures::standard_webhooks::user_created(), secret).await?;
    Svix::take_and_refuse(fixtures::standard_webhooks::user_created(), secret).await
}
