//! What is shown of an instance. Secrets are masked here, and nowhere else are they read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use sdk::Timestamp;
use sdk::options::Security;
use sdk::signature::{Guard, Handshake};
use sdk::trigger::{TriggerKind, WebhookTrigger};
use serde::Serialize;
use serde_json::Value;

use super::connections::{self, ConnectionView};
use super::health::Health;
use super::integration::unsaid;
use super::schedules::{self, ScheduleView};
use super::words;
use crate::instance::{ApiKey, Instance, InstanceStatus};
use crate::ports::Ports;

/// An instance in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Instance")]
pub(super) struct InstanceView {
    /// Its id.
    pub(super) id: String,
    /// The name that people read.
    name: String,
    /// The customer for whom it is set up.
    customer: CustomerView,
    /// What it does at the moment.
    status: StatusView,
    /// The version of the integration that was deployed last.
    version: String,
    /// When it was first deployed.
    #[schemars(schema_with = "words::moment")]
    first_deployed_at: Timestamp,
    /// When it was last deployed.
    #[schemars(schema_with = "words::moment")]
    deployed_at: Timestamp,
    /// When its state and secrets are erased; null unless it is removed (E52).
    #[schemars(schema_with = "words::moment_or_null")]
    erase_at: Option<Timestamp>,
}

/// A customer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Customer")]
struct CustomerView {
    id: String,
    name: String,
}

/// What an instance does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "InstanceStatus")]
enum StatusView {
    /// Its deploy functions run.
    Deploying,
    /// A deploy function failed, or its config values no longer fit: it takes nothing until it is deployed again.
    DeployFailed,
    /// It takes webhooks and ticks.
    Active,
    /// It answers 503 and is not scheduled.
    Paused,
    /// Its remove functions run, or one of them failed.
    Removing,
    /// It is removed, and kept until its state and secrets are erased; a deploy brings it back.
    Removed,
}

/// An instance with all that is shown of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InstanceDetail {
    #[serde(flatten)]
    pub(super) instance: InstanceView,
    /// The URL of each flow that a webhook starts, by flow key (W5). Flows that share an endpoint have the same; `GET
    /// /api/integration` says how a request names its flow there.
    webhook_urls: BTreeMap<String, String>,
    /// The API keys of each flow that has some, by flow key, masked (W6).
    keys: BTreeMap<String, Vec<KeyView>>,
    /// The config values; secrets, and what holds one, are masked.
    config: BTreeMap<String, Value>,
    /// How many requests its customer takes within one second; 0 if there is no limit (E50).
    rate_per_second: u32,
    /// How many of its executions run at once; 0 if there is no limit (E50).
    concurrency: u32,
    /// Its connections by OAuth 2.0, without any token (E55).
    connections: Vec<ConnectionView>,
    /// The schedule of each flow that has one.
    schedules: Vec<ScheduleView>,
    /// How its executions have been going.
    health: Health,
    /// What should be looked at, one sentence each (W43).
    warnings: Vec<String>,
}

/// An API key that is not shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub(super) struct KeyView {
    /// What it is deleted by.
    pub(super) id: String,
    /// When it was made.
    #[schemars(schema_with = "words::moment")]
    made_at: Timestamp,
    /// Its last letters.
    key: String,
}

/// An API key that was just made; it is shown this once.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewKey {
    /// What it is deleted by.
    id: String,
    /// When it was made.
    #[schemars(schema_with = "words::moment")]
    made_at: Timestamp,
    /// The key.
    key: String,
}

/// What stands in the place of a value that is not shown.
pub(super) const MASKED: &str = "********";

impl From<&Instance> for InstanceView {
    fn from(instance: &Instance) -> Self {
        let facts = &instance.facts;
        Self {
            id: instance.id.to_string(),
            name: facts.name.clone(),
            customer: CustomerView {
                id: facts.customer_id.to_string(),
                name: facts.customer_name.clone(),
            },
            status: match facts.status {
                InstanceStatus::Deploying => StatusView::Deploying,
                InstanceStatus::DeployFailed => StatusView::DeployFailed,
                InstanceStatus::Active => StatusView::Active,
                InstanceStatus::Paused => StatusView::Paused,
                InstanceStatus::Removing => StatusView::Removing,
                InstanceStatus::Removed => StatusView::Removed,
            },
            version: facts.version.clone(),
            first_deployed_at: facts.first_deployed_at,
            deployed_at: facts.deployed_at,
            erase_at: facts.erase_at,
        }
    }
}

impl InstanceDetail {
    pub(super) fn of(instance: &Instance, runner: &crate::Runner, health: Health) -> Self {
        let ports = &*runner.engine.ports;
        let keys = instance.secrets.keys.iter();
        let connections = connections::of(instance, runner);
        let mut warnings: Vec<String> = unfinished(instance, runner)
            .into_iter()
            .chain(warnings(instance, ports))
            .collect();
        warnings.extend(connections::warnings(&connections));
        Self {
            instance: InstanceView::from(instance),
            webhook_urls: webhook_urls(instance, ports),
            keys: keys
                .map(|(flow, keys)| (flow.to_string(), keys.iter().map(KeyView::from).collect()))
                .collect(),
            config: config(instance, ports),
            rate_per_second: instance
                .facts
                .rate_per_second
                .unwrap_or(ports.settings.customer_rate_per_second),
            concurrency: instance
                .facts
                .concurrency
                .unwrap_or(ports.settings.instance_concurrency),
            connections,
            schedules: schedules::of(instance, runner),
            health,
            warnings,
        }
    }
}

