//! What known senders send: payloads of our own making in the shapes that the senders document.
//!
//! Give one to [`Webhook::fixture`](crate::Webhook::fixture) and sign it; change what the test is about with [`Fixture::with`].
//!
//! ```
//! use testing::fixtures;
//!
//! let push = fixtures::github::push().with("/ref", "refs/heads/release");
//! assert_eq!(push.json()["repository"]["full_name"], "acme/orders");
//! assert_eq!(push.json()["ref"], "refs/heads/release");
//! ```

pub mod aws_sns;
pub mod github;
pub mod gitlab;
pub mod messaging;
pub mod paypal;
pub mod shopify;
pub mod slack;
pub mod standard_webhooks;
pub mod stripe;

use bytes::Bytes;
use serde_json::Value;

/// What a known sender sends: headers and body, without a signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixture {
    headers: Vec<(String, String)>,
    content: Content,
    /// What the sender calls its JSON, if that is another name.
    content_type: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Json(Value),
    Form(Vec<(String, String)>),
}

impl Fixture {
    /// Reads a document that stands beside this file.
    ///
    /// # Panics
    ///
    /// Never: a test reads all of them.
    #[expect(clippy::expect_used, reason = "the documents are part of this crate")]
    fn document(text: &str) -> Self {
        let document = serde_json::from_str(text).expect("a fixture of this crate is JSON");
        Self {
            headers: Vec::new(),
            content: Content::Json(document),
            content_type: "application/json",
        }
    }

    /// Sends the document as text, as its sender does.
    fn sent_as_text(mut self) -> Self {
        self.content_type = "text/plain; charset=UTF-8";
        self
    }

    fn fields(fields: &[(&str, &str)]) -> Self {
        let owned = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            headers: Vec::new(),
            content: Content::Form(owned.collect()),
            content_type: "application/x-www-form-urlencoded",
        }
    }

    /// Sets a header, replacing one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Changes the value at a JSON pointer: `/pull_request/number`. In a form the pointer names a field: `/Body`.
    ///
    /// # Panics
    ///
    /// There is nothing at the pointer, so the test would not say what it seems to; or the value for a form is not text.
    #[must_use]
    #[track_caller]
    #[expect(
        clippy::panic,
        reason = "a test whose payload is not what it seems fails with the reason"
    )]
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        match (&mut self.content, value) {
            (Content::Json(document), value) => match document.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => panic!("the fixture holds nothing at `{pointer}`:\n{document:#}"),
            },
            (Content::Form(fields), Value::String(text)) => {
                let name = pointer.trim_start_matches('/');
                match fields.iter_mut().find(|(known, _)| known == name) {
                    Some((_, place)) => *place = text,
                    None => panic!("the fixture has no field `{name}`: {fields:?}"),
                }
            }
            (Content::Form(_), value) => panic!("a field of a form is text, not {value}"),
        }
        self
    }

    /// Returns the body; of a form, an object of its fields.
    pub fn json(&self) -> Value {
        match &self.content {
            Content::Json(document) => document.clone(),
            Content::Form(fields) => {
                let pairs = fields.iter().cloned();
                pairs
                    .map(|(name, value)| (name, Value::from(value)))
                    .collect()
            }
        }
    }

    /// Returns the content type and the bytes of the body.
    pub(crate) fn body(&self) -> (&'static str, Bytes) {
        match &self.content {
            Content::Json(document) => (self.content_type, document.to_string().into()),
            Content::Form(fields) => {
                let body = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(fields)
                    .finish();
                (self.content_type, body.into())
            }
        }
    }

    /// Returns the headers beside the content type.
    pub(crate) fn into_headers(self) -> Vec<(String, String)> {
        self.headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_json_and_no_two_are_the_same() {
        let all = [
            github::ping(),
            github::push(),
            github::pull_request_opened(),
            github::issue_opened(),
            gitlab::push(),
            shopify::order_created(),
            shopify::app_uninstalled(),
            slack::url_verification(),
            slack::message(),
            slack::slash_command(),
            standard_webhooks::user_created(),
            stripe::checkout_completed(),
            stripe::invoice_paid(),
            stripe::payment_succeeded(),
            messaging::discord_ping(),
            messaging::discord_command(),
            messaging::sendgrid_events(),
            messaging::twilio_message(),
            messaging::whatsapp_message(),
            messaging::zoom_meeting_started(),
            aws_sns::notification(),
            aws_sns::subscription_confirmation(),
            aws_sns::unsubscribe_confirmation(),
            paypal::capture_completed(),
        ];
        for (number, fixture) in all.iter().enumerate() {
            let (content_type, body) = fixture.body();
            assert!(!body.is_empty(), "{content_type} {number}");
            assert!(!all[..number].contains(fixture), "{number}");
        }
    }

    #[test]
    fn a_fixture_is_changed_where_there_is_something_to_change() {
        let push = github::push().with("/head_commit/message", "Fix it");
        assert_eq!(push.json()["head_commit"]["message"], "Fix it");
        let text = messaging::twilio_message().with("/Body", "Grüße");
        assert_eq!(text.json()["Body"], "Grüße");
        let (_, body) = text.body();
        assert!(String::from_utf8_lossy(&body).contains("Body=Gr%C3%BC%C3%9Fe"));
        let misspelt = std::panic::catch_unwind(|| github::push().with("/reff", "x"));
        let text = *misspelt.unwrap_err().downcast::<String>().unwrap();
        assert!(
            text.starts_with("the fixture holds nothing at `/reff`"),
            "{text}"
        );
    }
}
