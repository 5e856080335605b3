//! Flows that show what came.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sdk::prelude::*;
use serde_json::{Value, json};

use crate::Config;

/// Flow `echo`.
#[derive(Debug)]
pub struct Echo;

/// Returns all that a flow can know of its request, as JSON.
#[flow(key = "echo", trigger = Webhook::unsigned())]
impl Echo {
    #[on_execution]
    async fn echo(context: &Context<Config>, payload: Payload) -> Result<Value> {
        Ok(seen(context, &payload))
    }
}

/// Flow `echo-sync`.
#[derive(Debug)]
pub struct EchoSync;

/// As `echo`, while the caller waits.
#[flow(key = "echo-sync", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl EchoSync {
    #[on_execution]
    async fn echo(context: &Context<Config>, payload: Payload) -> Result<Value> {
        Ok(seen(context, &payload))
    }
}

/// Flow `caller`.
#[derive(Debug)]
pub struct Caller;

/// Hands its request on to `echo-sync` of its own instance and returns what that returned.
#[flow(key = "caller", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl Caller {
    #[on_execution]
    async fn call(context: &Context<Config>, payload: Payload) -> Result<Output> {
        let called = context.handle::<EchoSync>().call_with(payload).await?;
        Ok(called.output.unwrap_or_default())
    }
}

fn seen(context: &Context<Config>, payload: &Payload) -> Value {
    let (flow, instance, customer) = (context.flow(), context.instance(), context.customer());
    let mut seen = request(payload);
    if let Value::Object(fields) = &mut seen {
        let facts = [
            ("invoke_url", json!(context.invoke_url())),
            ("webhook_urls", json!(context.webhook_urls())),
            ("flow", json!({"key": flow.key, "name": flow.name})),
            (
                "instance",
                json!({"id": instance.id, "name": instance.name}),
            ),
            (
                "customer",
                json!({"id": customer.id, "name": customer.name}),
            ),
            ("execution_id", json!(context.execution_id())),
            ("started_at", json!(context.started_at())),
        ];
        fields.extend(facts.map(|(name, fact)| (name.to_owned(), fact)));
    }
    seen
}

fn request(payload: &Payload) -> Value {
    json!({
        "method": payload.method.as_str(),
        "headers": headers(payload),
        "query_parameters": payload.query_parameters,
        "path_fragment": payload.path_fragment,
        "content_type": payload.content_type,
        "body": payload.data(),
        "raw_body_base64": BASE64_STANDARD.encode(&payload.raw_body),
    })
}

/// Returns every value of every header; a byte that is not UTF-8 is shown as U+FFFD.
fn headers(payload: &Payload) -> BTreeMap<&str, Vec<String>> {
    let mut headers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in &payload.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name.as_str()).or_default().push(value);
    }
    headers
}

#[cfg(test)]
mod tests {
    use sdk::QueryParameters;

    use super::*;

    #[test]
    fn a_header_and_a_query_parameter_are_lists_even_when_they_come_once() {
        let mut payload = Payload::json(&json!({"Do Thing?": true}));
        payload.query_parameters = QueryParameters::from_iter([("a", "1"), ("b", "2"), ("a", "3")]);
        payload
            .headers
            .append("X-Tag", "new".try_into().expect("a header value"));
        payload
            .headers
            .append("x-tag", "paid".try_into().expect("a header value"));
        assert_eq!(
            request(&payload),
            json!({
                "method": "POST",
                "headers": {"x-tag": ["new", "paid"]},
                "query_parameters": {"a": ["1", "3"], "b": ["2"]},
                "path_fragment": "",
                "content_type": "application/json",
                "body": {"Do Thing?": true},
                "raw_body_base64": "eyJEbyBUaGluZz8iOnRydWV9",
            })
        );
    }

    #[test]
    fn nothing_sent_is_shown_as_nothing() {
        let seen = request(&Payload::empty());
        assert_eq!(
            (&seen["body"], &seen["content_type"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(seen["headers"], json!({}));
        assert_eq!(seen["raw_body_base64"], "");
    }

    #[test]
    fn bytes_are_shown_in_base64() {
        let payload = Payload::empty().with_body(Body::Bytes(vec![0, 255].into()));
        assert_eq!(request(&payload)["body"], json!({"base64": "AP8="}));
    }
}
