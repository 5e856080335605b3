//! Acme orders as its author tests it: through the front door, against an Acme that answers from a script.

mod lifecycle;
mod order;
mod report;

use acme_orders::{Config, integration};
use sdk::Schedule;
use sdk::connection::{ApiKey, Connection};
use serde_json::json;
use testing::{Reply, Result, SimulatedInstance, Simulation, Upstream};

/// The config values of a customer whose Acme account is this upstream.
fn config(acme: &Upstream) -> Config {
    Config {
        acme_url: acme.url(),
        acme: Connection::new(ApiKey {
            key: "acme-key-of-the-customer".into(),
        }),
        signing_secret: "acme-signing-secret".into(),
        report_at: Schedule::cron("0 7 * * MON-FRI").in_zone("Europe/Paris"),
    }
}

/// Starts an Acme that takes the webhook that a deploy asks for.
async fn acme() -> Upstream {
    let acme = Upstream::start().await;
    let created = Reply::json(201, json!({"id": "webhook-1"}));
    acme.on("POST", "/webhooks", [created]).await;
    acme
}

/// Deploys on a Friday afternoon: 2026-03-27, 17:50 in Paris.
async fn deploy(acme: &Upstream) -> Result<(Simulation<Config>, SimulatedInstance<Config>)> {
    let lab = Simulation::of(integration()).at("2026-03-27T16:50:00Z");
    let instance = lab.deploy(config(acme)).await?;
    Ok((lab, instance))
}
