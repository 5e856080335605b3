//! The real server: its folder, its process, its end.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::future::Future;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use runner::store::{PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Standing, Store};
use runner::vault::Vault;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::postgres::{Cluster, copy_of};

/// Far beyond every limit in these tests: whoever waits so long has found a fault.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Everything that a server has on disk; one process after another lives in it.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    data: PathBuf,
    /// What the flows leave outside; processes that follow one another write into the same file.
    effects: PathBuf,
    /// A database and its server, if not everything stands in the folder.
    database: Option<(&'static Cluster, String)>,
    /// The path of the endpoint of each flow; stable over restarts, unlike the port.
    endpoints: BTreeMap<String, String>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    pub(crate) ingress: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) token: String,
}

/// A process that is not ready yet.
#[derive(Debug)]
pub(crate) struct Starting {
    child: Option<Child>,
    log: PathBuf,
    /// How much others had written to the log.
    before: u64,
}

/// A server that ended before it was ready.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl Home {
    /// Makes a home with this text as settings file.
    pub(crate) async fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self::at(folder, data, settings).await
    }

    /// Makes a home whose data stands in `data`, on a disk of its own for example.
    pub(crate) async fn at(folder: TempDir, data: PathBuf, settings: &str) -> Self {
        Self::in_folder(folder, data, settings).opened().await
    }

    /// Makes a home whose store is a new database of this server.
    pub(crate) async fn on(cluster: &'static Cluster, settings: &str) -> Self {
        let mut home = Self::empty(settings);
        home.database = Some((cluster, cluster.database()));
        home.opened().await
    }

    /// Makes a home on the same database and with the same keys, for a process that stands by.
    pub(crate) fn beside(&self, settings: &str) -> Self {
        let mut beside = self.copy_of_folder(settings);
        beside.effects.clone_from(&self.effects);
        beside.database.clone_from(&self.database);
        beside
    }

    /// Makes a home of the same kind in which no server has been yet.
    pub(crate) fn empty_one(&self, settings: &str) -> Self {
        let mut empty = Self::empty(settings);
        let cluster = self.database.as_ref().map(|(cluster, _)| *cluster);
        empty.database = cluster.map(|cluster| (cluster, cluster.database()));
        empty
    }

    /// Makes a home of the same kind, in which one server has been.
    pub(crate) async fn another(&self, settings: &str) -> Self {
        self.empty_one(settings).opened().await
    }

    fn in_folder(folder: TempDir, data: PathBuf, settings: &str) -> Self {
        fs::write(folder.path().join("settings.toml"), settings).unwrap();
        Self {
            effects: folder.path().join("effects"),
            folder,
            data,
            database: None,
            endpoints: BTreeMap::new(),
        }
    }

    /// Lets a first server find out where the endpoints are.
    async fn opened(self) -> Self {
        let mut home = self;
        let server = home.start().await;
        home.endpoints = server.endpoints().await;
        assert!(server.stop().await.success());
        home
    }

    /// Makes a home in which no server has been yet.
    pub(crate) fn empty(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self::in_folder(folder, data, settings)
    }

    /// Makes a home with what this one has on disk; no server may be running in it.
    pub(crate) fn copy(&self, settings: &str) -> Self {
        let mut copy = self.copy_of_folder(settings);
        if let Some((cluster, url)) = &self.database {
            copy.database = Some((cluster, copy_of(cluster, url)));
        }
        copy
    }

    fn copy_of_folder(&self, settings: &str) -> Self {
        let mut copy = Self::empty(settings);
        copy.endpoints.clone_from(&self.endpoints);
        fs::create_dir(&copy.data).unwrap();
        for file in fs::read_dir(&self.data).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                fs::copy(file.path(), copy.data.join(file.file_name())).unwrap();
            }
        }
        fs::copy(&self.effects, &copy.effects).unwrap();
        copy
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the path of the endpoint of a flow.
    pub(crate) fn endpoint(&self, flow: &str) -> String {
        self.endpoints[flow].clone()
    }

    /// Changes the settings for the next start.
    pub(crate) fn set(&self, settings: &str) {
        fs::write(self.folder.path().join("settings.toml"), settings).unwrap();
    }

    /// Starts a server and waits until it says that it is ready.
    pub(crate) async fn start(&self) -> Server {
        self.try_start(&[]).await.unwrap()
    }

    /// Stops a server and starts the next one.
    pub(crate) async fn start_again(&self, server: Server) -> Server {
        assert!(server.stop().await.success());
        self.start().await
    }

    /// Starts a server with more arguments; they win over the usual ones.
    pub(crate) async fn try_start(&self, more: &[&str]) -> Result<Server, Failed> {
        self.begin(more).ready().await
    }

    /// Begins a process, with more arguments; they win over the usual ones.
    pub(crate) fn begin(&self, more: &[&str]) -> Starting {
        let log = self.log_file();
        let before = fs::metadata(&log).map_or(0, |file| file.len());
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.args(["serve", "--json"]);
        for (option, value) in [("--listen", "127.0.0.1:0"), ("--admin", "127.0.0.1:0")] {
            if !more.contains(&option) {
                command.args([option, value]);
            }
        }
        if !more.contains(&"--data") {
            command.arg("--data").arg(&self.data);
        }
        if let Some((_, url)) = self
            .database
            .as_ref()
            .filter(|_| !more.contains(&"--store"))
        {
            command.args(["--store", url]);
        }
        if !more.contains(&"--settings") {
            command
                .arg("--settings")
                .arg(self.folder.path().join("settings.toml"));
        }
        let standard_error = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        command
            .args(more)
            .env("LAB_EFFECTS", &self.effects)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(standard_error);
        let child = Some(command.spawn().unwrap());
        Starting { child, log, before }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Returns what the flows left outside, line by line.
    pub(crate) fn effects(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.effects).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Returns what all servers have written to standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Opens the store; no server may be running.
    pub(crate) async fn store(&self) -> Box<dyn Store> {
        let vault = Vault::open(&self.data).unwrap();
        if let Some((_, url)) = &self.database {
            let store = PostgresStore::connect(url, &PostgresOptions::default(), vault).unwrap();
            let mut standing = store.standing();
            let is_active = standing.wait_for(|it| matches!(it, Standing::Active));
            let _ = in_time(is_active).await.unwrap();
            return Box::new(store);
        }
        let database = self.data.join("runner.db");
        let store = SqliteStore::open(&database, &SqliteOptions::default()).unwrap();
        Box::new(store.sealing_with(vault))
    }

    /// Opens a copy of the store as it stands on the disk now; the original is left as the dead process left it.
    pub(crate) async fn store_image(&self) -> (Option<TempDir>, Box<dyn Store>) {
        if self.database.is_some() {
            return (None, self.store().await);
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["runner.db", "runner.db-wal"] {
            let file = self.data.join(name);
            if file.exists() {
                fs::copy(file, folder.path().join(name)).unwrap();
            }
        }
        let options = SqliteOptions {
            reserve_bytes: 0,
            ..SqliteOptions::default()
        };
        let store = SqliteStore::open(&folder.path().join("runner.db"), &options).unwrap();
        let vault = Vault::open(&self.data).unwrap();
        (Some(folder), Box::new(store.sealing_with(vault)))
    }
}

impl Starting {
    /// Waits until it says that it is ready.
    pub(crate) async fn ready(mut self) -> Result<Server, Failed> {
        let child = self.child.take().unwrap();
        let started = in_background(move || ready(child)).await;
        started.map_err(|mut child| {
            let code = child.wait().unwrap().code();
            let mut text = fs::read_to_string(&self.log).unwrap();
            text.drain(..usize::try_from(self.before).unwrap());
            Failed { code, text }
        })
    }

    /// Sends SIGTERM, and waits for the end.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        kill_process(pid_of(&child), Signal::TERM).unwrap();
        in_background(move || child.wait().unwrap()).await
    }
}

