//! What `serve` prints when it is ready.

use std::fmt::Write as _;
use std::path::Path;

use sdk::integration::FlowParts;
use sdk::trigger::{TriggerKind, WebhookTrigger};
use serde_json::json;

use crate::instance::Instance;
use crate::ports::Ports;

/// Where the parts of a server that is ready are found.
pub(super) struct Ready<'a> {
    pub(super) public_url: &'a str,
    pub(super) admin_url: &'a str,
    pub(super) admin_token_file: &'a Path,
}

/// The one line for machines.
pub(super) fn line(ready: &Ready<'_>) -> String {
    json!({
        "ready": true,
        "public_url": ready.public_url,
        "admin_url": ready.admin_url,
        // Whoever reads this may work in another folder.
        "admin_token_file": std::path::absolute(ready.admin_token_file)
            .unwrap_or_else(|_| ready.admin_token_file.to_owned()),
    })
    .to_string()
}

/// The text for people: what to try next.
pub(super) fn text(ready: &Ready<'_>, ports: &Ports, local: Option<&Instance>) -> String {
    let mut text = format!(
        "{} {} is ready.\n",
        ports.integration.name, ports.integration.version
    );
    if let Some(instance) = local {
        let flows = ports.integration.flows.iter();
        let webhooks: Vec<_> = flows
            .filter(|flow| matches!(flow.options.trigger, TriggerKind::Webhook(_)))
            .collect();
        if let Some((flow, url)) = webhooks
            .iter()
            .find_map(|flow| open_endpoint(flow, instance))
        {
            let prefix = &ports.settings.header_prefix;
            let _ = write!(
                text,
                "\nTry flow `{}` and see its result:\n\n  curl -s -H '{prefix}-synchronous: true' -H 'content-type: application/json' \\\n    \
                 -d '{{\"item\":\"widget\",\"quantity\":5}}' '{url}?{prefix}-prefer-direct-sync-response=true'\n",
                flow.options.key
            );
        }
        text.push_str("\nEndpoints of the local instance:\n\n");
        let width = webhooks
            .iter()
            .map(|flow| flow.options.key.len())
            .max()
            .unwrap_or(0);
        for flow in webhooks {
            let url = instance
                .webhook_urls
                .get(flow.options.key)
                .map_or("", String::as_str);
            let _ = writeln!(text, "  {:width$}  {url}", flow.options.key);
        }
    }
    let token = ready.admin_token_file.display();
    let _ = write!(
        text,
        "\nManagement API:\n\n  curl -s -H \"authorization: Bearer $(cat '{token}')\" {}/api/executions\n\nStop with ctrl-c.\n",
        ready.admin_url
    );
    text
}

/// Returns the URL of a flow that anyone can call: no signature, no trigger function of its own.
fn open_endpoint<'a>(
    flow: &'a FlowParts,
    instance: &'a Instance,
) -> Option<(&'a FlowParts, &'a str)> {
    let open = matches!(
        &flow.options.trigger,
        TriggerKind::Webhook(WebhookTrigger::Unsigned | WebhookTrigger::Unsaid)
    );
    let plain = flow.functions.on_trigger.is_none() && flow.functions.on_execution.is_some();
    let url = instance
        .webhook_urls
        .get(flow.options.key)
        .filter(|_| open && plain)?;
    Some((flow, url.as_str()))
}
