//! Everything in a PostgreSQL database (G1, G4, G7): one process is active, another one takes over, a paused one writes no more, and a
//! database that goes away is waited for.

#[path = "../../../../runner/src/store/postgres/tests/cluster.rs"]
mod cluster;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::json;

pub(crate) use self::cluster::Cluster;
use crate::caller::{call, get, post, spawn};
use crate::ledger::{Evidence, Ledger, read_stored, violations};
use crate::load::{Load, MIXED, Work};
use crate::process::{Home, PATIENCE, Server, Starting, eventually, within};

const SETTINGS: &str = "rate_per_second = 0\ndeaths = 0\n[store]\nlease_seconds = 2\n";
/// Within what another process is active.
const TAKEOVER: Duration = Duration::from_secs(45);

/// Makes a database with what another one holds, which nobody may be using.
pub(crate) fn copy_of(cluster: &Cluster, url: &str) -> String {
    let copy = cluster.database();
    let name = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    cluster.sql("postgres", &format!("DROP DATABASE {}", name(&copy)));
    let sql = format!("CREATE DATABASE {} TEMPLATE {}", name(&copy), name(url));
    cluster.sql("postgres", &sql);
    copy
}

/// A process that stands by.
struct Standby {
    home: Home,
    address: SocketAddr,
    starting: Starting,
}

impl Standby {
    /// Starts a process beside an active one, and waits until it says that it stands by.
    async fn start(active: &Home) -> Self {
        let home = active.beside(SETTINGS);
        // The port is given back: it must be known before the process says so itself.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let starting = home.begin(&["--listen", &address.to_string()]);
        let standby = Self {
            home,
            address,
            starting,
        };
        eventually(PATIENCE, "a process that stands by", || async {
            let health = in_any_way(address, get("/healthz")).await;
            (health == Some(200)).then_some(())
        })
        .await;
        let log = standby.home.log();
        assert!(log.contains("this one stands by"), "{log}");
        standby
    }

    async fn assert_refuses(&self) {
        let health = call(self.address, get("/healthz")).await;
        assert_eq!(health.status, 200, "{health:?}");
        let ready = call(self.address, get("/readyz")).await;
        assert_eq!(ready.status, 503, "{ready:?}");
        let request = post(&self.home.endpoint("echo"), &json!({}));
        let refusal = call(self.address, request).await;
        assert_eq!(refusal.status, 503, "{refusal:?}");
        assert!(refusal.header("retry-after").is_some(), "{refusal:?}");
        assert!(refusal.json()["error"].is_string(), "{refusal:?}");
    }

    /// Waits until it is active.
    async fn taken_over(self) -> (Home, Server) {
        let server = within(TAKEOVER, "another active process", self.starting.ready()).await;
        (self.home, server.unwrap())
    }
}

