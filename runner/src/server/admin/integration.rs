//! The integration that is served: its flows and its config variables.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use sdk::integration::{BuiltIntegration, FlowParts};
use sdk::options::{Respond, Security, Settled};
use sdk::queue::{Poison, Queue};
use sdk::retry::Retry;
use sdk::trigger::{ScheduleSource, TriggerKind, WebhookTrigger};
use serde::Serialize;
use serde_json::Value;

use super::Admin;
use super::endpoint_view::EndpointView;
use super::words;

/// The integration.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Integration")]
pub(super) struct IntegrationView {
    name: String,
    version: String,
    description: String,
    /// Which endpoints the webhooks come to (W2).
    endpoint: EndpointView,
    /// The flows, in the author's order.
    flows: Vec<FlowView>,
    /// The JSON Schema of the config variables.
    config_schema: Value,
}

/// A flow.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Flow")]
struct FlowView {
    /// The lasting key.
    key: String,
    /// The name that people read.
    name: String,
    description: String,
    trigger: TriggerView,
    queue: QueueView,
    /// When a failed execution is tried again (E21).
    retry: RetryView,
    /// When a failed lifecycle function is tried again, while its deploy or removal waits (E51).
    lifecycle_retry: RetryView,
    /// Whether a caller must show an API key (W6).
    #[schemars(schema_with = "words::security")]
    security: Security,
    /// What the caller of a webhook gets (W23).
    #[schemars(schema_with = "words::respond")]
    respond: Respond,
    dedupe: Option<DedupeView>,
    /// How long a run may take.
    time_limit_seconds: f64,
    /// The functions that the author wrote.
    functions: Vec<&'static str>,
    /// What should be looked at, one sentence each (W43).
    warnings: Vec<String>,
}

