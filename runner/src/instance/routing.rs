//! Endpoints that flows share: the URL of each flow, and what stands for nobody in particular at the endpoint of all customers.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sdk::Timestamp;
use sdk::endpoint::{Field, FieldPlace, Layout, RoutedBy};
use sdk::integration::BuiltIntegration;
use sdk::options::Settled;
use sdk::trigger::TriggerKind;

use super::{Instance, InstanceFacts, InstanceSecrets, InstanceStatus, endpoint_url};

/// Under this id the endpoint that all customers share is kept among the instances, and executions are recorded that found no
/// customer. No instance has it.
pub const SHARED: &str = "shared";

impl Instance {
    /// Makes what stands for no customer in particular at the endpoint that all share.
    pub fn nobody(
        endpoint: String,
        now: Timestamp,
        integration: &BuiltIntegration,
        public_url: &str,
    ) -> Self {
        let facts = InstanceFacts {
            name: "shared endpoint".to_owned(),
            customer_id: "".into(),
            customer_name: String::new(),
            status: InstanceStatus::Active,
            version: integration.version.clone(),
            first_deployed_at: now,
            deployed_at: now,
            endpoints: BTreeMap::new(),
            endpoint: None,
            shared_endpoint: Some(endpoint),
            rate_per_second: None,
            concurrency: None,
            first_deploys: Vec::new(),
            resumed_at: None,
            timetable: None,
            verified: BTreeMap::new(),
            erase_at: None,
        };
        let secrets = InstanceSecrets::default();
        let config = Arc::new(());
        Self::new(
            SHARED.into(),
            facts,
            secrets,
            config,
            integration,
            public_url,
        )
    }
}

/// Returns the URL of a flow of an instance, if it was deployed with one (W5). What a query parameter names is part of it.
pub(super) fn flow_url(
    integration: &BuiltIntegration,
    facts: &InstanceFacts,
    options: &Settled,
    public_url: &str,
) -> Option<String> {
    let (endpoint, routed_by) = match &integration.layout {
        Layout::PerInstance(routed_by) => (&facts.endpoint, routed_by),
        Layout::Shared(routed_by) => (&facts.shared_endpoint, routed_by),
        _ => {
            let endpoint = facts.endpoints.get(options.key)?;
            return Some(endpoint_url(public_url, endpoint));
        }
    };
    // An instance that was deployed before flows shared an endpoint still has one for each.
    let Some(endpoint) = endpoint else {
        let endpoint = facts.endpoints.get(options.key)?;
        return Some(endpoint_url(public_url, endpoint));
    };
    if !matches!(options.trigger, TriggerKind::Webhook(_)) {
        return None;
    }
    let mut url = endpoint_url(public_url, endpoint);
    if let RoutedBy::Fields { customer, flow } = routed_by {
        let named = [(customer, facts.customer_id.as_str()), (flow, options.key)];
        let mut sign = '?';
        for (field, value) in named {
            if let Some(FieldPlace::Query(name)) = field.as_ref().map(Field::place) {
                url = format!("{url}{sign}{}={}", encode(name), encode(value));
                sign = '&';
            }
        }
    }
    Some(url)
}

/// Everything but letters, digits and `-_.~`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}
