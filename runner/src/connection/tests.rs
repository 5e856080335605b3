//! What happens at the same moment, and while the store fails.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use sdk::connection::{Grant, OAuth2, OAuthProvider};
use sdk::prelude::*;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, broadcast};

use super::*;
use crate::Runner;
use crate::clock::{Clock as _, ManualClock};
use crate::deploy::{DeployRequest, Removal};
use crate::entropy::Entropy;
use crate::outbound::{Outbound, OutboundError};
use crate::settings::Settings;
use crate::spawn::Runtimes;
use crate::store::{Committed, MemoryStore, Store, StoreLayer, StoreResult};
use crate::vault::Vault;

struct Crm;

impl OAuthProvider for Crm {
    fn grant() -> Grant {
        Grant::authorization_code("https://crm.example/authorize", "https://crm.example/token")
    }
}

#[derive(ConfigVars)]
struct Config {
    crm: Connection<OAuth2<Crm>>,
}

struct Reads;

#[flow(key = "reads")]
impl Reads {
    #[on_execution]
    async fn read(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

/// Gives the tokens `access-1` and `refresh-1`, then `access-2` …, and tells what it was asked. It renews when it is let.
struct Provider {
    renews: Semaphore,
    asked: Mutex<Vec<String>>,
}

impl Outbound for Arc<Provider> {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
        let form = String::from_utf8_lossy(request.body()).into_owned();
        let is_renewal = form.contains("grant_type=refresh_token");
        let count = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(form);
            asked.len()
        };
        let provider = Self::clone(self);
        Box::pin(async move {
            if is_renewal {
                provider.renews.acquire().await.unwrap().forget();
            }
            let tokens = json!({
                "access_token": format!("access-{count}"),
                "refresh_token": format!("refresh-{count}"),
                "expires_in": 3600,
            });
            Ok(Response::new(Bytes::from(tokens.to_string())))
        })
    }
}

/// Does not take what is sealed while it fails.
struct Failing {
    inner: MemoryStore,
    fails: AtomicBool,
    refused: Mutex<VecDeque<&'static str>>,
}

impl StoreLayer for Arc<Failing> {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        if self.fails.load(Ordering::SeqCst) {
            self.refused.lock().unwrap().push_back(commit.point);
            let fault = StoreError::Full("no room".to_owned());
            return Box::pin(std::future::ready(Err(fault)));
        }
        self.inner.commit(commit)
    }
}

struct Rig {
    runner: Runner,
    provider: Arc<Provider>,
    store: Arc<Failing>,
    clock: ManualClock,
    instance: InstanceId,
}

impl Rig {
    /// An instance whose connection was authorised two hours ago.
    async fn new() -> Self {
        let clock = ManualClock::at("2026-03-27T16:50:00Z".parse().unwrap());
        let provider = Arc::new(Provider {
            renews: Semaphore::new(0),
            asked: Mutex::default(),
        });
        let store = Arc::new(Failing {
            inner: MemoryStore::new(),
            fails: AtomicBool::new(false),
            refused: Mutex::default(),
        });
        let integration = Integration::new("connected").flow::<Reads>();
        let ports = Ports {
            integration: integration.build().unwrap(),
            settings: Settings::default(),
            public_url: "https://hooks.example".to_owned(),
            clock: Arc::new(clock.clone()),
            entropy: Entropy::counted(),
            spawn: Arc::new(Runtimes::new(Handle::current(), Handle::current())),
            store: Arc::new(Arc::clone(&store)),
            outbound: Arc::new(Arc::clone(&provider)),
            vault: Vault::clear(),
            tail: broadcast::Sender::new(1),
        };
        let runner = Runner::start(ports).await.unwrap();
        let config = json!({"crm": {"client_id": "client-1", "client_secret": "secret-1"}});
        let request = DeployRequest {
            config: config.as_object().cloned(),
            ..DeployRequest::default()
        };
        let report = runner.deployer.deploy(None, request).await.unwrap();
        let rig = Self {
            runner,
            provider,
            store,
            instance: report.instance.id.clone(),
            clock,
        };
        rig.authorize().await;
        rig.clock.advance_to(rig.clock.now() + hours(2));
        rig
    }

