//! Types that the value of a config variable may have.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::Timestamp;
use crate::schedule::Schedule;
use crate::secret::Secret;

/// A type that the value of a config variable may have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a config variable",
    label = "use a type that `sdk::config` knows, or `#[derive(PickList)]` on an enum"
)]
pub trait ConfigValue: Sized + Send + Sync + 'static {
    /// Whether the value is a secret, or holds one: encrypted at rest, shown nowhere (E56).
    const SECRET: bool = false;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// What is wrong, to be read after the name of the variable: `must be a number`.
    fn decode(value: &Value) -> Result<Self, String>;

    /// Writes the value, a secret in the clear.
    fn encode(&self) -> Value;

    /// Returns the JSON Schema of the value.
    fn schema() -> Value;

    /// Returns the value that stands for "not given", if the type has one.
    fn absent() -> Option<Self> {
        None
    }
}

macro_rules! plain {
    ($($type:ty, $schema:expr, $must:literal;)*) => {$(
        impl ConfigValue for $type {
            fn decode(value: &Value) -> Result<Self, String> {
                serde_json::from_value(value.clone()).map_err(|_| $must.to_owned())
            }

            fn encode(&self) -> Value {
                json!(self)
            }

            fn schema() -> Value {
                $schema
            }
        }
    )*};
}

plain! {
    String, json!({"type": "string"}), "must be a text";
    bool, json!({"type": "boolean"}), "must be `true` or `false`";
    f64, json!({"type": "number"}), "must be a number";
    f32, json!({"type": "number"}), "must be a number";
    i64, json!({"type": "integer"}), "must be a whole number";
    isize, json!({"type": "integer"}), "must be a whole number";
    i32, json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}), "must be a whole number of 32 bits";
    i16, json!({"type": "integer", "minimum": i16::MIN, "maximum": i16::MAX}), "must be a whole number from -32768 to 32767";
    i8, json!({"type": "integer", "minimum": i8::MIN, "maximum": i8::MAX}), "must be a whole number from -128 to 127";
    u64, json!({"type": "integer", "minimum": 0}), "must be a whole number, zero or more";
    usize, json!({"type": "integer", "minimum": 0}), "must be a whole number, zero or more";
    u32, json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}), "must be a whole number of 32 bits, zero or more";
    u16, json!({"type": "integer", "minimum": 0, "maximum": u16::MAX}), "must be a whole number from 0 to 65535";
    u8, json!({"type": "integer", "minimum": 0, "maximum": u8::MAX}), "must be a whole number from 0 to 255";
    Timestamp, json!({"type": "string", "format": "date-time"}), "must be a point in time such as `2026-03-27T16:50:00Z`";
}

/// A form in JSON: any value, as the author's code reads it.
impl ConfigValue for Value {
    fn decode(value: &Value) -> Result<Self, String> {
        Ok(value.clone())
    }

    fn encode(&self) -> Value {
        self.clone()
    }

    fn schema() -> Value {
        json!({})
    }
}

impl ConfigValue for Secret {
    const SECRET: bool = true;

    fn decode(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some(text) if !text.trim().is_empty() => Ok(Self::new(text)),
            Some(_) => Err("must not be blank".to_owned()),
            None => Err("must be a text".to_owned()),
        }
    }

    fn encode(&self) -> Value {
        Value::from(self.expose())
    }

    fn schema() -> Value {
        json!({"type": "string", "minLength": 1, "writeOnly": true, "format": "password"})
    }
}

impl ConfigValue for Schedule {
    fn decode(value: &Value) -> Result<Self, String> {
        let schedule: Self = serde_json::from_value(value.clone())
            .map_err(|fault| format!("is no schedule: {fault}"))?;
        schedule
            .check()
            .map_err(|fault| format!("is no schedule: {fault}"))?;
        Ok(schedule)
    }

    /// With its time zone, also where it is UTC: its variable may declare another one for those that name none.
    fn encode(&self) -> Value {
        zoned(&json!(self), self.time_zone())
    }

    fn schema() -> Value {
        json!({"type": ["string", "object"], "format": "cron"})
    }
}

