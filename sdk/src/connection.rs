//! Connections: the credentials for another system (E55).

mod oauth2;

use std::fmt;
use std::ops::Deref;

use serde_json::{Map, Value, json};

pub use self::oauth2::{OAuth2, OAuthClient};
use crate::config::{ConfigValue, ConfigVar};
pub use crate::oauth::{Grant, GrantKind, OAuthProvider};
use crate::secret::Secret;

/// The credentials for another system, of one kind: `Connection<ApiKey>`, `Connection<Basic>`, `Connection<OAuth2<…>>`.
///
/// As a config value it is an object, for example `{"key": "…"}`. It is a secret as a whole.
///
/// ```
/// use sdk::connection::{ApiKey, Connection};
///
/// let acme = Connection::new(ApiKey { key: "k-1".into() });
/// assert_eq!(acme.key.expose(), "k-1");
/// assert_eq!(format!("{acme:?}"), "Connection(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Connection<K>(K);

impl<K> Connection<K> {
    /// Makes a connection from its credentials.
    pub fn new(credentials: K) -> Self {
        Self(credentials)
    }
}

impl<K> Deref for Connection<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.0
    }
}

impl<K> fmt::Debug for Connection<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection(…)")
    }
}

/// A kind of credentials.
pub trait Credentials: Sized + Send + Sync + 'static {
    /// The fields, in the order in which they are asked for.
    const FIELDS: &'static [&'static str];

    /// Makes the credentials from the fields, in the order of [`FIELDS`](Self::FIELDS).
    fn from_fields(fields: Vec<Secret>) -> Option<Self>;

    /// Returns the fields, in the order of [`FIELDS`](Self::FIELDS).
    fn to_fields(&self) -> Vec<&Secret>;
}

/// A key that is sent with each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The key.
    pub key: Secret,
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    /// The user name.
    pub username: Secret,
    /// The password.
    pub password: Secret,
}

impl Credentials for ApiKey {
    const FIELDS: &'static [&'static str] = &["key"];

    fn from_fields(fields: Vec<Secret>) -> Option<Self> {
        let [key] = fields.try_into().ok()?;
        Some(Self { key })
    }

    fn to_fields(&self) -> Vec<&Secret> {
        vec![&self.key]
    }
}

impl Credentials for Basic {
    const FIELDS: &'static [&'static str] = &["username", "password"];

    fn from_fields(fields: Vec<Secret>) -> Option<Self> {
        let [username, password] = fields.try_into().ok()?;
        Some(Self { username, password })
    }

    fn to_fields(&self) -> Vec<&Secret> {
        vec![&self.username, &self.password]
    }
}

impl<K: Credentials> ConfigValue for Connection<K> {
    const SECRET: bool = true;

    fn decode(value: &Value) -> Result<Self, String> {
        let shape = || format!("must be an object with {}", name_list(K::FIELDS));
        let given = value.as_object().ok_or_else(shape)?;
        if given.keys().any(|name| !K::FIELDS.contains(&name.as_str())) {
            return Err(shape());
        }
        let read = |name: &&str| {
            let field = given.get(*name).ok_or_else(shape)?;
            Secret::decode(field).map_err(|fault| format!("has a field `{name}` that {fault}"))
        };
        let fields = K::FIELDS.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        K::from_fields(fields).map(Self).ok_or_else(shape)
    }

    fn encode(&self) -> Value {
        let fields = K::FIELDS.iter().zip(self.0.to_fields());
        Value::Object(
            fields
                .map(|(name, field)| ((*name).to_owned(), field.encode()))
                .collect(),
        )
    }

    fn schema() -> Value {
        let properties: Map<String, Value> = K::FIELDS
            .iter()
            .map(|name| ((*name).to_owned(), Secret::schema()))
            .collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": K::FIELDS,
            "additionalProperties": false,
            "writeOnly": true,
        })
    }
}

/// Adds what is wrong with connections by OAuth 2.0, each with its config variable.
pub(crate) fn check(variables: &[ConfigVar], faults: &mut Vec<String>) {
    for variable in variables {
        let found = variable.grant().map(Grant::faults).unwrap_or_default();
        let name = variable.name();
        faults.extend(
            found
                .iter()
                .map(|fault| format!("config variable `{name}`: {fault}")),
        );
    }
}

fn name_list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_reads_back_what_it_writes_and_shows_nothing() {
        let basic = Connection::new(Basic {
            username: "ada".into(),
            password: "s3cret".into(),
        });
        let read = Connection::<Basic>::decode(&basic.encode()).unwrap();
        assert_eq!(read.password.expose(), "s3cret");
        assert!(!format!("{read:?}").contains("ada"));
    }

    #[test]
    fn a_connection_that_lacks_a_field_says_which_it_needs() {
        let fault = Connection::<Basic>::decode(&json!({"username": "ada"})).unwrap_err();
        assert_eq!(fault, "must be an object with `username` and `password`");
        let fault = Connection::<ApiKey>::decode(&json!({"key": " "})).unwrap_err();
        assert_eq!(fault, "has a field `key` that must not be blank");
    }
}
