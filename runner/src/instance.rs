//! Instances: which exist, with their endpoints, config values, keys and secrets (E50).

mod routing;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use sdk::config::ConfigValues;
use sdk::flow::AnyConfig;
use sdk::id::{CustomerId, FlowKey, InstanceId};
use sdk::integration::BuiltIntegration;
use sdk::{Secret, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::routing::SHARED;
pub use self::table::{Instances, Listener};
use crate::redaction::Redactor;
use crate::store::InstanceRecord;
use crate::timetable::Timetable;
use crate::vault::{Vault, VaultError};

/// What an instance does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceStatus {
    /// Its deploy functions run.
    Deploying,
    /// A deploy function failed; it takes no webhooks and no ticks until it is deployed again.
    DeployFailed,
    /// It takes webhooks and ticks.
    Active,
    /// It answers 503 and is not scheduled (W7).
    Paused,
    /// Its remove functions run, or one of them failed.
    Removing,
    /// It is removed, and kept until its state and secrets are erased: nothing of it runs or is found at an endpoint (E52).
    Removed,
}

/// What is open about an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceFacts {
    /// The name that people read.
    pub name: String,
    /// The customer's id.
    pub customer_id: CustomerId,
    /// The customer's name.
    pub customer_name: String,
    /// What it does at the moment.
    pub status: InstanceStatus,
    /// The version of the integration that was deployed last.
    pub version: String,
    /// When it was first deployed: `every` schedules count from here.
    pub first_deployed_at: Timestamp,
    /// When it was last deployed.
    pub deployed_at: Timestamp,
    /// The endpoint id of each flow (W1). Where flows share one, these are ids from before, which go on working.
    pub endpoints: BTreeMap<FlowKey, String>,
    /// The endpoint id that all its flows share, if the integration was deployed with one endpoint for each instance (W2).
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The endpoint id that all customers share, if the integration was deployed with one (W2).
    #[serde(default)]
    pub shared_endpoint: Option<String>,
    /// How many requests its customer takes within one second; `None` takes the runner's setting, 0 sets no limit (E50).
    #[serde(default)]
    pub rate_per_second: Option<u32>,
    /// How many of its executions run at once; `None` takes the runner's setting, 0 sets no limit (E50).
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// The flows whose first deploy function has succeeded (E2).
    pub first_deploys: Vec<FlowKey>,
    /// When it was last resumed, or deployed while it was paused: what was due before then is not run (E53).
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
    /// Since when it has its schedules; [`Timer::put`](crate::timer::Timer::put) writes it, a deploy carries it over (E12).
    #[serde(default)]
    pub timetable: Option<Timetable>,
    /// Which senders have verified the endpoint of a flow by a handshake (W41).
    #[serde(default)]
    pub verified: BTreeMap<FlowKey, Verification>,
    /// When its state and secrets are erased, once it is removed (E52).
    #[serde(default)]
    pub erase_at: Option<Timestamp>,
}

/// That a sender has found the endpoint of a flow to be there: "endpoint verified by Slack" (W41).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The sender.
    pub by: String,
    /// The handshake by which it did.
    pub handshake: String,
    /// When it did so first; a later one is noted once a day.
    pub at: Timestamp,
}

/// What is secret about an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceSecrets {
    /// The config values.
    pub values: ConfigValues,
    /// The API keys of each flow, oldest first.
    pub keys: BTreeMap<FlowKey, Vec<ApiKey>>,
    /// The signing secrets that senders brought to the endpoints of flows (W41).
    #[serde(default)]
    pub brought: BTreeMap<FlowKey, String>,
    /// Of the local instance: the values that stood in the source when it was deployed from there. Those in use may be others since.
    #[serde(default)]
    pub from_source: Option<ConfigValues>,
}

impl InstanceSecrets {
    /// Puts those of a deploy together. What a sender brought is carried over; what it brought during a deploy that failed or before a
    /// removal, also one that failed, is forgotten, since the next deploy subscribes anew.
    pub fn deployed(
        values: ConfigValues,
        keys: BTreeMap<FlowKey, Vec<ApiKey>>,
        before: Option<&Instance>,
    ) -> Self {
        let subscribes_anew = |status| {
            matches!(
                status,
                InstanceStatus::DeployFailed | InstanceStatus::Removing | InstanceStatus::Removed
            )
        };
        let from_source = before.and_then(|before| before.secrets.from_source.clone());
        let before = before.filter(|before| !subscribes_anew(before.facts.status));
        let brought = before.map(|before| before.secrets.brought.clone());
        Self {
            values,
            keys,
            brought: brought.unwrap_or_default(),
            from_source,
        }
    }
}

/// One API key of a flow (W6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What it is called when it is listed or deleted.
    pub id: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// The key itself.
    pub key: String,
}

