//! A small shop that is served in this process, and the commands that speak to it.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use sdk::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};

use super::words;
use crate::Runner;
use crate::clock::{Clock as _, SystemClock};
use crate::command::address_file::AddressFile;
use crate::command::console::Console;
use crate::command::{Arguments, Command};
use crate::deploy::DeployRequest;
use crate::engine::{Accepted, Invocation};
use crate::entropy::Entropy;
use crate::outbound::HttpOutbound;
use crate::ports::Ports;
use crate::record::InvokedBy;
use crate::server::admin::{self, Access};
use crate::server::{Limits, serve};
use crate::settings::Settings;
use crate::spawn::Runtimes;
use crate::store::MemoryStore;
use crate::vault::Vault;

/// What a customer of the shop sets.
#[derive(ConfigVars)]
pub(super) struct Config {
    /// How callers are greeted.
    greeting: String,
    /// What nobody may see.
    #[config(default = "nothing-yet")]
    pub(super) password: Secret,
    /// Whether the deploy function fails.
    #[config(default = false)]
    fails: bool,
}

struct Greet;

#[flow(key = "greet", trigger = Webhook::unsigned())]
impl Greet {
    #[on_execution]
    async fn run(context: &Context<Config>, payload: Payload) -> Result<Value> {
        let body = payload.body.to_json();
        context.log().info("somebody came");
        context.instance_state().set("last", &body).await?;
        let greeting = context
            .step("greet", async || Ok(context.config().greeting.clone()))
            .await?;
        if body == "trouble" {
            context.log().error("it goes wrong");
            return Err(Error::new("no trouble here").permanent());
        }
        let caller = payload.headers.get("x-caller").is_some();
        Ok(json!({"greeting": greeting, "caller": caller, "text": body}))
    }
}

struct Wait;

#[flow(key = "wait", trigger = Webhook::unsigned(), security = Security::CustomerOptional)]
impl Wait {
    #[on_execution]
    async fn run(context: &Context<Config>) -> Result<()> {
        context.log().info("waiting");
        context.sleep(hours(1)).await;
        Ok(())
    }
}

struct Report;

#[flow(key = "report", trigger = Schedule::cron("0 7 * * *"))]
impl Report {
    #[on_execution]
    async fn run(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }

    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> Result<()> {
        if context.config().fails {
            return Err(Error::new("nobody to subscribe to").permanent());
        }
        Ok(())
    }
}

/// A server of the shop. It is put down when this is dropped.
pub(super) struct Shop {
    pub(super) folder: TempDir,
    pub(super) url: String,
    pub(super) runner: Arc<Runner>,
    pub(super) stop: watch::Sender<bool>,
}

/// What a command told, and whether it succeeded.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) output: String,
    pub(super) notes: String,
    /// The sentence, if it failed.
    pub(super) failure: Option<String>,
}

impl Told {
    /// Returns standard output of a command that succeeded.
    #[track_caller]
    pub(super) fn text(&self) -> &str {
        assert_eq!(self.failure, None, "{self:?}");
        &self.output
    }

    /// Returns standard output of a command that succeeded, as JSON.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap()
    }

    /// Returns the sentence of a command that failed.
    #[track_caller]
    pub(super) fn failure(&self) -> &str {
        self.failure.as_deref().expect("the command succeeded")
    }
}

impl Shop {
    /// Serves a shop without an instance.
    pub(super) async fn open() -> Self {
        let integration = Integration::new("shop")
            .flow::<Greet>()
            .flow::<Wait>()
            .flow::<Report>();
        Self::of(integration).await
    }

