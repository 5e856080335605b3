//! What a trigger brings.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Timestamp;
use crate::body::Body;
use crate::error::{Error, Result};
use crate::query::QueryParameters;

/// What a trigger brings: the request of a webhook, the tick of a schedule, the argument of a call.
///
/// ```
/// use sdk::Payload;
///
/// let payload = Payload::json(&serde_json::json!({"item": "widget", "quantity": 5}));
/// assert_eq!(payload.data()["quantity"], 5);
/// assert_eq!(payload.raw_body.as_ref(), br#"{"item":"widget","quantity":5}"#);
/// ```
#[derive(Clone, Debug)]
pub struct Payload {
    /// The HTTP method (W4); `POST` for what did not come over HTTP.
    pub method: Method,
    /// The headers as sent; looked up without regard to case, repeated ones keep every value (W10).
    pub headers: HeaderMap,
    /// What follows the endpoint id in the path, percent-decoded once, without the leading slash; empty if nothing does (W11).
    pub path_fragment: String,
    /// The parameters of the query string, percent-decoded (W12).
    pub query_parameters: QueryParameters,
    /// The body exactly as received (W13).
    pub raw_body: Bytes,
    /// The content type as sent.
    pub content_type: Option<String>,
    /// The body as read by its content type (W14 to W16), or what `#[on_trigger]` made of it.
    pub body: Body,
    /// When the schedule meant this run to be; `None` for everything that is not a schedule (E17).
    pub tick: Option<Tick>,
    /// The page that a batching trigger is to fetch; `None` for the first one (E6).
    pub cursor: Option<Value>,
}

/// The moment of a schedule for which an execution runs (E17).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Tick {
    /// When the schedule says that it runs.
    pub nominal: Timestamp,
    /// When it was started.
    pub actual: Timestamp,
    /// The nominal time before this one, if there was one.
    pub previous: Option<Timestamp>,
    /// The nominal time after this one, if there will be one.
    pub next: Option<Timestamp>,
}

impl Payload {
    /// Makes a payload with nothing in it.
    pub fn empty() -> Self {
        Self {
            method: Method::POST,
            headers: HeaderMap::new(),
            path_fragment: String::new(),
            query_parameters: QueryParameters::default(),
            raw_body: Bytes::new(),
            content_type: None,
            body: Body::Empty,
            tick: None,
            cursor: None,
        }
    }

    /// Makes a payload whose body is this value.
    pub fn json(data: &Value) -> Self {
        Self {
            raw_body: Bytes::from(data.to_string()),
            content_type: Some("application/json".to_owned()),
            body: Body::Json(data.clone()),
            ..Self::empty()
        }
    }

    /// Returns the payload with another body, as `#[on_trigger]` hands it to `#[on_execution]`; the raw bytes stay.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the first value of a header as text; `None` if it is absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the body as a JSON value: a form or a multipart body as a map, text as a string, bytes as `{"base64": …}`.
    pub fn data(&self) -> Value {
        self.body.to_json()
    }

    /// Reads the body as `T`.
    ///
    /// # Errors
    ///
    /// The body is not of the shape of `T`; the text names the field.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        self.body.decode()
    }

    /// Reads the body as an XML document of the shape of `T` (W16).
    ///
    /// # Errors
    ///
    /// The body is not text, not XML, or not of the shape of `T`.
    pub fn xml<T: DeserializeOwned>(&self) -> Result<T> {
        let text = match &self.body {
            Body::Text(text) => text.as_str(),
            _ => std::str::from_utf8(&self.raw_body)
                .map_err(|_| Error::new("the body is not text, so it is not XML").permanent())?,
        };
        quick_xml::de::from_str(text).map_err(|fault| {
            Error::new(format!(
                "the body is not the XML that was expected: {fault}"
            ))
            .permanent()
        })
    }
}

/// What a flow function may take: [`Payload`] as it is, or anything that deserialises from the body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a payload; derive `serde::Deserialize` for it, or take `Payload`",
    label = "does not deserialise from the body of a payload"
)]
pub trait FlowPayload: Sized + Send {
    /// Whether it looks at the body in no other way than to decode it, so that JSON may come as a text
    /// ([`Body::JsonText`]). Otherwise it is given [`Body::Json`].
    const DECODES: bool = false;

    /// Reads the payload.
    ///
    /// # Errors
    ///
    /// The body does not fit; the text names the field.
    fn from_payload(payload: Payload) -> Result<Self>;
}

impl FlowPayload for Payload {
    fn from_payload(payload: Payload) -> Result<Self> {
        Ok(payload)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send> FlowPayload for T {
    const DECODES: bool = true;

    fn from_payload(payload: Payload) -> Result<Self> {
        payload.body.into_decoded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Note {
        to: String,
    }

    #[test]
    fn typed_xml_is_one_word() {
        let payload = Payload {
            body: Body::Text("<note><to>Ada</to></note>".to_owned()),
            ..Payload::empty()
        };
        assert_eq!(payload.xml::<Note>().unwrap().to, "Ada");
        let refusal = Payload::empty().xml::<Note>().err().unwrap();
        assert!(
            refusal
                .to_string()
                .starts_with("the body is not the XML that was expected"),
            "{refusal}"
        );
    }
}
