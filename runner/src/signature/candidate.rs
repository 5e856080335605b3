//! Finds the signatures that a request brings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sdk::signature::{Encoding, Place};
use serde_json::Value;

use super::Refusal;
use super::reading::Reading;

/// No sender sends more. It bounds the work that a stranger can cause.
const LIMIT: usize = 32;

/// The signatures of a request, decoded.
pub(super) struct Candidates {
    pub(super) values: Vec<Vec<u8>>,
    /// Whether every one of them must fit, and not only one.
    pub(super) must_all_fit: bool,
}

/// The signatures that stand where the scheme says. There is one at least.
pub(super) fn candidates(reading: &Reading<'_>) -> Result<Candidates, Refusal> {
    let (written, what, must_all_fit) = match &reading.scheme.place {
        Place::Headers {
            names,
            separator,
            prefix,
        } => {
            let what = format!("header `{}`", names.join("` or `"));
            let items = in_headers(reading, names, *separator, prefix, &what)?;
            (items, what, false)
        }
        Place::NumberedHeaders(stem) => {
            let what = format!("header `{stem}1`");
            (in_numbered_headers(reading, stem, &what)?, what, false)
        }
        Place::Body(pointer) => {
            let what = format!("signature at `{pointer}` in the JSON body");
            let found = reading.json().and_then(|body| body.pointer(pointer));
            let found = found.and_then(Value::as_str);
            (found.map(bytes).into_iter().collect(), what, false)
        }
        Place::EachElement { list, value } => {
            let what = format!("value at `{value}` in each element of `{list}` in the JSON body");
            (in_each_element(reading, list, value), what, true)
        }
        _ => {
            return Err(Refusal::Malformed {
                what: "the place of the signature".to_owned(),
                reason: "is of a kind that this runner does not know",
            });
        }
    };
    if written.is_empty() {
        return Err(Refusal::Missing { what });
    }
    if written.len() > LIMIT && !must_all_fit {
        return Err(Refusal::Malformed {
            what,
            reason: "holds more signatures than any sender sends",
        });
    }
    let encoding = reading.scheme.encoding;
    let count = written.len();
    let values: Vec<Vec<u8>> = written
        .iter()
        .filter_map(|item| decode(encoding, item))
        .collect();
    if values.is_empty() || (must_all_fit && values.len() < count) {
        return Err(Refusal::Malformed {
            what,
            reason: "is empty or not in the encoding of the scheme",
        });
    }
    Ok(Candidates {
        values,
        must_all_fit,
    })
}

fn in_headers(
    reading: &Reading<'_>,
    names: &[String],
    separator: Option<char>,
    prefix: &str,
    what: &str,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut items = Vec::new();
    let mut is_there = false;
    for name in names {
        let Some(value) = reading.header(name)? else {
            continue;
        };
        is_there = true;
        let found: Vec<&[u8]> = match separator.and_then(|separator| u8::try_from(separator).ok()) {
            Some(separator) => value.split(|byte| *byte == separator).collect(),
            None => vec![value],
        };
        let is_list = separator.is_some();
        items.extend(
            found
                .into_iter()
                .map(|item| if is_list { item.trim_ascii() } else { item })
                .filter_map(|item| item.strip_prefix(prefix.as_bytes()))
                .map(<[u8]>::to_vec),
        );
    }
    if is_there && items.is_empty() {
        return Err(Refusal::Malformed {
            what: what.to_owned(),
            reason: "holds no signature with the prefix of the scheme",
        });
    }
    Ok(items)
}

fn in_numbered_headers(
    reading: &Reading<'_>,
    stem: &str,
    what: &str,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let stem = stem.to_ascii_lowercase();
    let mut items = Vec::new();
    for name in reading.request.headers.keys() {
        let number = name.as_str().strip_prefix(&stem).unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|digit| digit.is_ascii_digit()) {
            continue;
        }
        if items.len() > LIMIT {
            return Err(Refusal::Malformed {
                what: what.to_owned(),
                reason: "is one of more than any sender sends",
            });
        }
        items.extend(reading.header(name.as_str())?.map(<[u8]>::to_vec));
    }
    Ok(items)
}

/// The values, with an empty one for each element that has none, so that it cannot pass.
fn in_each_element(reading: &Reading<'_>, list: &str, value: &str) -> Vec<Vec<u8>> {
    let elements = reading.json().and_then(|body| body.pointer(list));
    let elements = elements.and_then(Value::as_array);
    let texts = elements.into_iter().flatten().map(|element| {
        let found = element.pointer(value).and_then(Value::as_str);
        found.map(bytes).unwrap_or_default()
    });
    texts.collect()
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Decodes strictly: one text for each signature, and nothing for an empty one.
fn decode(encoding: Encoding, item: &[u8]) -> Option<Vec<u8>> {
    let value = match encoding {
        Encoding::Hex => hex::decode(item).ok()?,
        Encoding::Base64 => STANDARD.decode(item).ok()?,
        Encoding::Text => item.to_vec(),
        _ => return None,
    };
    (!value.is_empty()).then_some(value)
}

/// Writes a signature as its sender would.
pub(super) fn encode(encoding: Encoding, value: &[u8]) -> String {
    match encoding {
        Encoding::Base64 => STANDARD.encode(value),
        Encoding::Text => String::from_utf8_lossy(value).into_owned(),
        _ => hex::encode(value),
    }
}
