//! Parameters of a query string or of a form.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::error::{Error, Result};

/// Names with their values, in the order in which they came; a name that comes again keeps every value (W12).
///
/// ```
/// use sdk::QueryParameters;
///
/// let parameters = QueryParameters::from_iter([("tag", "new"), ("page", "2"), ("tag", "paid")]);
/// assert_eq!(parameters.get("page"), Some("2"));
/// assert_eq!(parameters.get_all("tag").collect::<Vec<_>>(), ["new", "paid"]);
/// assert_eq!(parameters.require::<u32>("page")?, 2);
/// assert_eq!(parameters.parse::<u32>("size")?, None);
/// # Ok::<(), sdk::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryParameters(Vec<(String, String)>);

impl QueryParameters {
    /// Returns the first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// Returns every value of a name, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads the first value of a name as a number or whatever else parses; `None` if the name did not come.
    ///
    /// # Errors
    ///
    /// The value is no `T`. Trying again would not help, so the error is permanent.
    pub fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>> {
        let parsed = self.get(name).map(|text| {
            text.parse().map_err(|fault| {
                Error::new(format!("parameter `{name}` cannot be `{text}`: {fault}")).permanent()
            })
        });
        parsed.transpose()
    }

    /// As [`parse`](Self::parse), of a parameter that must be there.
    ///
    /// # Errors
    ///
    /// The name did not come, or its value is no `T`.
    pub fn require<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T> {
        self.parse(name)?
            .ok_or_else(|| Error::new(format!("parameter `{name}` is missing")).permanent())
    }

    /// Returns every pair, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Says whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a map from each name to all its values.
    pub fn to_map(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut map: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in self.iter() {
            map.entry(name).or_default().push(value);
        }
        map
    }

    /// Returns a JSON object: a string for a name that came once, a list for one that came again.
    pub(crate) fn to_json(&self) -> Value {
        let entry = |(name, values): (&str, Vec<&str>)| {
            let value = match values.as_slice() {
                [only] => Value::from(*only),
                several => Value::from(several),
            };
            (name.to_owned(), value)
        };
        Value::Object(self.to_map().into_iter().map(entry).collect())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for QueryParameters {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl Serialize for QueryParameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.to_map())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_does_not_parse_is_named_with_its_value_and_is_not_tried_again() {
        let parameters = QueryParameters::from_iter([("page", "two")]);
        let refusal = parameters.parse::<u32>("page").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "parameter `page` cannot be `two`: invalid digit found in string"
        );
        assert!(refusal.is_permanent());
        let refusal = parameters.require::<u32>("size").unwrap_err();
        assert_eq!(refusal.to_string(), "parameter `size` is missing");
        assert!(refusal.is_permanent());
    }
}