    async fn authorize(&self) {
        self.come_back().await.unwrap().unwrap();
    }

    /// Has somebody sent to the provider and come back, in a task of its own.
    fn come_back(&self) -> tokio::task::JoinHandle<Result<(), CallbackError>> {
        let connections = Arc::clone(&self.runner.engine.connections);
        let sent = connections.authorize(&self.instance, "crm").unwrap();
        let (_, rest) = sent.url.split_once("state=").unwrap();
        let state = rest.split('&').next().unwrap().to_owned();
        Handle::current().spawn(async move { connections.take_back(&state, Ok("code")).await })
    }

    /// Has the store fail, and somebody come back to it.
    async fn come_back_in_vain(&self) -> tokio::task::JoinHandle<Result<(), CallbackError>> {
        self.store.fails.store(true, Ordering::SeqCst);
        let back = self.come_back();
        while self.store.refused.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        back
    }

    /// Lets others do what they can, then the pause pass before the store is asked again.
    async fn pause(&self) {
        tokio::task::yield_now().await;
        self.clock.advance_to(self.clock.now() + STORE_PAUSE);
    }

    /// Asks for a token in a task of its own.
    fn ask(&self) -> tokio::task::JoinHandle<Result<String, Trouble>> {
        let connections = Arc::clone(&self.runner.engine.connections);
        let instance = self.instance.clone();
        Handle::current().spawn(async move {
            let token = connections.access_token(&instance, "crm", None).await?;
            Ok(token.expose().to_owned())
        })
    }

    /// Waits until the provider was asked so often.
    async fn asked(&self, count: usize) {
        while self.provider.asked.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    }

    /// The refresh token that is on the disk.
    async fn kept(&self) -> Option<String> {
        let ports = &self.runner.engine.ports;
        let records = self.store.inner.instances().await.unwrap();
        let record = records.iter().find(|record| record.id == self.instance)?;
        let read = Instance::read(record, &ports.vault, &ports.integration, "").unwrap();
        let granted = read.secrets.authorizations.get("crm")?;
        granted.tokens.as_ref()?.refresh.clone()
    }
}