/// Gives a written schedule that names no time zone this one.
pub(super) fn zoned(schedule: &Value, zone: &str) -> Value {
    let parts = match schedule {
        Value::Object(parts) => parts.clone(),
        Value::String(text) => {
            let interval = text.trim().split_once(' ');
            let interval = interval.filter(|(every, _)| every.eq_ignore_ascii_case("every"));
            let (kind, value) = match interval {
                Some((_, interval)) => ("every", Value::from(interval)),
                None if text.trim().eq_ignore_ascii_case("once") => ("once", Value::from(true)),
                None => ("cron", Value::from(text.as_str())),
            };
            Map::from_iter([(kind.to_owned(), value)])
        }
        other => return other.clone(),
    };
    let mut parts = parts;
    parts
        .entry("time_zone")
        .or_insert_with(|| Value::from(zone));
    Value::Object(parts)
}

/// An address on the web: `http` or `https`, with a host.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// The text is not an `http` or `https` address with a host, or holds a user name or password.
    pub fn parse(text: &str) -> Result<Self, crate::Error> {
        Self::read(text).map_err(|fault| crate::Error::new(format!("`{text}` {fault}")))
    }

    fn read(text: &str) -> Result<Self, String> {
        let must = || "must be an address such as `https://api.example.com`".to_owned();
        let uri: http::Uri = text.trim().parse().map_err(|_| must())?;
        let authority = uri.authority().ok_or_else(must)?;
        if authority.as_str().contains('@') {
            return Err(
                "must not hold a user name or a password; use a connection for those".to_owned(),
            );
        }
        if !matches!(uri.scheme_str(), Some("http" | "https")) || authority.host().is_empty() {
            return Err(must());
        }
        Ok(Self(text.trim().trim_end_matches('/').to_owned()))
    }

    /// Returns the address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address with a path below it: `url.join("orders/7")`.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{}", self.0, path.trim_start_matches('/'))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({})", self.0)
    }
}

impl ConfigValue for Url {
    fn decode(value: &Value) -> Result<Self, String> {
        Self::read(value.as_str().unwrap_or_default())
    }

    fn encode(&self) -> Value {
        Value::from(self.as_str())
    }

    fn schema() -> Value {
        json!({"type": "string", "format": "uri"})
    }
}

impl<T: ConfigValue> ConfigValue for Option<T> {
    const SECRET: bool = T::SECRET;

    fn decode(value: &Value) -> Result<Self, String> {
        T::decode(value).map(Some)
    }

    fn encode(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::encode)
    }

    fn schema() -> Value {
        T::schema()
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// A list of values.
impl<T: ConfigValue> ConfigValue for Vec<T> {
    const SECRET: bool = T::SECRET;

    fn decode(value: &Value) -> Result<Self, String> {
        let items = value.as_array().ok_or("must be a list")?;
        let read = |(index, item): (usize, &Value)| {
            T::decode(item).map_err(|fault| format!("item {} {fault}", index + 1))
        };
        items.iter().enumerate().map(read).collect()
    }

    fn encode(&self) -> Value {
        self.iter().map(T::encode).collect()
    }

    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

/// A list of keys with their values.
impl<T: ConfigValue> ConfigValue for BTreeMap<String, T> {
    const SECRET: bool = T::SECRET;

    fn decode(value: &Value) -> Result<Self, String> {
        let entries = value
            .as_object()
            .ok_or("must be a map of names to values")?;
        let read = |(name, item): (&String, &Value)| {
            let item = T::decode(item).map_err(|fault| format!("under `{name}` {fault}"))?;
            Ok((name.clone(), item))
        };
        entries.iter().map(read).collect()
    }

    fn encode(&self) -> Value {
        Value::Object(
            self.iter()
                .map(|(name, item)| (name.clone(), item.encode()))
                .collect::<Map<_, _>>(),
        )
    }

    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }
}

/// An enum whose variants are the choices of a pick list; derive it with `#[derive(PickList)]`.
pub trait PickList: Sized + Copy + Send + Sync + 'static {
    /// The choices with their names, in order.
    const CHOICES: &'static [(&'static str, Self)];

    /// Returns the name of this choice.
    fn name(self) -> &'static str;
}

#[diagnostic::do_not_recommend]
impl<P: PickList> ConfigValue for P {
    fn decode(value: &Value) -> Result<Self, String> {
        let choice_of = |name: &str| {
            P::CHOICES
                .iter()
                .find(|(choice, _)| *choice == name)
                .map(|(_, choice)| *choice)
        };
        value.as_str().and_then(choice_of).ok_or_else(|| {
            let names: Vec<String> = P::CHOICES
                .iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            format!("must be one of {}", names.join(", "))
        })
    }

    fn encode(&self) -> Value {
        Value::from(self.name())
    }

    fn schema() -> Value {
        let names: Vec<&str> = P::CHOICES.iter().map(|(name, _)| *name).collect();
        json!({"type": "string", "enum": names})
    }
}
