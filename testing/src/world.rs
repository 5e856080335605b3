//! The world of a simulation: one runner in memory, with a clock that is moved by hand.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use runner::Runner;
use runner::clock::Clock as _;
use runner::entropy::Entropy;
use runner::outbound::Reach;
use runner::ports::Ports;
use runner::settings::Settings;
use runner::spawn::Spawn as _;
use runner::store::{ExecutionFilter, Store};
use runner::vault::Vault;
use sdk::Timestamp;
use sdk::id::{ExecutionId, InstanceId};
use sdk::integration::BuiltIntegration;
use tokio::sync::{broadcast, oneshot};

use crate::cassette::Deck;
use crate::outbound::{RecordedOutbound, Servers};
use crate::report::{ExecutionReport, Recorded, Timeline};
use crate::script::{Act, Address};
use crate::tasks::Tasks;
use crate::witness::{Witness, WitnessedStore};
use runner::clock::ManualClock;

/// How the webhooks of a simulation reach it: nothing listens there.
pub(crate) const PUBLIC_URL: &str = "https://hooks.example.test";

/// How many executions of an instance a failing test tells.
const STORY: usize = 30;

/// One runner in memory.
pub(crate) struct World {
    /// The runner that runs now: after the process was down it is another one.
    runner: Mutex<Arc<Runner>>,
    lasting: Lasting,
    pub(crate) clock: ManualClock,
    pub(crate) tasks: Tasks,
    pub(crate) outbound: RecordedOutbound,
    pub(crate) witness: Witness,
    /// What the test did, for the crash sweep.
    pub(crate) script: Mutex<Vec<Act>>,
    /// How many requests the test sent.
    sent: AtomicUsize,
    /// Where their answers point.
    locations: Mutex<BTreeMap<String, usize>>,
    /// The instances in the order in which they were deployed.
    order: Mutex<Vec<InstanceId>>,
    crashed: Arc<AtomicBool>,
    deliveries: Arc<AtomicU64>,
}

/// What outlives a runner: the disk, the clock on the wall, the rest of the world.
#[derive(Clone)]
pub(crate) struct Lasting {
    pub(crate) integration: BuiltIntegration,
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: ManualClock,
    pub(crate) outbound: RecordedOutbound,
    pub(crate) witness: Witness,
    /// Whether the process has died: nothing more happens until it is started again.
    pub(crate) crashed: Arc<AtomicBool>,
    entropy: Entropy,
    deliveries: Arc<AtomicU64>,
}

impl Lasting {
    pub(crate) fn new(
        (integration, settings): (BuiltIntegration, Settings),
        now: Timestamp,
        store: Arc<dyn Store>,
        (deck, servers): (Option<Deck>, Servers),
        crashed: Arc<AtomicBool>,
    ) -> Self {
        let clock = ManualClock::at(now);
        let witness = Witness::new(integration.clone());
        // `Simulation::with_settings` has looked at the rules.
        let reach = Reach::parse(&settings.outbound_allow).unwrap_or_default();
        let deck = deck.map(Arc::new);
        let outbound = RecordedOutbound::new(clock.clone(), witness.clone(), deck, servers, reach);
        let store = Arc::new(WitnessedStore::new(store, witness.clone()));
        let (entropy, deliveries) = (Entropy::counted(), Arc::new(AtomicU64::new(1)));
        Self {
            integration,
            settings,
            store,
            clock,
            outbound,
            witness,
            crashed,
            entropy,
            deliveries,
        }
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Starts a runner and lets it find what it left unfinished.
    async fn runner(
        &self,
        tasks: &Tasks,
        outbound: &RecordedOutbound,
    ) -> Result<Arc<Runner>, runner::StartError> {
        let ports = Ports {
            integration: self.integration.clone(),
            settings: self.settings.clone(),
            public_url: PUBLIC_URL.to_owned(),
            clock: Arc::new(self.clock.clone()),
            entropy: self.entropy.clone(),
            spawn: Arc::new(tasks.clone()),
            store: Arc::clone(&self.store),
            outbound: Arc::new(outbound.clone()),
            vault: Vault::clear(),
            tail: broadcast::Sender::new(1024),
        };
        let runner = Arc::new(Runner::start(ports).await?);
        tasks.busy().settle().await;
        Ok(runner)
    }
}

impl World {
    /// Starts a runner with what outlives it.
    pub(crate) async fn start(lasting: &Lasting) -> Result<Self, runner::StartError> {
        let tasks = Tasks::here();
        let outbound = lasting.outbound.for_tasks(Arc::clone(tasks.busy()));
        let runner = lasting.runner(&tasks, &outbound).await?;
        Ok(Self {
            runner: Mutex::new(runner),
            clock: lasting.clock.clone(),
            lasting: lasting.clone(),
            tasks,
            outbound,
            witness: lasting.witness.clone(),
            script: Mutex::default(),
            sent: AtomicUsize::new(0),
            locations: Mutex::default(),
            order: Mutex::default(),
            crashed: Arc::clone(&lasting.crashed),
            deliveries: Arc::clone(&lasting.deliveries),
        })
    }

