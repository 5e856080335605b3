use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;
use sdk::Body;
use serde_json::json;

use super::*;
use crate::decode::body::{BodyLimits, read_body};

fn read(content_type: &str, content: impl AsRef<[u8]>) -> Result<Body, BodyFault> {
    let raw = Bytes::copy_from_slice(content.as_ref());
    read_body(Some(content_type), None, &raw, &BodyLimits::default())
}

#[track_caller]
fn check_json(content: impl AsRef<[u8]>, expected: Value) {
    assert_eq!(read("application/json", content), Ok(Body::Json(expected)));
}

#[track_caller]
fn check_malformed(content: impl AsRef<[u8]>) {
    let refusal = read("application/json; charset=utf-8", content).unwrap_err();
    assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refusal.to_string(), "Received malformed JSON payload.");
}

// W14, TP-24.
#[test]
fn json_keeps_its_keys_and_types() {
    let text = br#"{"Payload Key 1": "a", "Do Thing?": true, "n": 123, "f": 1.0, "x": null, "\u0000": "\u0000"}"#;
    let expected =
        json!({"Payload Key 1": "a", "Do Thing?": true, "n": 123, "f": 1.0, "x": null, "\0": "\0"});
    for content_type in [
        "application/json",
        "APPLICATION/JSON; charset=UTF-8",
        "application/vnd.api+json",
        "application/problem+JSON;x",
    ] {
        assert_eq!(
            read(content_type, text),
            Ok(Body::Json(expected.clone())),
            "{content_type}"
        );
    }
    let Ok(Body::Json(value)) = read("application/json", "[123, 123.0]") else {
        panic!("it is JSON");
    };
    assert!(value[0].is_u64() && value[1].is_f64());
}

// W14.
#[test]
fn a_number_keeps_its_value() {
    for integer in [
        "9007199254740993",
        "18446744073709551615",
        "-9223372036854775808",
    ] {
        let Ok(Body::Json(value)) = read("application/json", integer) else {
            panic!("{integer} is JSON");
        };
        assert_eq!(value.to_string(), integer);
    }
    for fraction in [3.033_238_707_819_51e163, 51.248_174_178_125_87, 0.1] {
        check_json(format!("{fraction:?}"), json!(fraction));
    }
}

#[test]
fn an_empty_json_body_is_null() {
    check_json("", Value::Null);
    check_json(b"\xef\xbb\xbf", Value::Null);
    check_malformed(" \n");
}

#[test]
fn of_a_json_key_that_comes_again_the_last_value_counts() {
    check_json(r#"{"a": 1, "b": 2, "a": 3}"#, json!({"a": 3, "b": 2}));
}

#[test]
fn json_is_utf_8_unless_it_is_not_and_says_so() {
    check_json(b"\xef\xbb\xbf{\"a\":1}", json!({"a": 1}));
    check_json(b"\xff\xfe[\x001\x00]\x00", json!([1]));
    let latin = "application/json; charset=ISO-8859-1";
    assert_eq!(read(latin, b"\"gr\xfcn\""), Ok(Body::Json(json!("grün"))));
    assert_eq!(read(latin, "\"grün\""), Ok(Body::Json(json!("grün"))));
    let utf_16 = read("application/json; charset=utf-16le", b"[\x001\x00]\x00");
    assert_eq!(utf_16, Ok(Body::Json(json!([1]))));
    assert_eq!(
        read("application/json; charset=klingon", "[1]"),
        Ok(Body::Json(json!([1])))
    );
}

// W14, TP-46.
#[test]
fn json_that_is_not_is_refused_in_the_words_of_the_seed() {
    check_malformed(r#"{"item": "widget", "quantity": "#);
    check_malformed("{'item': 1}");
    check_malformed("[1] [2]");
    check_malformed("[1,]");
    check_malformed("NaN");
    check_malformed("\"\u{1}\"");
    check_malformed(r#""\ud800""#);
    check_malformed(b"\"gr\xfcn\"");
    check_malformed(b"\xff\xfe[");
    check_malformed("item=widget");
    assert_eq!(r#"{"error":"Received malformed JSON payload."}"#.len(), 44);
}

// W17.
#[test]
fn json_that_nests_too_deep_is_refused_without_a_stack() {
    let deep = [
        "[".repeat(100_000),
        "[".repeat(100_000) + &"]".repeat(100_000),
        "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000),
        "[{\"a\":".repeat(50_000),
        "[".repeat(128) + &"]".repeat(128),
    ];
    for text in deep {
        let refusal = read("application/json", text).unwrap_err();
        assert_eq!(refusal, BodyFault::NestedTooDeep { limit: 128 });
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    }
    assert!(read("application/json", "[".repeat(127) + &"]".repeat(127)).is_ok());
    assert!(
        read(
            "application/json",
            format!("{:?}", "[".repeat(500) + "\\\"[{")
        )
        .is_ok()
    );
    assert!(read("application/json", format!("[{}1]", "[],".repeat(500))).is_ok());
}

#[test]
fn the_depth_of_json_is_a_setting_that_ends_at_128() {
    let read_nested = |depth, nesting| {
        let raw = Bytes::from("[".repeat(depth) + &"]".repeat(depth));
        let limits = BodyLimits {
            nesting,
            ..BodyLimits::default()
        };
        read_body(Some("application/json"), None, &raw, &limits)
    };
    assert!(read_nested(3, 4).is_ok());
    assert_eq!(
        read_nested(4, 4),
        Err(BodyFault::NestedTooDeep { limit: 4 })
    );
    assert_eq!(
        read_nested(5_000, 1_000_000),
        Err(BodyFault::NestedTooDeep { limit: 128 })
    );
}

// Finding 10: what looks like an upload is still JSON.
#[test]
fn json_never_becomes_a_file() {
    let text =
        r#"{"photo": {"data": "x", "content_type": "image/png", "file_name": "/etc/passwd"}}"#;
    assert!(matches!(read("application/json", text), Ok(Body::Json(_))));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(15),
        ..ProptestConfig::default()
    })]

    // W14: what is written as JSON is read as the same.
    #[test]
    fn json_comes_back_as_it_was_written(text: String, integer: i64, float in prop::num::f64::NORMAL) {
        let value = json!({ text.clone(): [text, integer, float, null, {}] });
        prop_assert_eq!(read("application/json", value.to_string()), Ok(Body::Json(value)));
    }
}
