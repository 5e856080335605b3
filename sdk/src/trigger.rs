//! What starts a flow (E4).

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::schedule::Schedule;
use crate::secret::Secret;
use crate::signature::Provider;

/// What starts a flow. `C` is the struct of config variables.
pub struct Trigger<C> {
    kind: TriggerKind,
    config: std::marker::PhantomData<fn(&C)>,
}

/// A trigger as the runner sees it: nothing in it knows the type of the config variables.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TriggerKind {
    /// An HTTP request that arrives at the flow's endpoint.
    Webhook(WebhookTrigger),
    /// A schedule.
    Schedule(ScheduleSource),
    /// A schedule on which `#[on_trigger]` looks for something new.
    Poll(ScheduleSource),
    /// Each deploy of the instance, after its deploy functions (E51).
    InstanceDeploy,
    /// The removal of the instance (E52).
    InstanceRemove,
}

/// How a webhook is checked before anything runs.
#[derive(Clone, Debug)]
pub enum WebhookTrigger {
    /// Nothing is checked, and the author says so (W43).
    Unsigned,
    /// Nothing is checked, and nothing was said: the management API warns (W43).
    Unsaid,
    /// The signature over the raw bytes (W40).
    Signed {
        /// How the sender signs, and how it asks whether the endpoint is real.
        provider: Box<Provider>,
        /// Where the secrets come from.
        secrets: SecretSource,
        /// Where the verify tokens come from, for senders that ask for one; none if the author named no variable.
        tokens: SecretSource,
    },
}

impl TriggerKind {
    /// Reads what the trigger takes from the config variables; `Err` with the text of its panic if it cannot, as when it looks for the
    /// first item of an empty list.
    pub(crate) fn try_read(&self, config: &(dyn Any + Send + Sync)) -> Result<(), String> {
        let read = || match self {
            Self::Webhook(WebhookTrigger::Signed {
                secrets, tokens, ..
            }) => {
                secrets.read(config);
                tokens.read(config);
            }
            Self::Schedule(source) | Self::Poll(source) => {
                source.read(config);
            }
            _ => {}
        };
        std::panic::catch_unwind(AssertUnwindSafe(read)).map_err(|panic| {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            text.unwrap_or_else(|| "without a text".to_owned())
        })
    }
}

type FromConfig<T> = Arc<dyn Fn(&dyn Any) -> T + Send + Sync>;

/// Where secrets come from: config variables, or the sender itself.
#[derive(Clone)]
pub struct SecretSource(Option<FromConfig<Vec<Secret>>>);

impl SecretSource {
    /// Reads the secrets; `config` is the `Arc`'s content that [`ConfigVars::decode`](crate::ConfigVars::decode) gave. None if they do
    /// not come from there.
    pub fn read(&self, config: &(dyn Any + Send + Sync)) -> Vec<Secret> {
        self.0.as_ref().map(|read| read(config)).unwrap_or_default()
    }

    /// Says whether no config variable holds the secrets. Of signing secrets it means that the sender brings one in a handshake (W41).
    pub fn is_outside_config(&self) -> bool {
        self.0.is_none()
    }

    fn variables<C: 'static>(read: impl Fn(&C) -> Vec<Secret> + Send + Sync + 'static) -> Self {
        let read =
            move |config: &dyn Any| config.downcast_ref::<C>().map(&read).unwrap_or_default();
        Self(Some(Arc::new(read)))
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource")
    }
}

/// Where a schedule comes from.
#[derive(Clone, Debug)]
pub enum ScheduleSource {
    /// The author declares it, the same for all customers.
    Fixed(Schedule),
    /// A config variable, set for each instance (E12).
    Config(ScheduleVariable),
}

/// Reads a schedule from the config variables.
#[derive(Clone)]
pub struct ScheduleVariable(FromConfig<Option<Schedule>>);

impl fmt::Debug for ScheduleVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScheduleVariable")
    }
}

impl ScheduleSource {
    /// Returns the schedule of an instance with these config variables.
    pub fn read(&self, config: &(dyn Any + Send + Sync)) -> Option<Schedule> {
        match self {
            Self::Fixed(schedule) => Some(schedule.clone()),
            Self::Config(variable) => (variable.0)(config),
        }
    }
}