/// Lets everything come to its end, and holds what callers were told against what is there.
async fn assert_keeps_every_promise(
    home: &Home,
    server: Server,
    ledger: Ledger,
    is_in_doubt: bool,
) {
    server.until_idle().await;
    assert!(server.stop().await.success());
    let evidence = Evidence {
        deliveries: ledger.deliveries(),
        stored: read_stored(&*home.store().await).await,
        images: Vec::new(),
        effects: home.effects(),
        log: home.log(),
        is_graceful: false,
        is_in_doubt,
    };
    assert_eq!(violations(&evidence), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g4_a_process_that_stands_by_takes_over_from_one_that_was_killed_and_loses_nothing() {
    let home = Home::on(Cluster::shared(), SETTINGS).await;
    let active = home.start().await;
    let standby = Standby::start(&home).await;
    standby.assert_refuses().await;
    let load = Load::start(&home, &[Work::Echo, Work::Echo], 100);
    load.send_to(active.ingress);
    load.ledger.until(|it| it.accepted >= 100).await;
    active.kill().await;
    load.hold();
    let held = load.ledger.held();

    let (home, server) = standby.taken_over().await;
    load.send_to(server.ingress);
    let target = load.ledger.progress().accepted + 50;
    load.ledger.until(|it| it.accepted >= target).await;
    let ledger = load.end().await;
    server.until_idle().await;
    assert_eq!(server.not_found(&held).await, [] as [serde_json::Value; 0]);
    assert_keeps_every_promise(&home, server, ledger, false).await;
}

#[tokio::test]
async fn g8_a_process_that_stands_by_ends_well_when_it_is_asked_to() {
    let home = Home::on(Cluster::shared(), SETTINGS).await;
    let active = home.start().await;
    let standby = Standby::start(&home).await;
    standby.assert_refuses().await;
    assert_eq!(standby.starting.stop().await.code(), Some(0));
    let request = post(&home.endpoint("echo"), &json!({}));
    assert_eq!(call(active.ingress, request).await.status, 200);
    assert!(active.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g4_a_paused_process_is_taken_over_and_promises_nothing_when_it_goes_on() {
    let home = Home::on(Cluster::shared(), SETTINGS).await;
    let paused = home.start().await;
    let standby = Standby::start(&home).await;
    let load = Load::start(&home, &[Work::Echo, Work::Echo], 100);
    load.send_to(paused.ingress);
    load.ledger.until(|it| it.accepted >= 50).await;
    // Everybody has an answer.
    let mut held = load.end().await.held();
    paused.pause();
    // What waits in the socket of the paused process is answered when it goes on.
    let request = || post(&home.endpoint("echo"), &json!({"number": 0}));
    let late = spawn(in_any_way(paused.ingress, request()));

    let (next_home, server) = standby.taken_over().await;
    for _ in 0..20 {
        let answer = call(server.ingress, request()).await;
        held.push(answer.execution().unwrap().to_owned());
    }
    paused.go_on();
    let late = within(PATIENCE, "an answer or an end", late).await.unwrap();
    assert!(late.is_none_or(|status| status == 503), "{late:?}");
    assert_eq!(paused.end_within(PATIENCE).await.code(), Some(1));
    let log = home.log();
    let last = log.lines().last().unwrap();
    assert!(
        last.starts_with("error: another process has taken over"),
        "{last}"
    );

    server.until_idle().await;
    assert_eq!(server.not_found(&held).await, [] as [serde_json::Value; 0]);
    assert!(server.stop().await.success());
    let stored = read_stored(&*next_home.store().await).await;
    let echoes = stored
        .iter()
        .filter(|it| it.execution.flow.as_str() == "echo");
    assert_eq!(
        echoes.count(),
        held.len(),
        "nothing is there that nobody was promised"
    );
}

/// Sends a request to a process that may end meanwhile; returns the status, if there was an answer.
async fn in_any_way(address: SocketAddr, request: http::Request<bytes::Bytes>) -> Option<u16> {
    let mut caller = crate::caller::Caller::that_hangs_up();
    let answer = caller.send(address, request).await;
    answer.ok().map(|answer| answer.status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g7_a_database_that_goes_away_under_load_is_answered_503_and_nothing_is_lost() {
    // It ends with the process of the tests.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::own()));
    let home = Home::on(cluster, SETTINGS).await;
    let mut server = home.start().await;
    let load = Load::start(&home, MIXED, 200);
    load.send_to(server.ingress);
    for _ in 0..3 {
        let target = load.ledger.progress().accepted + 50;
        load.ledger.until(|it| it.accepted >= target).await;
        cluster.crash();
        let target = load.ledger.progress().refused + 20;
        load.ledger.until(|it| it.refused >= target).await;
        until_readiness(&server, 503).await;
        let alive = call(server.ingress, get("/healthz")).await;
        assert_eq!(alive.status, 200, "{alive:?}");
        assert!(server.lives());
        cluster.start();
        let target = load.ledger.progress().accepted + 20;
        let accepts_again = load.ledger.until(|it| it.accepted >= target);
        within(Duration::from_secs(10), "it accepts again", accepts_again).await;
        until_readiness(&server, 200).await;
    }
    let ledger = load.end().await;
    assert_keeps_every_promise(&home, server, ledger, true).await;
}

async fn until_readiness(server: &Server, status: u16) {
    eventually(PATIENCE, &format!("readiness {status}"), || async {
        let answer = call(server.ingress, get("/readyz")).await;
        (answer.status == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_refused_with_one_sentence() {
    let cluster = Cluster::shared();
    let home = Home::on(cluster, SETTINGS).await;
    let other = Home::empty(SETTINGS);
    let url = cluster.database();
    let absent = cluster.url("absent");
    for (store, words) in [
        ("postgres://user@127.0.0.1:1/nothing", "cannot be reached"),
        (absent.as_str(), "does not exist"),
        (&format!("{url}?sslmode=maybe"), "verify-full"),
        (&format!("{url}?wrong=1"), "postgres://USER"),
    ] {
        let failed = other.try_start(&["--store", store]).await.unwrap_err();
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.text.starts_with("error: "), "{failed:?}");
        assert_eq!(failed.text.trim_end().lines().count(), 1, "{failed:?}");
        assert!(failed.text.contains(words), "{failed:?}");
    }
    // The key of another data folder.
    let beside = home.beside(SETTINGS);
    fs::remove_file(beside.data().join("vault.key")).unwrap();
    let failed = beside.try_start(&[]).await.unwrap_err();
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.text.contains("copy `vault.key`"), "{failed:?}");
}
