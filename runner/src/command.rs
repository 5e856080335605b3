//! The command line of an integration's binary.

mod address_file;
mod backing;
mod choice;
mod client;
mod connections;
mod console;
mod deploy;
mod events;
mod executions;
mod filter;
mod instances;
mod invitation;
mod invoke;
mod keys;
mod logging;
mod logs;
mod manual;
mod moment;
#[cfg(test)]
mod operations_page;
mod place;
mod progress;
mod replay;
mod resource;
mod schedules;
mod serve;
mod session;
mod settings_file;
mod source;
mod standby;
mod state;
mod table;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use sdk::Timestamp;
use sdk::config::ConfigVars;
use sdk::integration::{BuiltIntegration, Integration};

use self::client::Refusal;
use self::connections::ConnectionsOptions;
use self::console::Console;
use self::deploy::DeployOptions;
use self::executions::{CancelOptions, ExecutionsOptions};
use self::instances::{InstancesOptions, PauseOptions, RemoveOptions, ResumeOptions, functions_of};
use self::invoke::InvokeOptions;
use self::keys::KeysOptions;
use self::logs::LogsOptions;
use self::place::{Place, PlaceBesideData};
use self::replay::ReplayOptions;
use self::schedules::SchedulesOptions;
use self::serve::ServeOptions;
use self::session::{Asked, Errand, Session};
use self::state::StateOptions;
use self::table::text;
use crate::clock::{Clock as _, SystemClock};

/// The whole of an integration's binary: ingress, engine, schedules, store, management API and command line.
///
/// ```no_run
/// # use sdk::prelude::*;
/// # fn integration() -> Integration { Integration::new("acme-orders") }
/// fn main() -> std::process::ExitCode {
///     runner::main(integration())
/// }
/// ```
///
/// Its first argument is a command: `serve`, or one that speaks to the management API of a server that runs, such as `executions`;
/// `--help` lists them. Returns exit code 0 after a stop that was asked for, 1 with one clear sentence on standard error when something
/// is wrong (an integration with faults lists all of them).
pub fn main<C: ConfigVars>(integration: Integration<C>) -> ExitCode {
    let integration = match integration.build() {
        Ok(integration) => integration,
        Err(faults) => {
            for fault in faults.0 {
                complain(&fault);
            }
            return ExitCode::FAILURE;
        }
    };
    let command = manual::complete(
        Arguments::command(),
        &integration.name,
        &integration.description,
    )
    .version(integration.version.clone());
    let arguments = match command
        .try_get_matches()
        .and_then(|matches| Arguments::from_arg_matches(&matches))
    {
        Ok(arguments) => arguments,
        Err(usage) => {
            let code = if usage.use_stderr() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            };
            // There is nobody to tell when the terminal is gone.
            let _ = usage.print();
            return code;
        }
    };
    match run(arguments.command, integration) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.0);
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Parser)]
#[command(arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the integration: webhooks, schedules, console.
    ///
    /// What is on disk is in the data folder. Stops when it gets SIGTERM or SIGINT.
    Serve(Box<ServeOptions>),
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

/// The commands that speak to the management API of a server that runs.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// List the instances, or show one.
    Instances(Asked<InstancesOptions>),
    /// Deploy an instance.
    ///
    /// Says how each of its deploy functions ended.
    Deploy(Asked<DeployOptions>),
    /// Remove an instance.
    ///
    /// Says how each of its remove functions ended. If one fails, the instance stays, closed.
    Remove(Asked<RemoveOptions>),
    /// Pause an instance.
    ///
    /// Its endpoints answer 503 and its schedules stand still.
    Pause(Asked<PauseOptions>),
    /// Resume a paused instance.
    Resume(Asked<ResumeOptions>),
    /// Invoke a flow by hand.
    Invoke(Asked<InvokeOptions, PlaceBesideData>),
    /// List the executions, newest first, or show one.
    Executions(Asked<ExecutionsOptions>),
    /// Show the log of an execution, or follow all.
    Logs(Asked<LogsOptions>),
    /// Run executions again.
    Replay(Asked<ReplayOptions>),
    /// Cancel an execution.
    Cancel(Asked<CancelOptions>),
    /// List the schedules with their next times.
    Schedules(Asked<SchedulesOptions>),
    /// Show or clear the state of an instance.
    State(Asked<StateOptions>),
    /// List, make or revoke API keys.
    Keys(Asked<KeysOptions>),
    /// List the connections by OAuth 2.0, or have one authorised.
    Connections(Asked<ConnectionsOptions>),
}

