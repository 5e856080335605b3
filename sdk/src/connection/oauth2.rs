//! Connections by OAuth 2.0 (E55): the client that a customer registered with a provider. Tokens are the runner's.

use std::fmt;
use std::marker::PhantomData;

use serde_json::{Map, Value, json};

use super::Connection;
use crate::config::{ConfigValue, ConfigValues, ConfigVar};
use crate::oauth::{Grant, GrantKind, OAuthProvider, url_fault};
use crate::secret::Secret;

/// The kind of a connection by OAuth 2.0 with provider `P`: `Connection<OAuth2<Crm>>`.
///
/// As a config value it is `{"client_id": "…", "client_secret": "…"}`: what the customer, or the organisation, registered with the
/// provider. `authorize_url` and `token_url` may stand beside them for a customer whose provider has other ones. Tokens are no part of it:
/// the runner gets them, keeps them sealed and renews them, and a flow sends requests with
/// [`authorized_by`](crate::http_client::OutgoingRequest::authorized_by) or asks for a token with
/// [`Context::access_token`](crate::Context::access_token).
///
/// ```
/// use sdk::connection::{Connection, Grant, OAuth2, OAuthProvider};
/// use sdk::prelude::*;
///
/// struct Crm;
///
/// impl OAuthProvider for Crm {
///     fn grant() -> Grant {
///         Grant::client_credentials("https://crm.example/token").scope("contacts.read")
///     }
/// }
///
/// #[derive(ConfigVars)]
/// struct Config {
///     /// The customer's account with Crm.
///     crm: Connection<OAuth2<Crm>>,
/// }
///
/// async fn names(context: &Context<Config>) -> Result<Vec<String>> {
///     let contacts = context.http().get("https://crm.example/contacts");
///     contacts.authorized_by(&context.config().crm).send().await?.ok()?.json()
/// }
///
/// let values = serde_json::json!({"crm": {"client_id": "c-1", "client_secret": "s3cret"}});
/// let config = Config::decode(values.as_object().unwrap()).unwrap();
/// assert_eq!(format!("{:?}", config.crm), "Connection(…)");
/// ```
pub struct OAuth2<P> {
    /// The id of the client.
    pub client_id: Secret,
    /// The secret of the client.
    pub client_secret: Secret,
    authorize_url: Option<String>,
    token_url: Option<String>,
    /// The name of the config variable, by which the runner knows the connection; empty until it is read from one.
    variable: String,
    provider: PhantomData<fn() -> P>,
}

const REQUIRED: [&str; 2] = ["client_id", "client_secret"];
const FIELDS: [&str; 4] = ["client_id", "client_secret", "authorize_url", "token_url"];

impl<P> OAuth2<P> {
    /// Makes what a customer gives: the id and the secret of a client.
    pub fn new(client_id: impl Into<Secret>, client_secret: impl Into<Secret>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            authorize_url: None,
            token_url: None,
            variable: String::new(),
            provider: PhantomData,
        }
    }

    /// Sends whoever authorises the connection to this URL instead of the provider's usual one.
    #[must_use]
    pub fn authorize_url(mut self, url: impl Into<String>) -> Self {
        self.authorize_url = Some(url.into());
        self
    }

    /// Asks for tokens at this URL instead of the provider's usual one.
    #[must_use]
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = Some(url.into());
        self
    }

    /// Returns the name of the config variable; empty for what was not read from one.
    pub(crate) fn variable(&self) -> &str {
        &self.variable
    }
}

impl<P> Clone for OAuth2<P> {
    fn clone(&self) -> Self {
        Self {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            authorize_url: self.authorize_url.clone(),
            token_url: self.token_url.clone(),
            variable: self.variable.clone(),
            provider: PhantomData,
        }
    }
}

impl<P> fmt::Debug for OAuth2<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuth2(…)")
    }
}

impl<P: OAuthProvider> ConfigValue for Connection<OAuth2<P>> {
    const SECRET: bool = true;

    fn decode(value: &Value) -> Result<Self, String> {
        let shape = || {
            "must be an object with `client_id` and `client_secret`, and with `authorize_url` or `token_url` if they are not the usual ones"
                .to_owned()
        };
        let given = value.as_object().ok_or_else(shape)?;
        if given.keys().any(|name| !FIELDS.contains(&name.as_str())) {
            return Err(shape());
        }
        let secret = |name: &str| {
            let field = given.get(name).ok_or_else(shape)?;
            Secret::decode(field).map_err(|fault| format!("has a field `{name}` that {fault}"))
        };
        let url = |name: &str| {
            let field = given.get(name).filter(|field| !field.is_null());
            let text = field.map(|field| field.as_str().unwrap_or_default());
            match text.and_then(url_fault) {
                Some(fault) => Err(format!("has a field `{name}` that {fault}")),
                None => Ok(text.map(str::to_owned)),
            }
        };
        Ok(Self(OAuth2 {
            client_id: secret("client_id")?,
            client_secret: secret("client_secret")?,
            authorize_url: url("authorize_url")?,
            token_url: url("token_url")?,
            variable: String::new(),
            provider: PhantomData,
        }))
    }

