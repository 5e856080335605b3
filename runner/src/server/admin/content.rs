//! Data of executions as the management API shows it: at most so much of it, and no secret in it (G10).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::redaction::{Redactor, bare};

/// As many bytes of a payload or a result are shown; the whole result is at its result URL (W24).
const MOST: usize = 256 * 1024;

/// So much more is read before secrets are taken out, and cut off after: one that is cut in two would not be found.
const OVERHANG: usize = 16 * 1024;

/// Data with its type.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Content {
    /// The content type.
    #[serde(rename = "content_type")]
    media_type: Option<String>,
    /// How `data` is to be read.
    encoding: Encoding,
    /// The data. Secrets of the instance stand as `[variable]`.
    data: Value,
    /// How many bytes the whole data has.
    bytes: usize,
    /// Whether `data` is only the beginning.
    truncated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    /// A JSON value.
    Json,
    /// Text.
    Text,
    /// Bytes as Base64.
    Base64,
    /// Not shown: it may hold secrets that cannot be taken out, or the instance whose secrets they are is removed.
    Withheld,
}

impl Content {
    /// Shows data. Without a redactor, that of an instance that is there, nothing is shown.
    pub(super) fn of(
        content_type: Option<&str>,
        bytes: &Bytes,
        redactor: Option<&Redactor>,
    ) -> Self {
        let is_json = content_type.is_some_and(is_json);
        let (encoding, data) = match redactor {
            None => (Encoding::Withheld, Value::Null),
            Some(redactor) => show(is_json, bytes, redactor),
        };
        Self {
            media_type: content_type.map(str::to_owned),
            encoding,
            data,
            bytes: bytes.len(),
            truncated: bytes.len() > MOST,
        }
    }

    /// Shows data that was read by its content type already, if it is small enough to be shown whole.
    pub(super) fn of_value(
        content_type: Option<&str>,
        bytes: &Bytes,
        value: Value,
        redactor: Option<&Redactor>,
    ) -> Self {
        match redactor {
            Some(redactor) if bytes.len() <= MOST => Self {
                media_type: content_type.map(str::to_owned),
                encoding: Encoding::Json,
                data: redactor.value(mask_fields(value)),
                bytes: bytes.len(),
                truncated: false,
            },
            other => Self::of(content_type, bytes, other),
        }
    }
}

fn show(is_json: bool, bytes: &Bytes, redactor: &Redactor) -> (Encoding, Value) {
    let read = bytes.get(..MOST + OVERHANG).unwrap_or(bytes);
    if is_json
        && bytes.len() <= MOST
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return (Encoding::Json, redactor.value(value));
    }
    if let Some(text) = beginning(read) {
        let clean = redactor.text(text);
        return (Encoding::Text, Value::from(cut(clean, bytes.len())));
    }
    let text = String::from_utf8_lossy(read);
    if redactor.text(&text) != text {
        return (Encoding::Withheld, Value::Null);
    }
    let shown = bytes.get(..MOST).unwrap_or(bytes);
    (Encoding::Base64, Value::from(BASE64_STANDARD.encode(shown)))
}

/// Returns the text that the bytes are, up to a letter that the end cuts in two; `None` if they are no text.
fn beginning(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(fault) if fault.error_len().is_none() && bytes.len() > MOST => {
            std::str::from_utf8(bytes.get(..fault.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

/// Cuts off what was read beyond the most that is shown.
fn cut(mut text: String, whole: usize) -> String {
    if whole > MOST {
        let overhang = (whole - MOST).min(OVERHANG);
        let mut end = text.len().saturating_sub(overhang);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.to_ascii_lowercase().ends_with("+json")
}

/// What stands in the place of a masked value.
pub(super) const MASK: &str = "[masked]";

/// Masks what is called a password or a key in the body that a sender sent: it is no secret of ours, but one of somebody's.
fn mask_fields(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(mask_fields).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, field)| match field {
                    Value::String(_) if is_secret_field(&name) => (name, Value::from(MASK)),
                    other => (name, mask_fields(other)),
                })
                .collect(),
        ),
        other => other,
    }
}

fn is_secret_field(name: &str) -> bool {
    let name = bare(name);
    let ends = [
        "password",
        "passwd",
        "secret",
        "apikey",
        "accesstoken",
        "refreshtoken",
        "authtoken",
        "privatekey",
    ];
    ends.iter().any(|end| name.ends_with(end)) || name == "token" || name == "authorization"
}

#[cfg(test)]
mod tests {
    use sdk::config::ConfigVar;
    use serde_json::json;

    use super::*;

    fn redactor() -> Redactor {
        let variables = [ConfigVar::new::<sdk::Secret>("key")];
        let values = json!({"key": "canary-canary"});
        Redactor::new(&variables, values.as_object().unwrap(), &[])
    }

    fn shown(content_type: &str, bytes: &[u8]) -> Value {
        let bytes = Bytes::copy_from_slice(bytes);
        serde_json::to_value(Content::of(Some(content_type), &bytes, Some(&redactor()))).unwrap()
    }

    #[test]
    fn secrets_are_taken_out_of_json_text_and_bytes() {
        let json = shown("application/problem+json", br#"{"a":"canary-canary"}"#);
        assert_eq!(json["data"], json!({"a": "[key]"}));
        assert_eq!(shown("text/plain", b"x canary-canary")["data"], "x [key]");
        let bytes = shown("application/octet-stream", b"\xff\xfecanary-canary");
        assert_eq!(
            (&bytes["encoding"], &bytes["data"]),
            (&json!("withheld"), &Value::Null)
        );
        assert_eq!(shown("image/png", b"\xff\xfe")["data"], "//4=");
    }

    #[test]
    fn a_secret_at_the_cut_is_not_shown_in_part() {
        for before in MOST - 20..MOST + 2 {
            let text = format!(
                "{}canary-canary{}",
                "x".repeat(before),
                "y".repeat(OVERHANG)
            );
            let content = shown("text/plain", text.as_bytes());
            assert_eq!(content["truncated"], true);
            assert!(
                !content["data"].as_str().unwrap().contains("can"),
                "{before}"
            );
        }
    }

    #[test]
    fn text_that_is_cut_inside_a_letter_stays_text() {
        let content = shown("text/plain", "ö".repeat(MOST).as_bytes());
        assert_eq!(content["encoding"], "text");
        assert_eq!(content["data"].as_str().unwrap().len(), MOST);
    }

    #[test]
    fn nothing_is_shown_without_the_secrets_of_the_instance() {
        let content = Content::of(Some("text/plain"), &Bytes::from_static(b"x"), None);
        assert_eq!(content.encoding, Encoding::Withheld);
    }

    #[test]
    fn fields_are_masked_by_name() {
        let masked = mask_fields(json!({"user": {"Password": "x", "tokens": 5}, "api_key": "y"}));
        assert_eq!(
            masked,
            json!({"user": {"Password": MASK, "tokens": 5}, "api_key": MASK})
        );
    }
}
