//! Has somebody authorise a connection (RFC 6749, 4.1, with PKCE): sends them to the provider, and takes them back.

use std::sync::Weak;
use std::time::Duration;

use sdk::connection::GrantKind;
use sdk::id::InstanceId;
use sdk::time::{minutes, seconds};
use sdk::{Secret, Timestamp};
use tokio::sync::oneshot;

use super::exchange::{self, Asking, Given};
use super::{Connections, Place, Trouble, lock};
use crate::clock::until;
use crate::instance::{Authorization, Tokens};
use crate::store::StoreError;

/// The path to which a provider sends back whoever has authorised a connection.
pub const CALLBACK: &str = "/oauth/callback";

/// Whoever was sent to a provider is taken back for this long.
const TAKEN_BACK_FOR: Duration = minutes(10);

/// So many may be on their way at once; the one who was sent first gives way.
const MOST_ASKED: usize = 1000;

/// Whoever comes back waits no longer than this for a store that fails.
const LONGEST_STORE: Duration = seconds(10);

/// Where somebody authorises a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorizing {
    /// The URL of the provider. Whoever has it can authorise the connection for an account of their own.
    pub url: String,
    /// Until when it can be used, once.
    pub expires_at: Timestamp,
}

/// Who was sent to authorise a connection.
pub(super) struct Asked {
    place: Place,
    identity: String,
    /// What proves to the provider that who asks for the tokens is who sent somebody there (PKCE).
    verifier: Secret,
    until: Timestamp,
    /// How often the connection was forgotten before.
    forgotten: u64,
}

/// Why nobody can be sent to authorise a connection, or why it cannot be forgotten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// There is no such connection.
    #[error(transparent)]
    Unknown(Trouble),
    /// It needs nobody.
    #[error(
        "connection `{0}` is not authorised by anybody: its client id and client secret are enough"
    )]
    NobodyAuthorizes(String),
    /// Its URLs cannot be called.
    #[error(
        "connection `{0}` has a URL that cannot be called; deploy the instance again with another one"
    )]
    Url(String),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why somebody who comes back from a provider has authorised nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// Nobody was sent with this state, it was too long ago, or they are back already.
    #[error("This link is not valid any more; ask for a new one.")]
    Unknown,
    /// They, or the provider, have said no.
    #[error("The connection was not authorised; ask for a new link to try again.")]
    Denied,
    /// The instance was deployed with another client, or removed, or the connection was forgotten.
    #[error("The connection has changed meanwhile; ask for a new link.")]
    Changed,
    /// The provider gives no tokens.
    #[error("The other system did not confirm the authorisation; ask for a new link to try again.")]
    NotConfirmed,
    /// The store did not take it.
    #[error("The authorisation cannot be stored now; ask for a new link later.")]
    NotStored,
}

impl Connections {
    /// Returns the URL at which somebody authorises a connection; they are sent back to [`CALLBACK`]. It can be used once, within ten
    /// minutes, and by this process only.
    ///
    /// # Errors
    ///
    /// There is no such connection, or nobody needs to authorise it.
    pub fn authorize(
        &self,
        instance: &InstanceId,
        variable: &str,
    ) -> Result<Authorizing, AuthorizeError> {
        let place = (instance.clone(), variable.to_owned());
        let (_, client) = self.find(&place).map_err(AuthorizeError::Unknown)?;
        if client.grant.kind() != GrantKind::AuthorizationCode {
            return Err(AuthorizeError::NobodyAuthorizes(place.1));
        }
        let ports = &self.ports;
        let (now, state) = (ports.clock.now(), ports.entropy.unguessable());
        // PKCE asks for 43 characters at least.
        let verifier = [ports.entropy.unguessable(), ports.entropy.unguessable()].concat();
        let verifier = Secret::new(verifier);
        let url = exchange::authorize_url(&client, &state, &verifier, &self.redirect_url());
        let url = url.map_err(|_| AuthorizeError::Url(variable.to_owned()))?;
        let expires_at = now + TAKEN_BACK_FOR;
        let sent = Asked {
            forgotten: self.times_forgotten(&place),
            place,
            identity: client.identity().to_owned(),
            verifier,
            until: expires_at,
        };
        let mut asked = lock(&self.asked);
        asked.retain(|_, asked| now < asked.until);
        if asked.len() >= MOST_ASKED {
            let first = asked.iter().min_by_key(|(_, asked)| asked.until);
            let first = first.map(|(state, _)| state.clone());
            first.and_then(|state| asked.remove(&state));
        }
        asked.insert(state, sent);
        Ok(Authorizing { url, expires_at })
    }

