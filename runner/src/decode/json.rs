//! Reads a JSON text.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use sdk::Body;
use serde_json::Value;

use super::fault::BodyFault;

/// The depth at which `serde_json` gives up; what is kept of a body is read with it again.
const DEEPEST: usize = 128;

/// As what a JSON body is taken. Which texts are refused, and how, is the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonAs {
    /// As a value, for whoever looks into it: [`Body::Json`].
    Value,
    /// As a text that is checked, for whoever reads it into a type of their own: [`Body::JsonText`], or [`Body::Json`] if it is
    /// empty or an object in it has a key twice.
    Text,
}

/// Reads a JSON text (W14); nothing is `null`.
///
/// The text is UTF-8, with or without a byte order mark, as JSON must be. Only if it is not readable as such, the character
/// set counts that the sender declares; a byte order mark of UTF-16 counts always. Integers keep their value from
/// −2⁶³ to 2⁶⁴−1, beyond that they become the nearest floating-point number. Of a key that comes again the last value counts.
///
/// # Errors
///
/// The text nests `nesting` (at most 128) levels deep, or it is not JSON: a lone surrogate in a string and a number beyond
/// the range of a double are not, as they cannot be kept.
pub(super) fn read_json(
    content: &Bytes,
    charset: Option<&str>,
    nesting: usize,
    json: JsonAs,
) -> Result<Body, BodyFault> {
    let parse = |text: &Bytes| parse(text, nesting, json);
    let transcode_and_parse = |encoding| parse(&transcode(content, encoding)?);
    match Encoding::for_bom(content) {
        Some((encoding, mark)) if encoding == UTF_8 => parse(&content.slice(mark..)),
        Some((encoding, _)) => transcode_and_parse(encoding),
        None => match (parse(content), declared(charset)) {
            (Err(BodyFault::MalformedJson), Some(encoding)) => transcode_and_parse(encoding),
            (outcome, _) => outcome,
        },
    }
}

fn declared(charset: Option<&str>) -> Option<&'static Encoding> {
    charset
        .and_then(|label| Encoding::for_label_no_replacement(label.as_bytes()))
        .filter(|encoding| *encoding != UTF_8)
}

fn transcode(content: &[u8], encoding: &'static Encoding) -> Result<Bytes, BodyFault> {
    let (text, _, has_faults) = encoding.decode(content);
    if has_faults {
        return Err(BodyFault::MalformedJson);
    }
    Ok(Bytes::from(text.into_owned()))
}

fn parse(text: &Bytes, nesting: usize, json: JsonAs) -> Result<Body, BodyFault> {
    if text.is_empty() {
        return Ok(Body::Json(Value::Null));
    }
    let limit = nesting.min(DEEPEST);
    if nests_to(text, limit) {
        return Err(BodyFault::NestedTooDeep { limit });
    }
    let body = match json {
        JsonAs::Value => serde_json::from_slice(text).map(Body::Json),
        JsonAs::Text => Body::from_json_text(text),
    };
    body.map_err(|_| BodyFault::MalformedJson)
}

/// Says whether arrays and objects lie `limit` deep in one another. It recurses into nothing, so no text overflows a stack.
fn nests_to(text: &[u8], limit: usize) -> bool {
    // Most texts have fewer brackets than that in all, and counting them is a matter of nanoseconds.
    let opens = |byte: &&u8| matches!(byte, b'[' | b'{');
    if text.iter().filter(opens).count() < limit {
        return false;
    }
    let mut depth: usize = 0;
    let mut is_in_string = false;
    let mut is_escaped = false;
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth >= limit {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod as_text_tests;
#[cfg(test)]
mod tests;
