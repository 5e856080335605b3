//! Reads a body by its content type.

use bytes::Bytes;
use sdk::Body;

use super::fault::BodyFault;
pub(super) use super::fault::BodyLimits;

use super::compression::decompress;
use super::form::read_form;
use super::json::{JsonAs, read_json};
use super::media_type::{Kind, MediaType};
use super::multipart::read_multipart;
use super::text::read_text;

/// Reads a body by its content type (W14 to W18). `raw` is what was received; it is not changed, and it is what signatures,
/// retries and replays use (W13).
///
/// | content type | body |
/// | --- | --- |
/// | `application/json`, `*/*+json` | `Json`; nothing is `null` |
/// | `application/x-www-form-urlencoded` | `Form` |
/// | `multipart/form-data` | `Multipart`: JSON parts parsed, other parts with a file name as bytes |
/// | `text/*`, `application/xml`, `*/*+xml` | `Text` in the declared character set; `Bytes` if that is not known |
/// | anything else, also what is no content type | `Bytes` |
/// | none | `Empty` if nothing was sent, else `Bytes`: what it is was not said, and is not guessed |
///
/// `content_encoding` holds every value of that header, joined by commas.
///
/// ```
/// use bytes::Bytes;
/// use runner::decode::{BodyLimits, read_body};
///
/// let raw = Bytes::from_static(br#"{"item":"widget"}"#);
/// let body = read_body(Some("application/json"), None, &raw, &BodyLimits::default()).unwrap();
/// assert_eq!(body.to_json()["item"], "widget");
///
/// let refusal = read_body(Some("application/json"), None, &raw.slice(..5), &BodyLimits::default()).unwrap_err();
/// assert_eq!(refusal.status(), 400);
/// assert_eq!(refusal.to_string(), "Received malformed JSON payload.");
/// ```
///
/// # Errors
///
/// The body is not what its headers say, exceeds a limit, or is encoded in a way that is not supported.
pub fn read_body(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    raw: &Bytes,
    limits: &BodyLimits,
) -> Result<Body, BodyFault> {
    read_body_as(JsonAs::Value, content_type, content_encoding, raw, limits)
}

/// As [`read_body`], but says as what JSON is taken; JSON in a part of a multipart body is always read.
///
/// # Errors
///
/// As for [`read_body`], whatever JSON is taken as.
pub fn read_body_as(
    json: JsonAs,
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    raw: &Bytes,
    limits: &BodyLimits,
) -> Result<Body, BodyFault> {
    if raw.len() > limits.size {
        return Err(BodyFault::TooLarge { limit: limits.size });
    }
    let content = decompress(content_encoding, raw, limits.size)?;
    let Some(content_type) = content_type.filter(|text| !text.trim().is_empty()) else {
        return Ok(if content.is_empty() {
            Body::Empty
        } else {
            Body::Bytes(content)
        });
    };
    let media_type = MediaType::parse(content_type);
    let charset = media_type.charset();
    match media_type.kind() {
        Kind::Json => read_json(&content, charset, limits.nesting, json),
        Kind::Form => read_form(content, charset, limits.form_fields),
        Kind::Multipart => read_multipart(content, media_type.boundary(), limits),
        Kind::Xml | Kind::Text => Ok(read_text(content, &media_type)),
        Kind::Other => Ok(Body::Bytes(content)),
    }
}

#[cfg(test)]
mod tests;
