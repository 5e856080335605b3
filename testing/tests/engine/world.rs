//! A runner that can be killed and started again on what it left behind.

mod faulty_store;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use runner::Runner;
use runner::clock::{Clock as _, ManualClock};
use runner::deploy::DeployRequest;
use runner::entropy::Entropy;
use runner::instance::Instance;
use runner::outbound::HttpOutbound;
use runner::ports::Ports;
use runner::record::{Execution, Status};
use runner::settings::Settings;
use runner::spawn::Spawn as _;
use runner::store::{ExecutionFilter, MemoryStore, Store as _};
use runner::vault::Vault;
use sdk::Timestamp;
use sdk::id::InstanceId;
use sdk::integration::BuiltIntegration;
use serde_json::Value;
use testing::tasks::Tasks;
use tokio::sync::{broadcast, oneshot};

pub(crate) use self::faulty_store::{Fault, FaultyStore};

/// What outlives a process: the disk, the time, the source of ids, and the program itself.
pub(crate) struct Lasting {
    pub(crate) integration: BuiltIntegration,
    pub(crate) settings: Settings,
    pub(crate) clock: ManualClock,
    pub(crate) disk: MemoryStore,
    entropy: Entropy,
}

impl Lasting {
    pub(crate) fn new(integration: BuiltIntegration, settings: Settings) -> Self {
        Self {
            integration,
            settings,
            clock: ManualClock::at(Timestamp::from_millis(1_774_630_200_000)),
            disk: MemoryStore::new(),
            entropy: Entropy::counted(),
        }
    }

    /// Returns the executions of a flow that are on disk, in the order in which they came.
    pub(crate) async fn executions(&self, flow: &str) -> Vec<Execution> {
        let filter = ExecutionFilter {
            flow: Some(flow.into()),
            ..ExecutionFilter::default()
        };
        let found = self.disk.executions(&filter, None, 100).await;
        let mut found = found.unwrap();
        found.sort_by_key(|execution| (execution.position, execution.attempt));
        found
    }

    /// Returns how those executions stand.
    pub(crate) async fn statuses(&self, flow: &str) -> Vec<Status> {
        let found = self.executions(flow).await;
        found.iter().map(|execution| execution.status).collect()
    }
}

/// One life of a process.
pub(crate) struct World {
    pub(crate) runner: Arc<Runner>,
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<FaultyStore>,
    tasks: Tasks,
}

impl World {
    /// Starts a process. A fault that is given strikes at a commit of this life.
    pub(crate) async fn start(lasting: &Lasting, fault: Option<(u32, Fault)>) -> Self {
        let tasks = Tasks::here();
        let store = FaultyStore::new(lasting.disk.clone(), lasting.clock.clone());
        if let Some((after, fault)) = fault {
            store.arm(after, fault);
        }
        let store = Arc::new(store);
        let ports = Ports {
            integration: lasting.integration.clone(),
            settings: lasting.settings.clone(),
            public_url: "https://hooks.example.test".to_owned(),
            clock: Arc::new(lasting.clock.clone()),
            entropy: lasting.entropy.clone(),
            spawn: Arc::new(tasks.clone()),
            store: Arc::clone(&store) as _,
            outbound: Arc::new(HttpOutbound::new(Duration::from_secs(1), 1024)),
            vault: Vault::clear(),
            tail: broadcast::Sender::new(16),
        };
        let runner = Arc::new(Runner::start(ports).await.expect("a runner that starts"));
        tasks.busy().settle().await;
        Self {
            runner,
            clock: lasting.clock.clone(),
            store,
            tasks,
        }
    }

    /// Sets an instance up.
    pub(crate) async fn deploy(&self) -> Arc<Instance> {
        self.deploy_at_most(None, None).await
    }

    /// Sets an instance up, or the one with this id again, of which so many executions run at once.
    pub(crate) async fn deploy_at_most(
        &self,
        id: Option<InstanceId>,
        concurrency: Option<u32>,
    ) -> Arc<Instance> {
        let deployer = Arc::clone(&self.runner.deployer);
        let request = DeployRequest {
            concurrency,
            ..DeployRequest::default()
        };
        let report = self.drive(async move { deployer.deploy(id, request).await });
        report.await.expect("an end").expect("a deploy").instance
    }

    /// Drives something to its end without time moving on; `None` if it waits for the time, or the process died.
    pub(crate) async fn drive<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, mut receiver) = oneshot::channel();
        self.tasks.engine(Box::pin(async move {
            // Whoever waits may have gone.
            let _ = sender.send(future.await);
        }));
        self.settle().await;
        receiver.try_recv().ok()
    }

    /// Posts JSON to a flow and returns the status and the body of the answer.
    pub(crate) async fn post(
        &self,
        instance: &Instance,
        flow: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let url = instance.webhook_urls.get(flow)?;
        let path = url.strip_prefix("https://hooks.example.test")?;
        let request = Request::post(path)
            .header("host", "hooks.example.test")
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .ok()?;
        let answer = self.drive(self.runner.ingress.receive(request)).await?;
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        Some((answer.status().as_u16(), body))
    }

    /// Lets everything happen that can without time moving on.
    pub(crate) async fn settle(&self) {
        self.tasks.busy().settle().await;
    }

    /// Moves time on, stopping at every moment for which somebody waits; `look` sees each of them. Ends early if the process dies.
    pub(crate) async fn advance(&self, length: Duration, mut look: impl FnMut(Timestamp)) {
        let target = self.clock.now() + length;
        while let Some(next) = self.clock.next_deadline().filter(|next| *next <= target) {
            if self.store.is_dead() {
                return;
            }
            self.clock.advance_to(next);
            self.settle().await;
            look(self.clock.now());
        }
        if !self.store.is_dead() {
            self.clock.advance_to(target);
            self.settle().await;
        }
    }

    /// Ends the process as `kill -9` does.
    pub(crate) fn kill(self) {
        self.store.kill();
        self.runner.abort();
        self.tasks.abort_all();
    }
}
