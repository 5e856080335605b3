//! A simulation: an integration in the runner's own engine, in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use runner::clock::Clock as _;
use runner::deploy::{Customer, DeployRequest};
use runner::outbound::Reach;
use runner::settings::Settings;
use runner::store::{MemoryStore, Store};
use sdk::config::ConfigValues;
use sdk::flow::Flow;
use sdk::id::FlowKey;
use sdk::integration::BuiltIntegration;
use sdk::{ConfigVars, Integration, Timestamp};
use tokio::sync::OnceCell;

use crate::cassette::{Cassette, Deck};
use crate::certified::Directory;
use crate::error::SimulationError;
use crate::instance::SimulatedInstance;
use crate::moment::Moment;
use crate::outbound::Servers;
use crate::script::Act;
use crate::upstream::Upstream;
use crate::webhook::Webhook;
use crate::world::{Lasting, World};

/// An integration in the runner's own engine, in memory, with a clock that is moved by hand.
///
/// Must be used inside a tokio runtime: `#[tokio::test]` is enough.
pub struct Simulation<C> {
    integration: BuiltIntegration,
    settings: Settings,
    start: Timestamp,
    cassette: Option<Cassette>,
    servers: Servers,
    world: OnceCell<Arc<World>>,
    config: PhantomData<fn(&C)>,
}

