//! Where a request says what it is meant for.

use std::fmt;

use http::HeaderMap;
use serde_json::Value;

use crate::body::Body;
use crate::query::QueryParameters;

/// Where a request says what it is meant for: a header, a query parameter, or a field of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field(FieldPlace);

/// The place of a [`Field`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldPlace {
    /// A header, by its name.
    Header(String),
    /// A query parameter, by its name.
    Query(String),
    /// A value in the body, by a JSON pointer.
    Body(String),
}

impl Field {
    /// A header; the case of its name does not matter (W10).
    pub fn header(name: impl Into<String>) -> Self {
        Self(FieldPlace::Header(name.into().to_ascii_lowercase()))
    }

    /// A query parameter.
    pub fn query(name: impl Into<String>) -> Self {
        Self(FieldPlace::Query(name.into()))
    }

    /// A field of the body, by a JSON pointer such as `/account/id`. It reads forms and files too (W14 to W16), before the signature is
    /// checked: a body that cannot be read is refused.
    pub fn body(pointer: impl Into<String>) -> Self {
        Self(FieldPlace::Body(pointer.into()))
    }

    /// Returns the place.
    pub fn place(&self) -> &FieldPlace {
        &self.0
    }

    /// Says whether the field is read from the body.
    pub fn is_in_body(&self) -> bool {
        matches!(self.0, FieldPlace::Body(_))
    }

    /// Reads the field: a text or a number that is there and not empty. A name that comes again gives its first value.
    pub fn read(
        &self,
        headers: &HeaderMap,
        query: &QueryParameters,
        body: &Body,
    ) -> Option<String> {
        let text = match &self.0 {
            FieldPlace::Header(name) => {
                headers.get(name.as_str())?.to_str().ok()?.trim().to_owned()
            }
            FieldPlace::Query(name) => query.get(name)?.to_owned(),
            FieldPlace::Body(pointer) => match body.pointer(pointer)? {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                _ => return None,
            },
        };
        (!text.is_empty()).then_some(text)
    }

    /// Says what is wrong with the declaration.
    pub(super) fn fault(&self) -> Option<String> {
        match &self.0 {
            FieldPlace::Header(name) if http::HeaderName::try_from(name.as_str()).is_err() => {
                Some(format!("`{name}` cannot be the name of a header"))
            }
            FieldPlace::Header(name) if name == "api-key" => Some(
                "the header `api-key` carries a secret; name the flow in another one".to_owned(),
            ),
            FieldPlace::Query(name) if name.is_empty() => {
                Some("a query parameter has a name; give one".to_owned())
            }
            FieldPlace::Body(pointer) if !pointer.starts_with('/') => Some(format!(
                "`{pointer}` is not a JSON pointer; write it like `/customer/id`"
            )),
            _ => None,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            FieldPlace::Header(name) => write!(f, "header `{name}`"),
            FieldPlace::Query(name) => write!(f, "query parameter `{name}`"),
            FieldPlace::Body(pointer) => write!(f, "`{pointer}` of the body"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(field: &Field, body: Value, expected: Option<&str>) {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-flow"),
            http::HeaderValue::from_static(" orders "),
        )]);
        let query =
            QueryParameters::from_iter([("flow", "returns"), ("flow", "orders"), ("no", "")]);
        let read = field.read(&headers, &query, &Body::Json(body));
        assert_eq!(read.as_deref(), expected, "{field}");
    }

    // W2, RN-70, RN-71.
    #[test]
    fn a_field_is_a_text_or_a_number_that_is_there() {
        check(&Field::header("X-Flow"), Value::Null, Some("orders"));
        check(&Field::header("x-other"), Value::Null, None);
        check(&Field::query("flow"), Value::Null, Some("returns"));
        check(&Field::query("no"), Value::Null, None);
        let account = || Field::body("/account/id");
        check(&account(), json!({"account": {"id": "acme"}}), Some("acme"));
        check(&account(), json!({"account": {"id": 42}}), Some("42"));
        for other in [json!(true), json!(null), json!(["acme"]), json!("")] {
            check(&account(), json!({"account": {"id": other}}), None);
        }
    }
}
