//! Reads what the management API answered.

use serde_json::Value;

/// What an answer says at a JSON pointer. What is not there is empty.
pub(super) trait Answer {
    /// The text there; empty if there is none.
    fn text(&self, pointer: &str) -> &str;
    /// The number there, or what else it is, as text; empty if there is nothing.
    fn shown(&self, pointer: &str) -> String;
    /// The items there.
    fn list(&self, pointer: &str) -> &[Value];
    /// The fields there, by name.
    fn fields(&self, pointer: &str) -> Vec<(&str, &Value)>;
    /// Whether it says yes there.
    fn is(&self, pointer: &str) -> bool;
}

impl Answer for Value {
    fn text(&self, pointer: &str) -> &str {
        let found = self.pointer(pointer);
        found.and_then(Value::as_str).unwrap_or_default()
    }

    fn shown(&self, pointer: &str) -> String {
        self.pointer(pointer).map(plain).unwrap_or_default()
    }

    fn list(&self, pointer: &str) -> &[Value] {
        let found = self.pointer(pointer).and_then(Value::as_array);
        found.map(Vec::as_slice).unwrap_or_default()
    }

    fn fields(&self, pointer: &str) -> Vec<(&str, &Value)> {
        let found = self.pointer(pointer).and_then(Value::as_object);
        let fields = found.into_iter().flatten();
        fields.map(|(name, value)| (name.as_str(), value)).collect()
    }

    fn is(&self, pointer: &str) -> bool {
        self.pointer(pointer).and_then(Value::as_bool) == Some(true)
    }
}

/// Writes a value for people: a text without its quotes, nothing for null.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
