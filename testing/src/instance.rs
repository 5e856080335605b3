//! An instance in a simulation.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use runner::deploy::{DeployReport, DeployRequest, Removal};
use runner::instance::Instance;
use runner::record::{Function, StateEntry, StateKey};
use sdk::config::ConfigValues;
use sdk::flow::{AnyConfig, Flow};
use sdk::id::{FlowKey, InstanceId};
use sdk::options::Settled;
use sdk::state::StateScope;
use sdk::{ConfigVars, Timestamp};

use crate::error::SimulationError;
use crate::exchange::Mark;
use crate::outbound::RequestReport;
use crate::report::{ExecutionReport, LifecycleReport, Report, StateReport, Timeline};
use crate::script::Act;
use crate::state::SimulatedState;
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
        let number = world.number_of(&id);
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

    /// Begins a webhook to a flow. Where flows share an endpoint, headers and query name flow and customer as the integration reads
    /// them, unless the test sets them; what it reads from the body is the test's to write.
    pub fn webhook<F: Flow<Config = C>>(&self) -> Webhook<'_, C> {
        Webhook::to_flow(self, F::KEY)
    }

    /// Begins a webhook to the endpoint that the flows of the instance share; the request itself says which is meant.
    pub fn routed_webhook(&self) -> Webhook<'_, C> {
        Webhook::to_instance(self)
    }

    /// Sends any request through the front door, and returns what it brought about.
    ///
    /// # Panics
    ///
    /// The request waits for something that can never happen in a simulation.
    pub async fn send(&self, request: Request<Bytes>) -> Report {
        self.world.exchange(Some(&self.id), request).await
    }

    /// Follows an answer to where its `location` points: to the result of a synchronous run (W24).
    ///
    /// # Panics
    ///
    /// The answer has no `location`; the report is shown.
    #[expect(
        clippy::expect_used,
        clippy::panic,
        reason = "a test says what it expected by panicking"
    )]
    pub async fn follow(&self, report: &Report) -> Report {
        let Some(location) = report.response.headers.get("location") else {
            panic!("the answer points nowhere:\n{report}");
        };
        let request = Request::get(location).body(Bytes::new());
        self.send(request.expect("a `location` that is a URL"))
            .await
    }

    /// Returns everything that is recorded of the instance.
    ///
    /// # Panics
    ///
    /// Never: the store of a simulation always answers.
    pub async fn timeline(&self) -> Timeline {
        let witness = &self.world.witness;
        let states = self.world.store().states(&self.id).await;
        let show = |(key, entry): (StateKey, StateEntry)| {
            let place = witness.text(&StateReport::place(&key));
            (place, witness.value(entry.value))
        };
        Timeline {
            executions: self.world.executions(&self.id).await,
            state: states.unwrap_or_default().into_iter().map(show).collect(),
            requests: self.requests(),
        }
    }

    /// Returns when the schedule of a flow is due next; `None` if it is not due again, or the instance is not active.
    pub fn next_fire<F: Flow<Config = C>>(&self) -> Option<Timestamp> {
        self.next_fires::<F>(1).first().copied()
    }

    /// Returns when the schedule of a flow is due next, at most `count` times.
    pub fn next_fires<F: Flow<Config = C>>(&self, count: usize) -> Vec<Timestamp> {
        let all = self.world.runner().timer.upcoming(&self.id, count);
        let of_flow = all.into_iter().find(|(flow, _)| flow.as_str() == F::KEY);
        let ticks = of_flow.map(|(_, ticks)| ticks).unwrap_or_default();
        ticks.into_iter().map(|tick| tick.due).collect()
    }

    /// Returns the state of a flow: what its `context.instance_state()` sees.
    pub fn instance_state<F: Flow<Config = C>>(&self) -> SimulatedState<'_> {
        self.state(StateScope::Instance, F::KEY)
    }

    /// Returns the state that all flows of the instance share.
    pub fn cross_flow_state(&self) -> SimulatedState<'_> {
        self.state(StateScope::CrossFlow, "")
    }

    /// Returns the state that all flows of the instance share, whatever the version.
    pub fn integration_state(&self) -> SimulatedState<'_> {
        self.state(StateScope::Integration, "")
    }

    fn state(&self, scope: StateScope, owner: &str) -> SimulatedState<'_> {
        SimulatedState::new(&self.world, self.id.clone(), scope, owner)
    }

    /// Returns what is recorded of the last accepted execution of a flow.
    ///
    /// # Panics
    ///
    /// There is none.
    #[track_caller]
    pub fn last<F: Flow<Config = C>>(&self) -> impl Future<Output = ExecutionReport> {
        // What is awaited does not know its caller.
        let caller = Location::caller();
        async move {
            let last = self.executions::<F>().await.pop();
            #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
            last.unwrap_or_else(|| panic!("flow `{}` has no execution ({caller})", F::KEY))
        }
    }

    /// Returns what is recorded of the executions of a flow, in the order in which they were accepted.
    pub async fn executions<F: Flow<Config = C>>(&self) -> Vec<ExecutionReport> {
        let mut all = self.world.executions(&self.id).await;
        all.retain(|execution| execution.flow == F::KEY);
        all
    }

    /// Returns the requests that the instance sent to other systems, in order.
    pub fn requests(&self) -> Vec<RequestReport> {
        self.world.outbound.sent_by(&self.id, 0)
    }

    /// Makes an API key for a flow (W6).
    ///
    /// # Errors
    ///
    /// The instance is being deployed or removed.
    pub async fn add_api_key<F: Flow<Config = C>>(&self) -> Result<String, SimulationError> {
        let flow = FlowKey::new(F::KEY);
        let deployer = &self.world.runner().deployer;
        let key = deployer.add_key(&self.id, &flow).await?.key;
        self.world.did(Act::AddKey {
            instance: self.number,
            flow,
            key: key.clone(),
        });
        Ok(key)
    }

    /// Closes the endpoints and stops the schedules until it is resumed or deployed again; what was due meanwhile does not run (E53, W7).
    ///
    /// # Errors
    ///
    /// The instance is not active.
    pub async fn pause(&self) -> Result<(), SimulationError> {
        self.world.did(Act::Pause {
            instance: self.number,
        });
        self.world.runner().deployer.pause(&self.id).await?;
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
        self.world.runner().deployer.resume(&self.id).await?;
        self.world.settle().await;
        Ok(())
    }

    /// Removes the instance: every `#[on_instance_remove]`, then its state and secrets are erased, at once or when
    /// `Settings::keep_removed_seconds` have passed (E52).
    ///
    /// # Errors
    ///
    /// A remove function fails, and the instance is still there then, closed; or it is removed already.
    pub async fn remove(&self) -> Result<LifecycleReport, SimulationError> {
        self.remove_as(None).await
    }

    /// As [`remove`](Self::remove): its state and secrets are erased when this length of time has passed. Until then
    /// [`redeploy`](Self::redeploy) brings it back with them. Says of a removed instance anew how long it is kept; no time erases it.
    ///
    /// # Errors
    ///
    /// As for [`remove`](Self::remove).
    pub async fn remove_keeping(&self, keep: Duration) -> Result<LifecycleReport, SimulationError> {
        self.remove_as(Some(keep)).await
    }

    async fn remove_as(&self, keep: Option<Duration>) -> Result<LifecycleReport, SimulationError> {
        let mark = self.world.mark();
        self.world.did(Act::Remove {
            instance: self.number,
            keep,
        });
        let removal = Removal {
            keep,
            ..Removal::default()
        };
        let (deployer, id) = (Arc::clone(&self.world.runner().deployer), self.id.clone());
        let report = self
            .world
            .drive(async move { deployer.remove(&id, removal).await })
            .await;
        check_lifecycle(&report.ok_or(SimulationError::Stuck)??)?;
        Ok(self.lifecycle_since(mark).await)
    }

    async fn lifecycle_since(&self, mark: Mark) -> LifecycleReport {
        let (executions, requests) = self.world.since(Some(&self.id), mark).await;
        LifecycleReport {
            executions,
            requests,
        }
    }

    /// Returns the URL of a flow.
    pub fn url_of<F: Flow<Config = C>>(&self) -> String {
        self.url(F::KEY)
    }

    pub(crate) fn url(&self, flow: &str) -> String {
        self.instance()
            .webhook_urls
            .get(flow)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    #[expect(
        clippy::expect_used,
        reason = "a test that names a flow of another integration fails with the reason"
    )]
    pub(crate) fn flow_options(&self, flow: &str) -> Settled {
        let integration = &self.world.runner().engine.ports.integration;
        integration
            .flow(flow)
            .expect("a flow that `integration()` lists")
            .options
            .clone()
    }

    pub(crate) fn config(&self) -> AnyConfig {
        Arc::clone(&self.instance().config)
    }

    /// What the sender brought to the endpoint of a flow (W41).
    pub(crate) fn brought_secret(&self, flow: &str) -> Option<sdk::Secret> {
        let instance = self.instance();
        let brought = instance.secrets.brought.get(&FlowKey::from(flow));
        brought.map(|secret| secret.as_str().into())
    }

    #[expect(
        clippy::expect_used,
        reason = "a test that uses an instance that is gone fails with the reason"
    )]
    pub(crate) fn instance(&self) -> Arc<Instance> {
        self.world
            .runner()
            .engine
            .instances
            .find(&self.id)
            .expect("an instance that is not erased")
    }
}

