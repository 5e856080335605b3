//! Takes secrets out of text at the boundary to logs, errors and answers (G10).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{
    BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD,
};
use sdk::config::{ConfigValues, ConfigVar};
use serde_json::Value;

/// The secrets of an instance, each in the spellings in which it may turn up.
#[derive(Clone, Default)]
pub struct Redactor(Arc<[(String, String)]>);

/// Shorter texts are not taken out: they would turn up everywhere.
const SHORTEST: usize = 6;

impl Redactor {
    /// Knows every secret among the config values, by the name of its variable, and these further ones.
    pub fn new(
        variables: &[ConfigVar],
        values: &ConfigValues,
        further: &[(String, String)],
    ) -> Self {
        let mut secrets: Vec<(String, String)> = Vec::new();
        for variable in variables.iter().filter(|variable| variable.is_secret()) {
            collect(
                variable.name(),
                values.get(variable.name()).unwrap_or(&Value::Null),
                &mut secrets,
            );
        }
        secrets.extend_from_slice(further);
        let mut spellings: Vec<(String, String)> = secrets
            .iter()
            .flat_map(|(name, text)| spell(name, text))
            .collect();
        // The longest first: a spelling may hold another.
        spellings.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        Self(spellings.into())
    }

    /// Replaces each secret in a text by the name of its variable.
    pub fn text(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for (name, secret) in self.0.iter() {
            if clean.contains(secret.as_str()) {
                clean = clean.replace(secret.as_str(), &format!("[{name}]"));
            }
        }
        clean
    }

    /// Replaces each secret in the texts and keys of a JSON value.
    pub fn value(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, item)| (self.text(&key), self.value(item)))
                    .collect(),
            ),
            other => other,
        }
    }
}

/// Says whether a header or a query parameter of this name carries something secret: credentials, a key, a signature.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = bare(name);
    let parts = [
        "authorization",
        "authentication",
        "apikey",
        "bearer",
        "cookie",
        "credential",
        "hmac",
        "jwt",
        "passw",
        "secret",
        "session",
        "signature",
        "token",
    ];
    // A repeated delivery is no secret.
    let is_key = name.ends_with("key") && name != "idempotencykey";
    is_key
        || name.ends_with("auth")
        || matches!(name.as_str(), "sig" | "pwd" | "pass")
        || parts.iter().any(|part| name.contains(part))
}

/// A name without regard to case and hyphens.
pub(crate) fn bare(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

fn collect(name: &str, value: &Value, secrets: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => secrets.push((name.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect(name, item, secrets)),
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(field, item)| collect(&format!("{name}.{field}"), item, secrets));
        }
        _ => {}
    }
}

fn spell(name: &str, text: &str) -> Vec<(String, String)> {
    if text.len() < SHORTEST {
        return Vec::new();
    }
    let percent: String = text
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    let mut texts = vec![
        text.to_owned(),
        percent,
        hex::encode(text),
        BASE64_STANDARD.encode(text),
        BASE64_STANDARD_NO_PAD.encode(text),
        BASE64_URL_SAFE.encode(text),
        BASE64_URL_SAFE_NO_PAD.encode(text),
        text.escape_debug().to_string(),
    ];
    texts.sort_unstable();
    texts.dedup();
    texts
        .into_iter()
        .map(|spelling| (name.to_owned(), spelling))
        .collect()
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_every_spelling() {
        let variables = [ConfigVar::new::<sdk::Secret>("token")];
        let values = json!({"token": "s3cret/öl"});
        let redactor = Redactor::new(&variables, values.as_object().unwrap(), &[]);
        for spelling in [
            "s3cret/öl".to_owned(),
            hex::encode("s3cret/öl"),
            BASE64_STANDARD.encode("s3cret/öl"),
            "s3cret%2F%C3%B6l".to_owned(),
        ] {
            assert_eq!(redactor.text(&format!("a {spelling} b")), "a [token] b");
        }
        assert_eq!(
            redactor.value(json!({"x": ["s3cret/öl"]})),
            json!({"x": ["[token]"]})
        );
    }

    #[test]
    fn a_name_tells_that_a_value_is_secret() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "api-key",
            "X-Acme-Key",
            "Cookie",
            "Set-Cookie",
            "X-Hub-Signature-256",
            "access_token",
            "X-Amz-Credential",
            "x-auth",
            "sig",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
        for name in [
            "content-type",
            "Idempotency-Key",
            "x-author",
            "keyword",
            "traceparent",
        ] {
            assert!(!names_a_secret(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let variables = [ConfigVar::new::<String>("name")];
        let values = json!({"name": "Acme Corporation"});
        let redactor = Redactor::new(&variables, values.as_object().unwrap(), &[]);
        assert_eq!(redactor.text("Acme Corporation"), "Acme Corporation");
    }
}