    /// Serves another integration in the place of the shop.
    pub(super) async fn of<C: ConfigVars>(integration: Integration<C>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports {
            integration: integration.build().unwrap(),
            settings: Settings::default(),
            public_url: "https://hooks.example".to_owned(),
            clock: Arc::new(SystemClock),
            entropy: Entropy::system(),
            spawn: Arc::new(Runtimes::new(Handle::current(), Handle::current())),
            store: Arc::new(MemoryStore::new()),
            outbound: Arc::new(HttpOutbound::new(Duration::from_secs(1), 1024)),
            vault: Vault::open(folder.path()).unwrap(),
            tail: broadcast::Sender::new(64),
        };
        let runner = Arc::new(Runner::start(ports).await.unwrap());
        let access = Access::open(folder.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let router = admin::router(
            Arc::clone(&runner),
            access.for_address(address),
            stopping.clone(),
        );
        let mut until = stopping;
        let stopped = async move {
            let _ = until.wait_for(|stop| *stop).await;
        };
        let served = serve(
            listener,
            router,
            Limits::default(),
            stopped,
            Duration::from_secs(1),
        );
        Handle::current().spawn(served);
        let url = format!("http://{address}");
        AddressFile::write(folder.path(), &url).unwrap();
        Self {
            folder,
            url,
            runner,
            stop,
        }
    }

    /// Serves a shop with an instance of this name; returns its id too.
    pub(super) async fn with_instance(name: &str) -> (Self, String) {
        let shop = Self::open().await;
        let id = shop.deploy(name).await;
        (shop, id)
    }

    /// Deploys an instance past the management API; returns its id.
    pub(super) async fn deploy(&self, name: &str) -> String {
        let config = json!({"greeting": format!("hello from {name}"), "password": "canary-canary"});
        let request = DeployRequest {
            name: Some(name.to_owned()),
            config: config.as_object().cloned(),
            ..DeployRequest::default()
        };
        let report = self.runner.deployer.deploy(None, request).await.unwrap();
        report.instance.id.to_string()
    }

    /// Invokes the flow `greet` past the management API and waits for the end; returns the id of the execution.
    pub(super) async fn greet_directly(&self, body: &str) -> String {
        let engine = &self.runner.engine;
        let instance = engine.instances.all().into_iter().next().unwrap();
        let flow = engine.ports.integration.flow("greet").unwrap();
        let payload = Payload::json(&json!(body));
        let mut invocation = Invocation::new(instance, Arc::clone(flow), InvokedBy::Test, payload);
        invocation.synchronous = true;
        let Accepted::New { id, outcome } = engine.accept(invocation).await.unwrap() else {
            panic!("it is new")
        };
        outcome.unwrap().await.unwrap();
        id.to_string()
    }

    /// Waits until an execution has ended; returns it as the management API shows it.
    pub(super) async fn until_ended(&self, id: &str) -> Value {
        loop {
            let shown = self.run(&format!("executions {id} --json")).await.json();
            if shown["ended_at"].is_string() {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until so many read the live tail.
    pub(super) async fn followers(&self, count: usize) {
        while self.runner.engine.ports.tail.receiver_count() < count {
            tokio::task::yield_now().await;
        }
    }

    /// Invokes the flow `greet` and waits for the end; returns the id of the execution.
    pub(super) async fn greet(&self, body: &str) -> String {
        let line = format!("invoke greet --wait --json --data '\"{body}\"'");
        let told: Value = serde_json::from_str(&self.run(&line).await.output).unwrap();
        // Within a millisecond executions have no order.
        let now = SystemClock.now();
        while SystemClock.now() == now {
            tokio::task::yield_now().await;
        }
        told["execution_id"].as_str().unwrap().to_owned()
    }

    /// Runs a command line.
    pub(super) async fn run(&self, line: &str) -> Told {
        self.run_with(line, &mut std::io::empty(), None).await
    }

    /// Runs a command line whose output goes to a terminal.
    pub(super) async fn run_on_terminal(&self, line: &str) -> Told {
        self.run_with(line, &mut std::io::empty(), Some(120)).await
    }

    /// Runs a command line with this standard input and, if a width is given, a terminal.
    pub(super) async fn run_with(
        &self,
        line: &str,
        input: &mut dyn Read,
        terminal: Option<u16>,
    ) -> Told {
        run(self.words(line), input, &Screen::default(), terminal).await
    }

    /// Runs a command line whose output is watched while it runs.
    pub(super) async fn run_on(&self, screen: &Screen, line: &str) -> Told {
        run(self.words(line), &mut std::io::empty(), screen, None).await
    }

    fn words(&self, line: &str) -> Vec<String> {
        let folder = self.folder.path().to_str().unwrap();
        let mut words = words(line);
        words.extend(["--data-dir".to_owned(), folder.to_owned()]);
        words
    }
}

/// What a command has written so far.
#[derive(Clone, Default)]
pub(super) struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits until a text stands there.
    pub(super) async fn until(&self, text: &str) {
        while !self.text().contains(text) {
            tokio::task::yield_now().await;
        }
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command line as the binary `shop` does, with its own idea of where the server is.
pub(super) async fn run_anywhere(line: &str) -> Told {
    run(words(line), &mut std::io::empty(), &Screen::default(), None).await
}

async fn run(
    words: Vec<String>,
    input: &mut dyn Read,
    output: &Screen,
    terminal: Option<u16>,
) -> Told {
    let mut errors = Vec::new();
    let console = Console {
        input,
        output: &mut output.clone(),
        errors: &mut errors,
        terminal,
        shows_progress: false,
        json: false,
    };
    let typed = std::iter::once("shop".to_owned()).chain(words);
    let failure = match Arguments::try_parse_from(typed).map(|arguments| arguments.command) {
        Ok(Command::Client(command)) => {
            let done = command.run("shop", console, SystemClock.now()).await;
            done.err().map(|failure| failure.0)
        }
        Ok(Command::Serve(_)) => panic!("this command is not for a client"),
        Err(usage) => Some(usage.to_string()),
    };
    Told {
        output: output.text(),
        notes: String::from_utf8(errors).unwrap(),
        failure,
    }
}
