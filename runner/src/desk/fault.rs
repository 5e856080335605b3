//! What can keep the desk from doing what it was asked, each in one sentence.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::manual;

/// Why the desk could not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("`-p` needs the name of a package behind it")]
    PackageMissing,
    #[error("`-p` is there twice; name one package")]
    PackageTwice,
    #[error("no command `{command}`; there are {}", manual::command_list())]
    NoSuchCommand { command: String },
    #[error("no cargo workspace here; run this inside the folder of one")]
    NoWorkspace,
    #[error("cargo cannot do it; it says above why")]
    CargoRefused,
    #[error("cargo describes the workspace in a way that is not known here: {0}")]
    UnknownMetadata(serde_json::Error),
    #[error(
        "no default integration; name one with `-p`, or set `default = \"…\"` in `[workspace.metadata.runner]` of the workspace; {integrations}"
    )]
    NoDefault { integrations: Listed },
    #[error("no package `{package}` in this workspace; {integrations}")]
    NoSuchPackage {
        package: String,
        integrations: Listed,
    },
    #[error(
        "package `{package}` is no integration: it needs a binary `{package}` and `runner` among its dependencies; {integrations}"
    )]
    NoIntegration {
        package: String,
        integrations: Listed,
    },
    #[error("cannot build `{package}`; cargo says above what is wrong")]
    BuildFailed { package: String },
    #[error("cannot run `{program}`: {source}")]
    CannotStart { program: String, source: io::Error },
    #[error("`new` needs one name, as in `cargo run -p runner -- new acme-orders`")]
    NameMissing,
    #[error("`new` does not know `{argument}`; it takes a name and nothing else")]
    NewArgument { argument: String },
    #[error("`{name}` cannot be the name of a package: {reason}")]
    BadName { name: String, reason: String },
    #[error("`{}` is there already; choose another name or move it away", .folder.display())]
    FolderExists { folder: PathBuf },
    #[error(
        "the workspace lacks what a new integration takes from it; add {missing} to its `Cargo.toml`"
    )]
    WorkspaceLacks { missing: String },
    #[error("cannot write `{}`: {source}", .file.display())]
    CannotWrite { file: PathBuf, source: io::Error },
    #[cfg(not(unix))]
    #[error("`dev` runs on Unix only; use `serve` here")]
    DevNeedsUnix,
    #[cfg(unix)]
    #[error("cannot listen on {address}: {source}; choose another address with `{option}`")]
    CannotListen {
        address: String,
        option: &'static str,
        source: io::Error,
    },
    #[cfg(unix)]
    #[error("cannot watch the source files: {source}")]
    CannotWatch { source: notify::Error },
    #[cfg(unix)]
    #[error("cannot look after the server: {source}")]
    CannotSupervise { source: io::Error },
}

/// The integrations of a workspace, for the end of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed(pub(crate) Vec<String>);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("there is no integration yet: `runner new NAME` writes one"),
            [only] => write!(f, "the only integration is `{only}`"),
            names => write!(f, "integrations are `{}`", names.join("`, `")),
        }
    }
}
