//! Does a script again, and goes on after a crash as the world outside would.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use runner::deploy::{Customer, DeployError, DeployReport, DeployRequest, Removal};
use runner::record::InvokedBy;
use runner::store::{ExecutionFilter, Store as _};
use sdk::config::ConfigValues;
use sdk::id::{FlowKey, InstanceId};

use super::crash_store::{CrashStore, Side};
use super::failure::Failures;
use crate::error::SimulationError;
use crate::instance::check_lifecycle;
use crate::script::{Act, Address, Deed, Which};
use crate::simulation::Simulation;
use crate::world::{Lasting, World};

/// Does a script again.
pub(super) struct Player {
    pub(super) lasting: Lasting,
    pub(super) store: Arc<CrashStore>,
    world: World,
    /// The instances in the order in which they were deployed.
    pub(super) instances: Vec<InstanceId>,
    /// The API keys of this run, by those that the test was given.
    keys: Vec<(String, String)>,
    pub(super) answers: Vec<Answer>,
    pub(super) lifecycle: Vec<Result<(), String>>,
    pub(super) failures: Failures,
}

/// What a caller got; nothing if the process died.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    location: Option<String>,
}

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plan {
    /// Nothing.
    Undisturbed,
    /// The process dies at the durable write of this number, counted from 0.
    Crash(usize, Side),
    /// The first attempt of the execution of this number fails, counted from 0.
    Failure(usize, Side),
}

/// How an act ended.
enum Ended<T> {
    Done(T),
    Crashed,
}

impl Player {
    pub(super) async fn start<C>(
        simulation: &Simulation<C>,
        plan: Plan,
    ) -> Result<Self, SimulationError> {
        let (crash, fails) = match plan {
            Plan::Undisturbed => (None, None),
            Plan::Crash(number, side) => (Some((number, side)), None),
            Plan::Failure(number, side) => (None, Some((number, side))),
        };
        let crashed = Arc::default();
        let store = Arc::new(CrashStore::new(crash, Arc::clone(&crashed)));
        let failures = Failures::new(fails);
        let mut lasting = simulation.lasting(Arc::clone(&store) as _, crashed);
        lasting.integration = failures.around(lasting.integration);
        let world = World::start(&lasting).await?;
        Ok(Self {
            lasting,
            store,
            world,
            instances: Vec::new(),
            keys: Vec::new(),
            answers: Vec::new(),
            lifecycle: Vec::new(),
            failures,
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
                concurrency,
            } => {
                let request = DeployRequest {
                    name: Some(customer.clone()),
                    customer: Some(Customer {
                        id: customer.as_str().into(),
                        name: None,
                    }),
                    config: Some(config.clone()),
                    rate_per_second: *rate_per_second,
                    concurrency: *concurrency,
                    api_keys: api_keys.clone(),
                    from_source: None,
                };
                self.deploy(request).await
            }
            Act::Redeploy { instance, config } => self.redeploy(*instance, config).await,
            Act::Remove { instance, keep } => self.remove(*instance, *keep).await,
            Act::Pause { instance } | Act::Resume { instance } => {
                self.set_open(*instance, matches!(act, Act::Resume { .. }))
                    .await
            }
            Act::AddKey {
                instance,
                flow,
                key,
            } => self.add_key(*instance, flow, key).await,
            Act::Send { to, request } => self.send(to, request).await,
            Act::Control {
                instance,
                which,
                deed,
            } => self.control(*instance, which, *deed).await,
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
            Act::Down(length) => {
                let started = self.world.down_for(*length).await;
                // It may die again while it starts.
                if self.restart_if_crashed().await? {
                    return Ok(());
                }
                Ok(started?)
            }
            Act::RunUntilIdle => self.run_until_idle().await,
        }
    }

