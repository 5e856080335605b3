//! Has cargo build an integration, and finds the binary.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::fault::Fault;
use super::workspace::{Package, cannot_start};

/// A binary that cargo has built.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Built {
    /// Where it is.
    pub(super) executable: PathBuf,
    /// Whether it was up to date already.
    pub(super) is_fresh: bool,
}

/// Builds the binary of an integration; what cargo says goes to standard error.
///
/// # Errors
///
/// Cargo cannot be run, or says that the build failed.
pub(super) fn run(cargo: &str, package: &Package, is_release: bool) -> Result<Built, Fault> {
    let mut child = command(cargo, package, is_release)
        .spawn()
        .map_err(|source| cannot_start(cargo, source))?;
    let built = child
        .stdout
        .take()
        .and_then(|messages| read_messages(messages, &package.name));
    let status = child.wait().map_err(|source| cannot_start(cargo, source))?;
    finish(status.success(), built, package)
}

/// The call of cargo that builds the binary of an integration; its standard output is for [`read_messages`].
pub(super) fn command(cargo: &str, package: &Package, is_release: bool) -> Command {
    let mut command = Command::new(cargo);
    command
        .args(["build", "--message-format=json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&package.manifest_path)
        .args(["--bin", &package.name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    // `cargo run --release -p runner` means a server with optimisations too.
    if is_release || !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command
}

/// Reads cargo's messages to their end, and returns the binary called `name`.
pub(super) fn read_messages(messages: impl Read, name: &str) -> Option<Built> {
    BufReader::new(messages)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Message>(&line).ok())
        .filter_map(|message| message.binary(name))
        .last()
}

/// What is to be said of a build that came to its end.
///
/// # Errors
///
/// It failed.
pub(super) fn finish(
    is_success: bool,
    built: Option<Built>,
    package: &Package,
) -> Result<Built, Fault> {
    built
        .filter(|_| is_success)
        .ok_or_else(|| Fault::BuildFailed {
            package: package.name.clone(),
        })
}

/// One of cargo's messages, as far as the desk reads them.
#[derive(Debug, Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
    #[serde(default)]
    fresh: bool,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Message {
    fn binary(self, name: &str) -> Option<Built> {
        let target = self.target?;
        if target.name != name || !target.kind.iter().any(|kind| kind == "bin") {
            return None;
        }
        Some(Built {
            executable: self.executable?,
            is_fresh: self.fresh,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Built, read_messages};

    const MESSAGES: &str = r#"
{"reason":"compiler-artifact","target":{"name":"lab","kind":["lib"]},"executable":null,"fresh":true}
{"reason":"compiler-artifact","target":{"name":"build-script-build","kind":["custom-build"]},"executable":"/t/other","fresh":false}
{"reason":"build-script-executed","out_dir":"/t/out"}
no JSON at all
{"reason":"compiler-artifact","target":{"name":"lab","kind":["bin"]},"executable":"/t/debug/lab","fresh":true}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn the_binary_is_found_among_the_messages_of_cargo() {
        let wanted = Built {
            executable: "/t/debug/lab".into(),
            is_fresh: true,
        };
        assert_eq!(read_messages(MESSAGES.as_bytes(), "lab"), Some(wanted));
    }

    #[test]
    fn a_binary_of_another_name_is_not_taken() {
        assert_eq!(read_messages(MESSAGES.as_bytes(), "shop"), None);
    }
}