impl<C: ConfigVars> SimulatedInstance<C> {
    /// Deploys the instance again with other config values (E51); one that is removed and not erased yet is brought back (E52).
    ///
    /// # Errors
    ///
    /// The values do not fit, or a deploy function fails.
    pub async fn redeploy(&self, config: C) -> Result<LifecycleReport, SimulationError> {
        self.deploy_with(config.encode()).await
    }

    /// Deploys the instance again as it is: its deploy functions must be idempotent (E51).
    ///
    /// # Errors
    ///
    /// A deploy function fails.
    pub async fn redeploy_as_is(&self) -> Result<LifecycleReport, SimulationError> {
        let config = self.instance().secrets.values.clone();
        self.deploy_with(config).await
    }

    async fn deploy_with(&self, config: ConfigValues) -> Result<LifecycleReport, SimulationError> {
        let mark = self.world.mark();
        self.world.did(Act::Redeploy {
            instance: self.number,
            config: config.clone(),
        });
        let request = DeployRequest {
            config: Some(config),
            ..DeployRequest::default()
        };
        let (deployer, id) = (Arc::clone(&self.world.runner().deployer), self.id.clone());
        let report = self
            .world
            .drive(async move { deployer.deploy(Some(id), request).await })
            .await;
        check_lifecycle(&report.ok_or(SimulationError::Stuck)??)?;
        Ok(self.lifecycle_since(mark).await)
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
