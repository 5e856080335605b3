//! Disks that are full or refuse to be written (F5, F6, G7): no promise that is not kept, and all goes on by itself afterwards.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::caller::{call, get, post};
use crate::ledger::{Evidence, read_image, read_stored, violations};
use crate::load::{Load, MIXED, Work};
use crate::process::{Home, PATIENCE, Server, eventually};

const SETTINGS: &str = "rate_per_second = 0\ndeaths = 0\n";
/// The time of an answer from a build without optimization on busy processors.
const PROMPTLY: Duration = Duration::from_secs(5);
const MEBIBYTE: usize = 1024 * 1024;

/// Runs this test again where it may mount: as the root of a mount namespace of its own, which takes its mounts along when it goes.
/// Returns whether this is that run.
fn is_in_own_namespace(test: &str) -> bool {
    const MARK: &str = "LAB_MAY_MOUNT";
    if crate::process::number(MARK, 0) == 1 {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(MARK, "1")
        .status();
    let status = status.expect("this test needs `unshare` of util-linux");
    assert!(
        status.success(),
        "it failed in a namespace of its own, or this user may make none"
    );
    false
}

fn mount(options: &str, folder: &Path) {
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(folder)
        .status();
    assert!(mount.unwrap().success());
}

/// Writes so many bytes, or as many as there is room for.
fn fill(file: &Path, bytes: usize) {
    let mut file = File::create(file).unwrap();
    let piece = vec![0; 64 * 1024];
    for _ in 0..bytes / piece.len() {
        if file.write_all(&piece).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_a_full_disk_is_answered_503_and_goes_on_by_itself_once_there_is_room() {
    if !is_in_own_namespace(
        "disk::g7_a_full_disk_is_answered_503_and_goes_on_by_itself_once_there_is_room",
    ) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    mount("size=64m", &disk);
    let home = Home::at(folder, disk.join("data"), SETTINGS).await;
    let (ballast, last_ballast) = (disk.join("ballast"), disk.join("last-ballast"));
    fill(&ballast, 32 * MEBIBYTE);

    let mut server = home.start().await;
    let works = [MIXED, &[Work::Heavy, Work::Heavy]].concat();
    let load = Load::start(&home, &works, 200);
    load.send_to(server.ingress);
    load.ledger.until(|it| it.refused >= 20).await;
    assert_refuses(&server, &home).await;

    // Nothing at all is left, not even for what was accepted before.
    fill(&last_ballast, 64 * MEBIBYTE);
    let target = load.ledger.progress().refused + 20;
    load.ledger.until(|it| it.refused >= target).await;
    assert_refuses(&server, &home).await;
    assert!(server.lives());

    fs::remove_file(&last_ballast).unwrap();
    fs::remove_file(&ballast).unwrap();
    let target = load.ledger.progress().accepted + 20;
    let accepts_again = load.ledger.until(|it| it.accepted >= target);
    timeout(Duration::from_secs(5), accepts_again)
        .await
        .expect("it accepts again within 5 s");
    until_readiness(&server, 200).await;
    assert_keeps_every_promise(&home, server, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_a_disk_that_refuses_every_write_is_answered_503_and_goes_on_by_itself_afterwards() {
    let home = Home::new(SETTINGS).await;
    let server = home.start().await;
    let load = Load::start(&home, MIXED, 200);
    load.send_to(server.ingress);
    load.ledger.until(|it| it.accepted >= 50).await;
    let Some(unwritable) = Unwritable::new(&home) else {
        load.end().await;
        return;
    };
    load.ledger.until(|it| it.refused >= 50).await;
    assert_refuses(&server, &home).await;
    drop(unwritable);
    let target = load.ledger.progress().accepted + 20;
    let accepts_again = load.ledger.until(|it| it.accepted >= target);
    timeout(Duration::from_secs(5), accepts_again)
        .await
        .expect("it accepts again within 5 s");
    assert_keeps_every_promise(&home, server, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_run_whose_step_cannot_be_recorded_waits_for_the_store_and_does_not_fail() {
    let home = Home::new(SETTINGS).await;
    let server = home.start().await;
    let path = format!("{}?ms=500", home.endpoint("steps"));
    let id = call(server.ingress, post(&path, &json!({}))).await;
    let id = id.execution().unwrap().to_owned();
    let execution = format!("/api/executions/{id}");
    eventually(PATIENCE, "a recorded step", || async {
        let execution = server.api(&execution).await.json();
        (execution["steps"][0]["name"] == "one").then_some(())
    })
    .await;
    let Some(unwritable) = Unwritable::new(&home) else {
        return;
    };
    eventually(PATIENCE, "the second step", || async {
        home.effects().contains(&format!("{id} two")).then_some(())
    })
    .await;
    // Whatever comes of the step came of it before this is refused.
    assert_refuses(&server, &home).await;
    drop(unwritable);
    assert_eq!(server.outcome(&id).await["status"], "SUCCESS");
    let steps = ["one", "two", "three"].map(|step| format!("{id} {step}"));
    assert_eq!(home.effects().split_off(1), steps, "each step ran once");
}

/// A store whose every write fails, as on a disk that was mounted read-only after an error.
///
/// Files that are open can be made so by root, on ext4 and its like; elsewhere there is nothing to see.
struct Unwritable([PathBuf; 2]);

impl Unwritable {
    fn new(home: &Home) -> Option<Self> {
        let files = ["runner.db", "runner.db-wal"].map(|name| home.data().join(name));
        let store = Self(files);
        let is_done = store.set("+i");
        let is_writable = |file: &PathBuf| File::options().append(true).open(file).is_ok();
        if is_done && !store.0.iter().any(is_writable) {
            return Some(store);
        }
        #[expect(clippy::print_stderr, reason = "whoever runs the tests should know")]
        let () = eprintln!("this user or this disk has no immutable files: not tried");
        None
    }

    fn set(&self, flag: &str) -> bool {
        let done = Command::new("chattr").arg(flag).args(&self.0).status();
        done.is_ok_and(|status| status.success())
    }
}

impl Drop for Unwritable {
    fn drop(&mut self) {
        self.set("-i");
    }
}

/// The outside of a store that takes nothing: no promise, readiness red, everything else as ever.
async fn assert_refuses(server: &Server, home: &Home) {
    let request = post(&home.endpoint("echo-sync"), &json!({}));
    let answer = timeout(PROMPTLY, call(server.ingress, request)).await;
    let answer = answer.expect("it refuses promptly");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(answer.json()["error"].is_string(), "{answer:?}");
    until_readiness(server, 503).await;
    for address in [server.ingress, server.admin] {
        assert_eq!(call(address, get("/healthz")).await.status, 200);
    }
    let list = server.api("/api/executions").await;
    assert_eq!(list.status, 200, "{list:?}");
    let first = list.json()["items"][0]["id"].clone();
    let path = format!("/api/executions/{}", first.as_str().unwrap());
    assert_eq!(server.api(&path).await.json()["id"], first);
}

/// Readiness is looked at once a second at most, and what a sync takes comes on top.
async fn until_readiness(server: &Server, status: u16) {
    for address in [server.ingress, server.admin] {
        let what = format!("readiness {status}");
        eventually(PROMPTLY + PROMPTLY, &what, || async {
            let answer = call(address, get("/readyz")).await;
            (answer.status == status).then_some(())
        })
        .await;
    }
}

/// Kills the server too, so that what it promised must stand on the disk, and looks at everything.
async fn assert_keeps_every_promise(home: &Home, server: Server, load: Load) {
    let held = load.ledger.held();
    server.kill().await;
    load.hold();
    let effects = home.effects().len();
    let (folder, store) = home.store_image().await;
    let image = read_image(&*store, held, effects).await;
    drop((store, folder));
    let server = home.start().await;
    load.send_to(server.ingress);
    let ledger = load.end().await;
    server.until_idle().await;
    assert!(server.stop().await.success());
    let evidence = Evidence {
        deliveries: ledger.deliveries(),
        stored: read_stored(&*home.store().await).await,
        images: vec![image],
        effects: home.effects(),
        log: home.log(),
        is_graceful: false,
        is_in_doubt: false,
    };
    assert_eq!(violations(&evidence), []);
}
