use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use sdk::Body;
use serde_json::{Value, json};

use super::*;
use crate::decode::body::{BodyLimits, read_body};

fn read_gzip(content_type: &str, raw: Vec<u8>) -> Result<Body, BodyFault> {
    read_body(
        Some(content_type),
        Some("gzip"),
        &Bytes::from(raw),
        &BodyLimits::default(),
    )
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

// W18.
#[test]
fn gzip_is_decoded_for_the_body() {
    let raw = Bytes::from(gzip(br#"{"a": 1}"#));
    for encoding in ["gzip", "GZIP", "x-gzip", "identity, gzip", " gzip ,"] {
        let body = read_body(
            Some("application/json"),
            Some(encoding),
            &raw,
            &BodyLimits::default(),
        );
        assert_eq!(body, Ok(Body::Json(json!({"a": 1}))), "{encoding}");
    }
    let members = [gzip(b"[1,"), gzip(b"2]")].concat();
    assert_eq!(
        read_gzip("application/json", members),
        Ok(Body::Json(json!([1, 2])))
    );
    assert_eq!(
        read_gzip("application/json", Vec::new()),
        Ok(Body::Json(Value::Null))
    );
}

// W18.
#[test]
fn a_gzip_bomb_is_refused_under_the_limit_of_the_body() {
    let zeros = gzip(&vec![0; 10 * 1024 * 1024]);
    assert!(zeros.len() < 64 * 1024);
    let refusal = read_gzip("application/octet-stream", zeros).unwrap_err();
    assert_eq!(
        refusal,
        BodyFault::TooLarge {
            limit: 6 * 1024 * 1024
        }
    );
    assert_eq!(refusal.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let just_fits = gzip(&vec![0; 6 * 1024 * 1024]);
    assert!(read_gzip("application/octet-stream", just_fits).is_ok());
}

// W18.
#[test]
fn broken_gzip_is_refused() {
    let whole = gzip(b"[1, 2, 3]");
    let mut flipped = whole.clone();
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 1;
    let cut = whole[..whole.len() - 1].to_vec();
    let trailed = [whole.as_slice(), b"x"].concat();
    for broken in [b"[1]".to_vec(), cut, flipped, trailed, vec![0x1f, 0x8b]] {
        let refusal = read_gzip("application/json", broken).unwrap_err();
        assert_eq!(refusal, BodyFault::MalformedGzip);
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    }
}

// W18.
#[test]
fn another_content_encoding_is_not_supported_unless_there_is_nothing_to_decode() {
    for encoding in ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "chunked"] {
        let read_encoded = |raw| read_body(None, Some(encoding), &raw, &BodyLimits::default());
        let refusal = read_encoded(Bytes::from_static(b"x")).unwrap_err();
        assert_eq!(
            refusal.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{encoding}"
        );
        assert_eq!(read_encoded(Bytes::new()), Ok(Body::Empty));
    }
    let plain = read_body(
        None,
        Some("Identity"),
        &Bytes::from_static(b"x"),
        &BodyLimits::default(),
    );
    assert_eq!(plain, Ok(Body::Bytes(Bytes::from_static(b"x"))));
}

// W18: 6 MiB of empty members would keep a core busy for seconds.
#[test]
fn gzip_of_countless_members_is_refused() {
    let member = gzip(b"");
    let most = read_gzip("text/plain", member.repeat(MEMBERS));
    assert_eq!(most, Ok(Body::Text(String::new())));
    let countless = read_gzip("text/plain", member.repeat(6 * 1024 * 1024 / member.len()));
    assert_eq!(countless, Err(BodyFault::MalformedGzip));
}