/// An integration set up for one customer.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// What is open about it.
    pub facts: InstanceFacts,
    /// What is secret about it.
    pub secrets: InstanceSecrets,
    /// The config values, read into the author's struct.
    pub config: AnyConfig,
    /// The URL of each flow, by flow name and by flow key (W5).
    pub webhook_urls: Arc<BTreeMap<String, String>>,
    /// The API keys of each flow, by flow name and by flow key (W5).
    pub webhook_api_keys: Arc<BTreeMap<String, Vec<Secret>>>,
    /// Takes its secrets out of text.
    pub redactor: Redactor,
}

/// Why an instance that is stored cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// Its secrets cannot be unsealed.
    #[error("the secrets of instance `{0}` cannot be read")]
    Sealed(InstanceId, #[source] VaultError),
    /// Its record cannot be read.
    #[error("the record of instance `{0}` cannot be read")]
    Damaged(InstanceId, #[source] serde_json::Error),
}

impl Instance {
    /// Puts an instance together; `config` is what its values were read into.
    pub fn new(
        id: InstanceId,
        facts: InstanceFacts,
        secrets: InstanceSecrets,
        config: AnyConfig,
        integration: &BuiltIntegration,
        public_url: &str,
    ) -> Self {
        let mut urls = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for flow in &integration.flows {
            let options = &flow.options;
            let own = secrets
                .keys
                .get(options.key)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let organization = options.organization_keys.iter().map(String::as_str);
            let all: Vec<Secret> = own
                .iter()
                .map(|key| key.key.as_str())
                .chain(organization)
                .map(Secret::from)
                .collect();
            let url = routing::flow_url(integration, &facts, options, public_url);
            for name in [options.name.as_str(), options.key] {
                if let Some(url) = &url {
                    urls.insert(name.to_owned(), url.clone());
                }
                keys.insert(name.to_owned(), all.clone());
            }
        }
        let api_keys: Vec<(String, String)> = secrets
            .keys
            .values()
            .flatten()
            .map(|key| &key.key)
            .chain(organization_keys(integration))
            .map(|key| ("api_key".to_owned(), key.clone()))
            .chain(brought(&secrets))
            .collect();
        let redactor = Redactor::new(&integration.variables, &secrets.values, &api_keys);
        let (webhook_urls, webhook_api_keys) = (Arc::new(urls), Arc::new(keys));
        Self {
            id,
            facts,
            secrets,
            config,
            webhook_urls,
            webhook_api_keys,
            redactor,
        }
    }

    /// Says whether it is removed and kept until it is erased.
    pub fn is_removed(&self) -> bool {
        self.facts.status == InstanceStatus::Removed
    }

    /// Seals the instance for the store.
    pub fn record(&self, vault: &Vault) -> Arc<InstanceRecord> {
        let open = serde_json::to_value(&self.facts).unwrap_or_default();
        let secret = serde_json::to_vec(&self.secrets).unwrap_or_default();
        Arc::new(InstanceRecord {
            id: self.id.clone(),
            open,
            sealed: vault.seal(&secret),
        })
    }

    /// Unseals an instance that was stored. Config values that the integration no longer understands leave the instance undeployed:
    /// it must be deployed again with others.
    ///
    /// # Errors
    ///
    /// The record or its secrets cannot be read.
    pub fn read(
        record: &InstanceRecord,
        vault: &Vault,
        integration: &BuiltIntegration,
        public_url: &str,
    ) -> Result<Self, InstanceError> {
        let id = record.id.clone();
        let damaged = |fault| InstanceError::Damaged(id.clone(), fault);
        let mut facts: InstanceFacts =
            serde_json::from_value(record.open.clone()).map_err(damaged)?;
        let secret = vault
            .unseal(&record.sealed)
            .map_err(|fault| InstanceError::Sealed(id.clone(), fault))?;
        let secrets: InstanceSecrets = serde_json::from_slice(&secret).map_err(damaged)?;
        let config = integration
            .decode_config(&secrets.values)
            .unwrap_or_else(|_| {
                let is_leaving = matches!(
                    facts.status,
                    InstanceStatus::Removing | InstanceStatus::Removed
                );
                if !is_leaving {
                    facts.status = InstanceStatus::DeployFailed;
                }
                Arc::new(())
            });
        Ok(Self::new(
            id,
            facts,
            secrets,
            config,
            integration,
            public_url,
        ))
    }
}

fn brought(secrets: &InstanceSecrets) -> impl Iterator<Item = (String, String)> {
    let secrets = secrets.brought.values();
    secrets.map(|secret| ("signing_secret".to_owned(), secret.clone()))
}

fn organization_keys(integration: &BuiltIntegration) -> impl Iterator<Item = &String> {
    let flows = integration.flows.iter();
    flows.flat_map(|flow| &flow.options.organization_keys)
}

/// Returns the URL of an endpoint (W1).
pub fn endpoint_url(public_url: &str, endpoint: &str) -> String {
    format!("{}/trigger/{endpoint}", public_url.trim_end_matches('/'))
}
