//! The front desk of the workspace: builds an integration and hands over to its own binary.

mod desk;

use std::io::Write as _;
use std::process::ExitCode;

use desk::Surroundings;

fn main() -> ExitCode {
    let surroundings = Surroundings {
        cargo: variable("CARGO").unwrap_or_else(|| "cargo".to_owned()),
        listen: variable("RUNNER_LISTEN"),
        admin: variable("RUNNER_ADMIN"),
        allow_outbound: variable("RUNNER_ALLOW_OUTBOUND"),
    };
    match desk::run(std::env::args_os().skip(1), &surroundings) {
        Ok(code) => code,
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "error: {fault}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only place where the desk reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
