//! A flow that answers the sender before it runs.

use std::collections::BTreeMap;

use sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Config;

/// Flow `challenge`.
#[derive(Debug)]
pub struct Challenge;

/// Answers a challenge in XML with its text, as some senders ask before they deliver, and returns the parsed body (TP-42).
#[flow(key = "challenge", trigger = Webhook::unsigned())]
impl Challenge {
    #[on_trigger]
    async fn answer(_context: &Context<Config>, payload: Payload) -> Result<TriggerOutput> {
        let document: Document = payload.xml()?;
        let response = HttpResponse::ok().body("text/plain", document.challenge()?.to_owned());
        let body = serde_json::to_value(&document)?;
        Ok(TriggerOutput::payload(payload.with_body(body)).respond(response))
    }

    #[on_execution]
    async fn show(_context: &Context<Config>, body: Value) -> Result<Value> {
        Ok(body)
    }
}

/// The document. The name of a variant is the name of the root element.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Document {
    Notification(BTreeMap<String, String>),
}

impl Document {
    fn challenge(&self) -> Result<&str> {
        let Self::Notification(elements) = self;
        let challenge = elements.get("challenge").map(String::as_str);
        challenge.ok_or_else(|| Error::new("the notification holds no challenge").permanent())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Document> {
        Payload::empty()
            .with_body(Body::Text(text.to_owned()))
            .xml()
    }

    #[test]
    fn the_parsed_body_keeps_the_names_of_all_elements() {
        let text = "<?xml version=\"1.0\"?>\n<notification>\n  <type>HOOK</type><challenge>a &amp; b</challenge>\n</notification>";
        let document = read(text).unwrap();
        assert_eq!(document.challenge().unwrap(), "a & b");
        assert_eq!(
            json!(document),
            json!({"notification": {"type": "HOOK", "challenge": "a & b"}})
        );
    }

    #[test]
    fn another_document_is_refused() {
        let refusal = read("<order><challenge>a</challenge></order>").unwrap_err();
        assert!(
            refusal.to_string().contains("expected `notification`"),
            "{refusal}"
        );
        let silent = read("<notification><type>HOOK</type></notification>").unwrap();
        assert_eq!(
            silent.challenge().unwrap_err().to_string(),
            "the notification holds no challenge"
        );
    }
}
