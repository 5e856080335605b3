//! What was invoiced is reported on the customer's own schedule.

use sdk::prelude::*;
use serde_json::json;

use crate::Config;

/// The cents that were invoiced and are in no report yet, in the integration state: all flows of a customer see it, and a new version
/// of the integration still does.
const UNREPORTED: &str = "unreported cents";

/// The flow `daily-report`.
#[derive(Debug)]
pub struct DailyReport;

/// Sends the customer what was invoiced since the last report.
#[flow(
    key = "daily-report",
    trigger = Trigger::scheduled_by(|config: &Config| &config.report_at),
    retry = Retry::times(3).every(minutes(10)),
)]
impl DailyReport {
    #[on_execution]
    async fn report(context: &Context<Config>, payload: Payload) -> Result<i64> {
        // The time for which the run was planned. It is the same in every attempt, so it names the report.
        let due = payload
            .tick
            .map_or(context.started_at(), |tick| tick.nominal);
        let reported = context.step("send report", || send(context, due)).await?;
        // Exactly what was sent is taken out: what came in meanwhile is for the next report.
        add(context, -reported).await?;
        Ok(reported)
    }
}

/// Sends what is not reported yet, and returns it.
async fn send(context: &Context<Config>, due: Timestamp) -> Result<i64> {
    let config = context.config();
    let cents = context
        .integration_state()
        .get(UNREPORTED)
        .await?
        .unwrap_or(0);
    let request = context
        .http()
        .put(config.acme_url.join(&format!("reports/{due}")));
    let request = request
        .bearer(&config.acme.key)
        .json(&json!({"total_cents": cents}));
    request.send().await?.ok()?;
    Ok(cents)
}

/// Adds to what the next report will say.
///
/// Many runs come here at once, so each says what is to be added, not what it becomes: none overwrites another. A run that fails adds
/// nothing.
pub(crate) async fn add(context: &Context<Config>, cents: i64) -> Result<()> {
    let sum = move |unreported: Option<i64>| unreported.unwrap_or(0).saturating_add(cents);
    context.integration_state().merge(UNREPORTED, sum).await
}
