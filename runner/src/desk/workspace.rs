//! The workspace as cargo describes it, and the integrations in it.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::fault::{Fault, Listed};

/// A workspace, as far as the desk reads it.
#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    packages: Vec<Package>,
    /// The folder of the workspace.
    #[serde(rename = "workspace_root")]
    pub(super) root: PathBuf,
    #[serde(default)]
    metadata: serde_json::Value,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// Its `Cargo.toml`.
    pub(super) manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

impl Workspace {
    /// Asks cargo for the workspace around the current folder.
    ///
    /// # Errors
    ///
    /// No cargo, no workspace, or one that cargo cannot read.
    pub(super) fn read(cargo: &str) -> Result<Self, Fault> {
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| cannot_start(cargo, source))?;
        if output.status.success() {
            Self::parse(&output.stdout)
        } else {
            Err(refusal(&output.stderr))
        }
    }

    fn parse(json: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(json).map_err(Fault::UnknownMetadata)
    }

    /// Returns the integration of that name, or the default one.
    ///
    /// # Errors
    ///
    /// No such package, no integration, no default; each with the integrations that there are.
    pub(super) fn choose(&self, named: Option<&str>) -> Result<&Package, Fault> {
        let Some(name) = named.or_else(|| self.default_integration()) else {
            return Err(Fault::NoDefault {
                integrations: self.integrations(),
            });
        };
        let Some(package) = self.packages.iter().find(|package| package.name == name) else {
            return Err(Fault::NoSuchPackage {
                package: name.to_owned(),
                integrations: self.integrations(),
            });
        };
        if !package.is_integration() {
            return Err(Fault::NoIntegration {
                package: name.to_owned(),
                integrations: self.integrations(),
            });
        }
        Ok(package)
    }

    /// Whether a package has that name.
    pub(super) fn has_package(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }

    /// Returns a package and the packages of the workspace that it is built from.
    #[cfg(unix)]
    pub(super) fn parts_of<'a>(&'a self, package: &'a Package) -> Vec<&'a Package> {
        let mut seen = BTreeSet::from([package.folder()]);
        let mut parts = vec![package];
        let mut next = 0;
        while let Some(part) = parts.get(next) {
            next += 1;
            let folders = part.dependencies.iter().filter(|one| one.is_built_in());
            let found: Vec<_> = folders
                .filter_map(|dependency| self.package_at(dependency.path.as_deref()?))
                .filter(|package| seen.insert(package.folder()))
                .collect();
            parts.extend(found);
        }
        parts
    }

    #[cfg(unix)]
    fn package_at(&self, folder: &Path) -> Option<&Package> {
        self.packages
            .iter()
            .find(|package| package.folder() == folder)
    }

    fn default_integration(&self) -> Option<&str> {
        self.metadata.get("runner")?.get("default")?.as_str()
    }

    fn integrations(&self) -> Listed {
        let integrations = self.packages.iter().filter(|one| one.is_integration());
        let names: BTreeSet<_> = integrations.map(|package| package.name.clone()).collect();
        Listed(names.into_iter().collect())
    }
}

impl Package {
    /// The folder of the package.
    pub(super) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("."))
    }

    /// The folders of its source files, without those of its tests and examples.
    #[cfg(unix)]
    pub(super) fn source_folders(&self) -> BTreeSet<&Path> {
        self.targets
            .iter()
            .filter(|target| target.is_built_in())
            .filter_map(|target| target.src_path.parent())
            .collect()
    }

    fn is_integration(&self) -> bool {
        let has_binary = self
            .targets
            .iter()
            .any(|target| target.name == self.name && target.kind.iter().any(|kind| kind == "bin"));
        let has_runner = self
            .dependencies
            .iter()
            .any(|dependency| dependency.name == "runner" && dependency.kind.is_none());
        has_binary && has_runner
    }
}

#[cfg(unix)]
impl Dependency {
    fn is_built_in(&self) -> bool {
        self.kind.as_deref() != Some("dev")
    }
}

#[cfg(unix)]
impl Target {
    fn is_built_in(&self) -> bool {
        let other = ["test", "bench", "example"];
        !self.kind.iter().any(|kind| other.contains(&kind.as_str()))
    }
}

/// The fault behind a cargo that did not start.
pub(super) fn cannot_start(cargo: &str, source: io::Error) -> Fault {
    Fault::CannotStart {
        program: cargo.to_owned(),
        source,
    }
}

/// The fault behind a cargo that refuses; what cargo says about a broken manifest is shown as it is.
fn refusal(told: &[u8]) -> Fault {
    if String::from_utf8_lossy(told).contains("could not find `Cargo.toml`") {
        return Fault::NoWorkspace;
    }
    let _ = io::stderr().write_all(told);
    Fault::CargoRefused
}

#[cfg(test)]
mod tests;
