//! Sets instances up, changes them and takes them away (E50 to E53).
//!
//! One thing at a time happens to an instance. Whatever a lifecycle function did is recorded like an execution, so that it can be
//! looked up; each function must be idempotent, because a deploy that failed is deployed again.

mod endpoints;
mod erase;
mod error;
mod lifecycle;
mod remove;
mod replay;
mod turn;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use sdk::config::ConfigValues;
use sdk::id::{CustomerId, FlowKey, InstanceId};
use sdk::trigger::TriggerKind;
use tokio::sync::Notify;

use self::endpoints::Endpoints;
pub use self::error::DeployError;
use self::lifecycle::Undertaking;
pub use self::lifecycle::{Attempt, DeployReport, LifecycleEnd};
pub use self::remove::Removal;
use crate::engine::Engine;
use crate::instance::{ApiKey, Instance, InstanceFacts, InstanceSecrets, InstanceStatus};
use crate::record::{Function, InvokedBy};
use crate::store::{Commit, Point, Write};
use crate::timer::{Timer, TimerError};

/// Sets instances up, changes them and takes them away.
pub struct Deployer {
    engine: Arc<Engine>,
    timer: Arc<Timer>,
    busy: Mutex<HashSet<InstanceId>>,
    /// Held while the endpoint that all customers share is made. An async lock: the store is asked to keep it meanwhile.
    sharing: tokio::sync::Mutex<()>,
    /// Told when another instance may be due to be erased.
    erasing: Notify,
}

/// What an instance is set up with.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployRequest {
    /// The name that people read; the customer's name if it is not given.
    pub name: Option<String>,
    /// The customer for whom the instance is set up.
    pub customer: Option<Customer>,
    /// The values of the config variables; at a redeploy those of the last deploy if they are not given.
    pub config: Option<ConfigValues>,
    /// How many requests the customer takes within one second; at a redeploy as before if it is not given (E50).
    pub rate_per_second: Option<u32>,
    /// How many executions of the instance run at once; at a redeploy as before if it is not given (E50).
    pub concurrency: Option<u32>,
    /// API keys by flow, for flows that need one before they can be deployed (W6).
    #[serde(default)]
    pub api_keys: BTreeMap<FlowKey, Vec<String>>,
    /// The values that stand in the source for the local instance, when it is deployed because of them.
    #[serde(skip)]
    pub from_source: Option<ConfigValues>,
}

/// A customer, as the product that ships the integration knows it.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// The customer's id.
    pub id: CustomerId,
    /// The customer's name; the id if it is not given.
    pub name: Option<String>,
}

/// The longest name, and the longest id of a customer, in bytes.
const LONGEST_NAME: usize = 256;

/// Says what is wrong with a name or an id of a customer: nobody could name it in a request or a command, or see what it is.
fn fault_of_name(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("is empty")
    } else if text.trim() != text {
        Some("begins or ends with a space")
    } else if text.contains(char::is_control) {
        Some("holds a control character")
    } else if text.len() > LONGEST_NAME {
        Some("is longer than 256 bytes")
    } else {
        None
    }
}

impl DeployRequest {
    fn check_names(&self) -> Result<(), DeployError> {
        let customer = self.customer.as_ref();
        if let Some(fault) = customer.and_then(|it| fault_of_name(it.id.as_str())) {
            return Err(DeployError::CustomerId(fault));
        }
        let of_customer = customer.and_then(|it| it.name.as_deref());
        let names = [
            (self.name.as_deref(), "instance"),
            (of_customer, "customer"),
        ];
        for (name, of) in names {
            if let Some(fault) = name.and_then(fault_of_name) {
                return Err(DeployError::Name { of, fault });
            }
        }
        Ok(())
    }
}

impl Deployer {
    /// Deploys instances on an engine; their schedules go to the timer.
    pub fn new(engine: Arc<Engine>, timer: Arc<Timer>) -> Self {
        Self {
            engine,
            timer,
            busy: Mutex::default(),
            sharing: tokio::sync::Mutex::default(),
            erasing: Notify::new(),
        }
    }