impl<C: ConfigVars> Simulation<C> {
    /// Simulates an integration; time begins at 2026-01-01T00:00:00Z.
    ///
    /// # Panics
    ///
    /// The integration has faults; all of them are listed.
    #[expect(
        clippy::panic,
        reason = "a test of an integration that cannot be built fails with its faults"
    )]
    pub fn of(integration: Integration<C>) -> Self {
        let integration = match integration.build() {
            Ok(integration) => integration,
            Err(faults) => panic!("the integration has faults:\n{faults}"),
        };
        let start = Timestamp::from_millis(1_767_225_600_000);
        let servers = Servers {
            hosts: BTreeMap::new(),
            directory: Directory::of(&integration),
        };
        Self {
            integration,
            servers,
            settings: Settings::default(),
            start,
            cassette: None,
            world: OnceCell::new(),
            config: PhantomData,
        }
    }

    /// Begins at another [`Moment`], for example `2026-03-27T16:50:00Z`.
    ///
    /// # Panics
    ///
    /// The text is not a point in time.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "a test whose time is wrong fails with the reason"
    )]
    pub fn at(mut self, time: impl Moment) -> Self {
        self.start = match time.moment() {
            Ok(start) => start,
            Err(fault) => panic!("{fault}"),
        };
        self
    }

    /// Uses these settings of the runner: limits, sizes, waits. Besides what `outbound_allow` names, flows may call this machine, where
    /// every [`Upstream`](crate::Upstream) is; other addresses that are not public are refused as in production.
    ///
    /// # Panics
    ///
    /// A rule of `outbound_allow` is none.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "a test whose settings are wrong fails with the reason"
    )]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        if let Err(fault) = Reach::parse(&settings.outbound_allow) {
            panic!("{fault}");
        }
        self.settings = settings;
        self
    }

    /// Answers every request of a flow to another system from a cassette, instead of sending it.
    #[must_use]
    pub fn with_cassette(mut self, cassette: Cassette) -> Self {
        self.cassette = Some(cassette);
        self
    }

    /// Lets another system stand for a host, whatever the port and whether by `http` or `https`: for addresses that no config variable
    /// holds, as `sns.us-east-1.amazonaws.com`, from where the runner fetches a certificate.
    #[must_use]
    pub fn with_host(mut self, host: &str, system: &Upstream) -> Self {
        let host = host.to_ascii_lowercase();
        self.servers.hosts.insert(host, system.url());
        self
    }

    /// Returns the time of the simulation.
    pub fn now(&self) -> Timestamp {
        self.world
            .get()
            .map_or(self.start, |world| world.clock.now())
    }

    /// Moves time on: schedules, retries, sleeps, expiries. Everything that falls due in between happens at its own moment.
    ///
    /// # Errors
    ///
    /// The simulation cannot start.
    pub async fn advance(&self, length: Duration) -> Result<(), SimulationError> {
        let world = self.world().await?;
        world.did(Act::Advance(length));
        world.advance(length).await;
        Ok(())
    }

    /// Moves time on to this [`Moment`]: a [`Timestamp`], or a text, for example `2026-03-29T05:00:00Z` or `2026-03-29T07:00:00+02:00`.
    ///
    /// # Errors
    ///
    /// The simulation cannot start.
    ///
    /// # Panics
    ///
    /// The text is not a point in time, or that is past.
    #[expect(
        clippy::panic,
        reason = "a test whose time is wrong fails with the reason"
    )]
    pub async fn advance_to(&self, time: impl Moment) -> Result<(), SimulationError> {
        let (now, target) = match time.moment() {
            Ok(target) => (self.now(), target),
            Err(fault) => panic!("{fault}"),
        };
        assert!(
            target >= now,
            "{target} is past: the simulation is at {now}"
        );
        self.advance(target.since(now)).await
    }

    /// Moves time on until every accepted execution has ended.
    ///
    /// # Errors
    ///
    /// Something is left that does not end by itself: it waits behind an execution that is out of attempts, which must be
    /// [replayed](SimulatedInstance::replay) or [dismissed](SimulatedInstance::dismiss).
    pub async fn run_until_idle(&self) -> Result<(), SimulationError> {
        let world = self.world().await?;
        world.did(Act::RunUntilIdle);
        loop {
            world.settle().await;
            let unfinished = world.store().unfinished(0, 1).await.unwrap_or_default();
            let Some(first) = unfinished.first() else {
                return Ok(());
            };
            if world.runner().engine.is_at_rest() {
                let flow = first.flow.to_string();
                return Err(SimulationError::Parked { flow });
            }
            let next = world.clock.next_deadline().ok_or(SimulationError::Stuck)?;
            world.clock.advance_to(next);
        }
    }

    /// Stops the process at once, as a crash does, for this length of time, and starts it again on the same disk: what ran is run again, and of
    /// what fell due meanwhile runs what [`Missed`](sdk::schedule::Missed) says. Whoever sends a webhook meanwhile would find nobody there.
    ///
    /// # Errors
    ///
    /// The simulation cannot start.
    pub async fn down_for(&self, length: Duration) -> Result<(), SimulationError> {
        let world = self.world().await?;
        world.did(Act::Down(length));
        Ok(world.down_for(length).await?)
    }

    /// Waits for something outside the simulation that waits for the simulation, such as a client on a real socket; time moves on
    /// whenever nothing else can happen.
    ///
    /// # Errors
    ///
    /// The simulation cannot start.
    pub async fn while_time_passes<T>(
        &self,
        outside: impl Future<Output = T>,
    ) -> Result<T, SimulationError> {
        Ok(self.world().await?.while_time_passes(outside).await)
    }

    /// Deploys an instance for a customer `acme`: validates the config values, runs every `#[on_instance_deploy]`, starts the flows that
    /// a deploy triggers.
    ///
    /// # Errors
    ///
    /// The values do not fit, or a deploy function fails.
    pub async fn deploy(&self, config: C) -> Result<SimulatedInstance<C>, SimulationError> {
        self.deploy_for("acme", config).await
    }

    /// As [`deploy`](Self::deploy), for a customer of another name.
    ///
    /// # Errors
    ///
    /// As for [`deploy`](Self::deploy).
    pub async fn deploy_for(
        &self,
        customer: &str,
        config: C,
    ) -> Result<SimulatedInstance<C>, SimulationError> {
        self.customer(customer).deploy(config).await
    }

    /// Begins a deploy for a customer of this name, with more to say about it.
    pub fn customer(&self, name: &str) -> Deployment<'_, C> {
        Deployment {
            simulation: self,
            customer: name.to_owned(),
            api_keys: BTreeMap::new(),
            rate_per_second: None,
            concurrency: None,
        }
    }

    /// Begins a webhook to the endpoint that all customers share; the request itself says for whom and what it is.
    ///
    /// # Panics
    ///
    /// Nothing was deployed yet: the endpoint is made at the first deploy.
    #[expect(
        clippy::expect_used,
        reason = "a test that cannot be set up fails with the reason"
    )]
    pub fn shared_webhook(&self) -> Webhook<'_, C> {
        let world = self.world.get();
        Webhook::to_all(world.expect("an instance that was deployed before its webhooks come"))
    }

    /// Returns the instances that are there, in the order in which they were deployed: also one whose deploy failed.
    ///
    /// # Errors
    ///
    /// The simulation cannot start.
    pub async fn instances(&self) -> Result<Vec<SimulatedInstance<C>>, SimulationError> {
        let world = self.world().await?;
        let all = world.runner().engine.instances.all();
        let there = all.iter().filter(|instance| !instance.is_removed());
        let ids = there.map(|instance| instance.id.clone());
        Ok(ids
            .map(|id| SimulatedInstance::new(Arc::clone(&world), id))
            .collect())
    }

    /// Returns the runner inside, for what the simulation has no word for; after [`down_for`](Self::down_for) it is another one.
    ///
    /// # Errors
    ///
    /// The simulation cannot start.
    pub async fn runner(&self) -> Result<Arc<runner::Runner>, SimulationError> {
        Ok(self.world().await?.runner())
    }

    /// Tells what happened to each instance so far, a line for each thing, the last 30 executions of each. A test that fails prints it
    /// by itself.
    pub fn story(&self) -> String {
        self.world
            .get()
            .map(|world| world.story())
            .unwrap_or_default()
    }

    async fn world(&self) -> Result<Arc<World>, SimulationError> {
        let start = || async {
            let lasting = self.made(Arc::new(MemoryStore::new()), Arc::default(), false);
            World::start(&lasting).await.map(Arc::new)
        };
        Ok(Arc::clone(self.world.get_or_try_init(start).await?))
    }
}

