//! What providers have granted to the connections of an instance (E55): the tokens, with the other secrets of the instance.

use std::fmt;
use std::time::Duration;

use sdk::Timestamp;
use sdk::connection::{GrantKind, OAuthClient};
use sdk::integration::BuiltIntegration;
use sdk::time::seconds;
use serde::{Deserialize, Serialize};

use super::{Instance, InstanceSecrets};

/// A token is renewed this long before its time is over, or a quarter of its time if that is shorter.
const AHEAD: Duration = seconds(60);

/// What a provider has granted to a connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// To whom: tokens of another client, or from another URL of the customer's, are of no use.
    pub identity: String,
    /// When somebody authorised the connection, or its first token was fetched.
    pub authorized_at: Timestamp,
    /// The tokens; none once the provider no longer accepts what it granted.
    pub tokens: Option<Tokens>,
}

/// The tokens of a connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// What requests are sent with.
    pub access: String,
    /// What the next access token is asked for with.
    pub refresh: Option<String>,
    /// Since when the access token is there.
    pub obtained_at: Timestamp,
    /// When its time is over; `None` if the provider did not say.
    pub expires_at: Option<Timestamp>,
}

/// How a connection by OAuth 2.0 stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has authorised it yet.
    NotAuthorized,
    /// Nobody needs to authorise it, and no flow has asked for its token yet.
    NotUsed,
    /// It can be used.
    Authorized {
        /// Since when.
        since: Timestamp,
        /// When the time of its access token is over; then it is renewed. `None` if the provider did not say.
        expires_at: Option<Timestamp>,
    },
    /// The provider no longer accepts what it granted, so somebody must authorise it again.
    NeedsAuthorization,
}

impl Tokens {
    /// Says whether the access token is still good for what begins now. One that comes from the future does not count as such: the clock
    /// was set back, so nobody knows how long it is good for.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        let is_good = self.expires_at.is_none_or(|end| {
            let ahead = AHEAD.min(end.since(self.obtained_at) / 4);
            now + ahead < end
        });
        is_good && self.obtained_at <= now
    }

    /// Says whether the time of the access token is not over.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Instance {
    /// Returns with what a connection asks for tokens; `None` if there is no connection by OAuth 2.0 of this name.
    pub fn client(&self, integration: &BuiltIntegration, variable: &str) -> Option<OAuthClient> {
        client(integration, &self.secrets, variable)
    }

    /// Returns what was granted to the client that a connection has now.
    pub fn authorization(&self, client: &OAuthClient, variable: &str) -> Option<&Authorization> {
        let granted = self.secrets.authorizations.get(variable)?;
        (granted.identity == client.identity()).then_some(granted)
    }

    /// Says how a connection stands.
    pub fn standing(&self, client: &OAuthClient, variable: &str, now: Timestamp) -> Standing {
        let asks = client.grant.kind() == GrantKind::AuthorizationCode;
        let Some(granted) = self.authorization(client, variable) else {
            return if asks {
                Standing::NotAuthorized
            } else {
                Standing::NotUsed
            };
        };
        match &granted.tokens {
            Some(tokens) if !asks || tokens.refresh.is_some() || tokens.is_valid(now) => {
                Standing::Authorized {
                    since: granted.authorized_at,
                    expires_at: tokens.expires_at,
                }
            }
            _ => Standing::NeedsAuthorization,
        }
    }
}

impl InstanceSecrets {
    /// Forgets what was granted to another client than the one that each connection has now.
    pub(super) fn forget_other_clients(&mut self, integration: &BuiltIntegration) {
        let mut granted = std::mem::take(&mut self.authorizations);
        granted.retain(|variable, granted| {
            let client = client(integration, self, variable);
            client.is_some_and(|client| client.identity() == granted.identity)
        });
        self.authorizations = granted;
    }

    /// Returns every token with the name under which it is taken out of text.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (String, String)> {
        self.authorizations.iter().flat_map(|(variable, granted)| {
            let tokens = granted.tokens.iter();
            tokens.flat_map(move |tokens| {
                let access = (access_token_name(variable), tokens.access.clone());
                let refresh = tokens.refresh.clone();
                let refresh = refresh.map(|token| (format!("{variable}.refresh_token"), token));
                [access].into_iter().chain(refresh)
            })
        })
    }
}

/// Returns the name that stands in the place of an access token in text.
pub(crate) fn access_token_name(variable: &str) -> String {
    format!("{variable}.access_token")
}

fn client(
    integration: &BuiltIntegration,
    secrets: &InstanceSecrets,
    variable: &str,
) -> Option<OAuthClient> {
    let mut variables = integration.variables.iter();
    let variable = variables.find(|known| known.name() == variable)?;
    OAuthClient::of(variable, &secrets.values)
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

#[cfg(test)]
mod tests {
    use sdk::time::{hours, minutes};

    use super::*;

    #[test]
    fn e55_a_token_is_renewed_a_minute_ahead_or_a_quarter_of_its_time() {
        let start = Timestamp::from_millis(0);
        let tokens = |lifetime: Option<Duration>| Tokens {
            access: "access-token".to_owned(),
            refresh: None,
            obtained_at: start,
            expires_at: lifetime.map(|lifetime| start + lifetime),
        };
        for (lifetime, good_for) in [(hours(1), minutes(59)), (seconds(40), seconds(30))] {
            let tokens = tokens(Some(lifetime));
            let last = start + good_for - Duration::from_millis(1);
            assert!(tokens.is_fresh(last) && !tokens.is_fresh(start + good_for));
            assert!(tokens.is_valid(start + good_for) && !tokens.is_valid(start + lifetime));
        }
        assert!(tokens(None).is_fresh(start + hours(10_000)));
        assert!(!tokens(Some(seconds(0))).is_fresh(start));
        // The clock was set back.
        for tokens in [tokens(None), tokens(Some(hours(1)))] {
            let before = start - seconds(1);
            assert!(!tokens.is_fresh(before) && tokens.is_valid(before));
        }
        assert!(!format!("{:?}", tokens(None)).contains("access-token"));
    }
}
