//! A runner in this process, on a real store and two runtimes as `serve` has them: for what cannot be seen from outside.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use runner::Runner;
use runner::clock::{Clock, SystemClock};
use runner::entropy::Entropy;
use runner::outbound::HttpOutbound;
use runner::ports::Ports;
use runner::record::{Execution, ResultType, Status, StoredPayload};
use runner::settings::Settings;
use runner::spawn::Runtimes;
use runner::store::{Accept, Commit, Point, SqliteOptions, SqliteStore, Store as _, Write};
use runner::vault::Vault;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, InstanceId};
use sdk::{Integration, Payload, Timestamp};
use tokio::runtime::Runtime;
use tokio::sync::broadcast;

use crate::Result;

/// The machine's clock, put forward.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShiftedClock(Arc<AtomicI64>);

impl ShiftedClock {
    /// Sets what it shows now.
    pub(crate) fn set(&self, now: Timestamp) {
        let shift = now.as_millis() - SystemClock.now().as_millis();
        self.0.store(shift, Ordering::Relaxed);
    }
}

/// Who sleeps looks at the clock again after so long: it may have been put forward.
const NAP: Duration = Duration::from_millis(250);

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now().as_millis();
        Timestamp::from_millis(now + self.0.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                let left = at.since(clock.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(NAP)).await;
            }
        })
    }
}

/// The two runtimes and the store.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) engine: Runtime,
    author: Runtime,
    pub(crate) store: SqliteStore,
    pub(crate) clock: ShiftedClock,
}

impl Inside {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        Ok(Self {
            engine: Runtime::new()?,
            author: Runtime::new()?,
            store: SqliteStore::open(&folder.join("runner.db"), &SqliteOptions::default())?,
            clock: ShiftedClock::default(),
        })
    }

    /// Starts a runner.
    pub(crate) fn start(&self, integration: Integration<()>) -> Result<Arc<Runner>> {
        let spawn = Runtimes::new(self.engine.handle().clone(), self.author.handle().clone());
        let settings = Settings {
            rate_per_second: 0,
            backlog: usize::MAX,
            ..Settings::default()
        };
        let ports = Ports {
            integration: integration.build().map_err(|faults| faults.to_string())?,
            settings,
            public_url: "http://127.0.0.1:3000".to_owned(),
            clock: Arc::new(self.clock.clone()),
            entropy: Entropy::system(),
            spawn: Arc::new(spawn),
            store: Arc::new(self.store.clone()),
            outbound: Arc::new(HttpOutbound::new(Duration::from_secs(1), 1024)),
            vault: Vault::clear(),
            tail: broadcast::Sender::new(16),
        };
        Ok(Arc::new(self.engine.block_on(Runner::start(ports))?))
    }
}

/// Puts so many executions of a flow on disk, as if they had been accepted before; nothing has run of them, or all of it.
pub(crate) fn fill(
    store: &SqliteStore,
    instance: &InstanceId,
    flow: &str,
    executions: usize,
    status: Status,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (entropy, now) = (Entropy::system(), SystemClock.now());
    let mut payload = Payload::json(&serde_json::from_slice(&crate::orders::order())?);
    payload.headers.insert(
        "content-type",
        http::HeaderValue::from_static("application/json"),
    );
    let payload = Arc::new(StoredPayload::received(&payload, None));
    runtime.block_on(async {
        let mut position = store.last_position().await?;
        let mut left = executions;
        while left > 0 {
            let part = left.min(500);
            left -= part;
            let commits = (0..part).map(|_| {
                position += 1;
                let execution = Execution {
                    position,
                    ..execution(entropy.execution_id(now), instance, flow, now, status)
                };
                let accept = Accept {
                    execution,
                    payload: Some(Arc::clone(&payload)),
                    answer: None,
                    claims: Vec::new(),
                };
                store.commit(Commit::new(
                    Point::Accept,
                    vec![Write::Accept(Box::new(accept))],
                ))
            });
            for committed in commits.collect::<Vec<_>>() {
                committed.await?;
            }
        }
        Ok(())
    })
}

fn execution(
    id: ExecutionId,
    instance: &InstanceId,
    flow: &str,
    now: Timestamp,
    status: Status,
) -> Execution {
    let ended = status.is_final();
    Execution {
        status,
        result: ended.then_some(ResultType::Completed),
        started_at: ended.then_some(now),
        ended_at: ended.then_some(now),
        starts: u32::from(ended),
        ..Execution::queued(id, instance.clone(), flow.into(), now)
    }
}
