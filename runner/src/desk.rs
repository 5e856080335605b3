//! What the front desk does with a command line: help, `new`, `dev`, or on to an integration.

mod arguments;
mod build;
#[cfg(unix)]
mod dev;
mod fault;
mod manual;
mod scaffold;
#[cfg(unix)]
mod sockets;
#[cfg(unix)]
mod watch;
mod workspace;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, ExitCode};

use self::arguments::Order;
use self::fault::Fault;
use self::workspace::Workspace;

/// What the desk takes from the environment of its process.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The cargo to call (`CARGO`).
    pub(crate) cargo: String,
    /// Where `dev` listens for webhooks (`RUNNER_LISTEN`).
    pub(crate) listen: Option<String>,
    /// Where `dev` listens for the management API (`RUNNER_ADMIN`).
    pub(crate) admin: Option<String>,
    /// What flows may call besides public addresses (`RUNNER_ALLOW_OUTBOUND`).
    pub(crate) allow_outbound: Option<String>,
}

/// Does what the command line says; `arguments` are without the name of the program.
///
/// # Errors
///
/// Everything that [`Fault`] names, each a sentence for whoever typed the command.
pub(crate) fn run(
    arguments: impl IntoIterator<Item = OsString>,
    surroundings: &Surroundings,
) -> Result<ExitCode, Fault> {
    let order = Order::read(arguments)?;
    match order.command.as_str() {
        "help" => Ok(tell(&manual::overview())),
        "version" => Ok(tell(concat!("runner ", env!("CARGO_PKG_VERSION"), "\n"))),
        "new" if order.asks_for_help() => Ok(tell(manual::NEW)),
        "new" => scaffold::create(&order, surroundings).map(|text| tell(&text)),
        "dev" if order.asks_for_help() => Ok(tell(manual::DEV)),
        "dev" => develop(&order, surroundings),
        command if manual::is_command(command) => hand_over(&order, surroundings),
        command => Err(Fault::NoSuchCommand {
            command: command.to_owned(),
        }),
    }
}

/// Writes to standard output; nobody is there to be told if that fails.
fn tell(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

#[cfg(unix)]
fn develop(order: &Order, surroundings: &Surroundings) -> Result<ExitCode, Fault> {
    dev::run(order, surroundings)
}

#[cfg(not(unix))]
fn develop(_order: &Order, _surroundings: &Surroundings) -> Result<ExitCode, Fault> {
    Err(Fault::DevNeedsUnix)
}

/// Builds the integration that was asked for and runs its own binary with the command.
fn hand_over(order: &Order, surroundings: &Surroundings) -> Result<ExitCode, Fault> {
    let workspace = Workspace::read(&surroundings.cargo)?;
    let package = workspace.choose(order.package.as_deref())?;
    let built = build::run(&surroundings.cargo, package, order.release)?;
    let mut command = Command::new(&built.executable);
    command.arg(&order.command).args(&order.rest);
    become_process(command).map_err(|source| Fault::CannotStart {
        program: built.executable.display().to_string(),
        source,
    })
}

/// Turns this process into `command`, so that its signals, exit code and standard output are the desk's.
#[cfg(unix)]
fn become_process(mut command: Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;

    Err(command.exec())
}

#[cfg(not(unix))]
fn become_process(mut command: Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code();
    Ok(code
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