/// What starts a flow (E4).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Trigger")]
struct TriggerView {
    kind: TriggerWord,
    /// Who signs the webhooks; null if nobody does.
    signed_by: Option<String>,
    /// The schedule; null if there is none, or if a config variable holds it.
    schedule: Option<Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TriggerKind")]
enum TriggerWord {
    Webhook,
    Schedule,
    Poll,
    InstanceDeploy,
    InstanceRemove,
    Other,
}

/// Which execution runs next (E24).
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
struct QueueView {
    /// `parallel`, `throttled`, `sequential` or `order_by`.
    kind: &'static str,
    /// How many run at once, if it is throttled.
    limit: Option<u32>,
    /// The JSON pointer to the key, if there is order for each key.
    pointer: Option<String>,
    /// What an execution that is out of attempts does to those behind it: `skip`, `park` or `block`.
    on_poison: Option<&'static str>,
}

/// When a failed execution is tried again (E21).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Retry")]
struct RetryView {
    /// How many further attempts there are.
    max_attempts: u32,
    /// How long the wait before the first further attempt is.
    delay_seconds: f64,
    /// Whether each wait is twice the one before.
    backoff: bool,
    /// The JSON pointer to the unique request id (E22).
    unique_by: Option<String>,
}

/// Which delivery is one that came before (E25).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Dedupe")]
struct DedupeView {
    /// The JSON pointer to what is compared.
    pointer: String,
    /// How long it is remembered.
    window_seconds: f64,
}

/// Shows the integration.
pub(super) async fn show(State(admin): State<Arc<Admin>>) -> Json<IntegrationView> {
    let ports = admin.ports();
    let BuiltIntegration {
        name,
        version,
        description,
        flows,
        ..
    } = &ports.integration;
    let flow = |parts: &Arc<FlowParts>| flow(parts, ports.settings.run_seconds);
    Json(IntegrationView {
        name: name.clone(),
        version: version.clone(),
        description: description.clone(),
        endpoint: EndpointView::of(&ports.integration.layout),
        flows: flows.iter().map(flow).collect(),
        config_schema: ports.integration.config_schema(),
    })
}

fn flow(parts: &FlowParts, run_seconds: u64) -> FlowView {
    let options = &parts.options;
    let limit = options
        .time_limit
        .unwrap_or(std::time::Duration::from_secs(run_seconds));
    FlowView {
        key: options.key.to_owned(),
        name: options.name.clone(),
        description: options.description.clone(),
        trigger: trigger(&options.trigger),
        queue: queue(&options.queue),
        retry: RetryView::from(&options.retry),
        lifecycle_retry: RetryView::from(&options.lifecycle_retry),
        security: options.security,
        respond: options.respond,
        dedupe: options.dedupe.as_ref().map(|dedupe| DedupeView {
            pointer: dedupe.pointer().to_owned(),
            window_seconds: dedupe.window().as_secs_f64(),
        }),
        time_limit_seconds: limit.as_secs_f64(),
        functions: functions(parts),
        warnings: unsaid(options).into_iter().collect(),
    }
}

fn trigger(kind: &TriggerKind) -> TriggerView {
    let fixed = |source: &ScheduleSource| match source {
        ScheduleSource::Fixed(schedule) => serde_json::to_value(schedule).ok(),
        ScheduleSource::Config(_) => None,
    };
    let (word, signed_by, schedule) = match kind {
        TriggerKind::Webhook(WebhookTrigger::Signed { provider, .. }) => {
            (TriggerWord::Webhook, Some(provider.name.clone()), None)
        }
        TriggerKind::Webhook(_) => (TriggerWord::Webhook, None, None),
        TriggerKind::Schedule(source) => (TriggerWord::Schedule, None, fixed(source)),
        TriggerKind::Poll(source) => (TriggerWord::Poll, None, fixed(source)),
        TriggerKind::InstanceDeploy => (TriggerWord::InstanceDeploy, None, None),
        TriggerKind::InstanceRemove => (TriggerWord::InstanceRemove, None, None),
        _ => (TriggerWord::Other, None, None),
    };
    TriggerView {
        kind: word,
        signed_by,
        schedule,
    }
}

fn queue(queue: &Queue) -> QueueView {
    let word = |poison: Poison| match poison {
        Poison::Skip => "skip",
        Poison::Park => "park",
        Poison::Block => "block",
    };
    match queue {
        Queue::Parallel => QueueView {
            kind: "parallel",
            ..QueueView::default()
        },
        Queue::Throttled(limit) => QueueView {
            kind: "throttled",
            limit: Some(*limit),
            ..QueueView::default()
        },
        Queue::Sequential { poison } => QueueView {
            kind: "sequential",
            on_poison: Some(word(*poison)),
            ..QueueView::default()
        },
        Queue::OrderBy { pointer, poison } => QueueView {
            kind: "order_by",
            pointer: Some(pointer.clone()),
            on_poison: Some(word(*poison)),
            ..QueueView::default()
        },
    }
}

impl From<&Retry> for RetryView {
    fn from(retry: &Retry) -> Self {
        Self {
            max_attempts: retry.count(),
            delay_seconds: retry.delay().as_secs_f64(),
            backoff: retry.backs_off(),
            unique_by: retry.unique_pointer().map(str::to_owned),
        }
    }
}

fn functions(parts: &FlowParts) -> Vec<&'static str> {
    let functions = &parts.functions;
    [
        (functions.on_trigger.is_some(), "on_trigger"),
        (functions.on_execution.is_some(), "on_execution"),
        (functions.on_instance_deploy.is_some(), "on_instance_deploy"),
        (functions.on_instance_remove.is_some(), "on_instance_remove"),
        (functions.on_first_deploy.is_some(), "on_first_deploy"),
    ]
    .into_iter()
    .filter_map(|(is_there, name)| is_there.then_some(name))
    .collect()
}

/// Warns of a flow that verifies nothing and did not say so (W43).
pub(super) fn unsaid(options: &Settled) -> Option<String> {
    let unsigned = matches!(
        options.trigger,
        TriggerKind::Webhook(WebhookTrigger::Unsaid)
    );
    let keyless = matches!(
        options.security,
        Security::Unsecured | Security::CustomerOptional
    );
    (unsigned && keyless).then(|| {
        format!(
            "flow `{}` verifies nothing: whoever knows its URL can start it; check a signature, set an API key, or say `Webhook::unsigned()`",
            options.key
        )
    })
}
