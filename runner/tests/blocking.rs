//! A flow that blocks its thread, on the threads of a real process (E27).

#![cfg(feature = "server")]

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use runner::Runner;
use runner::clock::{Clock as _, ManualClock};
use runner::deploy::DeployRequest;
use runner::entropy::Entropy;
use runner::outbound::HttpOutbound;
use runner::ports::Ports;
use runner::record::{Execution, Status};
use runner::settings::Settings;
use runner::spawn::Runtimes;
use runner::store::{ExecutionFilter, MemoryStore, Store as _};
use runner::vault::Vault;
use sdk::prelude::*;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, broadcast};

/// Ends when the test lets go of the other side.
static BLOCKED_BY: Mutex<Option<Receiver<()>>> = Mutex::new(None);
static BLOCKS: Semaphore = Semaphore::const_new(0);

struct Blocks;

#[flow(key = "blocks", trigger = Webhook::unsigned())]
impl Blocks {
    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        let receiver = BLOCKED_BY
            .lock()
            .ok()
            .and_then(|mut receiver| receiver.take());
        BLOCKS.add_permits(1);
        // No flow should do this.
        let _ = receiver.map(|receiver| receiver.recv());
        Ok(())
    }
}

struct Greets;

#[flow(key = "greets", trigger = Webhook::unsigned())]
impl Greets {
    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Ok(())
    }
}

struct Ticks;

#[flow(key = "ticks", trigger = Schedule::cron("* * * * *"))]
impl Ticks {
    #[on_execution]
    async fn run(_context: &Context) -> Result<()> {
        Ok(())
    }
}

async fn executions(store: &MemoryStore, flow: &str) -> Vec<Execution> {
    let filter = ExecutionFilter {
        flow: Some(flow.into()),
        ..ExecutionFilter::default()
    };
    store
        .executions(&filter, None, 100)
        .await
        .unwrap_or_default()
}

/// Asks until it is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_mins(1), asking).await;
    assert!(asked.is_ok(), "this does not take for ever");
}

#[expect(clippy::expect_used, reason = "a request that is none fails the test")]
async fn post(runner: &Runner, path: &str) -> u16 {
    let request = Request::post(path).header("host", "hooks.example");
    let request = request.body(Bytes::new()).expect("a request");
    runner.ingress.receive(request).await.status().as_u16()
}

/// E27: with the only thread for flows blocked, webhooks are still promised and kept, ticks are still claimed at their time, and instances
/// can be managed; what was accepted meanwhile runs once the thread is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_that_blocks_the_last_thread_holds_up_no_webhook_no_tick_and_no_deploy() {
    let author = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let integration = Integration::<()>::new("i")
        .flow::<Blocks>()
        .flow::<Greets>()
        .flow::<Ticks>();
    let (store, clock) = (
        MemoryStore::new(),
        ManualClock::at(Timestamp::from_millis(1_774_630_230_000)),
    );
    let ports = Ports {
        integration: integration.build().unwrap(),
        settings: Settings::default(),
        public_url: "https://hooks.example".to_owned(),
        clock: Arc::new(clock.clone()),
        entropy: Entropy::counted(),
        spawn: Arc::new(Runtimes::new(Handle::current(), author.handle().clone())),
        store: Arc::new(store.clone()),
        outbound: Arc::new(HttpOutbound::new(Duration::from_secs(1), 1024)),
        vault: Vault::clear(),
        tail: broadcast::Sender::new(16),
    };
    let runner = Runner::start(ports).await.unwrap();
    let deployed = runner.deployer.deploy(None, DeployRequest::default()).await;
    let instance = deployed.unwrap().instance;
    let path = |flow: &str| instance.webhook_urls[flow].replace("https://hooks.example", "");

    let (unblock, blocked_by) = mpsc::channel();
    *BLOCKED_BY.lock().unwrap() = Some(blocked_by);
    assert_eq!(post(&runner, &path("blocks")).await, 200);
    BLOCKS.acquire().await.unwrap().forget();
    assert_eq!(post(&runner, &path("greets")).await, 200);
    clock.advance_to(clock.now() + Duration::from_mins(1));
    until(async || !executions(&store, "ticks").await.is_empty()).await;
    let other = runner.deployer.deploy(None, DeployRequest::default()).await;
    assert!(other.unwrap().succeeded);
    assert!(runner.check_ready().await.is_ok());
    for flow in ["blocks", "greets", "ticks"] {
        let runs = executions(&store, flow).await;
        assert!(!runs[0].status.is_final(), "{flow} waits for a thread");
    }

    drop(unblock);
    for flow in ["blocks", "greets", "ticks"] {
        let has_run = async || executions(&store, flow).await[0].status == Status::Success;
        until(has_run).await;
    }
    runner.abort();
    author.shutdown_background();
}
