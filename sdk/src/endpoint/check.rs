//! Refuses endpoints that could not route.

use super::{Declared, Field};
use crate::flow::FlowParts;
use crate::id::is_flow_key;
use crate::options::{Respond, Security, Settled};
use crate::queue::Queue;
use crate::trigger::{TriggerKind, WebhookTrigger};

/// Refuses endpoints that could not route; `flows` are those that the integration lists.
pub(crate) fn check(declared: &[Declared], flows: &[FlowParts], faults: &mut Vec<String>) {
    if declared.len() > 1 {
        faults.push(
            "the integration declares more than one endpoint; keep one `instance_endpoint` or one `shared_endpoint`"
                .to_owned(),
        );
    }
    for declared in declared {
        check_one(declared, flows, faults);
    }
}

fn check_one(declared: &Declared, flows: &[FlowParts], faults: &mut Vec<String>) {
    let kind = if declared.shared {
        "shared"
    } else {
        "instance"
    };
    let webhooks = flows
        .iter()
        .filter(|flow| matches!(flow.options.trigger, TriggerKind::Webhook(_)))
        .count();
    let mut fault = |text: String| faults.push(format!("{kind} endpoint: {text}"));
    if webhooks == 0 {
        fault("webhooks start no flow, so there is nothing to route to; take it away".to_owned());
    }
    let fields = [&declared.customer, &declared.flow];
    for wrong in fields.into_iter().flatten().filter_map(Field::fault) {
        fault(wrong);
    }
    match &declared.router {
        Some(_) if declared.flow.is_some() => {
            fault("a routing flow decides already; take `flow_from` away".to_owned());
        }
        None if declared.flow.is_none() && webhooks > 1 => {
            fault("webhooks start several flows; say with `flow_from` which is meant".to_owned());
        }
        _ => {}
    }
    if let Some(router) = &declared.router {
        check_router(router, declared.shared, flows, faults);
    }
}

fn check_router(router: &FlowParts, shared: bool, flows: &[FlowParts], faults: &mut Vec<String>) {
    let (options, functions) = (&router.options, &router.functions);
    let key = options.key;
    let mut fault = |text: &str| faults.push(format!("routing flow `{key}`: {text}"));
    if !is_flow_key(key) {
        fault(
            "its key must be 1 to 64 lower-case letters, digits and single hyphens, beginning with a letter",
        );
    }
    if flows.iter().any(|flow| flow.options.key == key) {
        fault(
            "a flow of the integration has its key; a routing flow is not listed with `flow`, and has a key of its own",
        );
    }
    if functions.on_execution.is_none() {
        fault("it decides in `#[on_execution]`, which is missing");
    }
    let idle = [
        (functions.on_trigger.is_some(), "#[on_trigger]"),
        (
            functions.on_instance_deploy.is_some(),
            "#[on_instance_deploy]",
        ),
        (
            functions.on_instance_remove.is_some(),
            "#[on_instance_remove]",
        ),
        (functions.on_first_deploy.is_some(), "#[on_first_deploy]"),
    ];
    for (_, name) in idle.into_iter().filter(|(is_there, _)| *is_there) {
        fault(&format!(
            "`{name}` would never run; a routing flow has `#[on_execution]` alone"
        ));
    }
    for name in idle_options(options) {
        fault(&format!(
            "`{name}` says nothing of a flow that only decides; write it at the flows that it routes to"
        ));
    }
    if !matches!(options.trigger, TriggerKind::Webhook(_)) {
        fault("webhooks start it; take its `trigger` away or check a signature with it");
    }
    if shared
        && matches!(
            options.trigger,
            TriggerKind::Webhook(WebhookTrigger::Signed { .. })
        )
    {
        fault(
            "it runs before a customer is known, so it has no secret to check a signature with; check it at the flows that it routes to",
        );
    }
    if options.security == Security::Organization && options.organization_keys.is_empty() {
        fault("`Security::Organization` needs `organization_keys`");
    }
    if shared && options.security == Security::CustomerRequired {
        fault(
            "it runs before a customer is known, so it cannot ask for a customer's API key; use `Security::Organization`",
        );
    }
}

/// Returns the options that mean nothing here.
fn idle_options(options: &Settled) -> Vec<&'static str> {
    let idle = [
        (options.respond != Respond::Accepted, "respond"),
        (options.retry.count() > 0, "retry"),
        (options.lifecycle_retry.count() > 0, "lifecycle_retry"),
        (options.queue != Queue::Parallel, "queue"),
        (options.dedupe.is_some(), "dedupe"),
        (options.batch_size != 1, "batch_size"),
        (options.batch_limit.is_some(), "batch_limit"),
    ];
    let set = idle.into_iter().filter(|(is_set, _)| *is_set);
    set.map(|(_, name)| name).collect()
}
