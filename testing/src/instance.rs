//! An instance in a simulation.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::Request;
use runner::clock::Clock as _;
use runner::deploy::{DeployReport, DeployRequest};
use runner::instance::Instance;
use runner::record::Function;
use sdk::flow::{AnyConfig, Flow};
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::options::Settled;
use sdk::{ConfigVars, Timestamp};

use crate::outbound::RequestReport;
use crate::report::{ExecutionReport, Report, ResponseReport, Timeline};
use crate::script::Act;
use crate::simulation::SimulationError;
use crate::webhook::Webhook;
use crate::world::World;

/// An instance in a simulation: the integration, set up for one customer.
pub struct SimulatedInstance<C> {
    world: Arc<World>,
    id: InstanceId,
    /// Its place in the order of deploys.
    number: usize,
    config: PhantomData<fn(&C)>,
}

impl<C> SimulatedInstance<C> {
    pub(crate) fn new(world: Arc<World>, id: InstanceId) -> Self {
        let deploys = world.script.lock().unwrap_or_else(PoisonError::into_inner);
        let number = deploys
            .iter()
            .filter(|act| matches!(act, Act::Deploy { .. }))
            .count()
            .saturating_sub(1);
        drop(deploys);
        Self {
            world,
            id,
            number,
            config: PhantomData,
        }
    }

    /// Returns its id.
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Begins a webhook to a flow.
    pub fn webhook<F: Flow<Config = C>>(&self) -> Webhook<'_, C> {
        Webhook::new(self, F::KEY)
    }

    /// Sends any request through the front door, and returns what it brought about.
    ///
    /// # Panics
    ///
    /// The request waits for something that can never happen in a simulation.
    #[expect(
        clippy::expect_used,
        reason = "a simulation that is stuck fails the test"
    )]
    pub async fn send(&self, request: Request<Bytes>) -> Report {
        self.remember(&request);
        let before = self.world.outbound.count();
        let response = self
            .world
            .receive(request)
            .await
            .expect("an answer to the simulated webhook");
        let named = response
            .headers()
            .get(format!("{}-executionid", self.header_prefix()));
        let id = named
            .and_then(|value| value.to_str().ok())
            .map(ExecutionId::from);
        let execution = match id {
            Some(id) => self.world.execution(&id).await,
            None => None,
        };
        Report {
            response: ResponseReport::of(&response),
            execution,
            requests: self.world.outbound.sent_from(before),
        }
    }

    /// Returns everything that is recorded of the instance.
    ///
    /// # Panics
    ///
    /// Never: the store of a simulation always answers.
    pub async fn timeline(&self) -> Timeline {
        let states = self
            .world
            .store()
            .states(&self.id)
            .await
            .unwrap_or_default();
        let show = |(key, entry): (runner::record::StateKey, runner::record::StateEntry)| {
            let scope = serde_json::to_value(key.scope)
                .ok()
                .and_then(|scope| scope.as_str().map(str::to_owned));
            let owner = if key.owner.is_empty() {
                String::new()
            } else {
                format!(" of {}", key.owner)
            };
            (
                format!("{}{owner}: {}", scope.unwrap_or_default(), key.key),
                entry.value,
            )
        };
        let state: BTreeMap<_, _> = states.into_iter().map(show).collect();
        let requests = self.world.outbound.sent_from(0);
        Timeline {
            executions: self.world.executions(&self.id).await,
            state,
            requests,
        }
    }

    /// Returns what is recorded of the executions of a flow, in the order in which they were accepted.
    pub async fn executions<F: Flow<Config = C>>(&self) -> Vec<ExecutionReport> {
        let mut all = self.world.executions(&self.id).await;
        all.retain(|execution| execution.flow == F::KEY);
        all
    }

    /// Returns the requests that were sent to other systems.
    pub fn requests(&self) -> Vec<RequestReport> {
        self.world.outbound.sent_from(0)
    }

    /// Makes an API key for a flow (W6).
    ///
    /// # Errors
    ///
    /// The instance is being deployed or removed.
    pub async fn add_api_key<F: Flow<Config = C>>(&self) -> Result<String, SimulationError> {
        Ok(self
            .world
            .runner
            .deployer
            .add_key(&self.id, &FlowKey::new(F::KEY))
            .await?
            .key)
    }

    /// Closes the endpoints and stops the schedules (W7).
    ///
    /// # Errors
    ///
    /// The instance is not active.
    pub async fn pause(&self) -> Result<(), SimulationError> {
        self.world.did(Act::Pause {
            instance: self.number,
        });
        self.world.runner.deployer.pause(&self.id).await?;
        self.world.settle().await;
        Ok(())
    }

    /// Opens the instance again.
    ///
    /// # Errors
    ///
    /// The instance is not paused.
    pub async fn resume(&self) -> Result<(), SimulationError> {
        self.world.did(Act::Resume {
            instance: self.number,
        });
        self.world.runner.deployer.resume(&self.id).await?;
        self.world.settle().await;
        Ok(())
    }

    /// Removes the instance: every `#[on_instance_remove]`, then its state and secrets are erased (E52).
    ///
    /// # Errors
    ///
    /// A remove function fails; the instance is still there then, closed.
    pub async fn remove(&self) -> Result<(), SimulationError> {
        self.world.did(Act::Remove {
            instance: self.number,
        });
        let (deployer, id) = (Arc::clone(&self.world.runner.deployer), self.id.clone());
        let report = self
            .world
            .drive(async move { deployer.remove(&id, false).await })
            .await;
        check_lifecycle(&report.ok_or(SimulationError::Stuck)??)
    }

    /// Returns the URL of a flow.
    pub fn url_of<F: Flow<Config = C>>(&self) -> String {
        self.url(F::KEY)
    }

    /// Remembers a request for the crash sweep, with the flow that it goes to: endpoints have other ids there.
    fn remember(&self, request: &Request<Bytes>) {
        let endpoint = request
            .uri()
            .path()
            .strip_prefix("/trigger/")
            .and_then(|rest| rest.split('/').next());
        let found =
            endpoint.and_then(|endpoint| self.world.runner.engine.instances.at_endpoint(endpoint));
        let to = found
            .filter(|(instance, _)| instance.id == self.id)
            .map(|(_, flow)| (self.number, flow.to_string()));
        self.world.did(Act::Send {
            to,
            request: request.clone(),
        });
    }

    pub(crate) fn url(&self, flow: &str) -> String {
        self.instance()
            .webhook_urls
            .get(flow)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn header_prefix(&self) -> &str {
        &self.world.runner.engine.ports.settings.header_prefix
    }

    #[expect(
        clippy::expect_used,
        reason = "a test that names a flow of another integration fails with the reason"
    )]
    pub(crate) fn flow_options(&self, flow: &str) -> Settled {
        let integration = &self.world.runner.engine.ports.integration;
        integration
            .flow(flow)
            .expect("a flow that `integration()` lists")
            .options
            .clone()
    }

    pub(crate) fn config(&self) -> AnyConfig {
        Arc::clone(&self.instance().config)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    pub(crate) fn next_delivery_id(&self) -> String {
        self.world.next_delivery_id()
    }

    #[expect(
        clippy::expect_used,
        reason = "a test that uses a removed instance fails with the reason"
    )]
    fn instance(&self) -> Arc<Instance> {
        self.world
            .runner
            .engine
            .instances
            .get(&self.id)
            .expect("an instance that is not removed")
    }
}