    fn encode(&self) -> Value {
        let urls = [
            ("authorize_url", &self.authorize_url),
            ("token_url", &self.token_url),
        ];
        let mut fields = Map::new();
        fields.insert("client_id".to_owned(), self.client_id.encode());
        fields.insert("client_secret".to_owned(), self.client_secret.encode());
        for (name, url) in urls {
            if let Some(url) = url {
                fields.insert(name.to_owned(), Value::from(url.as_str()));
            }
        }
        Value::Object(fields)
    }

    fn schema() -> Value {
        let url = || json!({"type": "string", "format": "uri"});
        json!({
            "type": "object",
            "properties": {
                "client_id": Secret::schema(),
                "client_secret": Secret::schema(),
                "authorize_url": url(),
                "token_url": url(),
            },
            "required": REQUIRED,
            "additionalProperties": false,
            "writeOnly": true,
        })
    }

    fn grant() -> Option<Grant> {
        Some(P::grant())
    }

    fn of_variable(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0.variable);
        self
    }
}

/// With what the runner asks for tokens: what the author declared and what the customer gave, put together. For those who write a runner.
#[derive(Clone, PartialEq, Eq)]
pub struct OAuthClient {
    /// How access is granted, at the customer's URLs.
    pub grant: Grant,
    /// The id of the client.
    pub id: Secret,
    /// The secret of the client.
    pub secret: Secret,
    identity: String,
}

impl OAuthClient {
    /// Reads what a connection asks with; `None` if the variable is no connection by OAuth 2.0, or has no value.
    pub fn of(variable: &ConfigVar, values: &ConfigValues) -> Option<Self> {
        let grant = variable.grant()?.clone();
        let given = values.get(variable.name()).filter(|value| !value.is_null());
        let value = given.cloned().or_else(|| variable.default_value())?;
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let (authorize_url, token_url) = (text("authorize_url"), text("token_url"));
        let id = text("client_id")?;
        let given = json!([id, authorize_url, token_url]);
        let grant = grant.at(authorize_url, token_url);
        let identity = match grant.kind() {
            // What somebody has granted outlives a new version of the integration, which may ask for more or name another URL.
            GrantKind::AuthorizationCode => given,
            GrantKind::ClientCredentials => {
                json!([
                    given,
                    grant.token_url(),
                    grant.scopes(),
                    grant.token_parameters()
                ])
            }
        };
        Some(Self {
            grant,
            id: Secret::new(id),
            secret: Secret::new(text("client_secret")?),
            identity: identity.to_string(),
        })
    }

    /// Returns for whom tokens are: what was granted to one identity is of no use to another.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

/// Shows nothing of it: id and secret stand also in what tells one client from another, and a URL may hold a secret.
impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuthClient(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigReader, ConfigVar};

    struct Crm;

    impl OAuthProvider for Crm {
        fn grant() -> Grant {
            Grant::authorization_code("https://crm.example/authorize", "https://crm.example/token")
        }
    }

    type Crms = Connection<OAuth2<Crm>>;

    #[test]
    fn e55_a_connection_reads_back_what_it_writes_and_shows_nothing_of_it() {
        let given = OAuth2::<Crm>::new("client-1", "s3cret").token_url("https://other.example/t");
        let written = Connection::new(given).encode();
        let read = Crms::decode(&written).unwrap();
        assert_eq!(read.encode(), written);
        for shown in [format!("{read:?}"), format!("{:?}", *read)] {
            assert!(
                !shown.contains("s3cret") && !shown.contains("client-1"),
                "{shown}"
            );
        }
    }

    #[test]
    fn e55_a_connection_that_cannot_be_one_says_what_it_needs() {
        let fault = |value: Value| Crms::decode(&value).unwrap_err();
        assert!(fault(json!({"client_id": "c"})).starts_with("must be an object with `client_id`"));
        assert!(
            fault(json!({"client_id": "c", "client_secret": "s", "token": "t"}))
                .starts_with("must be")
        );
        assert_eq!(
            fault(json!({"client_id": "c", "client_secret": " "})),
            "has a field `client_secret` that must not be blank"
        );
        assert_eq!(
            fault(
                json!({"client_id": "c", "client_secret": "s", "token_url": "http://crm.example"})
            ),
            "has a field `token_url` that must begin with `https://`; `http://` is for this machine only"
        );
    }

    #[test]
    fn e55_a_connection_knows_its_variable_and_the_runner_what_to_ask_with() {
        let variables = [ConfigVar::new::<Option<Crms>>("crm")];
        let values = json!({"crm": {"client_id": "c-1", "client_secret": "s", "token_url": "https://other.example/t"}});
        let values = values.as_object().unwrap();
        let mut reader = ConfigReader::new(values, &variables);
        let read: Option<Crms> = reader.read("crm").unwrap();
        assert_eq!(read.unwrap().variable(), "crm");
        let client = OAuthClient::of(&variables[0], values).unwrap();
        assert_eq!(client.grant.token_url(), "https://other.example/t");
        assert_eq!(
            client.grant.authorize_url(),
            "https://crm.example/authorize"
        );
        assert_eq!(client.id.expose(), "c-1");
        assert_eq!(format!("{client:?}"), "OAuthClient(…)");
        assert_eq!(OAuthClient::of(&variables[0], &ConfigValues::new()), None);
    }
}
