use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use proptest::prelude::*;
use sdk::Payload;
use serde_json::Value;

use super::*;

fn read(content_type: &str, content: impl AsRef<[u8]>) -> Result<Body, BodyFault> {
    let raw = Bytes::copy_from_slice(content.as_ref());
    read_body(Some(content_type), None, &raw, &BodyLimits::default())
}

// W16, TP-25.
#[test]
fn xml_is_text_that_an_author_reads_with_one_word() {
    let raw = Bytes::from_static(
        b"<?xml version='1.0' encoding='ISO-8859-1'?><note><to>J\xfcrgen</to></note>",
    );
    let body = read("application/xml", &raw).unwrap();
    let payload = Payload {
        raw_body: raw,
        body,
        ..Payload::empty()
    };
    let note: Value = payload.xml().unwrap();
    assert_eq!(note["to"]["$text"], "Jürgen");
}

// W13, W16, TP-29.
#[test]
fn anything_else_is_bytes_as_received() {
    let png = Bytes::from_static(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\xff\xfe\xfd");
    for content_type in [
        "image/png",
        "application/octet-stream",
        "multipart/mixed; boundary=x",
        "nonsense",
        ";",
        "a/b/c",
    ] {
        let body = read_body(Some(content_type), None, &png, &BodyLimits::default());
        assert_eq!(body, Ok(Body::Bytes(png.clone())), "{content_type}");
    }
}

#[test]
fn a_body_without_a_content_type_is_bytes_and_no_body_is_empty() {
    let untyped = |raw: &'static str, content_type| {
        read_body(
            content_type,
            None,
            &Bytes::from_static(raw.as_bytes()),
            &BodyLimits::default(),
        )
    };
    assert_eq!(
        untyped("{}", None),
        Ok(Body::Bytes(Bytes::from_static(b"{}")))
    );
    assert_eq!(untyped("", None), Ok(Body::Empty));
    assert_eq!(untyped("", Some(" ")), Ok(Body::Empty));
    assert_eq!(
        untyped("", Some("text/plain")),
        Ok(Body::Text(String::new()))
    );
    assert_eq!(
        untyped("", Some("image/png")),
        Ok(Body::Bytes(Bytes::new()))
    );
}

// W17.
#[test]
fn a_body_over_the_limit_is_refused() {
    let limits = BodyLimits {
        size: 4,
        ..BodyLimits::default()
    };
    let read_sized = |raw: &'static [u8]| read_body(None, None, &Bytes::from_static(raw), &limits);
    assert!(read_sized(b"1234").is_ok());
    let refusal = read_sized(b"12345").unwrap_err();
    assert_eq!(refusal.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        refusal.to_string(),
        "Received a payload that exceeds 4 bytes."
    );
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn content_types() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("application/json".to_owned()),
        Just("application/json; charset=utf-16".to_owned()),
        Just("application/x-www-form-urlencoded; charset=shift_jis".to_owned()),
        Just("multipart/form-data; boundary=b".to_owned()),
        Just("text/xml".to_owned()),
        Just("text/plain; charset=utf-16be".to_owned()),
        "(application/json|multipart/form-data|text/x)[;= \"\\\\a-z]{0,24}",
        "\\PC{0,16}",
    ]
}

/// Text made of the pieces that mean something to one of the readers.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "--b",
            "--",
            "\r\n",
            "\r\n\r\n",
            "Content-Disposition: form-data; name=\"",
            "Content-Type: ",
            "application/json",
            "filename*=utf-8''%e2",
            ";",
            "\"",
            "\\",
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "1e9",
            "<?xml",
            " encoding='",
            "?>",
            "%",
            "&",
            "=",
            "+",
            "\u{feff}",
            "\\ud800",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(14),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_body_panics(content_type in content_types(), content in contents(), is_compressed: bool, is_whole: bool) {
        let mut raw = if is_compressed { gzip(&content) } else { content };
        if !is_whole {
            raw.truncate(raw.len() / 2);
        }
        let encoding = is_compressed.then_some("gzip");
        let limits = BodyLimits { parts: 3, part_header: 64, ..BodyLimits::default() };
        if let Err(refusal) = read_body(Some(&content_type), encoding, &Bytes::from(raw), &limits) {
            prop_assert!(refusal.status().is_client_error());
            prop_assert!(refusal.to_string().starts_with("Received a") || refusal.to_string().starts_with("Received malformed"));
        }
    }
}