impl<C: ConfigVars> SimulatedInstance<C> {
    /// Deploys the instance again with other config values (E51).
    ///
    /// # Errors
    ///
    /// The values do not fit, or a deploy function fails.
    pub async fn redeploy(&self, config: C) -> Result<(), SimulationError> {
        self.world.did(Act::Redeploy {
            instance: self.number,
            config: config.encode(),
        });
        let request = DeployRequest {
            config: Some(config.encode()),
            ..DeployRequest::default()
        };
        let (deployer, id) = (Arc::clone(&self.world.runner.deployer), self.id.clone());
        let report = self
            .world
            .drive(async move { deployer.deploy(Some(id), request).await })
            .await;
        check_lifecycle(&report.ok_or(SimulationError::Stuck)??)
    }
}

pub(crate) fn check_lifecycle(report: &DeployReport) -> Result<(), SimulationError> {
    let Some(failed) = report.functions.iter().find(|end| end.failed()) else {
        return Ok(());
    };
    let function = match failed.function {
        Function::OnExecution => "#[on_execution]",
        Function::OnInstanceDeploy => "#[on_instance_deploy]",
        Function::OnInstanceRemove => "#[on_instance_remove]",
        Function::OnFirstDeploy => "#[on_first_deploy]",
    };
    let error = failed.error.clone().unwrap_or_default();
    Err(SimulationError::Lifecycle {
        flow: failed.flow.to_string(),
        function,
        error,
    })
}

impl<C> fmt::Debug for SimulatedInstance<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedInstance")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
