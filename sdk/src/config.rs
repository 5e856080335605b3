//! Config variables: what is filled in when an integration is deployed for a customer (E54).

mod bounds;
pub(crate) mod check;
mod reader;
mod shape;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;

use serde_json::{Map, Value, json};

use self::bounds::Bounds;
pub use self::reader::ConfigReader;
pub use self::shape::{
    Code, Date, Element, FieldMap, Html, Json, Language, MappedField, ObjectSelection,
    SelectedObject, Xml,
};
use self::value::zoned;
pub use self::value::{ConfigValue, PickList, Url};

/// The values of an instance's config variables, by name, as the deployer gives them.
pub type ConfigValues = Map<String, Value>;

/// A struct whose fields are config variables; derive it with `#[derive(ConfigVars)]`.
///
/// ```
/// use sdk::prelude::*;
/// use serde_json::json;
///
/// #[derive(ConfigVars)]
/// struct Config {
///     /// Where the customer's Acme account lives.
///     acme_url: Url,
///     /// Acme's signing secret for webhooks.
///     signing_secret: Secret,
///     /// How many orders are fetched at once.
///     #[config(default = 50)]
///     page_size: u32,
/// }
///
/// let values = json!({"acme_url": "https://acme.example", "signing_secret": "s3cret"});
/// let config = Config::decode(values.as_object().unwrap()).unwrap();
/// assert_eq!((config.page_size, config.acme_url.as_str()), (50, "https://acme.example"));
///
/// let faults = Config::decode(&Default::default()).err().unwrap();
/// assert_eq!(faults.to_string(), "`acme_url` is missing; `signing_secret` is missing");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no struct of config variables; derive `ConfigVars` for it",
    label = "does not derive `ConfigVars`"
)]
pub trait ConfigVars: Sized + Send + Sync + 'static {
    /// Returns the config variables, in the order in which they are shown.
    fn variables() -> Vec<ConfigVar>;

    /// Reads the values, filling in defaults.
    ///
    /// # Errors
    ///
    /// Every fault with its variable: one that is missing, unknown, or of the wrong shape.
    fn decode(values: &ConfigValues) -> Result<Self, ConfigFaults>;

    /// Writes the values, secrets in the clear: for storing them encrypted, and for tests.
    fn encode(&self) -> ConfigValues;
}

/// An integration without config variables.
impl ConfigVars for () {
    fn variables() -> Vec<ConfigVar> {
        Vec::new()
    }

    fn decode(values: &ConfigValues) -> Result<Self, ConfigFaults> {
        ConfigReader::new(values, &[]).finish()
    }

    fn encode(&self) -> ConfigValues {
        ConfigValues::new()
    }
}

/// What is known of one config variable without its value.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigVar {
    name: &'static str,
    description: String,
    schema: Value,
    default: Option<Value>,
    time_zone: Option<&'static str>,
    visibility: Visibility,
    bounds: Bounds,
    secret: bool,
    required: bool,
}

/// Who sees a config variable when an instance is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// The customer and the organisation see it.
    #[default]
    Customer,
    /// A program sets it; the customer does not see it.
    Embedded,
    /// Only the organisation sees it.
    Organization,
}

impl ConfigVar {
    /// Describes a variable whose values are of type `T`. The methods below are the keys of `#[config(…)]`.
    pub fn new<T: ConfigValue>(name: &'static str) -> Self {
        Self {
            name,
            description: String::new(),
            schema: T::schema(),
            default: None,
            time_zone: None,
            visibility: Visibility::Customer,
            bounds: Bounds::default(),
            secret: T::SECRET,
            required: T::absent().is_none(),
        }
    }

    /// Says what the variable is for; the doc comment of the field does this.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        text.trim().clone_into(&mut self.description);
        self
    }

    /// Sets the value that holds when the deployer gives none.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Sets the time zone in which a schedule is read when the deployer names none: an IANA name such as `Europe/Paris`.
    #[must_use]
    pub fn time_zone(mut self, name: &'static str) -> Self {
        self.time_zone = Some(name);
        self
    }

    /// Says who sees the variable.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Sets the least that a number may be.
    #[must_use]
    pub fn min(mut self, least: impl Into<f64>) -> Self {
        self.bounds.min = Some(least.into());
        self
    }

    /// Sets the most that a number may be.
    #[must_use]
    pub fn max(mut self, most: impl Into<f64>) -> Self {
        self.bounds.max = Some(most.into());
        self
    }

    /// Sets how many characters a text, or how many items a list, must have at least.
    #[must_use]
    pub fn min_length(mut self, least: u32) -> Self {
        self.bounds.min_length = Some(least);
        self
    }

    /// Sets how many characters a text, or how many items a list, may have at most.
    #[must_use]
    pub fn max_length(mut self, most: u32) -> Self {
        self.bounds.max_length = Some(most);
        self
    }

    /// Returns the name: the name of the field.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Says whether the value is a secret, or holds one.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// Says whether the deployer must give a value.
    pub fn is_required(&self) -> bool {
        self.required && self.default.is_none()
    }

    /// Returns the value that holds when the deployer gives none.
    pub fn default_value(&self) -> Option<Value> {
        self.default.as_ref().map(|value| self.in_zone(value))
    }

    /// Gives a schedule that names no time zone the declared one.
    fn in_zone(&self, value: &Value) -> Value {
        match self.time_zone {
            Some(zone) => zoned(value, zone),
            None => value.clone(),
        }
    }

    /// Returns the JSON Schema of the value, with description, default and visibility.
    pub fn schema(&self) -> Value {
        let mut schema = self.schema.clone();
        if let Value::Object(keys) = &mut schema {
            if !self.description.is_empty() {
                keys.insert(
                    "description".to_owned(),
                    Value::from(self.description.as_str()),
                );
            }
            if let Some(default) = self.default_value().filter(|_| !self.secret) {
                keys.insert("default".to_owned(), default);
            }
            let visibility = match self.visibility {
                Visibility::Customer => "customer",
                Visibility::Embedded => "embedded",
                Visibility::Organization => "organization",
            };
            keys.insert("x-visibility".to_owned(), Value::from(visibility));
            self.bounds.describe(keys);
        }
        schema
    }
}

/// Returns the JSON Schema (2020-12) of a set of config variables.
pub fn json_schema(variables: &[ConfigVar]) -> Value {
    let properties: Map<String, Value> = variables
        .iter()
        .map(|variable| (variable.name.to_owned(), variable.schema()))
        .collect();
    let required: Vec<&str> = variables
        .iter()
        .filter(|variable| variable.is_required())
        .map(ConfigVar::name)
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// What is wrong with one config variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The variable, or the path to a part of it such as `acme.key`.
    pub variable: String,
    /// What is wrong with it, after its name: `is missing`.
    pub text: String,
}

/// Everything that is wrong with the values of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<ConfigFault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}`{}` {}", fault.variable, fault.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}
