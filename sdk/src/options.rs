//! What the author says of a flow beside its functions: the keys of `#[flow(…)]`.

use std::time::Duration;

use serde::Serialize;

use crate::queue::{Dedupe, Queue};
use crate::retry::Retry;
use crate::trigger::{Trigger, TriggerKind, WebhookTrigger};

/// What the author says of a flow. Each method is a key of `#[flow(…)]`: `#[flow(key = "a", retry = Retry::times(5))]` calls
/// `.key("a").retry(Retry::times(5))`.
#[derive(Debug)]
pub struct FlowOptions<C> {
    pub(crate) settled: Settled,
    config: std::marker::PhantomData<fn(&C)>,
}

/// The options of a flow as the runner sees them: nothing in them knows the type of the config variables.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The lasting key (E1).
    pub key: &'static str,
    /// The name that people read.
    pub name: String,
    /// What the flow is for.
    pub description: String,
    /// What starts it.
    pub trigger: TriggerKind,
    /// What the caller gets.
    pub respond: Respond,
    /// When a failed execution is tried again.
    pub retry: Retry,
    /// When a failed lifecycle function is tried again.
    pub lifecycle_retry: Retry,
    /// Which execution runs next.
    pub queue: Queue,
    /// Which delivery is one that came before.
    pub dedupe: Option<Dedupe>,
    /// Whether a caller must show an API key.
    pub security: Security,
    /// API keys that come with the integration, for [`Security::Organization`].
    pub organization_keys: Vec<String>,
    /// How long a run may take; `None` takes the runner's setting.
    pub time_limit: Option<Duration>,
    /// How many items of a page make one execution (E6).
    pub batch_size: usize,
    /// How many executions that pages were cut into may run at once; `None` sets no limit (E6).
    pub batch_limit: Option<u32>,
}

/// What the caller of a webhook gets, unless the request itself says otherwise (W20 to W25).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Respond {
    /// The id of the execution as soon as it is on disk; the flow runs behind it.
    #[default]
    Accepted,
    /// The result, by a redirect to a signed URL.
    WithResult,
    /// The result itself where it is text below 5 MB, else by a redirect.
    Directly,
}

/// Whether a caller must show an API key in the header `Api-Key` (W6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Never.
    Unsecured,
    /// As soon as the customer has set one.
    #[default]
    CustomerOptional,
    /// Always; the instance cannot be deployed until one is set.
    CustomerRequired,
    /// Always, one that comes with the integration.
    Organization,
}

impl<C: 'static> FlowOptions<C> {
    /// Begins with the lasting key of the flow.
    pub fn new(key: &'static str) -> Self {
        let settled = Settled {
            key,
            name: key.to_owned(),
            description: String::new(),
            trigger: TriggerKind::Webhook(WebhookTrigger::Unsaid),
            respond: Respond::Accepted,
            retry: Retry::never(),
            lifecycle_retry: Retry::never(),
            queue: Queue::Parallel,
            dedupe: None,
            security: Security::CustomerOptional,
            organization_keys: Vec::new(),
            time_limit: None,
            batch_size: 1,
            batch_limit: None,
        };
        Self {
            settled,
            config: std::marker::PhantomData,
        }
    }

    /// Sets the name that people read; the key if it is not set.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settled.name = name.into();
        self
    }

    /// Says what the flow is for; the doc comment of the `impl` block does this.
    #[must_use]
    pub fn description(mut self, text: impl AsRef<str>) -> Self {
        text.as_ref()
            .trim()
            .clone_into(&mut self.settled.description);
        self
    }

    /// Sets what starts the flow: [`Webhook::unsigned`](crate::Webhook::unsigned),
    /// [`Webhook::signed_by`](crate::Webhook::signed_by), a [`Schedule`](crate::Schedule), a [`Trigger`]. A webhook if it is not set.
    #[must_use]
    pub fn trigger(mut self, trigger: impl Into<Trigger<C>>) -> Self {
        self.settled.trigger = trigger.into().into_kind();
        self
    }

    /// Sets what the caller gets; [`Respond::Accepted`] if it is not set.
    #[must_use]
    pub fn respond(mut self, respond: Respond) -> Self {
        self.settled.respond = respond;
        self
    }

    /// Sets when a failed execution is tried again; never if it is not set (E21).
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.settled.retry = retry;
        self
    }

    /// Sets when a failed `#[on_instance_deploy]`, `#[on_first_deploy]` or `#[on_instance_remove]` is tried again; never if it is not set
    /// (E51). The deploy or removal waits meanwhile, so all waits together may be 5 minutes at most. It tries nothing again that would
    /// begin more than 10 minutes after it began itself, also when an error names a later time.
    #[must_use]
    pub fn lifecycle_retry(mut self, retry: Retry) -> Self {
        self.settled.lifecycle_retry = retry;
        self
    }

    /// Sets which execution runs next; all at once if it is not set (E24).
    #[must_use]
    pub fn queue(mut self, queue: Queue) -> Self {
        self.settled.queue = queue;
        self
    }

    /// Sets which delivery is one that came before (E25).
    #[must_use]
    pub fn dedupe(mut self, dedupe: Dedupe) -> Self {
        self.settled.dedupe = Some(dedupe);
        self
    }

    /// Sets whether a caller must show an API key; [`Security::CustomerOptional`] if it is not set (W6).
    #[must_use]
    pub fn security(mut self, security: Security) -> Self {
        self.settled.security = security;
        self
    }

    /// Adds the API keys that come with the integration, for [`Security::Organization`] (W6).
    #[must_use]
    pub fn organization_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.settled.organization_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long a run may take; the runner's setting (15 minutes) if it is not set (E26).
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.settled.time_limit = Some(limit);
        self
    }

    /// Sets how many items of a page make one execution; 1 if it is not set (E6).
    #[must_use]
    pub fn batch_size(mut self, size: usize) -> Self {
        self.settled.batch_size = size;
        self
    }

    /// Sets how many executions that pages were cut into may run at once, of a flow of an instance; no limit if it is not set (E6). A queue
    /// that keeps order, and `Overlap::Queue`, run them one after another anyway: there it is refused, but for a schedule that a customer
    /// gives, where it has no effect.
    #[must_use]
    pub fn batch_limit(mut self, limit: u32) -> Self {
        self.settled.batch_limit = Some(limit);
        self
    }
}
