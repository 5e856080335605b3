//! Processes that are measured from outside: the server of the integration, and the references.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::load::Call;
use crate::reference::Reference;

/// A process that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// What it printed first.
    first_line: String,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut first_line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut first_line)?;
        }
        Ok(Self { child, first_line })
    }

    /// Returns how much processor time it has used, in seconds; 0 where the system does not tell.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        // A tick is 10 ms on every Linux that people run.
        ticks
            .filter_map(|tick| tick.parse::<f64>().ok())
            .sum::<f64>()
            / 100.0
    }

    /// Returns how much memory it holds, in KiB; 0 where the system does not tell.
    pub(crate) fn resident_kib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let figure = line.and_then(|line| line.split_whitespace().next());
        figure.and_then(|figure| figure.parse().ok()).unwrap_or(0.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a folder on the disk on which everything is built, not in a file system in memory.
pub(crate) fn folder() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// Everything that a server has on disk; one process after another lives in it.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Result<Self> {
        let folder = folder()?;
        // Neither the rate nor the backlog is what is measured.
        let settings = "rate_per_second = 0\nbacklog = 100000000\n";
        fs::write(folder.path().join("settings.toml"), settings)?;
        Ok(Self { folder })
    }

    /// Returns the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("data").join("runner.db")
    }

    /// Returns the command that serves.
    fn command(&self, listen: &str) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["serve", "--json", "--listen", listen])
            .args(["--admin", "127.0.0.1:0", "--data"])
            .arg(self.folder.path().join("data"))
            .arg("--settings")
            .arg(self.folder.path().join("settings.toml"));
        Ok(command)
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn serve(&self) -> Result<Server> {
        Server::new(Process::start(&mut self.command("127.0.0.1:0")?)?)
    }

    /// Returns how long it takes from the start of the process to the first 200.
    pub(crate) fn time_to_first_answer(&self) -> Result<Duration> {
        let address = free_address()?;
        time_to_first_answer(&mut self.command(&address)?, &address)
    }
}

/// The server of the integration.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    admin_url: String,
    authorization: String,
    instance: serde_json::Value,
}

impl Server {
    fn new(process: Process) -> Result<Self> {
        let ready: serde_json::Value = serde_json::from_str(&process.first_line)
            .map_err(|_| "the server did not start; run it by hand with `serve` to see why")?;
        let text = |name: &str| {
            let value = ready.get(name).and_then(serde_json::Value::as_str);
            value.map(str::to_owned).ok_or("the server said nothing")
        };
        let token = fs::read_to_string(text("admin_token_file")?)?;
        let mut server = Self {
            process,
            admin_url: text("admin_url")?,
            authorization: format!("authorization: Bearer {}\r\n", token.trim()),
            instance: serde_json::Value::Null,
        };
        let list: serde_json::Value = serde_json::from_str(&server.ask("/api/instances")?)?;
        let id = find(&list, "id").ok_or("there is no local instance")?;
        let path = format!("/api/instances/{id}");
        server.instance = serde_json::from_str(&server.ask(&path)?)?;
        Ok(server)
    }

    fn ask(&self, path: &str) -> Result<String> {
        let url = format!("{}{path}", self.admin_url);
        let (status, body) = Call::get(&url, &self.authorization)?.once()?;
        match status {
            200 => Ok(String::from_utf8(body)?),
            _ => Err(format!("`{path}` was answered with {status}").into()),
        }
    }

    /// Returns the URL of a flow.
    pub(crate) fn url(&self, flow: &str) -> Result<String> {
        let url = self.instance.pointer(&format!("/webhook_urls/{flow}"));
        let url = url.and_then(serde_json::Value::as_str);
        Ok(url.ok_or("the flow has no endpoint")?.to_owned())
    }

    /// Waits until nothing runs and nothing waits.
    pub(crate) fn settle(&self) -> Result<()> {
        loop {
            let metrics = self.ask("/metrics")?;
            let gauge = |name: &str| {
                let line = metrics.lines().find_map(|line| line.strip_prefix(name));
                line.is_none_or(|value| value.trim() == "0")
            };
            if gauge("runner_executions_waiting ") && gauge("runner_executions_running ") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Finds the first value of a name, however deep.
fn find<'a>(value: &'a serde_json::Value, name: &str) -> Option<&'a str> {
    match value {
        serde_json::Value::Array(items) => items.iter().find_map(|item| find(item, name)),
        serde_json::Value::Object(fields) => match fields.get(name) {
            Some(found) => found.as_str(),
            None => fields.values().find_map(|item| find(item, name)),
        },
        _ => None,
    }
}

fn reference_command(kind: Reference, folder: &Path, listen: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["reference", kind.word(), listen]).arg(folder);
    Ok(command)
}

/// Starts a reference; returns it with its URL.
pub(crate) fn reference(kind: Reference, folder: &Path) -> Result<(Process, String)> {
    let process = Process::start(&mut reference_command(kind, folder, "127.0.0.1:0")?)?;
    let url = format!("http://{}/", process.first_line.trim());
    Ok((process, url))
}

/// Returns how long bare axum takes from the start of the process to the first 200.
pub(crate) fn axum_to_first_answer(folder: &Path) -> Result<Duration> {
    let address = free_address()?;
    let mut command = reference_command(Reference::Axum, folder, &address)?;
    time_to_first_answer(&mut command, &address)
}

fn time_to_first_answer(command: &mut Command, address: &str) -> Result<Duration> {
    let call = Call::get(&format!("http://{address}/healthz"), "")?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = Instant::now();
    let child = command.spawn()?;
    let process = Process {
        child,
        first_line: String::new(),
    };
    while begun.elapsed() < Duration::from_mins(1) {
        if matches!(call.once(), Ok((200, _))) {
            let took = begun.elapsed();
            drop(process);
            return Ok(took);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Err("the process did not answer within a minute".into())
}

fn free_address() -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.to_string())
}
