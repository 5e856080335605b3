//! Builds the text that is signed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use http::header::CONTENT_TYPE;
use sdk::signature::{MemberList, Part, UrlForm};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Refusal;
use super::reading::Reading;

/// The text that is signed, in pieces, so that a body is not copied.
#[derive(Clone)]
pub(super) struct SignedText<'a>(pub(super) Vec<Cow<'a, [u8]>>);

/// The texts that may have been signed with this key: one for each spelling of the URL.
pub(super) fn texts<'a>(reading: &Reading<'a>, key: &[u8]) -> Result<Vec<SignedText<'a>>, Refusal> {
    let mut urls = spellings(reading.scheme.url_form, reading.request.url);
    if !reading.scheme.signed.contains(&Part::Url) {
        urls.truncate(1);
    }
    let texts = urls.into_iter().map(|url| text(reading, url, key));
    texts.collect()
}

fn text<'a>(
    reading: &Reading<'a>,
    url: Cow<'a, str>,
    key: &[u8],
) -> Result<SignedText<'a>, Refusal> {
    let mut pieces = Vec::new();
    let mut url = Some(url);
    for part in &reading.scheme.signed {
        let piece: Cow<'a, [u8]> = match part {
            Part::Method => Cow::Borrowed(reading.request.method.as_str().as_bytes()),
            Part::Url => match url.take() {
                Some(Cow::Borrowed(url)) => Cow::Borrowed(url.as_bytes()),
                Some(Cow::Owned(url)) => Cow::Owned(url.into_bytes()),
                None => Cow::Borrowed(&[]),
            },
            Part::Id => match &reading.scheme.id {
                Some(source) => Cow::Owned(reading.required(source)?.into_bytes()),
                None => Cow::Borrowed(&[]),
            },
            Part::Timestamp => Cow::Owned(reading.timestamp()?.into_bytes()),
            Part::Body => Cow::Borrowed(reading.request.body),
            Part::Text(text) => Cow::Borrowed(text.as_bytes()),
            Part::BodySum => {
                let mut sum = flate2::Crc::new();
                sum.update(reading.request.body);
                Cow::Owned(sum.sum().to_string().into_bytes())
            }
            Part::Secret => Cow::Owned(key.to_vec()),
            Part::Value(source) => Cow::Owned(reading.required(source)?.into_bytes()),
            Part::Members { kind, lists } => Cow::Owned(members(reading, kind, lists)?),
            Part::FormOrDigest { parameter } => Cow::Owned(form_or_digest(reading, parameter)?),
            _ => {
                return Err(Refusal::Malformed {
                    what: "the signed text".to_owned(),
                    reason: "has a part that this runner does not know",
                });
            }
        };
        pieces.push(piece);
    }
    Ok(SignedText(pieces))
}

/// AWS SNS's rule; see [`Part::Members`].
fn members(reading: &Reading<'_>, kind: &str, lists: &[MemberList]) -> Result<Vec<u8>, Refusal> {
    let missing = |name: &str| Refusal::Missing {
        what: format!("text `{name}` in the JSON body"),
    };
    let found = |name: &str| {
        let value = reading.json().and_then(|body| body.get(name));
        value.and_then(Value::as_str)
    };
    let known = found(kind).ok_or_else(|| missing(kind))?;
    let list = lists.iter().find(|list| list.kind == known);
    let list = list.ok_or_else(|| Refusal::Malformed {
        what: format!("text `{kind}` in the JSON body"),
        reason: "is of a kind that this sender does not sign",
    })?;
    let mut text = String::new();
    for name in &list.names {
        match found(name) {
            Some(value) => {
                for piece in [name, "\n", value, "\n"] {
                    text.push_str(piece);
                }
            }
            None if list.optional.contains(name) => {}
            None => return Err(missing(name)),
        }
    }
    Ok(text.into_bytes())
}

/// Twilio's rule; see [`Part::FormOrDigest`].
fn form_or_digest(reading: &Reading<'_>, parameter: &str) -> Result<Vec<u8>, Refusal> {
    let body = reading.request.body;
    if let Some(written) = reading.query(parameter)? {
        let digest = Sha256::digest(body);
        let fits = hex::decode(written).is_ok_and(|written| digest[..].ct_eq(&written).into());
        return if fits {
            Ok(Vec::new())
        } else {
            Err(Refusal::Mismatch)
        };
    }
    if is_form(reading)? {
        let pairs: BTreeSet<_> = form_urlencoded::parse(body).collect();
        let names_and_values = pairs.iter().flat_map(|(name, value)| [name, value]);
        return Ok(names_and_values.flat_map(|text| text.bytes()).collect());
    }
    if body.is_empty() {
        return Ok(Vec::new());
    }
    Err(Refusal::UncoveredBody)
}

/// Whether the body is declared to be a form.
pub(super) fn is_form(reading: &Reading<'_>) -> Result<bool, Refusal> {
    let declared = reading.header(CONTENT_TYPE.as_str())?.unwrap_or_default();
    let essence = declared.split(|byte| *byte == b';').next();
    let essence = essence.unwrap_or_default().trim_ascii();
    Ok(essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded"))
}

/// The spellings of a URL that a sender may have signed, each once; the first is as configured.
fn spellings(form: UrlForm, url: &str) -> Vec<Cow<'_, str>> {
    let mut spellings = vec![Cow::Borrowed(url)];
    let others = match form {
        UrlForm::EitherPort => other_ports(url),
        UrlForm::AlsoUnescaped(characters) => vec![unescaped(url, characters)],
        _ => Vec::new(),
    };
    for other in others {
        if !spellings.contains(&Cow::Borrowed(other.as_str())) {
            spellings.push(Cow::Owned(other));
        }
    }
    spellings
}

/// The URL without its port, and with the default port of its scheme.
fn other_ports(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Vec::new();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => authority,
    };
    let default = if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    };
    vec![
        format!("{scheme}://{host}{path}"),
        format!("{scheme}://{host}:{default}{path}"),
    ]
}

/// The URL with the escapes of these ASCII characters decoded, once.
fn unescaped(url: &str, characters: &str) -> String {
    let mut pieces = url.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escape = piece.get(..2);
        let byte = escape.and_then(|escape| u8::from_str_radix(escape, 16).ok());
        match byte.map(char::from) {
            Some(character) if characters.contains(character) => {
                text.push(character);
                text.push_str(piece.get(2..).unwrap_or_default());
            }
            _ => {
                text.push('%');
                text.push_str(piece);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_tried_with_and_without_its_port() {
        let spelled = |url| spellings(UrlForm::EitherPort, url).join(" ");
        assert_eq!(
            spelled("https://a.example/x?y=1:2"),
            "https://a.example/x?y=1:2 https://a.example:443/x?y=1:2"
        );
        assert_eq!(
            spelled("http://user:pass@a.example:8080"),
            "http://user:pass@a.example:8080 http://user:pass@a.example http://user:pass@a.example:80"
        );
        assert_eq!(
            spelled("http://[::1]:80/x"),
            "http://[::1]:80/x http://[::1]/x"
        );
        assert_eq!(spelled("nowhere"), "nowhere");
    }

    #[test]
    fn only_the_named_escapes_are_decoded_and_only_once() {
        assert_eq!(unescaped("/a%3a%2F%3f%20%", ":/?"), "/a:/?%20%");
        assert_eq!(unescaped("/%253A%3", ":"), "/%253A%3");
        assert_eq!(unescaped("/%é", ":"), "/%é");
        assert_eq!(spellings(UrlForm::AlsoUnescaped(":"), "/plain").len(), 1);
    }
}
