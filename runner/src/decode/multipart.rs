//! Reads `multipart/form-data`.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use encoding_rs::{Encoding, UTF_8};
use futures_util::{FutureExt as _, future, stream};
use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use multer::{Field, Multipart};
use percent_encoding::percent_decode_str;
use sdk::{Body, Part};

use super::fault::{BodyFault, BodyLimits};
use super::json::{JsonAs, read_json};
use super::media_type::{Kind, MediaType, Parameters};
use super::text::read_text;

/// Parts by name, every part of a repeated name in order.
type Parts = BTreeMap<String, Vec<Part>>;

/// Reads the parts of a `multipart/form-data` body (W15). Names and file names are data, whatever they look like.
///
/// # Errors
///
/// The body is malformed or cut short, a part has no name, a JSON part is not JSON, or a limit is exceeded.
pub(super) fn read_multipart(
    content: Bytes,
    boundary: Option<&str>,
    limits: &BodyLimits,
) -> Result<Body, BodyFault> {
    let boundary = boundary
        .filter(|boundary| !boundary.is_empty())
        .ok_or(BodyFault::NoBoundary)?;
    let whole = stream::once(future::ready(Ok::<_, Infallible>(content)));
    // Everything that is waited for is there, so the first poll ends it; if it ever did not, it would be a fault, not a wait.
    read_parts(Multipart::new(whole, boundary), limits)
        .now_or_never()
        .unwrap_or(Err(BodyFault::MalformedMultipart))
        .map(Body::Multipart)
}

async fn read_parts(mut multipart: Multipart<'_>, limits: &BodyLimits) -> Result<Parts, BodyFault> {
    let mut parts = Parts::new();
    let mut count = 0;
    while let Some(field) = multipart.next_field().await.map_err(malformed)? {
        count += 1;
        if count > limits.parts {
            return Err(BodyFault::TooManyParts {
                limit: limits.parts,
            });
        }
        if header_size(field.headers()) > limits.part_header {
            return Err(BodyFault::PartHeaderTooLarge {
                limit: limits.part_header,
            });
        }
        let (name, part) = read_part(field, limits).await?;
        parts.entry(name).or_default().push(part);
    }
    Ok(parts)
}

fn malformed(_: multer::Error) -> BodyFault {
    BodyFault::MalformedMultipart
}

/// The size of a part's headers as `name: value` lines.
fn header_size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

async fn read_part(field: Field<'_>, limits: &BodyLimits) -> Result<(String, Part), BodyFault> {
    let disposition = disposition(field.headers());
    let name = disposition
        .get("name")
        .ok_or(BodyFault::NamelessPart)?
        .to_owned();
    let file_name = disposition
        .get("filename*")
        .and_then(extended_value)
        .or_else(|| disposition.get("filename").map(str::to_owned));
    let content_type = header_text(field.headers(), &CONTENT_TYPE);
    let content = read_content(field).await?;
    let data = read_data(
        content,
        content_type.as_deref(),
        file_name.is_some(),
        limits,
    )?;
    let part = Part {
        data,
        content_type,
        file_name,
    };
    Ok((name, part))
}

/// Reads a part by its content type: JSON as a value, a file as bytes, text or no content type as text, the rest as bytes.
fn read_data(
    content: Bytes,
    content_type: Option<&str>,
    is_file: bool,
    limits: &BodyLimits,
) -> Result<Body, BodyFault> {
    let media_type = MediaType::parse(content_type.unwrap_or("text/plain"));
    Ok(match media_type.kind() {
        Kind::Json => read_json(
            &content,
            media_type.charset(),
            limits.nesting,
            JsonAs::Value,
        )?,
        Kind::Text | Kind::Xml if !is_file => read_text(content, &media_type),
        _ => Body::Bytes(content),
    })
}

async fn read_content(mut field: Field<'_>) -> Result<Bytes, BodyFault> {
    let mut content = Bytes::new();
    while let Some(chunk) = field.chunk().await.map_err(malformed)? {
        content = if content.is_empty() {
            chunk
        } else {
            let mut joined = BytesMut::from(content);
            joined.extend_from_slice(&chunk);
            joined.freeze()
        };
    }
    Ok(content)
}

/// Returns the parameters of a part's `Content-Disposition`. `multer` looks for `name=` and `filename=` anywhere in the
/// header, inside a quoted file name too, and knows no `filename*`; so its own answers are not used.
fn disposition(headers: &HeaderMap) -> Parameters {
    let text = header_text(headers, &CONTENT_DISPOSITION).unwrap_or_default();
    Parameters::parse(
        text.split_once(';')
            .map_or("", |(_, parameters)| parameters),
    )
}

fn header_text(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

/// Reads `UTF-8'en'%e2%82%ac.txt` (RFC 8187), as some senders write the names of files.
fn extended_value(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let encoding = Encoding::for_label_no_replacement(charset.as_bytes()).unwrap_or(UTF_8);
    let bytes: Vec<u8> = percent_decode_str(encoded).collect();
    Some(encoding.decode_without_bom_handling(&bytes).0.into_owned())
}

#[cfg(test)]
mod tests;
