//! Parameters of a query string or of a form.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Names with their values, in the order in which they came; a name that comes again keeps every value (W12).
///
/// ```
/// use sdk::QueryParameters;
///
/// let parameters = QueryParameters::from_iter([("tag", "new"), ("page", "2"), ("tag", "paid")]);
/// assert_eq!(parameters.get("page"), Some("2"));
/// assert_eq!(parameters.get_all("tag").collect::<Vec<_>>(), ["new", "paid"]);
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
