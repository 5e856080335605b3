//! The product an author ships: flows and config variables.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::config::{self, ConfigFault, ConfigFaults, ConfigValues, ConfigVar, ConfigVars};
use crate::endpoint::{self, Declared, InstanceEndpoint, Layout, SharedEndpoint};
pub use crate::flow::FlowParts;
use crate::flow::{AnyConfig, Flow};
use crate::id::is_flow_key;
use crate::options::{Respond, Security, Settled};
use crate::queue::Queue;
use crate::retry::Retry;
use crate::schedule::Overlap;
use crate::trigger::{ScheduleSource, TriggerKind};

/// An integration: flows that share a struct `C` of config variables.
///
/// ```
/// use sdk::prelude::*;
///
/// struct Greet;
///
/// #[flow(key = "greet")]
/// impl Greet {
///     #[on_execution]
///     async fn greet(_context: &Context, name: String) -> Result<String> {
///         Ok(format!("Hello, {name}!"))
///     }
/// }
///
/// let integration = Integration::<()>::new("greeter").flow::<Greet>().build().unwrap();
/// assert_eq!(integration.flows[0].options.key, "greet");
///
/// let twice = Integration::<()>::new("greeter").flow::<Greet>().flow::<Greet>().build();
/// assert_eq!(twice.unwrap_err().to_string(), "flow `greet`: its key is used by two flows; give each its own");
/// ```
pub struct Integration<C = ()> {
    name: String,
    version: String,
    description: String,
    flows: Vec<FlowParts>,
    endpoints: Vec<Declared>,
    local: Option<fn() -> C>,
    config: PhantomData<fn(&C)>,
}

type Decode = Arc<dyn Fn(&ConfigValues) -> Result<AnyConfig, ConfigFaults> + Send + Sync>;

/// An integration that was checked, without the type of its config variables: what a runner takes.
#[derive(Clone)]
pub struct BuiltIntegration {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// Its flows, in the author's order.
    pub flows: Vec<Arc<FlowParts>>,
    /// Which endpoints its webhooks come to (W2).
    pub layout: Layout,
    /// Its config variables.
    pub variables: Vec<ConfigVar>,
    /// The config values of the instance that is deployed for trying the integration out.
    pub local: Option<ConfigValues>,
    decode: Decode,
}

impl<C: ConfigVars> Integration<C> {
    /// Begins an integration.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: "0.0.0".to_owned(),
            description: String::new(),
            flows: Vec::new(),
            endpoints: Vec::new(),
            local: None,
            config: PhantomData,
        }
    }

    /// Sets the version; `env!("CARGO_PKG_VERSION")` is a good one.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Says what the integration is for.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Adds a flow.
    #[must_use]
    pub fn flow<F: Flow<Config = C>>(mut self) -> Self {
        self.flows.push(F::definition().into_parts());
        self
    }

    /// Gives each instance one endpoint for all its flows; without it, each flow of each instance has its own (W2).
    #[must_use]
    pub fn instance_endpoint(mut self, endpoint: InstanceEndpoint<C>) -> Self {
        self.endpoints.push(endpoint.declared);
        self
    }

    /// Gives all customers one endpoint for all flows (W2).
    #[must_use]
    pub fn shared_endpoint(mut self, endpoint: SharedEndpoint) -> Self {
        self.endpoints.push(endpoint.declared);
        self
    }

    /// Gives the config values of the instance that the runner deploys for trying the integration out.
    #[must_use]
    pub fn local_instance(mut self, config: fn() -> C) -> Self {
        self.local = Some(config);
        self
    }

    /// Checks the integration as a whole.
    ///
    /// # Errors
    ///
    /// Every fault at once, each with its flow.
    pub fn build(self) -> Result<BuiltIntegration, IntegrationFaults> {
        let variables = C::variables();
        let mut faults = Vec::new();
        check_integration(&self.name, &self.flows, &mut faults);
        faults.extend(config::check::faults::<C>(&variables));
        endpoint::check(&self.endpoints, &self.flows, &mut faults);
        if !faults.is_empty() {
            return Err(IntegrationFaults(faults));
        }
        let flows: Vec<_> = self.flows.into_iter().map(Arc::new).collect();
        let read = flows.clone();
        Ok(BuiltIntegration {
            name: self.name,
            version: self.version,
            description: self.description,
            flows,
            layout: self
                .endpoints
                .into_iter()
                .next()
                .map_or(Layout::PerFlow, Declared::into_layout),
            variables,
            local: self.local.map(|config| config().encode()),
            decode: Arc::new(move |values| {
                let config: AnyConfig = Arc::new(C::decode(values)?);
                try_triggers(&read, &config).map(|()| config)
            }),
        })
    }
}

impl BuiltIntegration {
    /// Returns a flow by its key.
    pub fn flow(&self, key: &str) -> Option<&Arc<FlowParts>> {
        self.flows.iter().find(|flow| flow.options.key == key)
    }