    /// Sets an instance up, or changes the one with this id: validates, runs every `#[on_instance_deploy]` one after another, starts
    /// the flows that a deploy triggers, and turns the schedules on (E51). The report tells how each function ended, in how many
    /// attempts; an error of one stops the deploy and leaves the instance closed. An instance that is removed and not erased yet is
    /// brought back, with its state, its secrets and its endpoints (E52).
    ///
    /// # Errors
    ///
    /// Nothing was done: the values do not fit, a schedule is wrong, a key is missing, or the store cannot take it. Or the flows that a
    /// deploy triggers find no room to wait, and the instance stays closed.
    pub async fn deploy(
        &self,
        id: Option<InstanceId>,
        request: DeployRequest,
    ) -> Result<DeployReport, DeployError> {
        let now = self.engine.ports.clock.now();
        request.check_names()?;
        let is_new = id.is_none();
        let id = id.unwrap_or_else(|| self.engine.ports.entropy.instance_id(now));
        let _turn = self.take_turn(&id)?;
        // Looked up in its turn: one whose time had come may just have been erased (E52).
        let known = self.engine.instances.find(&id);
        if known.is_none() && !is_new {
            return Err(DeployError::Unknown(id));
        }
        let _alone = self.take_customer(&id, known.as_deref(), &request)?;
        self.share().await?;
        let changing = self.engine.changing.lock().await;
        let existing = self.engine.instances.find(&id);
        let instance = Arc::new(self.instance(id, existing.as_deref(), request)?);
        self.keep(Arc::clone(&instance), Point::Deploy).await?;
        drop(changing);
        // A schedule that has changed must not fire on the old config while the deploy functions run.
        self.timer.remove(&instance.id);
        let undertaking = Undertaking::new(Arc::clone(&instance), InvokedBy::DeployFlow, now);
        let functions = self.run_deploy_functions(&undertaking).await?;
        let failed = functions.iter().any(LifecycleEnd::failed);
        let started = if failed {
            Ok(())
        } else {
            // Before it counts as deployed: a crash in between has it deployed again, and loses none of them.
            let is_meant = |kind: &TriggerKind| matches!(kind, TriggerKind::InstanceDeploy);
            let invoked_by = InvokedBy::DeployFlow;
            self.start_flows(&instance, is_meant, invoked_by).await
        };
        let status = if failed || started.is_err() {
            InstanceStatus::DeployFailed
        } else {
            InstanceStatus::Active
        };
        let instance = self.change(&instance.id, Point::Deployed, |facts, _| {
            facts.status = status;
            let succeeded = functions
                .iter()
                .filter(|end| end.function == Function::OnFirstDeploy && !end.failed());
            facts
                .first_deploys
                .extend(succeeded.map(|end| end.flow.clone()));
        });
        let changed = instance.await;
        started?;
        let mut instance = changed?;
        if !failed {
            instance = self.schedule(&instance).await?;
        }
        Ok(DeployReport {
            instance,
            functions,
            succeeded: !failed,
        })
    }

    /// Closes the endpoints of an instance and stops its schedules (W7, E53).
    ///
    /// # Errors
    ///
    /// There is no such instance, it is not active, or the store cannot take it.
    pub async fn pause(&self, id: &InstanceId) -> Result<Arc<Instance>, DeployError> {
        let _turn = self.take_turn(id)?;
        self.demand(id, InstanceStatus::Active, "not active")?;
        let instance = self
            .change(id, Point::Pause, |facts, _| {
                facts.status = InstanceStatus::Paused;
            })
            .await?;
        self.timer.remove(id);
        Ok(instance)
    }

    /// Opens a paused instance again; its schedules go on from now (E53).
    ///
    /// # Errors
    ///
    /// There is no such instance, it is not paused, or the store cannot take it.
    pub async fn resume(&self, id: &InstanceId) -> Result<Arc<Instance>, DeployError> {
        let _turn = self.take_turn(id)?;
        self.demand(id, InstanceStatus::Paused, "not paused")?;
        let instance = self
            .change(id, Point::Resume, |facts, _| {
                facts.status = InstanceStatus::Active;
                facts.resumed_at = Some(self.engine.ports.clock.now());
            })
            .await?;
        self.schedule(&instance).await
    }

