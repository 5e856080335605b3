//! Takes a content encoding off a body.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::GzDecoder;

use super::fault::BodyFault;

/// Gzip members that may follow one another: each costs microseconds even if it is empty, so 6 MiB of empty ones would
/// cost seconds.
const MEMBERS: usize = 100;

/// Returns the body without its content encoding, at most `limit` bytes of it (W18).
///
/// `gzip` (or its older name `x-gzip`) may be applied once, in at most 100 members. An empty body has no encoding to take off.
///
/// # Errors
///
/// More than `limit` bytes come out, what is called gzip is not, or the encoding is another.
pub(super) fn decompress(
    content_encoding: Option<&str>,
    raw: &Bytes,
    limit: usize,
) -> Result<Bytes, BodyFault> {
    let encodings: Vec<String> = content_encoding
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    let names: Vec<&str> = encodings.iter().map(String::as_str).collect();
    match names.as_slice() {
        _ if raw.is_empty() => Ok(Bytes::new()),
        [] => Ok(raw.clone()),
        ["gzip" | "x-gzip"] => gunzip(raw, limit),
        _ => Err(BodyFault::UnsupportedEncoding),
    }
}

fn gunzip(raw: &[u8], limit: usize) -> Result<Bytes, BodyFault> {
    let mut content = Vec::new();
    let mut rest = raw;
    for _ in 0..MEMBERS {
        let mut member = GzDecoder::new(rest);
        let one_too_many = limit.saturating_sub(content.len()).saturating_add(1);
        member
            .by_ref()
            .take(u64::try_from(one_too_many).unwrap_or(u64::MAX))
            .read_to_end(&mut content)
            .map_err(|_| BodyFault::MalformedGzip)?;
        if content.len() > limit {
            return Err(BodyFault::TooLarge { limit });
        }
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(Bytes::from(content));
        }
    }
    Err(BodyFault::MalformedGzip)
}

#[cfg(test)]
mod tests;
