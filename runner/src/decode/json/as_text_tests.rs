//! JSON that is taken as a text and JSON that is taken as a value: the same is refused, and the same is read.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;
use sdk::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;
use crate::decode::{BodyLimits, read_body_as};

fn read(json: JsonAs, content_type: &str, raw: &Bytes, nesting: usize) -> Result<Body, BodyFault> {
    let limits = BodyLimits {
        nesting,
        ..BodyLimits::default()
    };
    read_body_as(json, Some(content_type), None, raw, &limits)
}

fn read_text(text: &'static str) -> Body {
    let raw = Bytes::from_static(text.as_bytes());
    read(JsonAs::Text, "application/json", &raw, DEEPEST).unwrap()
}

#[test]
fn a_text_is_checked_and_not_copied() {
    let raw = Bytes::from_static(b"\xef\xbb\xbf {\"a\": [1, {\"a\": null}]}\n");
    let body = read(JsonAs::Text, "application/json", &raw, DEEPEST).unwrap();
    let Body::JsonText(text) = body else {
        panic!("it is taken as a text");
    };
    assert_eq!(text.as_bytes().as_ptr(), raw[3..].as_ptr());
}

#[test]
fn a_text_in_which_an_object_has_a_key_twice_is_read_at_once() {
    for repeated in [
        r#"{"a": 1, "a": 1}"#,
        r#"{"a": 1, "b": 2, "\u0061": 3}"#,
        r#"[{"b": {"": 1, "c": {"": 1}, "": 2}}]"#,
        r#"{"a": {"b": 1}, "b": {"b": 1}, "a": 2}"#,
    ] {
        assert!(matches!(read_text(repeated), Body::Json(_)), "{repeated}");
    }
    for distinct in [
        r#"{"a": {"a": {"a": 1}, "b": 2}, "b": [{"a": 1}, {"a": 1}]}"#,
        r#"{"a": 1, "A": 1, "a ": 1, "": 1}"#,
        "\"a\"",
        "{}",
    ] {
        let body = read_text(distinct);
        assert!(matches!(body, Body::JsonText(_)), "{distinct}");
    }
}

#[test]
fn what_does_not_fit_is_told_without_line_and_column() {
    let refusal = read_text(r#"{"quantity": 5}"#)
        .decode::<Order>()
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the payload does not fit: missing field `item`"
    );
    assert!(refusal.is_permanent());
}

/// Pieces of which most fit somewhere in one of the types below, and some nowhere.
fn scalar() -> impl Strategy<Value = String> {
    let fixed = vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "7",
        "-1",
        "300",
        "1.5",
        "1e2",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "1e308",
        "1e999",
        "1e-999",
        "01",
        "+1",
        ".5",
        "1.",
        "NaN",
        "\"\"",
        "\"x\"",
        "\"a\"",
        "\"b\"",
        "\"7\"",
        "\"\\u00e9\\n\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\\q\"",
        "\"\u{1}\"",
        "\"grün\"",
        "tru",
        "'x'",
        "",
    ];
    prop_oneof![
        6 => select(fixed).prop_map(str::to_owned),
        1 => any::<f64>().prop_map(|number| format!("{number:?}")),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<String>().prop_map(|text| Value::from(text).to_string()),
    ]
}

/// A JSON text, or nearly: keys come again, and so does space.
fn text() -> impl Strategy<Value = String> {
    let key = select(vec![
        "item",
        "quantity",
        "price",
        "tags",
        "note",
        "kind",
        "more",
        "1",
        "01",
        "x",
        "it\\u0065m",
    ]);
    let space = || select(vec!["", "", "", " ", "\n\t"]);
    scalar().prop_recursive(5, 48, 6, move |inner| {
        let list = prop::collection::vec((inner.clone(), space()), 0..5).prop_map(|items| {
            let items: Vec<_> = items
                .iter()
                .map(|(item, space)| format!("{space}{item}"))
                .collect();
            format!("[{}]", items.join(","))
        });
        let entry = (key.clone(), space(), inner);
        let object = prop::collection::vec(entry, 0..7).prop_map(|entries| {
            let written = entries
                .iter()
                .map(|(key, space, value)| format!("\"{key}\"{space}:{space}{value}"));
            format!("{{{}}}", written.collect::<Vec<_>>().join(","))
        });
        prop_oneof![1 => list, 3 => object]
    })
}

