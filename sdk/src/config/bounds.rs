//! What the author demands of a value beyond its type (E54).

use serde_json::{Map, Number, Value};

/// The least and the most that a value may be, or may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bounds {
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) min_length: Option<u32>,
    pub(super) max_length: Option<u32>,
}

impl Bounds {
    /// Returns what is wrong with a value, to be read after the name of its variable. A value of another kind has no bounds.
    pub(super) fn fault(&self, value: &Value) -> Option<String> {
        if let Some(number) = value.as_f64() {
            let below = self.min.filter(|min| number < *min);
            let above = self.max.filter(|max| number > *max);
            let below = below.map(|min| format!("must be {min} or more"));
            return below.or_else(|| above.map(|max| format!("must be {max} or less")));
        }
        let (length, unit) = match value {
            Value::String(text) => (text.chars().count(), "characters"),
            Value::Array(items) => (items.len(), "items"),
            Value::Object(entries) => (entries.len(), "entries"),
            _ => return None,
        };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let short = self.min_length.filter(|min| length < *min);
        let long = self.max_length.filter(|max| length > *max);
        let short = short.map(|min| format!("must have at least {min} {unit}"));
        short.or_else(|| long.map(|max| format!("must have at most {max} {unit}")))
    }

    /// Adds the bounds to a JSON Schema.
    pub(super) fn describe(&self, schema: &mut Map<String, Value>) {
        let kind = schema.get("type").and_then(Value::as_str);
        let (shortest, longest) = match kind {
            Some("array") => ("minItems", "maxItems"),
            Some("object") => ("minProperties", "maxProperties"),
            _ => ("minLength", "maxLength"),
        };
        let length = |bound: Option<u32>| bound.map(Value::from);
        for (key, bound) in [
            ("minimum", self.min.map(number)),
            ("maximum", self.max.map(number)),
            (shortest, length(self.min_length)),
            (longest, length(self.max_length)),
        ] {
            if let Some(bound) = bound {
                schema.insert(key.to_owned(), bound);
            }
        }
    }
}

/// Writes a whole number as one.
fn number(bound: f64) -> Value {
    let text = bound.to_string();
    match text.parse::<i64>() {
        Ok(whole) => Value::from(whole),
        Err(_) => Number::from_f64(bound).map_or(Value::Null, Value::Number),
    }
}
