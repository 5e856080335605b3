//! Flows that leave a trace outside, so that a crash or a wrong order shows.

use sdk::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::{Config, effects};

/// Flow `steps`.
#[derive(Debug)]
pub struct Steps;

/// Runs three steps with `ms` milliseconds between them; each leaves `<execution id> <step>`.
#[flow(key = "steps", trigger = Webhook::unsigned())]
impl Steps {
    #[on_execution]
    async fn walk(context: &Context<Config>, payload: Payload) -> Result<()> {
        let pause = payload.query_parameters.parse("ms")?.unwrap_or(0);
        Self::leave(context, "one").await?;
        context.sleep(millis(pause)).await;
        Self::leave(context, "two").await?;
        context.sleep(millis(pause)).await;
        Self::leave(context, "three").await
    }

    async fn leave(context: &Context<Config>, step: &'static str) -> Result<()> {
        let trace = || async { effects::leave(&format!("{} {step}", context.execution_id())) };
        context.step(step, trace).await
    }
}

/// Flow `ordered`.
#[derive(Debug)]
pub struct Ordered;

/// Takes one delivery at a time, each `/id` once, and leaves `/id`.
#[flow(
    key = "ordered",
    trigger = Webhook::unsigned(),
    queue = Queue::sequential(),
    dedupe = Dedupe::by("/id"),
)]
impl Ordered {
    #[on_execution]
    async fn take(_context: &Context<Config>, item: Item) -> Result<()> {
        effects::leave(&word(&item.id))
    }
}

/// Flow `per-key`.
#[derive(Debug)]
pub struct PerKey;

/// Takes the deliveries of each `/key` in order and leaves `/key /n`.
#[flow(key = "per-key", trigger = Webhook::unsigned(), queue = Queue::order_by("/key"))]
impl PerKey {
    #[on_execution]
    async fn take(_context: &Context<Config>, item: KeyedItem) -> Result<()> {
        effects::leave(&format!("{} {}", word(&item.key), word(&item.n)))
    }
}

/// What `ordered` takes; other fields are let be.
#[derive(Debug, Deserialize)]
struct Item {
    id: Value,
}

/// What `per-key` takes; other fields are let be.
#[derive(Debug, Deserialize)]
struct KeyedItem {
    key: Value,
    n: Value,
}

/// Writes a value as one word of a line: a text as it is, unless it would break the line.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) if !text.contains(char::is_control) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_left_without_quotes_and_cannot_forge_a_line() {
        assert_eq!(word(&json!("order-7")), "order-7");
        assert_eq!(word(&json!(7)), "7");
        assert_eq!(word(&json!("a\nb")), r#""a\nb""#);
    }

    #[test]
    fn a_delivery_without_its_id_is_refused_by_name() {
        let refusal = Payload::json(&json!({"n": 1})).decode::<Item>();
        assert_eq!(
            refusal.unwrap_err().to_string(),
            "the payload does not fit: missing field `id`"
        );
    }
}