    /// Reads the config values of an instance.
    ///
    /// # Errors
    ///
    /// Every fault with its variable.
    pub fn decode_config(&self, values: &ConfigValues) -> Result<AnyConfig, ConfigFaults> {
        (self.decode)(values)
    }

    /// Returns the JSON Schema of the config variables.
    pub fn config_schema(&self) -> serde_json::Value {
        config::json_schema(&self.variables)
    }
}

impl<C> fmt::Debug for Integration<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration")
            .field("name", &self.name)
            .field("flows", &self.flows)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BuiltIntegration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltIntegration")
            .field("name", &self.name)
            .field("flows", &self.flows)
            .finish_non_exhaustive()
    }
}

/// Everything that is wrong with an integration, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationFaults(pub Vec<String>);

impl fmt::Display for IntegrationFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for IntegrationFaults {}

/// Refuses config values from which a trigger cannot be read: better at the deploy than at each webhook and tick.
fn try_triggers(flows: &[Arc<FlowParts>], config: &AnyConfig) -> Result<(), ConfigFaults> {
    let fault = |flow: &Arc<FlowParts>| {
        let panic = flow.options.trigger.try_read(&**config).err()?;
        Some(ConfigFault {
            variable: flow.options.key.to_owned(),
            text: format!("is a flow whose trigger panics on these values: {panic}"),
        })
    };
    let faults: Vec<_> = flows.iter().filter_map(fault).collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(ConfigFaults(faults))
    }
}

fn check_integration(name: &str, flows: &[FlowParts], faults: &mut Vec<String>) {
    if name.trim().is_empty() {
        faults.push("the integration has no name".to_owned());
    }
    if flows.is_empty() {
        faults.push(format!(
            "integration `{name}` has no flow; add one with `.flow::<…>()`"
        ));
    }
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for flow in flows {
        *seen.entry(flow.options.key).or_default() += 1;
        check_flow(flow, faults);
    }
    for (key, count) in seen.iter().filter(|(_, count)| **count > 1) {
        faults.push(format!(
            "flow `{key}`: its key is used by {}; give each its own",
            if *count == 2 {
                "two flows"
            } else {
                "several flows"
            }
        ));
    }
    check_names(flows, faults);
}

/// `webhook_urls` is looked up by flow name as well as by key (W5), so neither may stand for two flows.
fn check_names(flows: &[FlowParts], faults: &mut Vec<String>) {
    for (index, flow) in flows.iter().enumerate() {
        let (key, name) = (flow.options.key, flow.options.name.as_str());
        if name.trim().is_empty() {
            faults.push(format!(
                "flow `{key}`: its name is empty; leave `name` out, and its key is its name"
            ));
        }
        if flows
            .iter()
            .take(index)
            .any(|other| other.options.key == key)
        {
            // That its key is there twice is said.
            continue;
        }
        let clash = flows.iter().skip(index + 1).find(|other| {
            other.options.key != key
                && (other.options.name == name
                    || other.options.key == name
                    || other.options.name == key)
        });
        if let Some(other) = clash {
            faults.push(format!(
                "flow `{key}`: flow `{}` goes by the same name; give each its own",
                other.options.key
            ));
        }
    }
}

fn check_flow(flow: &FlowParts, faults: &mut Vec<String>) {
    let Settled {
        key,
        retry,
        queue,
        respond,
        trigger,
        ..
    } = &flow.options;
    let mut fault = |text: String| faults.push(format!("flow `{key}`: {text}"));
    if !is_flow_key(key) {
        fault("its key must be 1 to 64 lower-case letters, digits and single hyphens, beginning with a letter".to_owned());
    }
    if retry.count() > Retry::MOST {
        fault(format!(
            "it asks for {} retries; at most {} are possible",
            retry.count(),
            Retry::MOST
        ));
    }
    let synchronous = *respond != Respond::Accepted;
    if synchronous && retry.count() > 0 {
        fault("a flow that answers with its result cannot be retried behind the caller; remove `retry` or `respond`".to_owned());
    }
    if synchronous && *queue != Queue::Parallel {
        fault("a flow that answers with its result cannot wait in a queue; remove `queue` or `respond`".to_owned());
    }
    check_lifecycle_retry(flow, &mut fault);
    check_queue(queue, &mut fault);
    check_pointers(&flow.options, &mut fault);
    check_trigger(flow, &mut fault);
    let scheduled = is_scheduled(trigger);
    if synchronous && !matches!(trigger, TriggerKind::Webhook(_)) {
        fault("only a webhook has a caller to answer; remove `respond`".to_owned());
    }
    if scheduled && matches!(queue, Queue::Sequential { .. } | Queue::OrderBy { .. }) {
        fault("a schedule has no order to keep; say what happens to overlapping runs with `Schedule::overlap`".to_owned());
    }
    if flow.options.security == Security::Organization && flow.options.organization_keys.is_empty()
    {
        fault("`Security::Organization` needs `organization_keys`".to_owned());
    }
    if flow.options.batch_size == 0 || flow.options.batch_limit == Some(0) {
        fault("`batch_size` and `batch_limit` must be at least 1".to_owned());
    }
    check_batch_limit(&flow.options, &mut fault);
    if flow.options.time_limit.is_some_and(|limit| limit.is_zero()) {
        fault("`time_limit` must be longer than nothing".to_owned());
    }
}

