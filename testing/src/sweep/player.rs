//! Does a script again, and goes on after a crash as the world outside would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Request;
use runner::deploy::{Customer, DeployRequest};
use runner::record::{Execution, Function, InvokedBy, ResultType};
use runner::store::{ExecutionFilter, Store as _};
use sdk::config::ConfigValues;
use sdk::id::InstanceId;
use sdk::state::StateScope;

use super::crash_store::{CrashStore, Side};
use super::picture::{Picture, Sent};
use crate::error::SimulationError;
use crate::script::{Act, Address};
use crate::simulation::Simulation;
use crate::world::{Lasting, World};

/// Does a script again.
pub(super) struct Player {
    lasting: Lasting,
    store: Arc<CrashStore>,
    world: World,
    /// The instances in the order in which they were deployed.
    instances: Vec<InstanceId>,
    answers: Vec<Option<u16>>,
}

/// How an act ended.
enum Ended<T> {
    Done(T),
    Crashed,
}

impl Player {
    pub(super) async fn start<C>(
        simulation: &Simulation<C>,
        crash: Option<(usize, Side)>,
    ) -> Result<Self, SimulationError> {
        let crashed = Arc::default();
        let store = Arc::new(CrashStore::new(crash, Arc::clone(&crashed)));
        let lasting = simulation.lasting(Arc::clone(&store) as _, crashed);
        let world = World::start(&lasting).await?;
        Ok(Self {
            lasting,
            store,
            world,
            instances: Vec::new(),
            answers: Vec::new(),
        })
    }

    /// Does one thing; after a crash it starts the runner again and does what is left of it.
    pub(super) async fn perform(&mut self, act: &Act) -> Result<(), SimulationError> {
        match act {
            Act::Deploy {
                customer,
                config,
                api_keys,
                rate_per_second,
            } => {
                let request = DeployRequest {
                    name: Some(customer.clone()),
                    customer: Some(Customer {
                        id: customer.as_str().into(),
                        name: None,
                    }),
                    config: Some(config.clone()),
                    rate_per_second: *rate_per_second,
                    api_keys: api_keys.clone(),
                };
                self.deploy(request).await
            }
            Act::Redeploy { instance, config } => self.redeploy(*instance, config).await,
            Act::Remove { instance } => self.remove(*instance).await,
            Act::Pause { instance } | Act::Resume { instance } => {
                self.set_open(*instance, matches!(act, Act::Resume { .. }))
                    .await
            }
            Act::Send { to, request } => self.send(to, request).await,
            Act::Advance(length) => {
                let target = self.lasting.clock_now() + *length;
                loop {
                    self.world
                        .advance(target.since(self.lasting.clock_now()))
                        .await;
                    if !self.restart_if_crashed().await? {
                        return Ok(());
                    }
                }
            }
            Act::RunUntilIdle => self.run_until_idle().await,
        }
    }

    /// Lets everything end, and looks at what is left.
    pub(super) async fn finish(mut self) -> Result<(Vec<&'static str>, Picture), SimulationError> {
        self.run_until_idle().await?;
        let points = self.store.points();
        let filter = ExecutionFilter::default();
        let executions = self
            .store
            .executions(&filter, None, u32::MAX)
            .await
            .unwrap_or_default();
        let mut picture = Picture {
            answers: self.answers,
            ..Picture::default()
        };
        for execution in &executions {
            // What a deploy or a removal starts is started again when that is done again.
            let repeatable = matches!(
                execution.invoked_by,
                InvokedBy::DeployFlow | InvokedBy::TearDownFlow
            );
            let duplicate = execution.result == Some(ResultType::CanceledAsDuplicate);
            if execution.function == Function::OnExecution && !repeatable && !duplicate {
                *picture.executions.entry(shown(execution)).or_default() += 1;
            }
        }
        for (number, instance) in self.instances.iter().enumerate() {
            for (key, entry) in self.store.states(instance).await.unwrap_or_default() {
                if key.scope != StateScope::Execution {
                    let place = format!(
                        "`{}` ({:?} state of `{}`, instance {})",
                        key.key,
                        key.scope,
                        key.owner,
                        number + 1
                    );
                    picture.state.insert(place, entry.value);
                }
            }
        }
        picture.requests = self.lasting.requests(&executions);
        Ok((points, picture))
    }

    async fn deploy(&mut self, request: DeployRequest) -> Result<(), SimulationError> {
        loop {
            let known = self.world.runner.engine.instances.all().into_iter();
            let begun = known
                .map(|instance| instance.id.clone())
                .find(|id| !self.instances.contains(id));
            let request = request.clone();
            let deployer = Arc::clone(&self.world.runner.deployer);
            if let Ended::Done(report) = self
                .drive(async move { deployer.deploy(begun, request).await })
                .await?
            {
                self.instances.push(report?.instance.id.clone());
                return Ok(());
            }
        }
    }

    async fn redeploy(
        &mut self,
        number: usize,
        config: &ConfigValues,
    ) -> Result<(), SimulationError> {
        let Some(id) = self.instances.get(number).cloned() else {
            return Ok(());
        };
        loop {
            let request = DeployRequest {
                config: Some(config.clone()),
                ..DeployRequest::default()
            };
            let (deployer, id) = (Arc::clone(&self.world.runner.deployer), id.clone());
            if let Ended::Done(report) = self
                .drive(async move { deployer.deploy(Some(id), request).await })
                .await?
            {
                report?;
                return Ok(());
            }
        }
    }

