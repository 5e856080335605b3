//! What `serve` prints when it is ready.

use std::fmt::Write as _;
use std::path::Path;

use sdk::endpoint::{Field, FieldPlace, Layout, RoutedBy};
use sdk::integration::FlowParts;
use sdk::trigger::{TriggerKind, WebhookTrigger};
use serde_json::{Value, json};

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
            .filter(|_| !is_routed_by_flow(&ports.integration.layout))
        {
            let prefix = &ports.settings.header_prefix;
            let named = Named::of(&ports.integration.layout, instance, flow);
            let sign = if url.contains('?') { '&' } else { '?' };
            let _ = write!(
                text,
                "\nTry flow `{}` and see its result:\n\n  curl -s -H '{prefix}-synchronous: true' -H 'content-type: application/json'{} \\\n    \
                 -d {} '{url}{sign}{prefix}-prefer-direct-sync-response=true'\n",
                flow.options.key,
                named.headers,
                quoted(&named.body.to_string())
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
        "\nConsole:\n\n  {admin_url}\n\nIt asks for the token in `{token}`.\n\nManagement API:\n\n  curl -s -H \"authorization: Bearer $(cat '{token}')\" {admin_url}/api/executions\n\nStop with ctrl-c.\n",
        admin_url = ready.admin_url
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

/// What a routing flow reads is known to its author alone.
fn is_routed_by_flow(layout: &Layout) -> bool {
    matches!(
        layout,
        Layout::PerInstance(RoutedBy::Flow(_)) | Layout::Shared(RoutedBy::Flow(_))
    )
}

/// What a request says of the flow that it is meant for, where flows share an endpoint (W2). What the query says is in the URL.
struct Named {
    headers: String,
    body: Value,
}

impl Named {
    fn of(layout: &Layout, instance: &Instance, flow: &FlowParts) -> Self {
        let mut named = Self {
            headers: String::new(),
            body: json!({"item": "widget", "quantity": 5}),
        };
        let (Layout::PerInstance(RoutedBy::Fields {
            customer,
            flow: field,
        })
        | Layout::Shared(RoutedBy::Fields {
            customer,
            flow: field,
        })) = layout
        else {
            return named;
        };
        let values = [
            (customer, instance.facts.customer_id.as_str()),
            (field, flow.options.key),
        ];
        for (field, value) in values {
            match field.as_ref().map(Field::place) {
                Some(FieldPlace::Header(name)) => {
                    let _ = write!(named.headers, " -H {}", quoted(&format!("{name}: {value}")));
                }
                Some(FieldPlace::Body(pointer)) => put(&mut named.body, pointer, value),
                _ => {}
            }
        }
        named
    }
}

/// Puts a text into an object, at a JSON pointer.
fn put(body: &mut Value, pointer: &str, text: &str) {
    let mut place = body;
    for name in pointer.split('/').skip(1) {
        if !place.is_object() {
            *place = json!({});
        }
        let name = name.replace("~1", "/").replace("~0", "~");
        let Some(object) = place.as_object_mut() else {
            return;
        };
        place = object.entry(name).or_insert(Value::Null);
    }
    *place = Value::from(text);
}

/// Quotes a text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use sdk::endpoint::SharedEndpoint;
    use sdk::{Integration, Timestamp};

    use super::*;

    struct Greet;

    #[sdk::flow(key = "greet")]
    impl Greet {
        #[on_execution]
        async fn greet(_context: &sdk::Context, name: String) -> sdk::Result<String> {
            Ok(name)
        }
    }

    #[test]
    fn the_request_to_try_names_its_flow_where_flows_share_an_endpoint() {
        let endpoint = SharedEndpoint::customer_from(Field::body("/account/id"))
            .flow_from(Field::header("X-Flow"));
        let integration = Integration::<()>::new("greets").flow::<Greet>();
        let integration = integration.shared_endpoint(endpoint).build().unwrap();
        let instance = Instance::nobody(
            "shared-id".to_owned(),
            Timestamp::from_millis(0),
            &integration,
            "https://hooks.example",
        );
        let flow = integration.flow("greet").unwrap();
        let named = Named::of(&integration.layout, &instance, flow);
        assert_eq!(named.headers, " -H 'x-flow: greet'");
        assert_eq!(named.body["account"], json!({"id": ""}));
        let (_, url) = open_endpoint(flow, &instance).unwrap();
        assert_eq!(url, "https://hooks.example/trigger/shared-id");
    }

    #[test]
    fn a_text_is_put_where_the_pointer_points_and_the_rest_stays() {
        let mut body = json!({"item": "widget"});
        put(&mut body, "/account/a~1b", "acme");
        put(&mut body, "/item/kind", "orders");
        assert_eq!(
            body,
            json!({"item": {"kind": "orders"}, "account": {"a/b": "acme"}})
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
