//! PostgreSQL for tests: a server of its own below the folder for temporary files, on a socket and no port, gone with the test process.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

/// Serves until its standard input is closed, which the end of the test process does, however it ends; then its folder goes. Told to
/// `keep`, it ends and leaves the folder. Prints a line when it is ready.
const SERVE: &str = r#"
"$0/postgres" -D "$1/data" -k "$1" -c listen_addresses= -c fsync="$2" -c max_connections=300 -c shared_buffers=16MB \
    -c logging_collector=off $3 >>"$1/log" 2>&1 </dev/null &
server=$!
until "$0/pg_isready" -q -h "$1" -d postgres; do
    kill -0 $server 2>/dev/null || exit 1
    sleep 0.05
done
echo ready
read -r word
kill -QUIT $server
wait $server
[ "$word" = keep ] || rm -rf "$1"
"#;

/// A server with databases.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    running: Mutex<Option<(Child, ChildStdin)>>,
    databases: AtomicU32,
    options: &'static str,
    port: u16,
}

impl Cluster {
    /// Returns the server that all tests of this process share; it is faster than it is durable.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = make_folder().keep();
            initialize(&folder);
            let cluster = Self::at(folder);
            cluster.serve("off");
            cluster
        })
    }

    /// Makes a server of its own, which can be stopped.
    pub(crate) fn own() -> Self {
        Self::own_with(&[], "", 5432)
    }

    /// Makes a server of its own with these files among its data, these options, and this port: the name of its socket, and what it
    /// listens on if an option says so.
    pub(crate) fn own_with(files: &[(&str, &str)], options: &'static str, port: u16) -> Self {
        let folder = make_folder().keep();
        initialize(&folder);
        for (name, text) in files {
            let path = folder.join("data").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            give_away(&path);
        }
        let mut cluster = Self::at(folder);
        (cluster.options, cluster.port) = (options, port);
        cluster.start();
        cluster
    }

    fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            running: Mutex::new(None),
            databases: AtomicU32::new(0),
            options: "",
            port: 5432,
        }
    }

    /// Makes an empty database and returns its URL.
    pub(crate) fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Returns the URL of a database.
    pub(crate) fn url(&self, name: &str) -> String {
        let host: String = self.folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{host}/{name}")
    }

    /// Does something in the database of that name; returns what `psql` prints.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let done = Command::new(binaries().join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
            ])
            .args(["-d", database, "-c", sql, "-h"])
            .arg(&self.folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{sql}: {said}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// Starts the server, and waits until it is ready.
    pub(crate) fn start(&self) {
        self.serve("on");
    }

    /// Stops the server as a crash does: what is not synced is gone, connections break.
    pub(crate) fn crash(&self) {
        let running = self.running.lock().unwrap().take();
        let (mut child, mut input) = running.expect("it runs");
        writeln!(input, "keep").unwrap();
        drop(input);
        assert!(child.wait().is_ok());
    }

    fn serve(&self, fsync: &str) {
        let mut child = as_postgres("sh", &self.folder)
            .args(["-c", SERVE])
            .arg(binaries())
            .arg(&self.folder)
            .args([fsync, self.options])
            .env("PGPORT", self.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert_eq!(line, "ready\n", "{}", log());
        let input = child.stdin.take().unwrap();
        *self.running.lock().unwrap() = Some((child, input));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let running = self.running.lock().unwrap().take();
        if let Some((mut child, input)) = running {
            drop(input);
            let _ = child.wait();
        }
    }
}

/// Returns the folder of the programs; the highest version, if there are several.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").exists())
        .collect();
    found.sort();
    let (_, path) = found
        .pop()
        .expect("these tests need the server of PostgreSQL: `apt-get install postgresql`");
    path
}

/// The server refuses to run as root: then it runs as the user that its package has made.
fn as_postgres(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("PGDATA");
    if rustix::process::geteuid().is_root() {
        let (user, group) = postgres();
        command.uid(user).gid(group);
    }
    command
}

fn postgres() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find_map(|line| line.strip_prefix("postgres:"))
        .expect("these tests need the user `postgres`: `apt-get install postgresql`");
    let mut ids = line.split(':').skip(1).map(|id| id.parse().unwrap());
    (ids.next().unwrap(), ids.next().unwrap())
}

fn make_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("pg-").tempdir().unwrap();
    give_away(folder.path());
    folder
}

fn give_away(path: &Path) {
    if rustix::process::geteuid().is_root() {
        let (user, group) = postgres();
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

fn initialize(folder: &Path) {
    let made = as_postgres(binaries().join("initdb").to_str().unwrap(), folder)
        .args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "-D",
        ])
        .arg(folder.join("data"))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}
