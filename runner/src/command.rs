//! The command line of an integration's binary.

mod invitation;
mod logging;
#[cfg(test)]
mod operations_page;
mod serve;
mod settings_file;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use sdk::config::ConfigVars;
use sdk::integration::{BuiltIntegration, Integration};

use self::serve::ServeOptions;

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
/// Returns exit code 0 after a stop that was asked for, 1 with one clear sentence on standard error when something is wrong (an
/// integration with faults lists all of them).
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
    let name = integration.name.clone();
    let command = Arguments::command()
        .name(name.clone())
        .bin_name(name)
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
#[command(about = "Serves this integration", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve webhooks, schedules and the management API.
    ///
    /// Example: serve --listen 127.0.0.1:3000 --data .runner/acme-orders
    Serve(Box<ServeOptions>),
}

fn run(command: Command, integration: BuiltIntegration) -> Result<(), Failure> {
    match command {
        Command::Serve(options) => serve::serve(&options, integration),
    }
}

/// Why a command did not do what it was asked: one sentence.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    /// Says what failed and, after a colon, each cause behind it.
    fn because(what: &str, cause: &dyn std::error::Error) -> Self {
        let mut text = format!("{what}: {cause}");
        let mut source = cause.source();
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
