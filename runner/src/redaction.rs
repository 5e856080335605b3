//! Takes secrets out of text at the boundary to logs, errors and answers (G10).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{
    BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD,
};
use http::HeaderMap;
use sdk::QueryParameters;
use sdk::config::{ConfigValues, ConfigVar};
use serde_json::Value;

/// The secrets of an instance, each in the spellings in which it may turn up.
#[derive(Clone, Default)]
pub struct Redactor(Arc<[(String, String)]>);

/// Shorter texts are not taken out: they would turn up everywhere.
const SHORTEST: usize = 6;

/// As [`SHORTEST`], of what a sender chose.
const SHORTEST_CREDENTIAL: usize = 8;

/// The longest text of an error that is kept or answered, in bytes: lists show it, and it may quote what a sender sent.
pub(crate) const LONGEST_ERROR: usize = 16 * 1024;

/// What [`shorten`] writes behind a text is not longer, in bytes.
const LONGEST_REMARK: usize = 64;

/// So many credentials of one request are looked for.
const MOST_CREDENTIALS: usize = 16;

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
        let spellings = secrets.iter().flat_map(|(name, text)| spell(name, text));
        Self::of(spellings.collect())
    }

    /// Knows the credentials of one request too: what its headers and parameters carry under a name that tells of a secret. At most
    /// sixteen of them are looked for, so that no sender can make every log line dear.
    #[must_use]
    pub fn and_request(&self, headers: &HeaderMap, query: &QueryParameters) -> Self {
        let headers = headers.iter().filter_map(|(name, value)| {
            let text = value.to_str().ok()?;
            Some((name.as_str(), text))
        });
        let credentials: Vec<(String, String)> = headers
            .chain(query.iter())
            .filter(|(name, _)| names_a_secret(name))
            .flat_map(|(name, value)| parts(value).map(move |part| (name.to_owned(), part)))
            .filter(|(_, part)| part.len() >= SHORTEST_CREDENTIAL)
            .take(MOST_CREDENTIALS)
            .collect();
        if credentials.is_empty() {
            return self.clone();
        }
        let known = self.0.iter().cloned();
        let new = credentials
            .iter()
            .flat_map(|(name, text)| spell(name, text));
        Self::of(known.chain(new).collect())
    }

    /// The longest first: a spelling may hold another.
    fn of(mut spellings: Vec<(String, String)>) -> Self {
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

    /// Replaces each secret in the text of an error, and cuts a long one: it may quote what a sender has sent. One that was cut before
    /// stays as it is.
    pub fn error(&self, text: &str) -> String {
        let clean = self.text(text);
        if clean.len() <= LONGEST_ERROR + LONGEST_REMARK {
            return clean;
        }
        shorten(&clean, LONGEST_ERROR).into_owned()
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

/// Cuts a text that a sender may have made as long as a body.
pub(crate) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    Cow::Owned(format!("{kept}… ({} bytes in all)", text.len()))
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

/// What of the value of a header is secret by itself: the whole, what follows the scheme (`Bearer …`), a password, values of cookies.
fn parts(value: &str) -> impl Iterator<Item = String> + use<> {
    let mut parts = vec![value.to_owned()];
    if let Some((scheme, rest)) = value.split_once(' ') {
        parts.push(rest.trim().to_owned());
        let pair = BASE64_STANDARD.decode(rest.trim()).ok();
        let pair = pair.filter(|_| scheme.eq_ignore_ascii_case("basic"));
        if let Some(pair) = pair.and_then(|pair| String::from_utf8(pair).ok())
            && let Some((_, password)) = pair.split_once(':')
        {
            parts.push(password.to_owned());
        }
    }
    let pairs = value
        .split([';', ','])
        .filter_map(|pair| pair.split_once('='));
    parts.extend(pairs.map(|(_, word)| word.trim().to_owned()));
    parts.into_iter()
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
    let form: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let mut texts = vec![
        text.to_owned(),
        lower_case_escapes(&percent),
        lower_case_escapes(&form),
        percent,
        form,
        hex::encode(text),
        BASE64_STANDARD.encode(text),
        BASE64_STANDARD_NO_PAD.encode(text),
        BASE64_URL_SAFE.encode(text),
        BASE64_URL_SAFE_NO_PAD.encode(text),
        text.escape_debug().to_string(),
    ];
    texts.extend(inside_base64(text));
    texts.sort_unstable();
    texts.dedup();
    texts
        .into_iter()
        .map(|spelling| (name.to_owned(), spelling))
        .collect()
}

/// Returns what a text is in the middle of something longer in base64, such as `user:password`: by how many bytes stand before it. Letters
/// at the edges, which depend on what is beside it, are not among it.
fn inside_base64(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for before in 0..3 {
        let bytes = [vec![0; before].as_slice(), text.as_bytes()].concat();
        let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&bytes);
            found.extend(encoded.get(first..end).map(str::to_owned));
        }
    }
    found
}

