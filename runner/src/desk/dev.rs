//! Serves an integration, and builds and restarts it when a source file changes.

use std::future::pending;
use std::io::{self, Write as _};
use std::process::{ExitCode, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

use super::Surroundings;
use super::arguments::Order;
use super::build::{self, Built};
use super::fault::Fault;
use super::sockets::Sockets;
use super::watch::Watch;
use super::workspace::{Package, Workspace, cannot_start};

/// Serves until told to stop.
///
/// # Errors
///
/// A package that is no integration, an address in use, files that cannot be watched. A build that fails is told
/// and waited out instead.
pub(super) fn run(order: &Order, surroundings: &Surroundings) -> Result<ExitCode, Fault> {
    let workspace = Workspace::read(&surroundings.cargo)?;
    workspace.choose(order.package.as_deref())?;
    let sockets = Sockets::bind(order, surroundings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Fault::CannotSupervise { source })?;
    runtime.block_on(async {
        let mut desk = Desk {
            order,
            cargo: &surroundings.cargo,
            allow_outbound: surroundings
                .allow_outbound
                .as_deref()
                .unwrap_or(THIS_MACHINE),
            sockets,
            watch: Watch::new()?,
            server: None,
        };
        desk.watch_sources(&workspace)?;
        desk.run(Stop::new()?).await
    })
}

/// Who develops has the systems that a flow calls on the same machine.
const THIS_MACHINE: &str = "127.0.0.0/8,::1";

struct Desk<'a> {
    order: &'a Order,
    cargo: &'a str,
    allow_outbound: &'a str,
    sockets: Sockets,
    watch: Watch,
    server: Option<Child>,
}

impl Desk<'_> {
    async fn run(&mut self, mut stop: Stop) -> Result<ExitCode, Fault> {
        let mut is_due = true;
        loop {
            if is_due {
                let built = tokio::select! {
                    built = self.build() => built,
                    () = stop.asked() => return self.close(&mut stop).await,
                };
                match built {
                    Ok(built) if built.is_fresh && self.server.is_some() => {}
                    Ok(built) => {
                        let end = self.end_server(&mut stop, false).await?;
                        if let Some(end) = end.filter(|end| end.was_asked) {
                            return Ok(end.code());
                        }
                        self.start(&built)?;
                    }
                    Err(fault) => say(&format!("{fault}; waiting for a change")),
                }
            }
            tokio::select! {
                () = self.watch.changed() => is_due = true,
                status = ended(&mut self.server) => {
                    self.server = None;
                    is_due = false;
                    let status = status.map_err(|source| Fault::CannotSupervise { source })?;
                    say(&format!("the server has ended ({status}); waiting for a change"));
                }
                () = stop.asked() => return self.close(&mut stop).await,
            }
        }
    }

    /// Ends the server for good.
    async fn close(&mut self, stop: &mut Stop) -> Result<ExitCode, Fault> {
        let end = self.end_server(stop, true).await?;
        Ok(end.map_or(ExitCode::SUCCESS, |end| end.code()))
    }

    /// Builds what the workspace now holds. Dropping the future breaks the build off.
    async fn build(&mut self) -> Result<Built, Fault> {
        let workspace = Workspace::read(self.cargo)?;
        self.watch_sources(&workspace)?;
        let package = workspace.choose(self.order.package.as_deref())?;
        self.build_package(package).await
    }

    async fn build_package(&self, package: &Package) -> Result<Built, Fault> {
        let failed = |source| cannot_start(self.cargo, source);
        let mut cargo = Command::from(build::command(self.cargo, package, self.order.release))
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut messages = Vec::new();
        if let Some(output) = &mut cargo.stdout {
            output.read_to_end(&mut messages).await.map_err(failed)?;
        }
        let status = cargo.wait().await.map_err(failed)?;
        let built = build::read_messages(messages.as_slice(), &package.name);
        build::finish(status.success(), built, package)
    }

    fn watch_sources(&mut self, workspace: &Workspace) -> Result<(), Fault> {
        let package = workspace.choose(self.order.package.as_deref())?;
        self.watch.add_manifest(&workspace.root)?;
        for part in workspace.parts_of(package) {
            self.watch.add(part)?;
        }
        Ok(())
    }

    fn start(&mut self, built: &Built) -> Result<(), Fault> {
        use std::os::unix::process::CommandExt as _;

        let failed = |source| Fault::CannotStart {
            program: built.executable.display().to_string(),
            source,
        };
        let mut command = std::process::Command::new(&built.executable);
        // A group of its own: ctrl-c is for the desk, which then ends the server once.
        command
            .arg("serve")
            .args(&self.order.rest)
            .env("RUNNER_ALLOW_OUTBOUND", self.allow_outbound)
            .stdin(Stdio::null())
            .process_group(0);
        self.sockets.hand_on(&mut command).map_err(failed)?;
        let server = Command::from(command).kill_on_drop(true).spawn();
        self.server = Some(server.map_err(failed)?);
        Ok(())
    }

    /// Ends the server, if there is one, by SIGTERM; by SIGKILL if the desk is told to stop again meanwhile.
    async fn end_server(
        &mut self,
        stop: &mut Stop,
        mut was_asked: bool,
    ) -> Result<Option<End>, Fault> {
        let failed = |source| Fault::CannotSupervise { source };
        let Some(mut server) = self.server.take() else {
            return Ok(None);
        };
        terminate(&server);
        loop {
            tokio::select! {
                status = server.wait() => {
                    let status = status.map_err(failed)?;
                    return Ok(Some(End { status, was_asked }));
                }
                () = stop.asked() => {
                    if was_asked {
                        server.start_kill().map_err(failed)?;
                    }
                    was_asked = true;
                }
            }
        }
    }
}

/// How a server came to its end.
struct End {
    status: ExitStatus,
    /// Whether the desk was told to stop.
    was_asked: bool,
}

impl End {
    fn code(&self) -> ExitCode {
        if self.status.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Tells a process to end; one that has ended already needs no telling.
fn terminate(server: &Child) {
    if let Some(id) = server.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
}

/// Waits for the end of a server; for ever if there is none.
async fn ended(server: &mut Option<Child>) -> io::Result<ExitStatus> {
    match server {
        Some(server) => server.wait().await,
        None => pending().await,
    }
}

/// The signals that tell the desk to stop.
struct Stop {
    interrupt: Signals,
    terminate: Signals,
    hang_up: Signals,
}

impl Stop {
    fn new() -> Result<Self, Fault> {
        let listen = |kind| signal(kind).map_err(|source| Fault::CannotSupervise { source });
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Tells whoever develops; standard output belongs to the server.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "dev: {text}");
}