    /// Makes an API key for a flow and returns it: it is shown this once (W6).
    ///
    /// # Errors
    ///
    /// There is no such instance or flow, or the store cannot take it.
    pub async fn add_key(&self, id: &InstanceId, flow: &FlowKey) -> Result<ApiKey, DeployError> {
        let _turn = self.take_turn(id)?;
        self.demand_there(id)?;
        self.demand_flow(flow)?;
        let ports = &self.engine.ports;
        let key = ApiKey {
            id: ports.entropy.unguessable(),
            made_at: ports.clock.now(),
            key: ports.entropy.unguessable(),
        };
        let made = key.clone();
        self.change(id, Point::Keys, |_, secrets| {
            secrets.keys.entry(flow.clone()).or_default().push(made);
        })
        .await?;
        Ok(key)
    }

    /// Deletes an API key of a flow, by its id; returns whether there was one.
    ///
    /// # Errors
    ///
    /// There is no such instance or flow, or the store cannot take it.
    pub async fn delete_key(
        &self,
        id: &InstanceId,
        flow: &FlowKey,
        key: &str,
    ) -> Result<bool, DeployError> {
        let _turn = self.take_turn(id)?;
        self.demand_there(id)?;
        self.demand_flow(flow)?;
        let mut found = false;
        self.change(id, Point::Keys, |_, secrets| {
            if let Some(keys) = secrets.keys.get_mut(flow) {
                let before = keys.len();
                keys.retain(|kept| kept.id != key);
                found = keys.len() < before;
            }
        })
        .await?;
        Ok(found)
    }

    /// Checks a request and puts the instance together that it describes.
    fn instance(
        &self,
        id: InstanceId,
        existing: Option<&Instance>,
        request: DeployRequest,
    ) -> Result<Instance, DeployError> {
        let ports = &self.engine.ports;
        let now = ports.clock.now();
        let before = existing.map(|instance| &instance.facts);
        let values = request
            .config
            .or_else(|| existing.map(|instance| instance.secrets.values.clone()))
            .unwrap_or_default();
        let config = ports
            .integration
            .decode_config(&values)
            .map_err(DeployError::Config)?;
        self.timer
            .check(&ports.integration, &config)
            .map_err(DeployError::of_schedules)?;

        let mut keys = existing
            .map(|instance| instance.secrets.keys.clone())
            .unwrap_or_default();
        for (flow, given) in request.api_keys {
            self.demand_flow(&flow)?;
            let is_key =
                |key: &String| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
            if !given.iter().all(is_key) {
                return Err(DeployError::Key(flow));
            }
            let made = given.into_iter().map(|key| ApiKey {
                id: ports.entropy.unguessable(),
                made_at: now,
                key,
            });
            keys.insert(flow, made.collect());
        }
        let (customer_id, customer_name) = match (request.customer, before) {
            (Some(customer), _) => {
                let name = customer.name.unwrap_or_else(|| customer.id.to_string());
                (customer.id, name)
            }
            (None, Some(before)) => (before.customer_id.clone(), before.customer_name.clone()),
            (None, None) => (CustomerId::new(id.as_str()), id.to_string()),
        };
        let name = request
            .name
            .or_else(|| before.map(|before| before.name.clone()))
            .unwrap_or_else(|| customer_name.clone());
        self.demand_keys(&keys)?;
        let Endpoints {
            of_flows,
            own,
            shared,
        } = self.endpoints(before);
        let facts = InstanceFacts {
            name,
            customer_id,
            customer_name,
            status: InstanceStatus::Deploying,
            version: ports.integration.version.clone(),
            first_deployed_at: before.map_or(now, |before| before.first_deployed_at),
            deployed_at: now,
            endpoints: of_flows,
            endpoint: own,
            shared_endpoint: shared,
            rate_per_second: request
                .rate_per_second
                .or_else(|| before.and_then(|before| before.rate_per_second)),
            concurrency: request
                .concurrency
                .or_else(|| before.and_then(|before| before.concurrency)),
            first_deploys: before
                .map(|before| before.first_deploys.clone())
                .unwrap_or_default(),
            resumed_at: before.and_then(|before| match before.status {
                InstanceStatus::Paused | InstanceStatus::Removed => Some(now),
                _ => before.resumed_at,
            }),
            timetable: before.and_then(|before| before.timetable.clone()),
            verified: before
                .map(|before| before.verified.clone())
                .unwrap_or_default(),
            erase_at: None,
        };
        let mut secrets = InstanceSecrets::deployed(values, keys, existing);
        secrets.from_source = request.from_source.or(secrets.from_source);
        Ok(Instance::new(
            id,
            facts,
            secrets,
            config,
            &ports.integration,
            &ports.public_url,
        ))
    }