    /// Takes back whoever was sent with this state: with a code, the connection is authorised. Instead of a code they may bring what the
    /// provider calls their refusal.
    ///
    /// # Errors
    ///
    /// Nobody was sent with this state, they did not authorise it, or the tokens cannot be had or stored.
    pub async fn take_back(
        &self,
        state: &str,
        code: Result<&str, &str>,
    ) -> Result<(), CallbackError> {
        let asked = lock(&self.asked).remove(state);
        let now = self.ports.clock.now();
        let asked = asked.filter(|asked| now < asked.until);
        let asked = asked.ok_or(CallbackError::Unknown)?;
        let (instance, variable) = &asked.place;
        let code = code.map_err(|refusal| {
            let refusal = Some(refusal).filter(|text| exchange::is_code(text));
            tracing::warn!(%instance, connection = variable, refusal, "a connection was not authorised");
            CallbackError::Denied
        })?;
        let (_, client) = self
            .find(&asked.place)
            .map_err(|_| CallbackError::Changed)?;
        if client.identity() != asked.identity {
            return Err(CallbackError::Changed);
        }
        let asking = Asking::Code {
            code,
            verifier: &asked.verifier,
            redirect_url: &self.redirect_url(),
        };
        let given = exchange::ask(&self.ports, &client, asking).await;
        let given = given.map_err(|fault| {
            tracing::warn!(%instance, connection = variable, %fault, "a provider did not confirm an authorisation");
            CallbackError::NotConfirmed
        })?;
        self.grant(asked, given).await
    }

    /// Keeps what somebody has granted. A task of its own does it, which ends also when they wait no longer: what the store has taken must
    /// stand in memory too.
    async fn grant(&self, asked: Asked, given: Given) -> Result<(), CallbackError> {
        let now = self.ports.clock.now();
        let authorization = Authorization {
            identity: asked.identity.clone(),
            authorized_at: now,
            tokens: Some(Tokens {
                access: given.access,
                refresh: given.refresh,
                obtained_at: now,
                expires_at: given.lifetime.map(|lifetime| now + lifetime),
            }),
        };
        let (sender, receiver) = oneshot::channel();
        let me = Weak::clone(&self.me);
        self.ports.spawn.engine(Box::pin(async move {
            if let Some(connections) = me.upgrade() {
                let stored = connections.keep_granted(&asked, &authorization).await;
                // Whoever came back may have gone.
                let _ = sender.send(stored);
            }
        }));
        match until(&*self.ports.clock, now + LONGEST_STORE, receiver).await {
            Ok(Ok(stored)) => stored,
            // It takes too long, or the process is on its way out.
            Ok(Err(_)) | Err(_) => Err(CallbackError::NotStored),
        }
    }

    /// Keeps what somebody has granted, in the place of whatever was granted before. A store that fails is asked again, unless the
    /// connection is forgotten, changed or authorised once more meanwhile.
    async fn keep_granted(
        &self,
        asked: &Asked,
        authorization: &Authorization,
    ) -> Result<(), CallbackError> {
        let (id, variable) = &asked.place;
        loop {
            let changing = self.changing.lock().await;
            let found = self.find(&asked.place).ok();
            let (instance, client) = found
                .filter(|(_, client)| client.identity() == asked.identity)
                .filter(|_| self.times_forgotten(&asked.place) == asked.forgotten)
                .ok_or(CallbackError::Changed)?;
            let now = self.ports.clock.now();
            let before = instance.authorization(&client, variable);
            // What was authorised in the future is from before the clock was set back.
            let later = before.map(|before| before.authorized_at);
            if later.is_some_and(|at| authorization.authorized_at < at && at <= now) {
                return Ok(());
            }
            let granted = Some(authorization.clone());
            match self.store(&instance, variable, granted).await {
                Ok(()) => {
                    lock(&self.failures).remove(&asked.place);
                    tracing::info!(instance = %id, connection = variable, "a connection was authorised");
                    return Ok(());
                }
                Err(StoreError::Damaged(_)) => return Err(CallbackError::NotStored),
                Err(_) => {}
            }
            drop(changing);
            self.ports.clock.sleep(super::STORE_PAUSE).await;
        }
    }

    /// Forgets what was granted to a connection, also by somebody who is on their way back; returns whether there was anything. The
    /// provider is not told.
    ///
    /// # Errors
    ///
    /// There is no such connection, or the store cannot take it.
    pub async fn forget(
        &self,
        instance: &InstanceId,
        variable: &str,
    ) -> Result<bool, AuthorizeError> {
        let place = (instance.clone(), variable.to_owned());
        let _changing = self.changing.lock().await;
        let (instance, _) = self.find(&place).map_err(AuthorizeError::Unknown)?;
        lock(&self.failures).remove(&place);
        lock(&self.asked).retain(|_, asked| asked.place != place);
        self.count_as_forgotten(place);
        if !instance.secrets.authorizations.contains_key(variable) {
            return Ok(false);
        }
        self.store(&instance, variable, None).await?;
        Ok(true)
    }

    fn count_as_forgotten(&self, place: Place) {
        let mut forgotten = lock(&self.forgotten);
        forgotten.retain(|(id, _), _| self.instances.find(id).is_some());
        *forgotten.entry(place).or_default() += 1;
    }

    fn times_forgotten(&self, place: &Place) -> u64 {
        let forgotten = lock(&self.forgotten);
        forgotten.get(place).copied().unwrap_or_default()
    }

    fn redirect_url(&self) -> String {
        let base = self.ports.public_url.trim_end_matches('/');
        format!("{base}{CALLBACK}")
    }
}

/// Who reads it can use it.
impl std::fmt::Debug for Authorizing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorizing")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
