//! A body as read by its content type.

mod json_text;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::json_text::JsonText;
use crate::error::{Error, Result};
use crate::query::QueryParameters;

/// A body as read by its content type (W14 to W16).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Body {
    /// No body and no content type that gives an empty one a meaning.
    #[default]
    Empty,
    /// `application/json` and `*/*+json`; an empty body of that type is `null`.
    Json(Value),
    /// The same, not read yet. Only what takes a type of its own is handed this, and reads it straight into that type; whoever takes
    /// a [`Payload`](crate::Payload) finds [`Json`](Self::Json).
    JsonText(JsonText),
    /// `application/x-www-form-urlencoded`.
    Form(QueryParameters),
    /// `multipart/form-data`: the parts by name, every part of a repeated name, in order.
    Multipart(BTreeMap<String, Vec<Part>>),
    /// `text/*` and XML, in the declared character set.
    Text(String),
    /// Anything else.
    Bytes(Bytes),
}

/// One part of a `multipart/form-data` body (W15). It cannot be made from JSON: what looks like an upload in a JSON body stays JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The content: parsed if it is JSON, text if it is text or has no content type, bytes otherwise.
    pub data: Body,
    /// The content type of the part, if it has one.
    pub content_type: Option<String>,
    /// The name that the sender gives the file: data, never a path to follow.
    pub file_name: Option<String>,
}

impl Body {
    /// Checks a JSON text as strictly as if it were read, and reads it no further than it must: one in which an object may have a key
    /// twice becomes [`Json`](Self::Json) at once, where the last value counts. For those who write a runner.
    ///
    /// ```
    /// use sdk::Body;
    ///
    /// let body = Body::from_json_text(&r#"{"item": "widget"}"#.into())?;
    /// assert!(matches!(body, Body::JsonText(_)));
    /// assert_eq!(body, Body::Json(serde_json::json!({"item": "widget"})));
    ///
    /// let repeated = Body::from_json_text(&r#"{"item": "widget", "item": "gadget"}"#.into())?;
    /// assert!(matches!(repeated, Body::Json(_)));
    /// assert_eq!(repeated, Body::Json(serde_json::json!({"item": "gadget"})));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The text is not JSON, nests 128 levels deep or more, or has a number beyond the range of a double.
    pub fn from_json_text(text: &Bytes) -> serde_json::Result<Self> {
        match JsonText::check(text)? {
            Some(checked) => Ok(Self::JsonText(checked)),
            None => serde_json::from_slice(text).map(Self::Json),
        }
    }

    /// Returns the body with its JSON read.
    pub(crate) fn into_read(self) -> Self {
        match self {
            Self::JsonText(text) => Self::Json(text.to_value()),
            other => other,
        }
    }

    /// Returns the value of a body that came as JSON.
    fn json(&self) -> Option<Cow<'_, Value>> {
        match self {
            Self::Json(value) => Some(Cow::Borrowed(value)),
            Self::JsonText(text) => Some(Cow::Owned(text.to_value())),
            _ => None,
        }
    }

    /// Returns the body as a JSON value: a form or a multipart body as a map, text as a string, bytes as `{"base64": …}`.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Json(value) => value.clone(),
            Self::JsonText(text) => text.to_value(),
            Self::Form(parameters) => parameters.to_json(),
            Self::Multipart(parts) => Value::Object(parts.iter().map(multipart_entry).collect()),
            Self::Text(text) => Value::from(text.as_str()),
            Self::Bytes(bytes) => Value::Object(Map::from_iter([(
                "base64".to_owned(),
                Value::from(BASE64_STANDARD.encode(bytes)),
            )])),
        }
    }

    /// Reads the body as `T`.
    ///
    /// # Errors
    ///
    /// The body is not of the shape of `T`; the text names the field.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        match self {
            Self::Json(value) => T::deserialize(value).map_err(misfit),
            Self::JsonText(text) => text.decode().map_err(misfit),
            other => T::deserialize(other.to_json()).map_err(misfit),
        }
    }

    /// As [`decode`](Self::decode), without a copy.
    pub(crate) fn into_decoded<T: DeserializeOwned>(self) -> Result<T> {
        match self {
            Self::Json(value) => T::deserialize(value).map_err(misfit),
            Self::JsonText(text) => text.decode().map_err(misfit),
            other => T::deserialize(other.to_json()).map_err(misfit),
        }
    }

    /// Returns the value at a JSON pointer such as `/customer/id`.
    pub fn pointer(&self, pointer: &str) -> Option<Value> {
        match self {
            Self::Json(value) => value.pointer(pointer).cloned(),
            other => other.to_json().pointer(pointer).cloned(),
        }
    }
}

