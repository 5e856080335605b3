//! A stop that comes before the server is ready (G8).

use std::sync::Arc;
use std::time::Duration;

use sdk::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, oneshot};

use crate::Runner;
use crate::clock::ManualClock;
use crate::command::serve::{Deployed, deploy_local};
use crate::entropy::Entropy;
use crate::outbound::HttpOutbound;
use crate::ports::Ports;
use crate::record::Function;
use crate::settings::Settings;
use crate::spawn::Runtimes;
use crate::store::{ExecutionFilter, MemoryStore, Store as _};
use crate::vault::Vault;

struct Subscribes;

#[flow(key = "subscribes")]
impl Subscribes {
    #[on_instance_deploy]
    async fn subscribe(context: &Context) -> Result<()> {
        // The other system does not answer.
        context.sleep(hours(1)).await;
        Ok(())
    }
}

fn ports(store: &MemoryStore, clock: &ManualClock) -> Ports {
    let integration = Integration::<()>::new("shop").flow::<Subscribes>();
    Ports {
        integration: integration.local_instance(|| ()).build().unwrap(),
        settings: Settings::default(),
        public_url: "https://hooks.example".to_owned(),
        clock: Arc::new(clock.clone()),
        entropy: Entropy::counted(),
        spawn: Arc::new(Runtimes::new(Handle::current(), Handle::current())),
        store: Arc::new(store.clone()),
        outbound: Arc::new(HttpOutbound::new(Duration::from_secs(1), 1024)),
        vault: Vault::clear(),
        tail: broadcast::Sender::new(16),
    }
}

#[tokio::test]
async fn a_stop_is_heard_while_the_local_instance_is_deployed() {
    let (store, clock) = (
        MemoryStore::new(),
        ManualClock::at(Timestamp::from_millis(0)),
    );
    let runner = Runner::start(ports(&store, &clock)).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        // It is sent, or the test is over.
        let _ = stopped.await;
    };
    let deploying = deploy_local(&runner, true, stopped);
    let once_it_runs = async {
        while store.unfinished(0, 1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.send(()).unwrap();
    };
    let (deployed, ()) = tokio::join!(deploying, once_it_runs);
    assert!(matches!(deployed, Ok(Deployed::Stopped)), "{deployed:?}");
    let functions = store
        .executions(&ExecutionFilter::default(), None, 9)
        .await
        .unwrap();
    assert_eq!(functions.len(), 1);
    assert_eq!(functions[0].function, Function::OnInstanceDeploy);
    runner.abort();

    // The next start says of it that it was cut off, and deploys again.
    let runner = Runner::start(ports(&store, &clock)).await.unwrap();
    let functions = store
        .executions(&ExecutionFilter::default(), None, 9)
        .await
        .unwrap();
    let error = functions[0].error.as_deref().unwrap_or_default();
    assert!(error.contains("the process stopped"), "{error}");
    runner.abort();
}

#[tokio::test]
async fn without_a_local_instance_nothing_is_waited_for() {
    let (store, clock) = (
        MemoryStore::new(),
        ManualClock::at(Timestamp::from_millis(0)),
    );
    let runner = Runner::start(ports(&store, &clock)).await.unwrap();
    let deployed = deploy_local(&runner, false, std::future::pending()).await;
    assert!(matches!(deployed, Ok(Deployed::Yes(None))), "{deployed:?}");
    runner.abort();
}
