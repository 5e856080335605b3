//! Examples in the help of every command.

use std::fmt::Write as _;

/// The examples of each command: what is typed after the name of the binary.
const EXAMPLES: [(&str, &[&str]); 14] = [
    (
        "serve",
        &[
            "serve",
            "serve --listen 127.0.0.1:8080 --public-url https://hooks.example.com --json",
        ],
    ),
    ("instances", &["instances", "instances local"]),
    (
        "deploy",
        &[
            "deploy --name 'Acme Ltd' --customer acme --config acme.json",
            "deploy --instance 'Acme Ltd' --config '{\"api_key\": \"k-123\"}'",
        ],
    ),
    (
        "remove",
        &[
            "remove 'Acme Ltd'",
            "remove 'Acme Ltd' --force",
            "remove 'Acme Ltd' --keep-seconds 604800",
        ],
    ),
    ("pause", &["pause local"]),
    ("resume", &["resume local"]),
    (
        "invoke",
        &[
            "invoke echo --data '{\"item\": \"widget\"}' --wait",
            "invoke echo --data @order.json --instance 'Acme Ltd'",
        ],
    ),
    (
        "executions",
        &[
            "executions --status ERROR --since 2h",
            "executions 0197c3d2-7f3a-7c1e-8a55-2d1f6b0e9a11",
        ],
    ),
    (
        "logs",
        &[
            "logs 0197c3d2-7f3a-7c1e-8a55-2d1f6b0e9a11",
            "logs --follow --level warn",
        ],
    ),
    (
        "replay",
        &[
            "replay 0197c3d2-7f3a-7c1e-8a55-2d1f6b0e9a11 --from failed-step",
            "replay --status ERROR --flow echo --since 1d",
        ],
    ),
    (
        "cancel",
        &[
            "cancel 0197c3d2-7f3a-7c1e-8a55-2d1f6b0e9a11",
            "cancel 0197c3d2-7f3a-7c1e-8a55-2d1f6b0e9a11 --dismiss",
        ],
    ),
    ("schedules", &["schedules", "schedules local --json"]),
    (
        "state",
        &[
            "state local",
            "state local --clear --scope instance --owner echo",
        ],
    ),
    (
        "keys",
        &[
            "keys",
            "keys echo --make",
            "keys echo --revoke Zx81kq",
            "keys tasks --forget-secret",
        ],
    ),
];

/// Puts the name of the binary, and examples, into the help of all commands.
pub(super) fn complete(command: clap::Command, name: &str, description: &str) -> clap::Command {
    let about = if description.is_empty() {
        format!("Serves {name} and speaks to its server")
    } else {
        description.to_owned()
    };
    let mut command = command
        .name(name.to_owned())
        .bin_name(name.to_owned())
        .about(about)
        .after_help(overview(name));
    for (subcommand, examples) in EXAMPLES {
        let text = shown(name, examples);
        command = command.mut_subcommand(subcommand, |subcommand| subcommand.after_help(text));
    }
    command
}

fn overview(name: &str) -> String {
    let examples = [
        "serve",
        "invoke FLOW --data '{\"item\": \"widget\"}' --wait",
        "executions --status ERROR",
    ];
    format!(
        "{}\n`{name} COMMAND --help` says more about a command. In its workspace, `cargo run -p runner -- COMMAND -p {name}`\n\
         builds the integration and does the same.",
        shown(name, &examples)
    )
}

fn shown(name: &str, examples: &[&str]) -> String {
    let mut text = match examples {
        [_] => "Example:\n".to_owned(),
        _ => "Examples:\n".to_owned(),
    };
    for example in examples {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name} {example}");
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::super::Arguments;
    use super::super::tests::words;
    use super::*;

    #[test]
    fn every_command_has_an_example_and_every_example_is_understood() {
        let command = complete(Arguments::command(), "lab", "");
        let subcommands: Vec<_> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        let with_examples: Vec<_> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        assert_eq!(subcommands, with_examples);
        for example in EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
            let typed = std::iter::once("lab".to_owned()).chain(words(example));
            assert!(Arguments::try_parse_from(typed).is_ok(), "{example}");
        }
    }

    #[test]
    fn no_option_is_one_that_the_front_desk_takes_out() {
        for subcommand in Arguments::command().get_subcommands() {
            for argument in subcommand.get_arguments() {
                assert_ne!(argument.get_short(), Some('p'));
                assert!(!matches!(argument.get_long(), Some("package" | "release")));
            }
        }
    }

    /// What the front desk of the workspace says of the commands, as it stands in its source.
    const DESK: &str = include_str!("../desk/manual.rs");

    #[test]
    fn the_front_desk_lists_the_same_commands_in_the_same_words() {
        let (_, listed) = DESK.split_once("const COMMANDS").unwrap();
        let (listed, _) = listed.split_once("];").unwrap();
        let listed: Vec<&str> = listed.split('"').skip(1).step_by(2).collect();
        let mut listed: Vec<(String, String)> = listed
            .chunks(2)
            .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
            .collect();
        listed.retain(|(name, _)| name != "new" && name != "dev");
        let command = Arguments::command();
        let ours: Vec<(String, String)> = command
            .get_subcommands()
            .map(|subcommand| {
                let about = subcommand.get_about().unwrap().to_string();
                let (first, rest) = about.split_at(1);
                let name = subcommand.get_name().to_owned();
                (name, first.to_lowercase() + rest)
            })
            .collect();
        assert_eq!(ours, listed);
    }

    #[test]
    fn the_help_lists_the_commands_with_an_example() {
        let mut command = complete(Arguments::command(), "lab", "Shows what a sender sends.");
        insta::assert_snapshot!(command.render_help());
        let invoke = command.find_subcommand_mut("invoke").unwrap();
        let help = invoke.render_help().to_string();
        assert!(
            help.contains("Examples:\n  lab invoke echo --data"),
            "{help}"
        );
    }
}