    /// Lets everything happen that can without time moving on.
    ///
    /// # Panics
    ///
    /// A flow sent a request that the cassette does not know.
    #[expect(
        clippy::panic,
        reason = "a test whose flows ask for what is not known fails with the reason"
    )]
    pub(crate) async fn settle(&self) {
        self.tasks.busy().settle().await;
        if let Some(fault) = self.outbound.deck().and_then(Deck::fault) {
            panic!("{fault}");
        }
    }

    /// Moves time on, stopping at every moment for which somebody waits.
    pub(crate) async fn advance(&self, length: Duration) {
        let target = self.clock.now() + length;
        self.settle().await;
        while let Some(next) = self
            .clock
            .next_deadline()
            .filter(|next| *next <= target && !self.is_dead())
        {
            self.clock.advance_to(next);
            self.settle().await;
        }
        if !self.is_dead() {
            self.clock.advance_to(target);
            self.settle().await;
        }
    }

    /// Says whether the process has died.
    pub(crate) fn is_dead(&self) -> bool {
        self.crashed.load(Ordering::SeqCst)
    }

    /// Returns the runner that runs now.
    pub(crate) fn runner(&self) -> Arc<Runner> {
        let runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&runner)
    }

    /// Ends everything at once, lets time pass, and starts a runner on what is on the disk.
    pub(crate) async fn down_for(&self, length: Duration) -> Result<(), runner::StartError> {
        self.settle().await;
        self.kill();
        self.settle().await;
        self.clock.advance_to(self.clock.now() + length);
        let runner = self.lasting.runner(&self.tasks, &self.outbound).await?;
        *self.runner.lock().unwrap_or_else(PoisonError::into_inner) = runner;
        Ok(())
    }

    /// Ends everything at once, as a crash does.
    pub(crate) fn kill(&self) {
        self.runner().abort();
        self.tasks.abort_all();
    }

    /// Remembers what the test did.
    pub(crate) fn did(&self, act: Act) {
        self.script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(act);
    }

    /// Remembers a request that the test sends, and returns its number.
    pub(crate) fn sends(&self, to: Address, request: &Request<Bytes>) -> usize {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        self.did(Act::Send {
            to,
            request: Box::new(request.clone()),
        });
        number
    }

    /// Remembers where the answer to the request of this number points.
    pub(crate) fn points_to(&self, number: usize, location: String) {
        self.locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(location, number);
    }

    /// Returns the number of the request whose answer pointed here.
    pub(crate) fn pointed_at_by(&self, location: &http::Uri) -> Option<usize> {
        let locations = self
            .locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Most tests follow no answer.
        if locations.is_empty() {
            return None;
        }
        locations.get(&location.to_string()).copied()
    }

    /// Returns the place of an instance in the order in which instances were deployed. One that comes for the first time is the last.
    pub(crate) fn number_of(&self, id: &InstanceId) -> usize {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order
            .iter()
            .position(|known| known == id)
            .unwrap_or_else(|| {
                order.push(id.clone());
                order.len() - 1
            })
    }

    /// Drives a future of the runner to its end; while it waits and nothing else happens, time moves on.
    pub(crate) async fn drive<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, mut receiver) = oneshot::channel();
        self.tasks.engine(Box::pin(async move {
            // Whoever waits may have gone.
            let _ = sender.send(future.await);
        }));
        loop {
            self.settle().await;
            match receiver.try_recv() {
                Ok(value) => return Some(value),
                Err(oneshot::error::TryRecvError::Closed) => return None,
                Err(oneshot::error::TryRecvError::Empty) if self.is_dead() => return None,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            self.clock.advance_to(self.clock.next_deadline()?);
        }
    }

    /// Waits for something outside the simulation. Time moves on only while a caller waits for a result and
    /// everything waits for the clock.
    pub(crate) async fn while_time_passes<T>(&self, outside: impl Future<Output = T>) -> T {
        let mut outside = std::pin::pin!(outside);
        loop {
            let turn = async {
                // Whatever the outside has sent is on its way through the kernel: let the runtime look.
                tokio::task::yield_now().await;
                self.settle().await;
            };
            tokio::select! {
                biased;
                value = &mut outside => return value,
                () = turn => {}
            }
            if self.runner().engine.is_waited_for()
                && let Some(next) = self.clock.next_deadline()
            {
                self.clock.advance_to(next);
            }
        }
    }

    /// Sends a request through the front door.
    pub(crate) async fn receive(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        self.drive(self.runner().ingress.receive(request)).await
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.lasting.settings
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.lasting.store
    }

    pub(crate) fn next_delivery_id(&self) -> String {
        format!(
            "delivery-{}",
            self.deliveries.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Returns what is recorded of an execution.
    pub(crate) async fn execution(&self, id: &ExecutionId) -> Option<ExecutionReport> {
        let execution = self.store().execution(id).await.ok().flatten()?;
        let output = self.store().output(id).await.ok().flatten();
        let steps = self
            .store()
            .steps(&execution.journal)
            .await
            .unwrap_or_default();
        let log = self.store().logs(id, 0, u32::MAX).await.unwrap_or_default();
        let recorded = Recorded {
            execution,
            output,
            steps,
            log,
        };
        Some(ExecutionReport::of(recorded, &self.witness))
    }

    /// Returns what is recorded of the executions of an instance, in the order in which they were accepted.
    pub(crate) async fn executions(&self, instance: &InstanceId) -> Vec<ExecutionReport> {
        self.reports(self.accepted(instance).await).await
    }

    /// Returns the ids of the executions of an instance, in the order in which they were accepted.
    async fn accepted(&self, instance: &InstanceId) -> Vec<ExecutionId> {
        let filter = ExecutionFilter {
            instance: Some(instance.clone()),
            ..ExecutionFilter::default()
        };
        let found = self.store().executions(&filter, None, u32::MAX).await;
        let newest_first = found.unwrap_or_default().into_iter();
        newest_first.rev().map(|execution| execution.id).collect()
    }

    /// Tells what happened to each instance, the latest [`STORY`] executions of each.
    pub(crate) fn story(&self) -> String {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let instances = order.clone();
        drop(order);
        let telling = async {
            let mut story = String::new();
            for (number, instance) in instances.iter().enumerate() {
                let mut ids = self.accepted(instance).await;
                let earlier = ids.len().saturating_sub(STORY);
                ids.drain(..earlier);
                let mut requests = self.outbound.sent_by(instance, 0);
                let is_told =
                    |id: &Option<ExecutionId>| id.as_ref().is_some_and(|id| ids.contains(id));
                requests.retain(|request| is_told(&request.execution));
                let executions = self.reports(ids).await;
                let timeline = Timeline {
                    executions,
                    state: BTreeMap::new(),
                    requests,
                };
                let before = match earlier {
                    0 => String::new(),
                    earlier => format!(" (after {earlier} earlier executions)"),
                };
                // Writing to a string never fails.
                let _ = write!(story, "instance {}{before}:\n{timeline}", number + 1);
            }
            story
        };
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(telling).poll(&mut context) {
            std::task::Poll::Ready(story) => story,
            // A store in memory always answers at once.
            std::task::Poll::Pending => String::new(),
        }
    }

    /// Returns what is recorded of these executions.
    pub(crate) async fn reports(&self, ids: Vec<ExecutionId>) -> Vec<ExecutionReport> {
        let mut reports = Vec::with_capacity(ids.len());
        for id in ids {
            reports.extend(self.execution(&id).await);
        }
        reports
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
