//! The commands, and the help pages that are the desk's own.

use std::fmt::Write as _;

/// Every command with what it does. All but `new` go to the binary of an integration.
const COMMANDS: [(&str, &str); 17] = [
    (
        "serve",
        "serve the integration: webhooks, schedules, console",
    ),
    (
        "dev",
        "serve it, and build and restart it when a source file changes",
    ),
    ("new", "write a new integration into the workspace"),
    ("instances", "list the instances, or show one"),
    ("deploy", "deploy an instance"),
    ("remove", "remove an instance"),
    ("pause", "pause an instance"),
    ("resume", "resume a paused instance"),
    ("invoke", "invoke a flow by hand"),
    (
        "executions",
        "list the executions, newest first, or show one",
    ),
    ("logs", "show the log of an execution, or follow all"),
    ("replay", "run executions again"),
    ("cancel", "cancel an execution"),
    ("schedules", "list the schedules with their next times"),
    ("state", "show or clear the state of an instance"),
    ("keys", "list, make or revoke API keys"),
    (
        "connections",
        "list the connections by OAuth 2.0, or have one authorised",
    ),
];

/// `new --help`.
pub(super) const NEW: &str = "\
Write a new integration into the workspace: a flow, a test with a snapshot, a local instance.

Usage: runner new NAME

Example:
  cargo run -p runner -- new acme-orders
  cargo test -p acme-orders
";

/// `dev --help`.
pub(super) const DEV: &str = "\
Serve an integration, and build and restart it when a source file changes.

The old server goes on while the new one builds. Connections made between the two wait; none is refused.

Usage: runner dev [-p PACKAGE] [--release] [options of `serve`]

Example:
  cargo run -p runner -- dev -p lab
";

/// Whether there is such a command.
pub(super) fn is_command(name: &str) -> bool {
    COMMANDS.iter().any(|(command, _)| *command == name)
}

/// All commands, for the end of a sentence.
pub(super) fn command_list() -> String {
    COMMANDS.map(|(command, _)| command).join(", ")
}

/// `--help`.
pub(super) fn overview() -> String {
    let mut text = "\
Build an integration of this workspace and run a command of it.

Usage: runner [COMMAND] [-p PACKAGE] [--release] [arguments of the command]

Commands:
"
    .to_owned();
    for (command, line) in COMMANDS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {command:<12}{line}");
    }
    text.push_str(
        "
Without COMMAND: `serve`. Without `-p`: the default of the workspace, `[workspace.metadata.runner] default`.
`runner COMMAND --help` says more about a command.

Examples:
  cargo run -p runner
  cargo run -p runner -- executions -p lab --json
",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::overview;

    #[test]
    fn the_help_has_one_short_line_for_each_command() {
        insta::assert_snapshot!(overview());
    }
}