/// A text, whole or damaged.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<prop::sample::Index>(), any::<u8>(), 0..8_u8);
    let mark = select(vec![&b""[..], b"", b"", b"\xef\xbb\xbf"]);
    (text(), mark, prop::option::weighted(0.4, damage)).prop_map(|(text, mark, damage)| {
        let mut bytes = [mark, text.as_bytes()].concat();
        if let Some((place, byte, kind)) = damage.filter(|_| !bytes.is_empty()) {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes.truncate(at),
                1 | 2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, byte),
                4 => bytes.extend_from_slice(b" 1"),
                _ => bytes[at] = byte,
            }
        }
        bytes
    })
}

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    item: String,
    #[serde(default)]
    quantity: Option<u32>,
    #[serde(default, rename = "price")]
    costs: f64,
    #[serde(default)]
    tags: Vec<Tag>,
    note: Option<Box<Order>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Tag {
    Order(Box<Order>),
    Pair(i8, bool),
    Known { kind: Kind },
    Empty {},
    Text(String),
    Other(Value),
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    X,
    A(u8),
    B(Option<char>, i64),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Tagged {
    X {
        item: Value,
    },
    #[serde(alias = "a")]
    Seven(BTreeMap<String, Value>),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flat {
    item: Value,
    #[serde(flatten)]
    tagged: Option<Tagged>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    item: Option<Kind>,
    more: Option<(u64, i64)>,
}

/// Says whether a body is read as the same, or refused with the same words, both ways.
fn reads_the_same<T: DeserializeOwned + Debug + PartialEq>(
    text: &Body,
    value: &Body,
) -> Result<(), TestCaseError> {
    let read = |body: &Body| body.decode::<T>().map_err(|error| error.to_string());
    prop_assert_eq!(read(text), read(value));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(16),
        ..ProptestConfig::default()
    })]

    // W14, W17: the door refuses the same, in the same words, whoever reads what it lets in.
    #[test]
    fn a_text_is_refused_as_a_value_is(
        content in content(),
        charset in select(vec!["", "", "; charset=latin1", "; charset=utf-16le"]),
        nesting in 0..7_usize,
    ) {
        let (content_type, raw) = (format!("application/json{charset}"), Bytes::from(content));
        let value = read(JsonAs::Value, &content_type, &raw, nesting);
        let text = read(JsonAs::Text, &content_type, &raw, nesting);
        prop_assert_eq!(text, value);
    }

    // W14: what a function takes does not depend on whether something else looked at the body.
    #[test]
    fn a_text_is_read_as_a_value_is(content in content()) {
        let raw = Bytes::from(content);
        let Ok(value) = read(JsonAs::Value, "application/json", &raw, DEEPEST) else {
            return Ok(());
        };
        let text = read(JsonAs::Text, "application/json", &raw, DEEPEST).unwrap();
        prop_assert_eq!(text.to_json(), value.to_json());
        prop_assert_eq!(text.pointer("/item"), value.pointer("/item"));
        reads_the_same::<Order>(&text, &value)?;
        reads_the_same::<Vec<Order>>(&text, &value)?;
        reads_the_same::<Tag>(&text, &value)?;
        reads_the_same::<Vec<Tag>>(&text, &value)?;
        reads_the_same::<Kind>(&text, &value)?;
        reads_the_same::<Tagged>(&text, &value)?;
        reads_the_same::<Flat>(&text, &value)?;
        reads_the_same::<Strict>(&text, &value)?;
        reads_the_same::<BTreeMap<u32, Value>>(&text, &value)?;
        reads_the_same::<BTreeMap<String, Option<Tag>>>(&text, &value)?;
        reads_the_same::<Value>(&text, &value)?;
        reads_the_same::<()>(&text, &value)?;
        reads_the_same::<Option<String>>(&text, &value)?;
        reads_the_same::<u64>(&text, &value)?;
        reads_the_same::<f64>(&text, &value)?;
    }
}
