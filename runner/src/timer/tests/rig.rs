//! A runner whose time is moved by hand, and what came of its schedules.

use std::sync::Arc;
use std::time::Duration;

use sdk::id::{ExecutionId, InstanceId};
use sdk::integration::BuiltIntegration;
use sdk::payload::Tick;
use sdk::prelude::*;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

use super::faulty_store::FaultyStore;
use crate::clock::{Clock as _, ManualClock};
use crate::deploy::DeployRequest;
use crate::entropy::Entropy;
use crate::outbound::HttpOutbound;
use crate::ports::Ports;
use crate::record::{Execution, InvokedBy, ResultType};
use crate::runner::Runner;
use crate::settings::Settings;
use crate::spawn::Runtimes;
use crate::store::{ExecutionFilter, MemoryStore, Store as _};
use crate::vault::Vault;

/// What a customer of the reports sets.
#[derive(ConfigVars)]
pub(super) struct Config {
    /// When the report runs.
    pub(super) report_at: Schedule,
    /// How many minutes a run takes.
    #[config(default = 0)]
    takes: u32,
    /// Whether the first attempt of a run fails.
    #[config(default = false)]
    fails: bool,
}

struct Report;

#[flow(
    key = "report",
    trigger = Trigger::scheduled_by(|config: &Config| &config.report_at),
    retry = Retry::times(1).every(minutes(10)),
)]
impl Report {
    #[on_execution]
    async fn run(context: &Context<Config>) -> Result<()> {
        let config = context.config();
        context.sleep(minutes(config.takes.into())).await;
        if config.fails && context.attempt() == 1 {
            return Err(Error::new("the first attempt fails"));
        }
        Ok(())
    }
}

/// An integration with one flow, on the schedule of a config variable.
pub(super) fn reports() -> BuiltIntegration {
    Integration::<Config>::new("reports")
        .flow::<Report>()
        .build()
        .unwrap()
}

/// A runner on a store in memory.
pub(super) struct Rig {
    pub(super) clock: ManualClock,
    pub(super) store: FaultyStore,
    pub(super) runner: Runner,
}

/// What came of one tick.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) execution: Execution,
    /// What the flow was told; `None` for a tick that was passed over.
    pub(super) tick: Option<Tick>,
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The config values of an instance whose runs take no time.
pub(super) fn values(report_at: &Schedule) -> serde_json::Value {
    json!({"report_at": report_at})
}

impl Rig {
    /// Starts a runner for the reports at this time, on an empty store.
    pub(super) async fn new(now: &str) -> Self {
        Self::start(reports(), ManualClock::at(at(now)), MemoryStore::new()).await
    }

    pub(super) async fn start(
        integration: BuiltIntegration,
        clock: ManualClock,
        store: MemoryStore,
    ) -> Self {
        Self::start_with(integration, clock, store, Settings::default()).await
    }

    pub(super) async fn start_with(
        integration: BuiltIntegration,
        clock: ManualClock,
        store: MemoryStore,
        settings: Settings,
    ) -> Self {
        let store = FaultyStore::of(store);
        let ports = Ports {
            integration,
            settings,
            public_url: "https://hooks.example".to_owned(),
            clock: Arc::new(clock.clone()),
            entropy: Entropy::system(),
            spawn: Arc::new(Runtimes::new(Handle::current(), Handle::current())),
            store: Arc::new(store.clone()),
            outbound: Arc::new(HttpOutbound::new(Duration::from_secs(1), 1024)),
            vault: Vault::clear(),
            tail: broadcast::channel(16).0,
        };
        let runner = Runner::start(ports).await.unwrap();
        let rig = Self {
            clock,
            store,
            runner,
        };
        rig.settle().await;
        rig
    }

    /// Crashes, and starts again at this time on what is stored.
    pub(super) async fn restart(self, integration: BuiltIntegration, now: &str) -> Self {
        let store = self.store.inner.fork();
        self.runner.abort();
        Self::start(integration, ManualClock::at(at(now)), store).await
    }

    pub(super) async fn deploy(&self, values: &serde_json::Value) -> InstanceId {
        self.deploy_as(None, values).await
    }

    pub(super) async fn redeploy(&self, id: &InstanceId, values: &serde_json::Value) {
        self.deploy_as(Some(id.clone()), values).await;
    }

    async fn deploy_as(&self, id: Option<InstanceId>, values: &serde_json::Value) -> InstanceId {
        let request = DeployRequest {
            config: values.as_object().cloned(),
            ..DeployRequest::default()
        };
        let report = self.runner.deployer.deploy(id, request).await.unwrap();
        assert!(report.succeeded);
        self.settle().await;
        report.instance.id.clone()
    }

    /// Lets everything go on that can without the clock.
    pub(super) async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets time pass: everyone wakes up at its own time.
    pub(super) async fn advance_to(&self, to: &str) {
        let to = at(to);
        while let Some(next) = self.clock.next_deadline().filter(|next| *next <= to) {
            self.clock.advance_to(next);
            self.settle().await;
        }
        self.clock.advance_to(to);
        self.settle().await;
    }

    /// Sets the clock, as an operator does: no time passes.
    pub(super) async fn set_clock(&self, to: &str) {
        self.clock.set_to(at(to));
        self.settle().await;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns what came of all ticks, in the order in which they were accepted; retries are not among them.
    pub(super) async fn ran(&self) -> Vec<Ran> {
        let filter = ExecutionFilter::default();
        let executions = self.store.executions(&filter, None, u32::MAX).await;
        let mut ran = Vec::new();
        for execution in executions.unwrap() {
            if execution.invoked_by != InvokedBy::Retry {
                assert_eq!(execution.invoked_by, InvokedBy::Scheduled);
                let tick = self.tick(&execution.id).await;
                ran.push(Ran { execution, tick });
            }
        }
        ran.sort_by_key(|ran| ran.execution.position);
        ran
    }

    async fn tick(&self, id: &ExecutionId) -> Option<Tick> {
        let payload = self.store.payload(id).await.unwrap()?;
        payload.tick.clone()
    }

    /// Returns the nominal times of all ticks that were started.
    pub(super) async fn nominal(&self) -> Vec<Timestamp> {
        let ran = self.ran().await;
        let ticks = ran.into_iter().filter_map(|ran| ran.tick);
        ticks.map(|tick| tick.nominal).collect()
    }

    /// Returns how the run of each tick ended, in the order in which they were accepted; `None` for those that still go.
    pub(super) async fn results(&self) -> Vec<Option<ResultType>> {
        let ran = self.ran().await;
        ran.into_iter().map(|ran| ran.execution.result).collect()
    }

    /// Checks the nominal times of all ticks that were started.
    #[track_caller]
    pub(super) fn expect(&self, expected: &[&str]) -> impl Future<Output = ()> + use<'_> {
        let place = std::panic::Location::caller();
        let expected: Vec<String> = expected.iter().map(|text| at(text).to_string()).collect();
        async move {
            let started = self.nominal().await;
            let started: Vec<String> = started.iter().map(ToString::to_string).collect();
            assert_eq!(started, expected, "at {place}");
        }
    }
}
