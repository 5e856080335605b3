//! The value by which a delivery is known again.

use sdk::Body;
use serde_json::{Number, Value};

/// Returns the value at a JSON pointer as a text that no other value has; `None` if there is none, if it is null, or if a number in it may
/// have been rounded when it was read: then another delivery could have the same, and would be taken for this one (E22, E25).
pub fn identity(body: &Body, pointer: &str) -> Option<String> {
    let value = body.pointer(pointer)?;
    (!value.is_null() && is_as_it_came(&value)).then(|| value.to_string())
}

fn is_as_it_came(value: &Value) -> bool {
    match value {
        Value::Number(number) => is_exact(number),
        Value::Array(items) => items.iter().all(is_as_it_came),
        Value::Object(fields) => fields.values().all(is_as_it_came),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// So many decimal digits a double keeps, whatever they are; and below so much each integer is another double.
const DIGITS: usize = 15;
const INTEGERS: f64 = 9_007_199_254_740_992.0;

fn is_exact(number: &Number) -> bool {
    if !number.is_f64() {
        return true;
    }
    let text = number.to_string();
    let mantissa = text.split('e').next().unwrap_or_default();
    let digits = mantissa.chars().filter(char::is_ascii_digit);
    let digits = digits.skip_while(|digit| *digit == '0').count();
    let is_small = number.as_f64().is_some_and(|value| value.abs() < INTEGERS);
    is_small && digits <= DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Option<String> {
        let value: Value = serde_json::from_str(json).unwrap();
        identity(&Body::Json(value), "/id")
    }

    #[test]
    fn a_value_is_known_again_if_it_stands_there_as_it_came() {
        for (json, expected) in [
            (r#"{"id":18446744073709551615}"#, "18446744073709551615"),
            (r#"{"id":-9223372036854775808}"#, "-9223372036854775808"),
            (r#"{"id":19.99}"#, "19.99"),
            (r#"{"id":0.000000123456789012345}"#, "1.23456789012345e-7"),
            (
                r#"{"id":"18446744073709551616"}"#,
                r#""18446744073709551616""#,
            ),
            (r#"{"id":{"a":[1,null]}}"#, r#"{"a":[1,null]}"#),
        ] {
            assert_eq!(of(json).as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_was_rounded_is_nobody() {
        for json in [
            r#"{"id":18446744073709551616}"#,
            r#"{"id":100000000000000000000000}"#,
            r#"{"id":-9223372036854775809}"#,
            r#"{"id":1732270000.123456789}"#,
            r#"{"id":{"a":[1,123456789012345678901]}}"#,
            r#"{"id":null}"#,
            r"{}",
        ] {
            assert_eq!(of(json), None, "{json}");
        }
    }
}
