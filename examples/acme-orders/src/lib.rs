//! Acme orders: a small integration, complete.
//!
//! Acme is a shop system. For each customer who connects an Acme account, this integration files an invoice for every order
//! ([`ReceiveOrder`]) and reports what was invoiced, on the customer's own schedule ([`DailyReport`]). Read `order.rs` next.

mod order;
mod report;

use sdk::connection::ApiKey;
use sdk::prelude::*;

pub use crate::order::ReceiveOrder;
pub use crate::report::DailyReport;

/// What is filled in when this integration is deployed for a customer.
#[derive(Debug, ConfigVars)]
pub struct Config {
    /// Where the customer's Acme account lives.
    pub acme_url: Url,
    /// The key of the customer's Acme account.
    pub acme: Connection<ApiKey>,
    /// Acme's signing secret for webhooks.
    pub signing_secret: Secret,
    /// When the report is sent.
    #[config(default = "0 7 * * MON-FRI", time_zone = "Europe/Paris")]
    pub report_at: Schedule,
}

/// Lists the flows. What is not in this list does not run.
pub fn integration() -> Integration<Config> {
    Integration::new("acme-orders")
        .version(env!("CARGO_PKG_VERSION"))
        .description("Invoices Acme orders and reports what was invoiced.")
        .flow::<ReceiveOrder>()
        .flow::<DailyReport>()
}

#[cfg(test)]
mod tests {
    use sdk::config::ConfigValues;

    use super::*;

    #[test]
    fn the_integration_has_no_faults() {
        let built = integration().build().unwrap();
        let keys: Vec<&str> = built.flows.iter().map(|flow| flow.options.key).collect();
        assert_eq!(keys, ["receive-order", "daily-report"]);
    }

    #[test]
    fn a_customer_must_name_the_account_and_may_leave_the_schedule() {
        let faults = Config::decode(&ConfigValues::new()).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "`acme_url` is missing; `acme` is missing; `signing_secret` is missing"
        );
    }
}
