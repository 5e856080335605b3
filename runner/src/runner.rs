//! The runner: owns the parts, starts them in order and stops them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sdk::Timestamp;
use sdk::config::ConfigValues;
use sdk::endpoint::Layout;
use sdk::trigger::TriggerKind;
use tokio::task::AbortHandle;

use crate::deploy::{Customer, DeployError, DeployRequest, Deployer};
use crate::engine::Engine;
use crate::instance::{Instance, InstanceError, InstanceStatus, Instances, SHARED};
use crate::ports::Ports;
use crate::retention::Retention;
use crate::store::StoreError;
use crate::timer::{Timer, TimerError};
use crate::webhook::Ingress;

/// A running integration: what a server puts on sockets and a simulation drives by hand.
pub struct Runner {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The front door.
    pub ingress: Arc<Ingress>,
    /// Sets instances up and takes them away.
    pub deployer: Arc<Deployer>,
    /// The schedules.
    pub timer: Arc<Timer>,
    tasks: Vec<AbortHandle>,
    checked: Mutex<Option<(Timestamp, bool)>>,
}

/// Why a runner takes no work at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// Somebody asked it to stop.
    #[error("the runner is stopping")]
    Stopping,
    /// The store cannot be written.
    #[error("the store cannot be written")]
    Store,
}

/// Why a runner did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// An instance that is stored cannot be used.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The local instance cannot be deployed.
    #[error("the local instance cannot be deployed")]
    Local(#[source] DeployError),
    /// A deploy function of the local instance failed.
    #[error("the local instance cannot be deployed: flow `{flow}`: {error}")]
    LocalFunction {
        /// The flow.
        flow: sdk::id::FlowKey,
        /// Why its function failed.
        error: String,
    },
}

impl Runner {
    /// Starts a runner: reads the instances, takes up what is unfinished, turns the schedules on.
    ///
    /// # Errors
    ///
    /// The store or an instance in it cannot be read.
    pub async fn start(ports: Ports) -> Result<Self, StartError> {
        let ports = Arc::new(ports);
        let instances = Arc::new(Instances::default());
        for record in ports.store.instances().await? {
            let instance =
                Instance::read(&record, &ports.vault, &ports.integration, &ports.public_url)?;
            match instance.facts.shared_endpoint.clone() {
                Some(endpoint) if instance.id.as_str() == SHARED => {
                    let since = instance.facts.first_deployed_at;
                    let nobody =
                        Instance::nobody(endpoint, since, &ports.integration, &ports.public_url);
                    instances.share(Arc::new(nobody));
                }
                _ => instances.put(Arc::new(instance)),
            }
        }
        let engine = Engine::new(Arc::clone(&ports), Arc::clone(&instances));
        engine.recover().await?;
        let timer = Timer::new(Arc::clone(&engine));
        for instance in instances.all() {
            if let InstanceStatus::Deploying | InstanceStatus::Removing = instance.facts.status {
                tracing::warn!(instance = %instance.id, "its deploy or removal did not get through; deploy or remove it again");
            }
            if instance.facts.status == InstanceStatus::Active {
                match timer.put(&instance).await {
                    Ok(_) => {}
                    Err(TimerError::Store(fault)) => return Err(fault.into()),
                    // A new version of the integration may refuse what an instance was deployed with; the others are served.
                    Err(refusal @ TimerError::Schedules(_)) => {
                        tracing::warn!(instance = %instance.id, "{refusal}");
                    }
                }
            }
        }
        let ticking = Arc::clone(&timer);
        let retention = Retention::new(Arc::clone(&ports));
        let deployer = Arc::new(Deployer::new(Arc::clone(&engine), Arc::clone(&timer)));
        let tasks = vec![
            ports
                .spawn
                .engine(Box::pin(async move { ticking.run().await })),
            ports.spawn.engine(Box::pin(retention.run())),
            ports
                .spawn
                .engine(Box::pin(Arc::clone(&deployer).erase_in_time())),
        ];
        Ok(Self {
            ingress: Arc::new(Ingress::new(Arc::clone(&engine))),
            deployer,
            timer,
            engine,
            tasks,
            checked: Mutex::default(),
        })
    }

