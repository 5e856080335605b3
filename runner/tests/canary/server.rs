//! The integration as a process of its own, whose every output is kept.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::wire::{self, Answer};

pub(crate) struct Server {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    folder: PathBuf,
    pub(crate) ingress: String,
    pub(crate) admin: String,
    pub(crate) token: String,
    /// Everything that was answered.
    pub(crate) answers: Vec<String>,
}

impl Server {
    /// Starts this very binary as a server; its data and its log stand in the folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let settings = folder.join("settings.toml");
        // Nothing may stand in the way of what leaks.
        let open =
            "rate_per_second = 0\nlocal_instance = false\noutbound_allow = [\"localhost\"]\n";
        fs::write(&settings, open).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "serve",
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ])
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--settings")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).expect("a line that says it is ready");
        let address = |name: &str| {
            let url = ready[name].as_str().unwrap();
            url.trim_start_matches("http://").to_owned()
        };
        let token = fs::read_to_string(ready["admin_token_file"].as_str().unwrap()).unwrap();
        Self {
            ingress: address("public_url"),
            admin: address("admin_url"),
            token: token.trim().to_owned(),
            folder: folder.to_owned(),
            answers: vec![line],
            child,
            output,
        }
    }

    /// Calls the management API.
    pub(crate) fn api(&mut self, line: &str, body: &Value) -> Value {
        let headers = [
            self.authorization(),
            "content-type: application/json".to_owned(),
        ];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = wire::call(&self.admin, line, &headers, &body);
        self.answers.push(answer.whole);
        answer.json
    }

    pub(crate) fn get(&mut self, path: &str) -> Value {
        self.api(&format!("GET {path}"), &Value::Null)
    }

    pub(crate) fn authorization(&self) -> String {
        format!("authorization: Bearer {}", self.token)
    }

    /// Sends a webhook.
    pub(crate) fn webhook(&mut self, line: &str, headers: &[String], body: &str) -> Answer {
        let answer = wire::call(&self.ingress, line, headers, body);
        self.answers.push(answer.whole.clone());
        answer
    }

    /// Waits until every execution has ended.
    pub(crate) fn until_idle(&mut self) {
        for status in ["PENDING", "QUEUED", "RUNNING"] {
            let path = format!("/api/executions?status={status}");
            while self.get(&path)["items"] != json!([]) {
                std::thread::yield_now();
            }
        }
    }

    /// Ends the process in order; returns what it wrote besides its answers: standard output and the log.
    pub(crate) fn stop(mut self) -> (Vec<String>, String) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(id), Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        self.answers.push(rest);
        let log = fs::read_to_string(self.folder.join("log")).unwrap();
        (std::mem::take(&mut self.answers), log)
    }
}

/// A test that fails leaves no process behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