impl<C> Simulation<C> {
    /// Returns what a world of this simulation is made of, for a script that is done again.
    pub(crate) fn lasting(&self, store: Arc<dyn Store>, crashed: Arc<AtomicBool>) -> Lasting {
        self.made(store, crashed, true)
    }

    fn made(&self, store: Arc<dyn Store>, crashed: Arc<AtomicBool>, repeats: bool) -> Lasting {
        let deck = self
            .cassette
            .as_ref()
            .map(|cassette| cassette.open(repeats));
        Lasting::new(
            (self.integration.clone(), self.settings.clone()),
            self.start,
            store,
            (deck, self.servers.clone()),
            crashed,
        )
    }

    /// Returns what the test did so far.
    pub(crate) fn script(&self) -> Vec<Act> {
        let world = self.world.get();
        world
            .map(|world| {
                world
                    .script
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone()
            })
            .unwrap_or_default()
    }
}

impl<C> Drop for Simulation<C> {
    /// Writes a cassette that was recorded; one that was replayed must have been played to its end. When the test fails, everything
    /// that happened is told, unless the failure told it.
    #[expect(
        clippy::panic,
        clippy::print_stderr,
        reason = "a test that does not do what was recorded fails with the reason; one that fails anyway says it beside"
    )]
    fn drop(&mut self) {
        let Some(world) = self.world.get() else {
            return;
        };
        let fault = world.outbound.deck().map(Deck::finish);
        if !std::thread::panicking() {
            if let Some(Err(fault)) = fault {
                panic!("{fault}");
            }
            return;
        }
        if let Some(Err(fault)) = fault {
            eprintln!("\n{fault}");
        }
        if !world.witness.told().is_told() {
            eprintln!("\nwhat happened until then:\n{}", world.story());
        }
    }
}

/// A deploy that is about to be done.
#[derive(Debug)]
#[must_use = "an instance is deployed by `deploy`"]
pub struct Deployment<'a, C> {
    simulation: &'a Simulation<C>,
    customer: String,
    api_keys: BTreeMap<FlowKey, Vec<String>>,
    rate_per_second: Option<u32>,
    concurrency: Option<u32>,
}

impl<C: ConfigVars> Deployment<'_, C> {
    /// Gives a flow an API key from the beginning, as `Security::CustomerRequired` demands (W6).
    pub fn api_key<F: Flow<Config = C>>(mut self, key: &str) -> Self {
        let keys = self.api_keys.entry(F::KEY.into()).or_default();
        keys.push(key.to_owned());
        self
    }

    /// Lets the customer send so many requests within one second (E50).
    pub fn rate_per_second(mut self, most: u32) -> Self {
        self.rate_per_second = Some(most);
        self
    }

    /// Lets so many executions of the instance run at once; 0 sets no limit (E50).
    pub fn concurrency(mut self, most: u32) -> Self {
        self.concurrency = Some(most);
        self
    }

    /// Deploys: validates the config values, runs every `#[on_instance_deploy]`, starts the flows that a deploy triggers.
    ///
    /// # Errors
    ///
    /// The values do not fit, a key is missing, or a deploy function fails.
    pub async fn deploy(self, config: C) -> Result<SimulatedInstance<C>, SimulationError> {
        self.deploy_values(config.encode()).await
    }

    /// As [`deploy`](Self::deploy), with config values as a deployer gives them: what has a default may be left out, and what is wrong is
    /// refused with a sentence.
    ///
    /// # Errors
    ///
    /// As for [`deploy`](Self::deploy).
    pub async fn deploy_values(
        self,
        config: ConfigValues,
    ) -> Result<SimulatedInstance<C>, SimulationError> {
        let customer = self.customer;
        let world = self.simulation.world().await?;
        world.did(Act::Deploy {
            customer: customer.clone(),
            config: config.clone(),
            api_keys: self.api_keys.clone(),
            rate_per_second: self.rate_per_second,
            concurrency: self.concurrency,
        });
        let request = DeployRequest {
            name: Some(customer.clone()),
            customer: Some(Customer {
                id: customer.as_str().into(),
                name: None,
            }),
            config: Some(config),
            api_keys: self.api_keys,
            rate_per_second: self.rate_per_second,
            concurrency: self.concurrency,
            from_source: None,
        };
        let deployer = Arc::clone(&world.runner().deployer);
        let report = world
            .drive(async move { deployer.deploy(None, request).await })
            .await
            .ok_or(SimulationError::Stuck)??;
        let instance = SimulatedInstance::new(world, report.instance.id.clone());
        crate::instance::check_lifecycle(&report)?;
        Ok(instance)
    }
}

impl<C> fmt::Debug for Simulation<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("integration", &self.integration.name)
            .finish_non_exhaustive()
    }
}