    /// Deploys the local instance that the integration describes, if it describes one: when it is not there yet, and again when the
    /// source says something else than at its last deploy from there. What an operator has changed since, its values, its name, a
    /// pause, is let be.
    ///
    /// # Errors
    ///
    /// Its config values do not fit, or one of its deploy functions fails.
    pub async fn deploy_local(&self) -> Result<Option<Arc<Instance>>, StartError> {
        let Some(source) = self.engine.ports.integration.local.clone() else {
            return Ok(None);
        };
        let existing = self
            .engine
            .instances
            .all()
            .into_iter()
            .filter(|instance| instance.facts.customer_id.as_str() == LOCAL)
            .min_by_key(|instance| instance.is_removed());
        let known = existing
            .as_ref()
            .filter(|instance| self.is_let_be(instance, &source));
        if let Some(instance) = known {
            return Ok(Some(Arc::clone(instance)));
        }
        let request = match &existing {
            Some(instance) => DeployRequest {
                config: was_deployed_from_other(instance, &source).then(|| source.clone()),
                ..DeployRequest::default()
            },
            None => DeployRequest {
                name: Some(LOCAL.to_owned()),
                customer: Some(Customer {
                    id: LOCAL.into(),
                    name: Some(LOCAL.to_owned()),
                }),
                config: Some(source.clone()),
                ..DeployRequest::default()
            },
        };
        let request = DeployRequest {
            from_source: Some(source),
            ..request
        };
        let id = existing.as_ref().map(|instance| instance.id.clone());
        let keeps_values = request.config.is_none();
        let report = match (self.deployer.deploy(id, request).await, existing) {
            (Ok(report), _) => report,
            // As every other instance of a version before, it stays as it is until somebody deploys it with values that fit.
            (
                Err(
                    refusal @ (DeployError::Config(_)
                    | DeployError::Schedule { .. }
                    | DeployError::KeyMissing(_)),
                ),
                Some(existing),
            ) if keeps_values => {
                tracing::warn!("the local instance is not deployed again: {refusal}");
                return Ok(Some(existing));
            }
            (Err(refusal), _) => return Err(StartError::Local(refusal)),
        };
        if let Some(failed) = report.functions.iter().find(|end| end.failed()) {
            let error = failed.error.clone().unwrap_or_default();
            return Err(StartError::LocalFunction {
                flow: failed.flow.clone(),
                error,
            });
        }
        Ok(Some(report.instance))
    }

    /// Says whether a stored local instance stays as it is: it is active and fits this build, since it was deployed because of the same
    /// values and has an endpoint for every flow that a webhook starts; or it is paused, or a deploy with other values than those of the
    /// source did not get through: then it waits for whoever did that.
    fn is_let_be(&self, instance: &Instance, source: &ConfigValues) -> bool {
        let integration = &self.engine.ports.integration;
        let same_version = instance.facts.version == integration.version
            && !was_deployed_from_other(instance, source);
        let mut webhooks = integration
            .flows
            .iter()
            .filter(|flow| matches!(flow.options.trigger, TriggerKind::Webhook(_)));
        let facts = &instance.facts;
        let every_flow = match &integration.layout {
            Layout::PerInstance(_) => facts.endpoint.is_some(),
            Layout::Shared(_) => facts.shared_endpoint.is_some(),
            _ => webhooks.all(|flow| facts.endpoints.contains_key(flow.options.key)),
        };
        match instance.facts.status {
            InstanceStatus::Paused => true,
            InstanceStatus::Active => same_version && every_flow,
            InstanceStatus::Deploying | InstanceStatus::DeployFailed => {
                same_version && instance.secrets.values != *source
            }
            InstanceStatus::Removing | InstanceStatus::Removed => false,
        }
    }

    /// Says whether the runner takes work. The store is asked once a second at most, however often this is: to ask it is a synced
    /// write.
    ///
    /// # Errors
    ///
    /// The runner is stopping, or the store cannot be written.
    pub async fn check_ready(&self) -> Result<(), NotReady> {
        if self.engine.is_stopping() {
            return Err(NotReady::Stopping);
        }
        let now = self.engine.ports.clock.now();
        let known = *self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let writable = match known {
            Some((at, writable)) if now.since(at) < CHECK_HOLDS && at <= now => writable,
            _ => {
                let writable = self.engine.ports.store.check().await.is_ok();
                *self.checked.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((now, writable));
                writable
            }
        };
        if writable {
            Ok(())
        } else {
            Err(NotReady::Store)
        }
    }

    /// Starts nothing more but what somebody waits for: no tick, no retry, nothing that queues (G8). Callers are still answered; an
    /// execution that they are promised is found at the next start.
    pub fn drain(&self) {
        self.engine.drain();
        self.timer.wake();
    }

    /// Takes no new work, gives what runs its time, and stops (G8).
    pub async fn stop(&self, grace: Duration) {
        self.engine.stop(grace).await;
        self.engine.connections.finish(LONGEST_ASKING).await;
        self.abort();
    }

    /// Stops at once, as a crash does: what runs is left as it is.
    pub fn abort(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Says whether the local instance was deployed because of other values than those that stand in the source now.
fn was_deployed_from_other(instance: &Instance, source: &ConfigValues) -> bool {
    let secrets = &instance.secrets;
    secrets.from_source.as_ref().unwrap_or(&secrets.values) != source
}

/// How long a stop waits for a provider that is being asked for a token, when nothing runs any more.
const LONGEST_ASKING: Duration = Duration::from_secs(12);

/// How long the answer of the store to a check of readiness holds.
const CHECK_HOLDS: Duration = Duration::from_secs(1);

/// The customer of the local instance.
const LOCAL: &str = "local";

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}