impl<C: 'static> Trigger<C> {
    /// Runs at each deploy of the instance, after the deploy functions (E51).
    pub fn instance_deploy() -> Self {
        Self::of(TriggerKind::InstanceDeploy)
    }

    /// Runs when the instance is removed (E52).
    pub fn instance_remove() -> Self {
        Self::of(TriggerKind::InstanceRemove)
    }

    /// Runs on the schedule that a config variable holds, set for each customer (E12).
    pub fn scheduled_by(variable: fn(&C) -> &Schedule) -> Self {
        Self::of(TriggerKind::Schedule(Self::variable(variable)))
    }

    /// Looks for something new on a schedule: `#[on_trigger]` says what it found, or
    /// [`TriggerOutput::nothing_new`](crate::TriggerOutput::nothing_new) (E4).
    pub fn poll(schedule: Schedule) -> Self {
        Self::of(TriggerKind::Poll(ScheduleSource::Fixed(schedule)))
    }

    /// As [`poll`](Self::poll), on the schedule that a config variable holds.
    pub fn polled_by(variable: fn(&C) -> &Schedule) -> Self {
        Self::of(TriggerKind::Poll(Self::variable(variable)))
    }

    /// Takes the types away.
    pub fn into_kind(self) -> TriggerKind {
        self.kind
    }

    fn of(kind: TriggerKind) -> Self {
        Self {
            kind,
            config: std::marker::PhantomData,
        }
    }

    fn variable(variable: fn(&C) -> &Schedule) -> ScheduleSource {
        let read = move |config: &dyn Any| {
            config
                .downcast_ref::<C>()
                .map(|config| variable(config).clone())
        };
        ScheduleSource::Config(ScheduleVariable(Arc::new(read)))
    }
}

impl<C: 'static> From<Schedule> for Trigger<C> {
    fn from(schedule: Schedule) -> Self {
        Self::of(TriggerKind::Schedule(ScheduleSource::Fixed(schedule)))
    }
}

/// The trigger of a flow that an HTTP request starts.
#[derive(Debug)]
pub struct Webhook;

impl Webhook {
    /// Checks nothing: anyone who knows the URL can start the flow (W43).
    pub fn unsigned<C: 'static>() -> Trigger<C> {
        Trigger::of(TriggerKind::Webhook(WebhookTrigger::Unsigned))
    }

    /// Checks the signature over the raw bytes before anything runs (W40). The secret is a config variable; with
    /// [`signed_by_any`](Self::signed_by_any) there may be several. For a sender that signs under a certificate
    /// ([`aws_sns`](crate::signature::providers::aws_sns), [`paypal`](crate::signature::providers::paypal)) it says whose messages are
    /// accepted: a topic, the id of a webhook.
    pub fn signed_by<C: 'static>(
        provider: impl Into<Provider>,
        secret: fn(&C) -> &Secret,
    ) -> Trigger<C> {
        Self::signed(provider.into(), move |config| vec![secret(config).clone()])
    }

    /// As [`signed_by`](Self::signed_by), with several active secrets, for rotation (W41).
    pub fn signed_by_any<C: 'static>(
        provider: impl Into<Provider>,
        secrets: fn(&C) -> &Vec<Secret>,
    ) -> Trigger<C> {
        Self::signed(provider.into(), move |config| secrets(config).clone())
    }

    /// As [`signed_by`](Self::signed_by), for senders that ask for a verify token before their first delivery
    /// ([`meta`](crate::signature::providers::meta)). The customer chooses the token and gives it to both sides; it travels in URLs,
    /// so it is not the signing secret (W41).
    pub fn signed_and_verified_by<C: 'static>(
        provider: impl Into<Provider>,
        secret: fn(&C) -> &Secret,
        token: fn(&C) -> &Secret,
    ) -> Trigger<C> {
        let secrets = SecretSource::variables(move |config| vec![secret(config).clone()]);
        let tokens = SecretSource::variables(move |config| vec![token(config).clone()]);
        Self::checked(provider.into(), secrets, tokens)
    }

    /// As [`signed_and_verified_by`](Self::signed_and_verified_by), with several active secrets, for rotation (W41).
    pub fn signed_by_any_and_verified_by<C: 'static>(
        provider: impl Into<Provider>,
        secrets: fn(&C) -> &Vec<Secret>,
        token: fn(&C) -> &Secret,
    ) -> Trigger<C> {
        let secrets = SecretSource::variables(move |config| secrets(config).clone());
        let tokens = SecretSource::variables(move |config| vec![token(config).clone()]);
        Self::checked(provider.into(), secrets, tokens)
    }

    /// As [`signed_by`](Self::signed_by), for senders that bring the secret themselves, in a handshake
    /// ([`asana`](crate::signature::providers::asana)). The first one that is brought to the endpoint is kept, encrypted, and no other
    /// takes its place until an operator has it forgotten (`keys FLOW --forget-secret`); without one every delivery is refused (W41, W43).
    pub fn signed_by_secret_of<C: 'static>(provider: impl Into<Provider>) -> Trigger<C> {
        Self::checked(provider.into(), SecretSource(None), SecretSource(None))
    }

    fn signed<C: 'static>(
        provider: Provider,
        secrets: impl Fn(&C) -> Vec<Secret> + Send + Sync + 'static,
    ) -> Trigger<C> {
        Self::checked(
            provider,
            SecretSource::variables(secrets),
            SecretSource(None),
        )
    }

    fn checked<C: 'static>(
        provider: Provider,
        secrets: SecretSource,
        tokens: SecretSource,
    ) -> Trigger<C> {
        Trigger::of(TriggerKind::Webhook(WebhookTrigger::Signed {
            provider: Box::new(provider),
            secrets,
            tokens,
        }))
    }
}

impl<C> fmt::Debug for Trigger<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}