    /// Stores an instance, and puts it in the place of the one in memory.
    async fn keep(&self, instance: Arc<Instance>, point: Point) -> Result<(), DeployError> {
        let ports = &self.engine.ports;
        let record = instance.record(&ports.vault);
        ports
            .store
            .commit(Commit::new(point, vec![Write::PutInstance(record)]))
            .await?;
        let id = instance.id.clone();
        self.engine.instances.put(instance);
        self.engine.keep_limit(&id);
        Ok(())
    }

    async fn change(
        &self,
        id: &InstanceId,
        point: Point,
        change: impl FnOnce(&mut InstanceFacts, &mut InstanceSecrets),
    ) -> Result<Arc<Instance>, DeployError> {
        let _changing = self.engine.changing.lock().await;
        let before = self
            .engine
            .instances
            .find(id)
            .ok_or_else(|| DeployError::Unknown(id.clone()))?;
        let (mut facts, mut secrets) = (before.facts.clone(), before.secrets.clone());
        change(&mut facts, &mut secrets);
        let ports = &self.engine.ports;
        let config = Arc::clone(&before.config);
        let instance = Instance::new(
            id.clone(),
            facts,
            secrets,
            config,
            &ports.integration,
            &ports.public_url,
        );
        let instance = Arc::new(instance);
        self.keep(Arc::clone(&instance), point).await?;
        Ok(instance)
    }

    async fn schedule(&self, instance: &Arc<Instance>) -> Result<Arc<Instance>, DeployError> {
        let _changing = self.engine.changing.lock().await;
        let current = self.engine.instances.get(&instance.id);
        self.timer
            .put(current.as_ref().unwrap_or(instance))
            .await
            .map_err(|refusal| match refusal {
                TimerError::Schedules(faults) => DeployError::of_schedules(faults),
                TimerError::Store(fault) => DeployError::Store(fault),
            })
    }

    fn demand(
        &self,
        id: &InstanceId,
        status: InstanceStatus,
        otherwise: &'static str,
    ) -> Result<(), DeployError> {
        let instance = self
            .engine
            .instances
            .find(id)
            .ok_or_else(|| DeployError::Unknown(id.clone()))?;
        if instance.facts.status == status {
            Ok(())
        } else {
            Err(DeployError::WrongStatus(id.clone(), otherwise))
        }
    }

    /// Refuses what would change an instance that is removed.
    fn demand_there(&self, id: &InstanceId) -> Result<(), DeployError> {
        match self.engine.instances.find(id) {
            Some(instance) if instance.is_removed() => Err(DeployError::removed(&instance)),
            Some(_) => Ok(()),
            None => Err(DeployError::Unknown(id.clone())),
        }
    }

    fn demand_flow(&self, flow: &FlowKey) -> Result<(), DeployError> {
        match self.engine.ports.integration.flow(flow.as_str()) {
            Some(_) => Ok(()),
            None => Err(DeployError::UnknownFlow(flow.clone())),
        }
    }
}

impl fmt::Debug for Deployer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deployer")
    }
}