/// A test that fails leaves no process behind.
impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Waits for the line that says that the server is ready, which is the first on its standard output.
fn ready(mut child: Child) -> Result<Server, Child> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    if output.read_line(&mut line).unwrap() == 0 {
        return Err(child);
    }
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["ready"], true);
    let address = |name: &str| {
        let url = line[name].as_str().unwrap();
        url.strip_prefix("http://").unwrap().parse().unwrap()
    };
    let token_file = line["admin_token_file"].as_str().unwrap();
    Ok(Server {
        ingress: address("public_url"),
        admin: address("admin_url"),
        token: fs::read_to_string(token_file).unwrap_or_default(),
        output: Some(output),
        child,
    })
}

impl Server {
    /// Kills the server as `kill -9` does, and waits until the system has buried it.
    pub(crate) async fn kill(self) {
        // What the end of a server that is not wanted any more does.
        in_background(move || drop(self)).await;
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Stops the process where it is, until it is told to go on.
    pub(crate) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    pub(crate) fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// Waits for the end; nothing but the one line may stand on standard output.
    pub(crate) async fn end_within(mut self, limit: Duration) -> ExitStatus {
        let child = Mutex::new(&mut self.child);
        let end = || async { child.lock().unwrap().try_wait().unwrap() };
        let status = eventually(limit, "the end of the process", end).await;
        let mut rest = String::new();
        let mut output = self.output.take().unwrap();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "standard output is for one line");
        status
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) async fn stop(self) -> ExitStatus {
        self.terminate();
        self.end_within(PATIENCE).await
    }

    /// Says whether the process lives.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// A test that fails leaves no process behind.
impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    what: &str,
    ask: impl Fn() -> F,
) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(limit, what, asking).await
}

/// Waits for something no longer than this.
pub(crate) async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    timeout(limit, future)
        .await
        .unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .expect("this does not take for ever")
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    in_time(tokio::task::spawn_blocking(work)).await.unwrap()
}

/// Reads a number from the environment.
pub(crate) fn number(name: &str, standard: u64) -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a test runs is for whoever runs it to say"
    )]
    let text = std::env::var(name);
    text.map_or(standard, |text| text.parse().unwrap())
}