impl From<&ApiKey> for KeyView {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.clone(),
            made_at: key.made_at,
            key: mask(&key.key),
        }
    }
}

impl From<ApiKey> for NewKey {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            made_at: key.made_at,
            key: key.key,
        }
    }
}

/// Shows the last four letters of a long key; a short one would be given away.
fn mask(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    match letters.len().checked_sub(4) {
        Some(hidden) if hidden >= 12 => format!(
            "{MASKED}{}",
            letters.iter().skip(hidden).collect::<String>()
        ),
        _ => MASKED.to_owned(),
    }
}

fn webhook_urls(instance: &Instance, ports: &Ports) -> BTreeMap<String, String> {
    let flows = ports.integration.flows.iter().map(|flow| &flow.options);
    flows
        .filter(|options| matches!(options.trigger, TriggerKind::Webhook(_)))
        .filter_map(|options| {
            let url = instance.webhook_urls.get(options.key)?;
            Some((options.key.to_owned(), url.clone()))
        })
        .collect()
}

/// A value is shown only if the integration knows its variable and does not call it a secret, and if no secret is in it.
fn config(instance: &Instance, ports: &Ports) -> BTreeMap<String, Value> {
    let is_open = |name: &str| {
        let mut variables = ports.integration.variables.iter();
        variables.any(|variable| variable.name() == name && !variable.is_secret())
    };
    let values = instance.secrets.values.iter();
    values
        .map(|(name, value)| {
            // Whoever deploys again with what is shown here must not give a mark of ours for a value.
            let is_shown = is_open(name) && instance.redactor.value(value.clone()) == *value;
            let shown = is_shown.then(|| value.clone());
            (name.clone(), shown.unwrap_or_else(|| MASKED.into()))
        })
        .collect()
}

/// Says of an instance that waits for somebody what is to be done.
fn unfinished(instance: &Instance, runner: &crate::Runner) -> Option<String> {
    let text = match instance.facts.status {
        _ if runner.deployer.is_at_work_on(&instance.id) => return None,
        InstanceStatus::Deploying => {
            "its deploy was cut off by the end of the process, and its schedules are off; deploy it again"
        }
        InstanceStatus::DeployFailed => {
            "its last deploy failed, and it takes nothing; deploy it again"
        }
        InstanceStatus::Removing => {
            "its removal did not get through; remove it again, or deploy it again to keep it"
        }
        InstanceStatus::Active | InstanceStatus::Paused | InstanceStatus::Removed => return None,
    };
    Some(text.to_owned())
}

fn warnings(instance: &Instance, ports: &Ports) -> Vec<String> {
    let mut warnings = Vec::new();
    let version = &ports.integration.version;
    if instance.facts.version != *version {
        warnings.push(format!(
            "it was deployed with version {}, but version {version} runs; deploy it again",
            instance.facts.version
        ));
    }
    for flow in &ports.integration.flows {
        let options = &flow.options;
        warnings.extend(token_missing(instance, options));
        let has_key = instance
            .secrets
            .keys
            .get(options.key)
            .is_some_and(|keys| !keys.is_empty());
        match &options.trigger {
            TriggerKind::Webhook(WebhookTrigger::Unsaid) if !has_key => {
                warnings.extend(unsaid(options));
            }
            TriggerKind::Webhook(WebhookTrigger::Signed { secrets, .. })
                if secrets.is_outside_config() =>
            {
                let is_missing = !instance.secrets.brought.contains_key(options.key);
                warnings.extend(is_missing.then(|| {
                    format!(
                        "flow `{}` refuses everything until its sender has brought the signing secret; subscribe to the sender",
                        options.key
                    )
                }));
            }
            TriggerKind::Webhook(WebhookTrigger::Signed { secrets, .. })
                if secrets
                    .read(&*instance.config)
                    .iter()
                    .all(sdk::Secret::is_blank) =>
            {
                warnings.push(format!(
                    "flow `{}` checks a signature but has no secret, so it refuses everything; set the config variable",
                    options.key
                ));
            }
            TriggerKind::Webhook(_)
                if options.security == Security::CustomerRequired && !has_key =>
            {
                warnings.push(format!(
                    "flow `{}` demands an API key but has none, so it refuses everything; make one",
                    options.key
                ));
            }
            _ => {}
        }
    }
    warnings
}

/// A sender that asks for a verify token gets 403 as long as there is none (W41).
fn token_missing(instance: &Instance, options: &sdk::options::Settled) -> Option<String> {
    let TriggerKind::Webhook(WebhookTrigger::Signed {
        provider, tokens, ..
    }) = &options.trigger
    else {
        return None;
    };
    let asks = |handshake: &Handshake| matches!(handshake.guard, Guard::VerifyToken(_));
    let known = tokens.read(&*instance.config);
    (provider.handshakes.iter().any(asks) && known.iter().all(sdk::Secret::is_blank)).then(|| {
        format!(
            "{} asks flow `{}` for a verify token, and there is none; use `Webhook::signed_and_verified_by` and set its config variable",
            provider.name, options.key
        )
    })
}
