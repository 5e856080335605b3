//! Connections by OAuth 2.0 (E55): gets access tokens, keeps them sealed with the secrets of the instance, and renews them.
//!
//! A token is asked for by one task for each connection, whoever waits for it, and that task ends also when they have gone: what a provider
//! gives takes the place of what it gave before, so it is on the disk before anybody hears of it.

mod authorize;
mod exchange;
mod trouble;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use sdk::connection::{GrantKind, OAuthClient};
use sdk::host::BoxFuture;
use sdk::id::InstanceId;
use sdk::time::{minutes, seconds};
use sdk::{Secret, Timestamp};
use tokio::sync::oneshot;

use self::authorize::Asked;
pub use self::authorize::{AuthorizeError, Authorizing, CALLBACK, CallbackError};
use self::exchange::{Asking, Given, NotGiven};
pub use self::trouble::Trouble;
use crate::clock::until;
use crate::instance::{Authorization, Instance, Instances, Tokens};
use crate::ports::Ports;
use crate::store::{Commit, Point, StoreError, Write};

/// A provider that did not answer is asked again after this long, or later if it said so.
const FAILURE_KEPT: Duration = seconds(5);

/// A provider that refused the client is asked again after this long, or when the client has changed.
const REFUSAL_KEPT: Duration = minutes(1);

/// A token that is younger is not renewed because another system refuses it: that would go on for ever.
const YOUNG: Duration = seconds(30);

/// How long it waits before it asks a store that failed again.
const STORE_PAUSE: Duration = seconds(1);

/// The connections of all instances.
pub struct Connections {
    me: Weak<Self>,
    ports: Arc<Ports>,
    instances: Arc<Instances>,
    /// Held by whoever reads an instance, changes it and stores it.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// The tasks that ask for a token at the moment.
    asking: Mutex<HashMap<Place, Answer>>,
    /// The last failure of each connection, until it succeeds.
    failures: Mutex<BTreeMap<Place, Failure>>,
    /// Who was sent to authorise a connection, by the state that comes back with them.
    asked: Mutex<HashMap<String, Asked>>,
    /// How often each connection was forgotten: who was sent away before that comes back too late.
    forgotten: Mutex<HashMap<Place, u64>>,
}

/// A connection: its instance and its config variable.
type Place = (InstanceId, String);

/// What everybody waits for who asks for the same token.
type Answer = Shared<BoxFuture<'static, Result<Secret, Trouble>>>;

struct Failure {
    trouble: Trouble,
    /// With what it was asked: other credentials may fare better.
    client: OAuthClient,
    until: Timestamp,
}

/// Whether a token can be had without asking the provider.
enum Known {
    Token(Secret),
    /// The client that asks, and with what was granted to it.
    Ask(Box<OAuthClient>, Option<Tokens>),
}