/// A deploy or a removal waits for the retries of its functions, and somebody waits for it (E51).
fn check_lifecycle_retry(flow: &FlowParts, fault: &mut impl FnMut(String)) {
    let Settled {
        retry,
        lifecycle_retry,
        trigger,
        ..
    } = &flow.options;
    let functions = &flow.functions;
    let has_one = functions.on_instance_deploy.is_some()
        || functions.on_first_deploy.is_some()
        || functions.on_instance_remove.is_some();
    if lifecycle_retry.count() > 0 && !has_one {
        fault("it has no lifecycle function to try again; remove `lifecycle_retry`".to_owned());
    }
    if lifecycle_retry.unique_pointer().is_some() {
        fault(
            "a lifecycle function has no payload; remove `unique_by` from `lifecycle_retry`"
                .to_owned(),
        );
    }
    if lifecycle_retry.count() > Retry::MOST {
        fault(format!(
            "it asks for {} retries of its lifecycle functions; at most {} are possible",
            lifecycle_retry.count(),
            Retry::MOST
        ));
    }
    let of_removal = matches!(trigger, TriggerKind::InstanceRemove);
    let waits = [
        (
            "lifecycle_retry",
            "a deploy or removal",
            Some(lifecycle_retry),
        ),
        ("retry", "the removal", Some(retry).filter(|_| of_removal)),
    ];
    for (option, who, retry) in waits {
        let wait = retry.map(Retry::total_wait).unwrap_or_default();
        if wait > Retry::LONGEST_LIFECYCLE_WAIT {
            fault(format!(
                "{who} waits for the retries of `{option}`, which come to {} s; make it {} s at most",
                wait.as_secs(),
                Retry::LONGEST_LIFECYCLE_WAIT.as_secs()
            ));
        }
    }
}

fn check_queue(queue: &Queue, fault: &mut impl FnMut(String)) {
    if let Queue::Throttled(limit) = queue
        && !(1..=1000).contains(limit)
    {
        fault(format!(
            "a throttle of {limit} is not possible; use 1 to 1000"
        ));
    }
}

/// Refuses a cap that nothing would ever reach.
fn check_batch_limit(options: &Settled, fault: &mut impl FnMut(String)) {
    if options.batch_limit.is_none() {
        return;
    }
    let takes_turns = match &options.trigger {
        TriggerKind::Schedule(ScheduleSource::Fixed(schedule))
        | TriggerKind::Poll(ScheduleSource::Fixed(schedule)) => {
            schedule.when_overlapping() == Overlap::Queue
        }
        _ => false,
    };
    if takes_turns {
        fault("under `Overlap::Queue` what a page is cut into runs one after another; remove `batch_limit`, or take `Overlap::Skip`".to_owned());
    }
    if matches!(
        options.queue,
        Queue::Sequential { .. } | Queue::OrderBy { .. }
    ) && !is_scheduled(&options.trigger)
    {
        fault("a queue that keeps order runs one at a time, or one of each key; remove `batch_limit`, or take `Queue::throttled`".to_owned());
    }
}

fn is_scheduled(trigger: &TriggerKind) -> bool {
    matches!(trigger, TriggerKind::Schedule(_) | TriggerKind::Poll(_))
}

fn check_pointers(options: &Settled, fault: &mut impl FnMut(String)) {
    let order = match &options.queue {
        Queue::OrderBy { pointer, .. } => Some(pointer.as_str()),
        _ => None,
    };
    let dedupe = options.dedupe.as_ref().map(crate::queue::Dedupe::pointer);
    for pointer in [order, dedupe, options.retry.unique_pointer()]
        .into_iter()
        .flatten()
    {
        if !pointer.starts_with('/') {
            fault(format!(
                "`{pointer}` is not a JSON pointer; write it like `/customer/id`"
            ));
        }
    }
    if options
        .dedupe
        .as_ref()
        .is_some_and(|dedupe| dedupe.window().is_zero())
    {
        fault("the window of `dedupe` must be longer than nothing".to_owned());
    }
}

fn check_trigger(flow: &FlowParts, fault: &mut impl FnMut(String)) {
    match &flow.options.trigger {
        TriggerKind::Schedule(ScheduleSource::Fixed(schedule))
        | TriggerKind::Poll(ScheduleSource::Fixed(schedule)) => {
            if let Err(wrong) = schedule.check() {
                fault(format!("its schedule is wrong: {wrong}"));
            }
        }
        _ => {}
    }
    if matches!(flow.options.trigger, TriggerKind::Poll(_)) && flow.functions.on_trigger.is_none() {
        fault("a flow that polls needs an `#[on_trigger]` that says what is new".to_owned());
    }
}