fn run(command: Command, integration: BuiltIntegration) -> Result<(), Failure> {
    let command = match command {
        Command::Serve(options) => return serve::serve(&options, integration),
        Command::Client(command) => *command,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| Failure(format!("threads cannot be started: {fault}")))?;
    let console = Console {
        input: &mut std::io::stdin(),
        output: &mut std::io::stdout(),
        errors: &mut std::io::stderr(),
        terminal: console::terminal_width(),
        shows_progress: std::io::stderr().is_terminal(),
        json: false,
    };
    let now = SystemClock.now();
    runtime.block_on(command.run(&integration.name, console, now))
}

impl ClientCommand {
    /// Speaks to the server of the integration with this name.
    async fn run(self, name: &str, console: Console<'_>, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Instances(asked) => speak(asked, name, console, now).await,
            Self::Deploy(asked) => speak(asked, name, console, now).await,
            Self::Remove(asked) => speak(asked, name, console, now).await,
            Self::Pause(asked) => speak(asked, name, console, now).await,
            Self::Resume(asked) => speak(asked, name, console, now).await,
            Self::Invoke(asked) => speak(asked, name, console, now).await,
            Self::Executions(asked) => speak(asked, name, console, now).await,
            Self::Logs(asked) => speak(asked, name, console, now).await,
            Self::Replay(asked) => speak(asked, name, console, now).await,
            Self::Cancel(asked) => speak(asked, name, console, now).await,
            Self::Schedules(asked) => speak(asked, name, console, now).await,
            Self::State(asked) => speak(asked, name, console, now).await,
            Self::Keys(asked) => speak(asked, name, console, now).await,
            Self::Connections(asked) => speak(asked, name, console, now).await,
        }
    }
}

async fn speak<T: Errand + Args, P: Args + Into<Place>>(
    asked: Asked<T, P>,
    name: &str,
    mut console: Console<'_>,
    now: Timestamp,
) -> Result<(), Failure> {
    let place: Place = asked.place.into();
    console.json = place.json;
    let mut session = Session {
        client: place.find(name)?,
        console,
        now,
    };
    let done = asked.errand.run(&mut session).await;
    done.map_err(|refusal| explain(refusal, &mut session.console))
}

/// Shows what the server answered beside its sentence: for machines all of it, for people how each lifecycle function ended.
fn explain(refusal: Refusal, console: &mut Console<'_>) -> Failure {
    let Some(answer) = refusal.answer else {
        return Failure(refusal.text);
    };
    let functions = functions_of(&answer);
    if console.json {
        console.print_json(&answer);
    } else if !functions.is_empty() {
        console.table(&functions);
    }
    match text(answer.get("id")) {
        id if id.is_empty() => Failure(refusal.text),
        id => Failure(format!("{} (instance `{id}`)", refusal.text)),
    }
}

/// Why a command did not do what it was asked: one sentence.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    /// Says what failed and, after a colon, each cause behind it.
    fn because(what: &str, cause: &dyn std::error::Error) -> Self {
        Self(format!("{what}: {}", Self::of(cause).0))
    }

    /// Says what is wrong, with all its causes.
    fn of(fault: &dyn std::error::Error) -> Self {
        let mut text = fault.to_string();
        let mut source = fault.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(text)
    }
}

#[expect(
    clippy::print_stderr,
    reason = "this is where a command says why it failed"
)]
fn complain(text: &str) {
    eprintln!("error: {text}");
}