    async fn remove(&mut self, number: usize) -> Result<(), SimulationError> {
        let Some(id) = self.instances.get(number).cloned() else {
            return Ok(());
        };
        while self.world.runner.engine.instances.get(&id).is_some() {
            let (deployer, id) = (Arc::clone(&self.world.runner.deployer), id.clone());
            if let Ended::Done(report) = self
                .drive(async move { deployer.remove(&id, false).await })
                .await?
            {
                report?;
            }
        }
        Ok(())
    }

    async fn set_open(&mut self, number: usize, open: bool) -> Result<(), SimulationError> {
        let Some(id) = self.instances.get(number).cloned() else {
            return Ok(());
        };
        loop {
            let (deployer, id) = (Arc::clone(&self.world.runner.deployer), id.clone());
            let change = async move {
                if open {
                    deployer.resume(&id).await
                } else {
                    deployer.pause(&id).await
                }
            };
            // After a crash it may have been done already: then it is refused.
            if let Ended::Done(_) = self.drive(change).await? {
                return Ok(());
            }
        }
    }

    async fn send(
        &mut self,
        to: &Address,
        request: &Request<Bytes>,
    ) -> Result<(), SimulationError> {
        let before = self.accepted().await;
        loop {
            let request = self.readdress(to, request);
            let answer = self.world.runner.ingress.receive(request);
            if let Ended::Done(answer) = self.drive(answer).await? {
                self.answers.push(Some(answer.status().as_u16()));
                return Ok(());
            }
            if self.accepted().await > before {
                self.answers.push(None);
                return Ok(());
            }
        }
    }

    /// How many webhooks were accepted.
    async fn accepted(&self) -> usize {
        let all = self
            .store
            .executions(&ExecutionFilter::default(), None, u32::MAX)
            .await
            .unwrap_or_default();
        all.iter()
            .filter(|execution| execution.invoked_by == InvokedBy::Webhook)
            .count()
    }

    /// Sends a request to who listens in this run.
    fn readdress(&self, to: &Address, request: &Request<Bytes>) -> Request<Bytes> {
        let mut request = request.clone();
        let all = &self.world.runner.engine.instances;
        let instance = |number: &usize| all.get(self.instances.get(*number)?);
        let endpoint = match to {
            Address::Flow(number, flow) => instance(number)
                .and_then(|instance| instance.facts.endpoints.get(flow.as_str()).cloned()),
            Address::Instance(number) => {
                instance(number).and_then(|instance| instance.facts.endpoint.clone())
            }
            Address::Shared => all.shared_endpoint(),
            Address::AsItSays => None,
        };
        let target = request
            .uri()
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default();
        let rest = target
            .strip_prefix("/trigger/")
            .map(|rest| rest.find(['/', '?']).map_or("", |at| &rest[at..]));
        if let (Some(endpoint), Some(rest)) = (endpoint, rest)
            && let Ok(uri) = format!("/trigger/{endpoint}{rest}").parse()
        {
            *request.uri_mut() = uri;
        }
        request
    }

    async fn run_until_idle(&mut self) -> Result<(), SimulationError> {
        loop {
            self.world.settle().await;
            if self.restart_if_crashed().await? {
                continue;
            }
            if self
                .store
                .unfinished(0, 1)
                .await
                .unwrap_or_default()
                .is_empty()
            {
                return Ok(());
            }
            let next = self
                .world
                .clock
                .next_deadline()
                .ok_or(SimulationError::Stuck)?;
            self.world.clock.advance_to(next);
        }
    }

    async fn drive<T: Send + 'static>(
        &mut self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<Ended<T>, SimulationError> {
        let value = self.world.drive(future).await;
        if self.restart_if_crashed().await? {
            // Whatever it returned, nobody was there any more to be told.
            return Ok(Ended::Crashed);
        }
        value.map(Ended::Done).ok_or(SimulationError::Stuck)
    }

    /// Starts the runner again if it has died: on the same disk, at the same time.
    async fn restart_if_crashed(&mut self) -> Result<bool, SimulationError> {
        let died = self.lasting.crashed.swap(false, Ordering::SeqCst);
        if died {
            self.world.kill();
            self.world = World::start(&self.lasting).await?;
        }
        Ok(died)
    }
}

fn shown(execution: &Execution) -> String {
    let end = serde_json::to_value(execution.result).unwrap_or_default();
    let attempt = if execution.attempt > 1 {
        format!(", attempt {}", execution.attempt)
    } else {
        String::new()
    };
    let error = execution
        .error
        .as_ref()
        .map(|error| format!(" ({error})"))
        .unwrap_or_default();
    format!(
        "flow `{}`{attempt} ended {}{error}",
        execution.flow,
        end.as_str().unwrap_or("not at all")
    )
}

impl Lasting {
    /// Counts the requests that were sent to other systems, by the flow and the step that sent them.
    fn requests(&self, executions: &[Execution]) -> BTreeMap<Sent, usize> {
        let by_id: BTreeMap<_, _> = executions
            .iter()
            .map(|execution| (&execution.id, execution))
            .collect();
        let mut counts = BTreeMap::new();
        for (report, sender) in self
            .outbound
            .sent_from(0)
            .into_iter()
            .zip(self.outbound.senders())
        {
            let execution = sender.as_ref().and_then(|id| by_id.get(id));
            let sent = Sent {
                what: format!("{} {}", report.method, report.path),
                flow: execution
                    .map(|execution| execution.flow.to_string())
                    .unwrap_or_default(),
                step: report.step,
                lifecycle: execution
                    .is_some_and(|execution| execution.function != Function::OnExecution),
            };
            *counts.entry(sent).or_default() += 1;
        }
        counts
    }
}
