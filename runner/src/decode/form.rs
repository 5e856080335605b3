//! Reads url-encoded pairs: a form, or a query string.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use percent_encoding::percent_decode;
use sdk::{Body, QueryParameters};

use super::fault::BodyFault;

/// Reads an url-encoded form (W16) in its declared character set, or UTF-8. A character set that is not known, or that is
/// no superset of ASCII, leaves bytes.
///
/// # Errors
///
/// More than `limit` fields.
pub(super) fn read_form(
    content: Bytes,
    charset: Option<&str>,
    limit: usize,
) -> Result<Body, BodyFault> {
    let encoding = match charset {
        None => Some(UTF_8),
        Some(label) => Encoding::for_label_no_replacement(label.as_bytes())
            .filter(|encoding| encoding.is_ascii_compatible()),
    };
    let Some(encoding) = encoding else {
        return Ok(Body::Bytes(content));
    };
    if fields(&content).nth(limit).is_some() {
        return Err(BodyFault::TooManyFields { limit });
    }
    Ok(Body::Form(read_pairs(&content, encoding)))
}

/// Reads `name=value` pairs between `&`: `+` is a space, `%` and two hexadecimal digits a byte, a `%` before anything else
/// itself. A name without `=` has an empty value; nothing between two `&` is no pair. Bytes that are no text become U+FFFD.
pub(super) fn read_pairs(text: &[u8], encoding: &'static Encoding) -> QueryParameters {
    fields(text)
        .map(|field| {
            let mut sides = field.splitn(2, |byte| *byte == b'=');
            let mut side = || decode(sides.next().unwrap_or_default(), encoding);
            (side(), side())
        })
        .collect()
}

fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
}

fn decode(text: &[u8], encoding: &'static Encoding) -> String {
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let bytes: Vec<u8> = percent_decode(&spaced).collect();
    encoding.decode_without_bom_handling(&bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::decode::body::{BodyLimits, read_body};

    fn read(content_type: &str, content: impl AsRef<[u8]>) -> Result<Body, BodyFault> {
        let raw = Bytes::copy_from_slice(content.as_ref());
        read_body(Some(content_type), None, &raw, &BodyLimits::default())
    }

    // W16.
    #[test]
    fn a_form_is_decoded_and_keeps_every_value() {
        let body = read(
            "application/x-www-form-urlencoded",
            "a+b=1%2B2&tag=x&tag=y&flag&%C3%BC=%FF&&=",
        );
        let expected = [
            ("a b", "1+2"),
            ("tag", "x"),
            ("tag", "y"),
            ("flag", ""),
            ("ü", "\u{fffd}"),
            ("", ""),
        ];
        assert_eq!(body, Ok(Body::Form(QueryParameters::from_iter(expected))));
        let empty = read("application/x-www-form-urlencoded", "");
        assert_eq!(empty, Ok(Body::Form(QueryParameters::default())));
    }

    #[test]
    fn a_form_is_read_in_its_declared_character_set() {
        let read_in = |charset: &str| {
            read(
                &format!("application/x-www-form-urlencoded; charset={charset}"),
                "a=%FC",
            )
        };
        assert_eq!(
            read_in("iso-8859-1"),
            Ok(Body::Form(QueryParameters::from_iter([("a", "ü")])))
        );
        assert_eq!(
            read_in("utf-16"),
            Ok(Body::Bytes(Bytes::from_static(b"a=%FC")))
        );
    }

    // W17.
    #[test]
    fn a_form_has_a_most_of_fields() {
        let form = "application/x-www-form-urlencoded";
        assert!(read(form, "a&".repeat(10_000)).is_ok());
        let refusal = read(form, "a&".repeat(10_001)).unwrap_err();
        assert_eq!(refusal, BodyFault::TooManyFields { limit: 10_000 });
        assert_eq!(refusal.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