/// JSON is the same whether it is read or not.
impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::Form(one), Self::Form(another)) => one == another,
            (Self::Multipart(one), Self::Multipart(another)) => one == another,
            (Self::Text(one), Self::Text(another)) => one == another,
            (Self::Bytes(one), Self::Bytes(another)) => one == another,
            _ => match (self.json(), other.json()) {
                (Some(one), Some(another)) => one == another,
                _ => false,
            },
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn misfit(fault: serde_json::Error) -> Error {
    Error::new(format!("the payload does not fit: {fault}")).permanent()
}

fn multipart_entry((name, parts): (&String, &Vec<Part>)) -> (String, Value) {
    let value = match parts.as_slice() {
        [only] => part_to_json(only),
        several => Value::Array(several.iter().map(part_to_json).collect()),
    };
    (name.clone(), value)
}

fn part_to_json(part: &Part) -> Value {
    let mut object = Map::from_iter([
        ("data".to_owned(), part.data.to_json()),
        (
            "content_type".to_owned(),
            Value::from(part.content_type.as_deref()),
        ),
    ]);
    if let Some(name) = &part.file_name {
        object.insert("file_name".to_owned(), Value::from(name.as_str()));
    }
    Value::Object(object)
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repeated_part_becomes_a_list_and_a_single_one_does_not() {
        let part = |text: &str| Part {
            data: Body::Text(text.to_owned()),
            content_type: None,
            file_name: None,
        };
        let body = Body::Multipart(BTreeMap::from([
            ("one".to_owned(), vec![part("a")]),
            ("two".to_owned(), vec![part("b"), part("c")]),
        ]));
        let seen = body.to_json();
        assert_eq!(seen["one"], json!({"data": "a", "content_type": null}));
        assert_eq!(seen["two"][1]["data"], "c");
    }

    #[test]
    fn json_is_the_same_whether_it_is_read_or_not() {
        let body = |text: &'static str| Body::from_json_text(&text.into()).unwrap();
        let (text, read) = (body(r#"{"b": 1, "a": [2]}"#), json!({"a": [2], "b": 1}));
        assert!(matches!(text, Body::JsonText(_)));
        assert_eq!(text.to_json(), read);
        assert_eq!(text.pointer("/a/0"), Some(json!(2)));
        assert_eq!((text.pointer("/c"), text.pointer("a")), (None, None));
        assert_eq!(text, Body::Json(read.clone()));
        assert_eq!(Body::Json(read), text);
        assert_eq!(text, body(r#"{"a":[2],"b":1}"#));
        assert_ne!(text, body(r#"{"a":[2],"b":2}"#));
        assert_ne!(body("null"), Body::Empty);
        assert_ne!(body("\"a\""), Body::Text("a".to_owned()));
        assert_ne!(Body::Empty, Body::Text(String::new()));
    }

    #[test]
    fn a_payload_that_does_not_fit_names_the_field() {
        #[derive(Debug, serde::Deserialize)]
        struct Order {
            #[expect(dead_code, reason = "only its absence matters")]
            item: String,
        }
        let refusal = Body::Json(json!({"quantity": 5}))
            .decode::<Order>()
            .unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the payload does not fit: missing field `item`"
        );
        assert!(refusal.is_permanent());
    }
}