#[tokio::test]
async fn e55_a_token_is_handed_out_once_what_came_with_it_is_on_the_disk() {
    let rig = Rig::new().await;
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-1"));
    rig.store.fails.store(true, Ordering::SeqCst);
    rig.provider.renews.add_permits(1);
    let asks = [rig.ask(), rig.ask()];
    let refused = || {
        let points = rig.store.refused.lock().unwrap();
        points.iter().filter(|point| **point == "keys").count()
    };
    while refused() < 2 {
        tokio::task::yield_now().await;
        if let Some(next) = rig.clock.next_deadline() {
            // The pause before the store is asked again.
            rig.clock
                .advance_to(next.min(rig.clock.now() + STORE_PAUSE));
        }
    }
    assert!(asks.iter().all(|ask| !ask.is_finished()));
    rig.store.fails.store(false, Ordering::SeqCst);
    for ask in asks {
        while !ask.is_finished() {
            tokio::task::yield_now().await;
            rig.clock.advance_to(rig.clock.now() + STORE_PAUSE);
        }
        assert_eq!(ask.await.unwrap().unwrap(), "access-2");
    }
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-2"));
    // What the provider gives cannot be had twice, so it was asked once.
    assert_eq!(rig.provider.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn e55_a_token_is_asked_for_to_its_end_when_nobody_waits_any_more() {
    let rig = Rig::new().await;
    let ask = rig.ask();
    rig.asked(2).await;
    ask.abort();
    assert!(ask.await.unwrap_err().is_cancelled());
    rig.provider.renews.add_permits(1);
    rig.runner.stop(seconds(1)).await;
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-2"));
}

#[tokio::test]
async fn e55_what_somebody_grants_while_a_token_is_renewed_stays() {
    let rig = Rig::new().await;
    let ask = rig.ask();
    rig.asked(2).await;
    rig.authorize().await;
    rig.provider.renews.add_permits(1);
    assert_eq!(ask.await.unwrap().unwrap(), "access-3");
    let asked = rig.provider.asked.lock().unwrap().clone();
    assert!(asked[1].contains("grant_type=refresh_token"), "{asked:?}");
    assert!(
        asked[2].contains("grant_type=authorization_code"),
        "{asked:?}"
    );
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-3"));
    assert_eq!(rig.ask().await.unwrap().unwrap(), "access-3");
}

#[tokio::test]
async fn e55_a_token_that_comes_after_the_removal_brings_nothing_back() {
    let rig = Rig::new().await;
    let ask = rig.ask();
    rig.asked(2).await;
    let removal = Removal {
        keep: Some(Duration::ZERO),
        ..Removal::default()
    };
    let removed = rig.runner.deployer.remove(&rig.instance, removal).await;
    removed.unwrap();
    rig.provider.renews.add_permits(1);
    assert!(matches!(ask.await.unwrap(), Err(Trouble::Unknown(_))));
    assert_eq!(rig.kept().await, None);
}

#[tokio::test]
async fn e55_a_token_that_comes_after_the_removal_is_kept_with_the_instance() {
    let rig = Rig::new().await;
    let ask = rig.ask();
    rig.asked(2).await;
    let removal = Removal {
        keep: Some(hours(1)),
        ..Removal::default()
    };
    let removed = rig.runner.deployer.remove(&rig.instance, removal).await;
    assert!(removed.unwrap().instance.is_removed());
    rig.provider.renews.add_permits(1);
    assert_eq!(ask.await.unwrap().unwrap(), "access-2");
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-2"));
}

#[tokio::test]
async fn e55_what_is_forgotten_while_somebody_comes_back_stays_forgotten() {
    let rig = Rig::new().await;
    let back = rig.come_back_in_vain().await;
    rig.store.fails.store(false, Ordering::SeqCst);
    let connections = &rig.runner.engine.connections;
    assert!(connections.forget(&rig.instance, "crm").await.unwrap());
    while !back.is_finished() {
        rig.pause().await;
    }
    assert!(matches!(back.await.unwrap(), Err(CallbackError::Changed)));
    assert_eq!(rig.kept().await, None);
    // Whoever is sent from now on is taken back.
    rig.authorize().await;
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-3"));
}

#[tokio::test]
async fn e55_what_somebody_grants_is_stored_also_when_they_wait_no_longer() {
    let rig = Rig::new().await;
    let back = rig.come_back_in_vain().await;
    while !back.is_finished() {
        rig.pause().await;
    }
    assert!(matches!(back.await.unwrap(), Err(CallbackError::NotStored)));
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-1"));
    rig.store.fails.store(false, Ordering::SeqCst);
    while rig.kept().await.as_deref() == Some("refresh-1") {
        rig.pause().await;
    }
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-2"));
    assert_eq!(rig.ask().await.unwrap().unwrap(), "access-2");
}

#[tokio::test]
async fn e55_a_clock_that_is_set_back_makes_no_token_good_for_longer() {
    let rig = Rig::new().await;
    rig.clock.set_to(rig.clock.now() - hours(5));
    rig.provider.renews.add_permits(1);
    assert_eq!(rig.ask().await.unwrap().unwrap(), "access-2");
    assert_eq!(rig.ask().await.unwrap().unwrap(), "access-2");
    assert_eq!(rig.provider.asked.lock().unwrap().len(), 2);
    // What somebody grants now is older than what they granted before, and takes its place all the same.
    rig.authorize().await;
    assert_eq!(rig.kept().await.as_deref(), Some("refresh-3"));
}