    async fn deploy(&mut self, request: DeployRequest) -> Result<(), SimulationError> {
        loop {
            let known = self.world.runner().engine.instances.all().into_iter();
            let begun = known
                .map(|instance| instance.id.clone())
                .find(|id| !self.instances.contains(id));
            let request = request.clone();
            let deployer = Arc::clone(&self.world.runner().deployer);
            if let Ended::Done(report) = self
                .drive(async move { deployer.deploy(begun, request).await })
                .await?
            {
                self.lifecycle.push(ended(&report));
                let new = report.ok().map(|report| report.instance.id.clone());
                self.instances.extend(new);
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
            let (deployer, id) = (Arc::clone(&self.world.runner().deployer), id.clone());
            if let Ended::Done(report) = self
                .drive(async move { deployer.deploy(Some(id), request).await })
                .await?
            {
                self.lifecycle.push(ended(&report));
                return Ok(());
            }
        }
    }

    async fn remove(
        &mut self,
        number: usize,
        keep: Option<Duration>,
    ) -> Result<(), SimulationError> {
        let Some(id) = self.instances.get(number).cloned() else {
            return Ok(());
        };
        let removal = Removal {
            keep,
            ..Removal::default()
        };
        let was_there = self.world.runner().engine.instances.get(&id).is_some();
        loop {
            let all = &self.world.runner().engine.instances;
            let is_there = all.get(&id).is_some();
            if all.find(&id).is_none() || (was_there && !is_there) {
                // It was done, and nobody was told.
                self.lifecycle.push(Ok(()));
                return Ok(());
            }
            let (deployer, id) = (Arc::clone(&self.world.runner().deployer), id.clone());
            if let Ended::Done(report) = self
                .drive(async move { deployer.remove(&id, removal).await })
                .await?
            {
                self.lifecycle.push(ended(&report));
                return Ok(());
            }
        }
    }

    async fn add_key(
        &mut self,
        number: usize,
        flow: &FlowKey,
        given: &str,
    ) -> Result<(), SimulationError> {
        let Some(id) = self.instances.get(number).cloned() else {
            return Ok(());
        };
        loop {
            let deployer = Arc::clone(&self.world.runner().deployer);
            let (id, flow) = (id.clone(), flow.clone());
            // After a crash there may be one that nobody was told of.
            if let Ended::Done(made) = self
                .drive(async move { deployer.add_key(&id, &flow).await })
                .await?
            {
                self.keys
                    .extend(made.ok().map(|made| (given.to_owned(), made.key)));
                return Ok(());
            }
        }
    }

    async fn set_open(&mut self, number: usize, open: bool) -> Result<(), SimulationError> {
        let Some(id) = self.instances.get(number).cloned() else {
            return Ok(());
        };
        loop {
            let (deployer, id) = (Arc::clone(&self.world.runner().deployer), id.clone());
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

    async fn control(
        &mut self,
        number: usize,
        which: &Which,
        deed: Deed,
    ) -> Result<(), SimulationError> {
        let Some(instance) = self.instances.get(number) else {
            return Ok(());
        };
        let found = which.find(&*self.store, instance).await;
        let Some(id) = found.unwrap_or_default() else {
            return Ok(());
        };
        let before = self.count(InvokedBy::Replay).await;
        loop {
            let (runner, id) = (self.world.runner(), id.clone());
            // After a crash it may have been done already: then it is refused.
            let done = self.drive(async move { deed.of(&runner, &id).await });
            let is_done = matches!(done.await?, Ended::Done(_));
            if is_done || self.count(InvokedBy::Replay).await > before {
                return Ok(());
            }
        }
    }

    async fn send(
        &mut self,
        to: &Address,
        request: &Request<Bytes>,
    ) -> Result<(), SimulationError> {
        let before = self.count(InvokedBy::Webhook).await;
        loop {
            let Some(request) = self.readdress(to, request) else {
                self.answers.push(Answer::default());
                return Ok(());
            };
            let answer = self.world.runner().ingress.receive(request);
            if let Ended::Done(answer) = self.drive(answer).await? {
                let location = answer.headers().get(http::header::LOCATION);
                self.answers.push(Answer {
                    status: Some(answer.status().as_u16()),
                    location: location
                        .and_then(|location| location.to_str().ok())
                        .map(str::to_owned),
                });
                return Ok(());
            }
            if self.count(InvokedBy::Webhook).await > before {
                self.answers.push(Answer::default());
                return Ok(());
            }
        }
    }

    /// How many executions of this cause were accepted.
    async fn count(&self, cause: InvokedBy) -> usize {
        let all = self
            .store
            .executions(&ExecutionFilter::default(), None, u32::MAX)
            .await
            .unwrap_or_default();
        all.iter()
            .filter(|execution| execution.invoked_by == cause)
            .count()
    }

    /// Sends a request to who listens in this run, with the API keys of this run; `None` if it follows an answer that its caller did
    /// not get.
    fn readdress(&self, to: &Address, request: &Request<Bytes>) -> Option<Request<Bytes>> {
        let mut request = request.clone();
        for value in request.headers_mut().values_mut() {
            let own = self.keys.iter().find(|(given, _)| value == given);
            if let Some(own) = own.and_then(|(_, own)| own.parse().ok()) {
                *value = own;
            }
        }
        let all = &self.world.runner().engine.instances;
        let instance = |number: &usize| all.get(self.instances.get(*number)?);
        let endpoint = match to {
            Address::AsItSays => return Some(request),
            Address::Location(number) => {
                *request.uri_mut() = self.answers.get(*number)?.location.as_ref()?.parse().ok()?;
                return Some(request);
            }
            Address::Flow(number, flow) => instance(number)
                .and_then(|instance| instance.facts.endpoints.get(flow.as_str()).cloned()),
            Address::Instance(number) => {
                instance(number).and_then(|instance| instance.facts.endpoint.clone())
            }
            Address::Shared => all.shared_endpoint(),
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
        Some(request)
    }

    pub(super) async fn run_until_idle(&mut self) -> Result<(), SimulationError> {
        loop {
            self.world.settle().await;
            if self.restart_if_crashed().await? {
                continue;
            }
            let unfinished = self.store.unfinished(0, 1).await.unwrap_or_default();
            // What waits behind an execution that is out of attempts waits for the test.
            if unfinished.is_empty() || self.world.runner().engine.is_at_rest() {
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

fn ended(report: &Result<DeployReport, DeployError>) -> Result<(), String> {
    match report {
        Ok(report) => check_lifecycle(report).map_err(|fault| fault.to_string()),
        Err(fault) => Err(fault.to_string()),
    }
}
