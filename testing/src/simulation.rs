//! A simulation: an integration in the runner's own engine, in memory.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use runner::clock::Clock as _;
use runner::deploy::{Customer, DeployRequest};
use runner::settings::Settings;
use runner::store::{MemoryStore, Store};
use sdk::integration::BuiltIntegration;
use sdk::{ConfigVars, Integration, Timestamp};
use tokio::sync::OnceCell;

use crate::instance::SimulatedInstance;
use crate::script::Act;
use crate::world::{Lasting, World};

/// An integration in the runner's own engine, in memory, with a clock that is moved by hand.
///
/// Must be used inside a tokio runtime: `#[tokio::test]` is enough.
pub struct Simulation<C> {
    integration: BuiltIntegration,
    settings: Settings,
    start: Timestamp,
    world: OnceCell<Arc<World>>,
    config: PhantomData<fn(&C)>,
}

/// Why a simulation could not do what the test asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The runner did not start.
    #[error("the simulation cannot start")]
    Start(#[from] runner::StartError),
    /// The instance was not deployed, changed or removed.
    #[error(transparent)]
    Deploy(#[from] runner::deploy::DeployError),
    /// A lifecycle function failed.
    #[error("`{function}` of flow `{flow}` failed: {error}")]
    Lifecycle {
        /// The flow.
        flow: String,
        /// Which of its functions.
        function: &'static str,
        /// Why it failed.
        error: String,
    },
    /// Everything waits for something that can never happen in a simulation.
    #[error("nothing can happen any more: what was waited for does not end")]
    Stuck,
}

/// What a test returns: any error fails it.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

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
        Self {
            integration,
            settings: Settings::default(),
            start,
            world: OnceCell::new(),
            config: PhantomData,
        }
    }

    /// Begins at another time, for example `2026-03-27T16:50:00Z`.
    ///
    /// # Panics
    ///
    /// The text is not a point in time.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "a test whose time is wrong fails with the reason"
    )]
    pub fn at(mut self, time: &str) -> Self {
        self.start = match time.parse() {
            Ok(start) => start,
            Err(fault) => panic!("{fault}"),
        };
        self
    }

    /// Uses these settings of the runner: limits, sizes, waits.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
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

    /// Moves time on until every accepted execution has ended.
    ///
    /// # Errors
    ///
    /// Something is left that can never end.
    pub async fn run_until_idle(&self) -> Result<(), SimulationError> {
        let world = self.world().await?;
        world.did(Act::RunUntilIdle);
        loop {
            world.settle().await;
            let unfinished = world.store().unfinished(0, 1).await.unwrap_or_default();
            if unfinished.is_empty() {
                return Ok(());
            }
            let next = world.clock.next_deadline().ok_or(SimulationError::Stuck)?;
            world.clock.advance_to(next);
        }
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
        let request = DeployRequest {
            name: Some(customer.to_owned()),
            customer: Some(Customer {
                id: customer.into(),
                name: None,
            }),
            config: Some(config.encode()),
            ..DeployRequest::default()
        };
        let world = self.world().await?;
        world.did(Act::Deploy {
            customer: customer.to_owned(),
            config: config.encode(),
        });
        let deployer = Arc::clone(&world.runner.deployer);
        let report = world
            .drive(async move { deployer.deploy(None, request).await })
            .await
            .ok_or(SimulationError::Stuck)??;
        crate::instance::check_lifecycle(&report)?;
        Ok(SimulatedInstance::new(world, report.instance.id.clone()))
    }

    /// Returns the runner inside, for what the simulation has no word for.
    ///
    /// # Errors
    ///
    /// The simulation cannot start.
    pub async fn runner(&self) -> Result<Arc<runner::Runner>, SimulationError> {
        Ok(Arc::clone(&self.world().await?.runner))
    }

    async fn world(&self) -> Result<Arc<World>, SimulationError> {
        let start = || async {
            let lasting = self.lasting(Arc::new(MemoryStore::new()), Arc::default());
            World::start(&lasting).await.map(Arc::new)
        };
        Ok(Arc::clone(self.world.get_or_try_init(start).await?))
    }
}

impl<C> Simulation<C> {
    /// Returns what a world of this simulation is made of.
    pub(crate) fn lasting(&self, store: Arc<dyn Store>, crashed: Arc<AtomicBool>) -> Lasting {
        Lasting::new(
            self.integration.clone(),
            self.settings.clone(),
            self.start,
            store,
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

impl<C> fmt::Debug for Simulation<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("integration", &self.integration.name)
            .finish_non_exhaustive()
    }
}