impl Connections {
    /// Makes the connections of these instances; `changing` is held while one of them is read, changed and stored.
    pub fn new(
        ports: Arc<Ports>,
        instances: Arc<Instances>,
        changing: Arc<tokio::sync::Mutex<()>>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            ports,
            instances,
            changing,
            asking: Mutex::default(),
            failures: Mutex::default(),
            asked: Mutex::default(),
            forgotten: Mutex::default(),
        })
    }

    /// Returns a valid access token: one that is kept, or a new one. In the place of one that another system has `refused` it returns
    /// another, unless that one is so young that a third would be refused too.
    ///
    /// # Errors
    ///
    /// There is no such connection, somebody must authorise it, or the provider gives no token.
    pub async fn access_token(
        &self,
        instance: &InstanceId,
        variable: &str,
        refused: Option<&Secret>,
    ) -> Result<Secret, Trouble> {
        let place = (instance.clone(), variable.to_owned());
        // A task that was under way may have been about the token before the refused one.
        for _ in 0..2 {
            if let Known::Token(token) = self.known(&place, refused)? {
                return Ok(token);
            }
            let token = self.join(&place, refused).await?;
            if refused != Some(&token) {
                return Ok(token);
            }
        }
        Err(Trouble::Changed(place.1))
    }

    /// Returns the last failure of a connection, unless it has succeeded since.
    pub fn trouble(&self, instance: &InstanceId, variable: &str) -> Option<Trouble> {
        let place = (instance.clone(), variable.to_owned());
        let failures = lock(&self.failures);
        failures.get(&place).map(|failure| failure.trouble.clone())
    }

    /// Waits for those who ask for a token at the moment, but no longer than this: what a provider gives would be lost with the process.
    pub async fn finish(&self, longest: Duration) {
        let asking: Vec<Answer> = lock(&self.asking).values().cloned().collect();
        let clock = &self.ports.clock;
        let all = futures_util::future::join_all(asking);
        if until(&**clock, clock.now() + longest, all).await.is_err() {
            tracing::warn!("a provider was still being asked for a token when the process stopped");
        }
    }

    /// Looks at what is kept.
    fn known(&self, place: &Place, refused: Option<&Secret>) -> Result<Known, Trouble> {
        let (instance, client) = self.find(place)?;
        let now = self.ports.clock.now();
        let variable = &place.1;
        let asks = client.grant.kind() == GrantKind::AuthorizationCode;
        let granted = instance.authorization(&client, variable);
        let tokens = match granted {
            None if asks => return Err(Trouble::NotAuthorized(variable.clone())),
            None => return Ok(Known::Ask(Box::new(client), None)),
            Some(granted) => granted.tokens.as_ref(),
        };
        let tokens = tokens.ok_or_else(|| Trouble::Ended(variable.clone()))?;
        let access = Secret::new(tokens.access.as_str());
        let is_refused = refused == Some(&access);
        let is_young = tokens.obtained_at <= now && now < tokens.obtained_at + YOUNG;
        if tokens.is_fresh(now) && (!is_refused || is_young) {
            return Ok(Known::Token(access));
        }
        if asks && tokens.refresh.is_none() {
            // Nothing is to be gained by renewing it ahead of its time.
            return if tokens.is_valid(now) && !is_refused {
                Ok(Known::Token(access))
            } else {
                Err(Trouble::NotRenewable(variable.clone()))
            };
        }
        Ok(Known::Ask(Box::new(client), Some(tokens.clone())))
    }

    fn find(&self, place: &Place) -> Result<(Arc<Instance>, OAuthClient), Trouble> {
        self.of(self.instances.get(&place.0), &place.1)
    }

    /// As [`find`](Self::find), also in an instance that is removed and not erased yet.
    fn find_kept(&self, place: &Place) -> Result<(Arc<Instance>, OAuthClient), Trouble> {
        self.of(self.instances.find(&place.0), &place.1)
    }

    fn of(
        &self,
        instance: Option<Arc<Instance>>,
        variable: &str,
    ) -> Result<(Arc<Instance>, OAuthClient), Trouble> {
        let unknown = || Trouble::Unknown(variable.to_owned());
        let instance = instance.ok_or_else(unknown)?;
        let client = instance.client(&self.ports.integration, variable);
        let client = client.ok_or_else(unknown)?;
        Ok((instance, client))
    }

    /// Waits for the task that asks for a token, and starts it if there is none.
    fn join(&self, place: &Place, refused: Option<&Secret>) -> Answer {
        let mut asking = lock(&self.asking);
        if let Some(answer) = asking.get(place) {
            return answer.clone();
        }
        let (sender, receiver) = oneshot::channel();
        let answer = async { receiver.await.unwrap_or(Err(Trouble::Stopping)) };
        let answer: BoxFuture<'static, _> = Box::pin(answer);
        let answer = answer.shared();
        asking.insert(place.clone(), answer.clone());
        drop(asking);
        let turn = Turn {
            connections: Weak::clone(&self.me),
            place: place.clone(),
        };
        let (me, refused) = (Weak::clone(&self.me), refused.cloned());
        self.ports.spawn.engine(Box::pin(async move {
            let token = match me.upgrade() {
                Some(connections) => connections.obtain(&turn.place, refused.as_ref()).await,
                None => Err(Trouble::Stopping),
            };
            // Who asks from now on looks at what is kept first.
            drop(turn);
            // Everybody who waited may have gone.
            let _ = sender.send(token);
        }));
        answer
    }

    /// Asks the provider for a token and keeps it.
    async fn obtain(&self, place: &Place, refused: Option<&Secret>) -> Result<Secret, Trouble> {
        let (client, tokens) = match self.known(place, refused)? {
            // It came while this task was on its way.
            Known::Token(token) => return Ok(token),
            Known::Ask(client, tokens) => (client, tokens),
        };
        let still_good = || {
            let now = self.ports.clock.now();
            let tokens = tokens.as_ref().filter(|tokens| tokens.is_valid(now));
            let access = tokens.map(|tokens| Secret::new(tokens.access.as_str()));
            access.filter(|access| refused != Some(access))
        };
        if let Some(trouble) = self.failed_before(place, &client) {
            return still_good().ok_or(trouble);
        }
        let asks = client.grant.kind() == GrantKind::AuthorizationCode;
        let refresh = tokens.as_ref().filter(|_| asks);
        let refresh = refresh.and_then(|tokens| tokens.refresh.as_deref());
        let asking = refresh.map_or(Asking::ClientCredentials, Asking::Refresh);
        match exchange::ask(&self.ports, &client, asking).await {
            Ok(given) => {
                lock(&self.failures).remove(place);
                self.keep(place, &client, refresh, Some(given)).await
            }
            Err(fault) if refresh.is_some() && fault.is_invalid_grant() => {
                tracing::warn!(
                    instance = %place.0,
                    connection = place.1,
                    "a connection must be authorised again: its provider no longer accepts what it granted"
                );
                self.keep(place, &client, refresh, None).await
            }
            Err(fault) => {
                let trouble = self.note(place, *client, fault);
                still_good().ok_or(trouble)
            }
        }
    }

    /// Returns the failure after which the same client is not to ask again yet. One that holds for longer than any may is from before the
    /// clock was set back.
    fn failed_before(&self, place: &Place, client: &OAuthClient) -> Option<Trouble> {
        let failures = lock(&self.failures);
        let failure = failures.get(place)?;
        let left = failure.until.since(self.ports.clock.now());
        let is_now = !left.is_zero() && left <= exchange::LONGEST_WAIT;
        let holds = is_now && failure.client == *client;
        holds.then(|| failure.trouble.clone())
    }

    /// Remembers a failure, and tells the operator.
    fn note(&self, place: &Place, client: OAuthClient, fault: NotGiven) -> Trouble {
        let kept = match &fault {
            NotGiven::Unreachable { wait, .. } => {
                wait.map_or(FAILURE_KEPT, |wait| wait.max(FAILURE_KEPT))
            }
            _ => REFUSAL_KEPT,
        };
        let until = self.ports.clock.now() + kept;
        let trouble = Trouble::of(&place.1, client.grant.kind(), fault, until);
        tracing::warn!(instance = %place.0, "{trouble}");
        let failure = Failure {
            trouble: trouble.clone(),
            client,
            until,
        };
        let mut failures = lock(&self.failures);
        failures.retain(|(id, _), _| self.instances.get(id).is_some());
        failures.insert(place.clone(), failure);
        trouble
    }

    /// Keeps what the provider gave in the place of what `used` stood for, or that it gives nothing more. Whatever was granted meanwhile
    /// is left as it is. A store that fails is asked again: what the provider gave cannot be had twice, also not for an instance that was
    /// removed meanwhile and can be brought back.
    async fn keep(
        &self,
        place: &Place,
        client: &OAuthClient,
        used: Option<&str>,
        given: Option<Given>,
    ) -> Result<Secret, Trouble> {
        let obtained_at = self.ports.clock.now();
        let variable = &place.1;
        loop {
            let changing = self.changing.lock().await;
            let (instance, current) = self.find_kept(place)?;
            if current.identity() != client.identity() {
                return Err(Trouble::Changed(variable.clone()));
            }
            let granted = instance.authorization(&current, variable);
            let before = granted.and_then(|granted| granted.tokens.as_ref());
            if used.is_some() && before.and_then(|tokens| tokens.refresh.as_deref()) != used {
                // Somebody has authorised it again, or has had it forgotten.
                let tokens = before.filter(|tokens| tokens.is_valid(obtained_at));
                let access = tokens.map(|tokens| Secret::new(tokens.access.as_str()));
                return access.ok_or_else(|| Trouble::Changed(variable.clone()));
            }
            let tokens = given.as_ref().map(|given| Tokens {
                access: given.access.clone(),
                refresh: given.refresh.clone().or_else(|| used.map(str::to_owned)),
                obtained_at,
                expires_at: given.lifetime.map(|lifetime| obtained_at + lifetime),
            });
            let authorization = Authorization {
                identity: current.identity().to_owned(),
                authorized_at: granted.map_or(obtained_at, |granted| granted.authorized_at),
                tokens,
            };
            match self.store(&instance, variable, Some(authorization)).await {
                Ok(()) => {
                    let access = given.map(|given| Secret::new(given.access));
                    return access.ok_or_else(|| Trouble::Ended(variable.clone()));
                }
                Err(StoreError::Damaged(_)) => return Err(Trouble::NotStored(variable.clone())),
                Err(_) => {}
            }
            drop(changing);
            self.ports.clock.sleep(STORE_PAUSE).await;
        }
    }

    /// Stores what is granted to a connection, and puts the instance in the place of the one in memory. Call it with `changing` held.
    async fn store(
        &self,
        instance: &Instance,
        variable: &str,
        authorization: Option<Authorization>,
    ) -> Result<(), StoreError> {
        let mut secrets = instance.secrets.clone();
        match authorization {
            Some(authorization) => secrets
                .authorizations
                .insert(variable.to_owned(), authorization),
            None => secrets.authorizations.remove(variable),
        };
        let ports = &self.ports;
        let changed = Instance::new(
            instance.id.clone(),
            instance.facts.clone(),
            secrets,
            Arc::clone(&instance.config),
            &ports.integration,
            &ports.public_url,
        );
        let write = Write::PutInstance(changed.record(&ports.vault));
        let commit = Commit::new(Point::Keys, vec![write]);
        ports.store.commit(commit).await?;
        self.instances.put(Arc::new(changed));
        Ok(())
    }
}

/// The right to ask for the token of a connection; somebody else may when this is dropped.
struct Turn {
    connections: Weak<Connections>,
    place: Place,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(connections) = self.connections.upgrade() {
            lock(&connections.asking).remove(&self.place);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

#[cfg(test)]
mod tests;
