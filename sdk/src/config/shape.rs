//! Config values with a shape of their own: dates, code, selections of objects, maps of fields (E54).

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::value::ConfigValue;

/// A day of the calendar, without a time of day and without a time zone: `2026-03-27`.
///
/// ```
/// use sdk::config::Date;
///
/// let day: Date = "2026-03-27".parse().unwrap();
/// assert_eq!((day.year(), day.month(), day.day()), (2026, 3, 27));
/// assert!("2026-02-30".parse::<Date>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// Returns the year.
    pub fn year(self) -> i16 {
        self.0.year()
    }

    /// Returns the month, 1 to 12.
    pub fn month(self) -> i8 {
        self.0.month()
    }

    /// Returns the day of the month, from 1 on.
    pub fn day(self) -> i8 {
        self.0.day()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Date {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, crate::Error> {
        let written = |date: &jiff::civil::Date| date.to_string() == text;
        let date: Option<jiff::civil::Date> = text.parse().ok();
        date.filter(written)
            .map(Self)
            .ok_or_else(|| crate::Error::new(format!("`{text}` {NO_DATE}")))
    }
}

const NO_DATE: &str = "must be a date such as `2026-03-27`";

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl ConfigValue for Date {
    fn decode(value: &Value) -> Result<Self, String> {
        let date = value.as_str().and_then(|text| text.parse().ok());
        date.ok_or_else(|| NO_DATE.to_owned())
    }

    fn encode(&self) -> Value {
        json!(self)
    }

    fn schema() -> Value {
        json!({"type": "string", "format": "date"})
    }
}

/// A text in a language, such as `Code<Json>`: checked when the instance is deployed, given to the flow as it was typed.
#[derive(Clone, PartialEq, Eq)]
pub struct Code<L>(String, PhantomData<L>);

impl<L: Language> Code<L> {
    /// Makes a text of the language.
    ///
    /// # Errors
    ///
    /// The text is not of the language.
    pub fn new(text: impl Into<String>) -> Result<Self, crate::Error> {
        let text = text.into();
        L::check(&text).map_err(|fault| crate::Error::new(format!("the text {fault}")))?;
        Ok(Self(text, PhantomData))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<L> fmt::Debug for Code<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Code").field(&self.0).finish()
    }
}

/// The language of a [`Code`].
pub trait Language: Send + Sync + 'static {
    /// The media type of a text in it.
    const MEDIA_TYPE: &'static str;

    /// Checks a text.
    ///
    /// # Errors
    ///
    /// What is wrong, to be read after the name of the variable: `must be JSON`.
    fn check(text: &str) -> Result<(), String>;
}

/// JSON, as the language of a [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json;

/// XML, as the language of a [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xml;

/// HTML, as the language of a [`Code`]: any text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Html;

impl Language for Json {
    const MEDIA_TYPE: &'static str = "application/json";

    fn check(text: &str) -> Result<(), String> {
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(()),
            Err(fault) => Err(format!("must be JSON: {fault}")),
        }
    }
}

impl Language for Xml {
    const MEDIA_TYPE: &'static str = "application/xml";

    fn check(text: &str) -> Result<(), String> {
        let (mut reader, mut open, mut elements) =
            (quick_xml::Reader::from_str(text), 0_usize, 0_usize);
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) if open == 0 && elements > 0 => return Ok(()),
                Ok(quick_xml::events::Event::Eof) => return Err("must be whole XML".to_owned()),
                Ok(quick_xml::events::Event::Start(_)) => {
                    (open, elements) = (open + 1, elements + 1);
                }
                Ok(quick_xml::events::Event::End(_)) => open = open.saturating_sub(1),
                Ok(quick_xml::events::Event::Empty(_)) => elements += 1,
                Ok(_) => {}
                Err(fault) => return Err(format!("must be XML: {fault}")),
            }
        }
    }
}

impl Language for Html {
    const MEDIA_TYPE: &'static str = "text/html";

    fn check(_text: &str) -> Result<(), String> {
        Ok(())
    }
}

impl<L: Language> ConfigValue for Code<L> {
    fn decode(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or("must be a text")?;
        L::check(text)?;
        Ok(Self(text.to_owned(), PhantomData))
    }

    fn encode(&self) -> Value {
        Value::from(self.as_str())
    }

    fn schema() -> Value {
        json!({"type": "string", "contentMediaType": L::MEDIA_TYPE})
    }
}

/// Objects of another system that a customer chose, each with the fields that matter:
/// `[{"object": {"key": "contact"}, "fields": [{"key": "email", "label": "E-mail"}]}]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectSelection(pub Vec<SelectedObject>);

/// An object that a customer chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectedObject {
    /// The object.
    pub object: Element,
    /// Its fields that matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Element>,
}

/// An object or a field of another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// What the other system calls it.
    pub key: String,
    /// What people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Which field of another system each field of yours is:
/// `{"fields": [{"field": "email", "mapped_object": "contact", "mapped_field": "mail_1"}]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMap {
    /// The fields, in the customer's order.
    pub fields: Vec<MappedField>,
}

/// One field of a [`FieldMap`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappedField {
    /// The field of yours.
    pub field: String,
    /// The object of the other system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped_object: Option<String>,
    /// The field of the other system; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped_field: Option<String>,
}

impl FieldMap {
    /// Returns the field of the other system that a field of yours is.
    pub fn mapped(&self, field: &str) -> Option<&str> {
        let mapped = self.fields.iter().find(|mapped| mapped.field == field)?;
        mapped.mapped_field.as_deref()
    }
}

fn element() -> Value {
    json!({
        "type": "object",
        "properties": {"key": {"type": "string"}, "label": {"type": ["string", "null"]}},
        "required": ["key"],
        "additionalProperties": false,
    })
}

impl ConfigValue for ObjectSelection {
    fn decode(value: &Value) -> Result<Self, String> {
        Self::deserialize(value).map_err(|fault| {
            format!("must be a list such as `[{{\"object\": {{\"key\": \"contact\"}}}}]`: {fault}")
        })
    }

    fn encode(&self) -> Value {
        json!(self)
    }

    fn schema() -> Value {
        json!({"type": "array", "items": {
            "type": "object",
            "properties": {"object": element(), "fields": {"type": "array", "items": element()}},
            "required": ["object"],
            "additionalProperties": false,
        }})
    }
}

impl ConfigValue for FieldMap {
    fn decode(value: &Value) -> Result<Self, String> {
        Self::deserialize(value).map_err(|fault| {
            format!("must be an object such as `{{\"fields\": [{{\"field\": \"email\", \"mapped_field\": \"mail_1\"}}]}}`: {fault}")
        })
    }

    fn encode(&self) -> Value {
        json!(self)
    }

    fn schema() -> Value {
        let name = json!({"type": ["string", "null"]});
        let field = json!({
            "type": "object",
            "properties": {"field": {"type": "string"}, "mapped_object": name, "mapped_field": name},
            "required": ["field"],
            "additionalProperties": false,
        });
        json!({
            "type": "object",
            "properties": {"fields": {"type": "array", "items": field}},
            "required": ["fields"],
            "additionalProperties": false,
        })
    }
}