/// Writes `%2F` as `%2f`.
fn lower_case_escapes(escaped: &str) -> String {
    let mut parts = escaped.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        text.push('%');
        text.push_str(&digits.to_ascii_lowercase());
        text.push_str(rest);
    }
    text
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

    /// G10: basic authentication, and a secret anywhere in a longer text; what is left says less than a letter at each edge.
    #[test]
    fn a_secret_is_taken_out_of_the_middle_of_base64() {
        let variables = [ConfigVar::new::<sdk::Secret>("token")];
        let values = json!({"token": "s3cret/öl"});
        let redactor = Redactor::new(&variables, values.as_object().unwrap(), &[]);
        for before in ["", "a", "ab", "user:", "users:", "a user:"] {
            for behind in ["", "x", "xy", "xyz"] {
                let text = format!("{before}s3cret/öl{behind}");
                for encoded in [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE.encode(&text)] {
                    let clean = redactor.text(&encoded);
                    assert!(clean.contains("[token]"), "{text}: {clean}");
                    let left = encoded.len() + "[token]".len() - clean.len();
                    assert!(left >= 11, "{text}: {clean}");
                }
            }
        }
    }

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
            "s3cret%2f%c3%b6l".to_owned(),
        ] {
            assert_eq!(redactor.text(&format!("a {spelling} b")), "a [token] b");
        }
        assert_eq!(
            redactor.value(json!({"x": ["s3cret/öl"]})),
            json!({"x": ["[token]"]})
        );
    }

    #[test]
    fn the_credentials_of_a_request_are_taken_out_too() {
        let mut headers = HeaderMap::new();
        let basic = BASE64_STANDARD.encode("somebody:pass-word");
        for (name, value) in [
            ("authorization", format!("Basic {basic}")),
            ("proxy-authorization", "Bearer to-be-kept".to_owned()),
            ("cookie", "id=cookie-value; theme=dark".to_owned()),
            ("x-hub-signature-256", "sha256=0123456789abcdef".to_owned()),
            ("user-agent", "Mozilla/5.0".to_owned()),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let query = [("access_token".to_owned(), "in-the-query".to_owned())];
        let redactor = Redactor::default().and_request(&headers, &query.into_iter().collect());
        for secret in [
            basic.as_str(),
            "pass-word",
            "to-be-kept",
            "cookie-value",
            "0123456789abcdef",
            "in-the-query",
            &hex::encode("in-the-query"),
        ] {
            let clean = redactor.text(&format!("a {secret} b"));
            assert!(
                clean.starts_with("a [") && !clean.contains(secret),
                "{clean}"
            );
        }
        assert_eq!(redactor.text("Mozilla/5.0 dark"), "Mozilla/5.0 dark");
    }

    #[test]
    fn a_long_text_is_cut_at_a_letter_and_says_so() {
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("öööö", 5), "öö… (8 bytes in all)");
    }

    #[test]
    fn only_so_many_credentials_of_a_request_are_looked_for() {
        let mut headers = HeaderMap::new();
        for count in 0..90 {
            let name = http::HeaderName::try_from(format!("x-token-{count}")).unwrap();
            headers.insert(name, format!("value-number-{count}").parse().unwrap());
        }
        let redactor = Redactor::default().and_request(&headers, &QueryParameters::default());
        assert!(redactor.0.len() <= MOST_CREDENTIALS * 8);
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
