//! Writes a new integration into the workspace.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Surroundings;
use super::arguments::Order;
use super::fault::Fault;
use super::workspace::{Workspace, cannot_start};

/// The files of a new integration; in them it is called `new-integration`, in Rust `new_integration`.
const TEMPLATE: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/Cargo.toml")),
    ("src/lib.rs", include_str!("template/src/lib.rs")),
    ("src/main.rs", include_str!("template/src/main.rs")),
    ("tests/greet.rs", include_str!("template/tests/greet.rs")),
    (
        "tests/snapshots/greet__a_visitor_is_greeted_by_name.snap",
        include_str!("template/tests/snapshots/greet__a_visitor_is_greeted_by_name.snap"),
    ),
];

/// Writes the integration that was asked for, and returns what to tell.
///
/// # Errors
///
/// No name or a bad one, something there already, a workspace without what the template takes from it.
pub(super) fn create(order: &Order, surroundings: &Surroundings) -> Result<String, Fault> {
    let name = read_name(order)?;
    let workspace = Workspace::read(&surroundings.cargo)?;
    if workspace.has_package(name) {
        return Err(bad_name(name, "the workspace has a package of that name"));
    }
    let place = Place::read(&workspace.root)?;
    if place.dependencies.iter().any(|taken| taken == name) {
        return Err(bad_name(
            name,
            "it is the name of a dependency of the workspace",
        ));
    }
    let folder = workspace.root.join(place.parent).join(name);
    if folder.exists() {
        return Err(Fault::FolderExists { folder });
    }
    add_package(&surroundings.cargo, &folder)?;
    for (file, text) in TEMPLATE {
        write(&folder.join(file), &fill_in(text, name))?;
    }
    let shown = folder.strip_prefix(&workspace.root).unwrap_or(&folder);
    Ok(format!(
        "`{name}` is in `{}`. Next:\n  cargo test -p {name}\n  cargo run -p runner -- serve -p {name}\n",
        shown.display()
    ))
}

/// The one argument of `new`.
fn read_name(order: &Order) -> Result<&str, Fault> {
    let mut arguments = order.rest.iter().map(|argument| argument.to_string_lossy());
    // `-p NAME` is understood too: that is how the package is named everywhere else.
    let name = match (&order.package, order.rest.first()) {
        (Some(package), _) => package.as_str(),
        (None, Some(first)) => {
            arguments.next();
            first.to_str().ok_or(Fault::NameMissing)?
        }
        (None, None) => return Err(Fault::NameMissing),
    };
    if let Some(argument) = arguments.next() {
        return Err(Fault::NewArgument {
            argument: argument.into_owned(),
        });
    }
    check_name(name)?;
    Ok(name)
}

/// Names that cargo would take, but that stand for something else in the code or in the target folder.
const TAKEN: [&str; 10] = [
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    "build",
    "deps",
    "examples",
    "incremental",
    "main",
];

fn check_name(name: &str) -> Result<(), Fault> {
    let is_letter = |character: char| character.is_ascii_lowercase();
    if !name.starts_with(is_letter) {
        return Err(bad_name(
            name,
            "it must begin with a lower-case letter, a to z",
        ));
    }
    let is_fit = |character: char| {
        is_letter(character) || character.is_ascii_digit() || matches!(character, '-' | '_')
    };
    if !name.chars().all(is_fit) {
        return Err(bad_name(
            name,
            "lower-case letters, digits, `-` and `_` are allowed",
        ));
    }
    if name.len() > 64 {
        return Err(bad_name(name, "it has more than 64 characters"));
    }
    if TAKEN.contains(&name) {
        return Err(bad_name(name, "Rust or cargo uses it for something else"));
    }
    Ok(())
}

fn bad_name(name: &str, reason: &str) -> Fault {
    Fault::BadName {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

/// What the manifest of the workspace says about new packages.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// The folder for new integrations, seen from the workspace.
    parent: &'static str,
    dependencies: Vec<String>,
}

impl Place {
    fn read(root: &Path) -> Result<Self, Fault> {
        let file = root.join("Cargo.toml");
        let text = fs::read_to_string(&file).map_err(|_| Fault::NoWorkspace)?;
        Self::parse(&text)
    }

    fn parse(manifest: &str) -> Result<Self, Fault> {
        // Cargo has read it before.
        let manifest: toml::Table = manifest.parse().map_err(|_| Fault::CargoRefused)?;
        let workspace = manifest.get("workspace");
        let section = |name: &str| workspace?.get(name)?.as_table();
        let wanted = [
            (
                "package",
                ["edition", "license", "publish", "rust-version", "version"].as_slice(),
            ),
            (
                "dependencies",
                [
                    "insta",
                    "runner",
                    "sdk",
                    "serde",
                    "serde_json",
                    "testing",
                    "tokio",
                ]
                .as_slice(),
            ),
        ];
        let mut missing = Vec::new();
        for (table, keys) in wanted {
            let has = |key: &str| section(table).is_some_and(|table| table.contains_key(key));
            let lacking = keys.iter().filter(|key| !has(key));
            missing.extend(lacking.map(|key| format!("`workspace.{table}.{key}`")));
        }
        if section("lints").is_none() {
            missing.push("`workspace.lints`".to_owned());
        }
        if !missing.is_empty() {
            return Err(Fault::WorkspaceLacks {
                missing: missing.join(", "),
            });
        }
        let members = workspace.and_then(|workspace| workspace.get("members")?.as_array());
        let has_examples = members
            .is_some_and(|members| members.iter().any(|one| one.as_str() == Some("examples/*")));
        Ok(Self {
            parent: if has_examples { "examples" } else { "" },
            dependencies: section("dependencies")
                .map(|table| table.keys().cloned().collect())
                .unwrap_or_default(),
        })
    }
}

/// Has cargo make the package, because cargo also adds it to the members where that is needed.
fn add_package(cargo: &str, folder: &Path) -> Result<(), Fault> {
    let status = Command::new(cargo)
        .args(["new", "--quiet", "--lib", "--vcs", "none"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|source| cannot_start(cargo, source))?;
    if status.success() {
        Ok(())
    } else {
        Err(Fault::CargoRefused)
    }
}

fn fill_in(text: &str, name: &str) -> String {
    text.replace("new-integration", name)
        .replace("new_integration", &name.replace('-', "_"))
}

fn write(file: &Path, text: &str) -> Result<(), Fault> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, text))
        .map_err(|source| Fault::CannotWrite {
            file: file.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::{Fault, Order, Place, TEMPLATE, fill_in, read_name};

    const MANIFEST: &str = include_str!("../../../Cargo.toml");

    fn name_in(line: &str) -> Result<String, Fault> {
        let order = Order::read(line.split(' ').map(Into::into))?;
        read_name(&order).map(str::to_owned)
    }

    #[test]
    fn the_name_is_the_only_argument() {
        assert_eq!(name_in("new acme-orders").unwrap(), "acme-orders");
        assert_eq!(name_in("new -p acme-orders").unwrap(), "acme-orders");
        assert!(matches!(name_in("new"), Err(Fault::NameMissing)));
        for line in ["new acme orders", "new acme --lib", "new acme -p orders"] {
            assert!(
                matches!(name_in(line), Err(Fault::NewArgument { .. })),
                "{line}"
            );
        }
    }

    #[test]
    fn a_name_that_is_no_package_is_refused() {
        let long = "a".repeat(65);
        for name in [
            "Acme", "2fast", "-x", "a/b", "../a", "a.b", "ä", "a b", "test", &long,
        ] {
            let order = Order {
                command: "new".to_owned(),
                package: None,
                release: false,
                rest: vec![name.into()],
            };
            assert!(
                matches!(read_name(&order), Err(Fault::BadName { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn this_workspace_has_what_the_template_takes_from_it() {
        let place = Place::parse(MANIFEST).unwrap();
        assert_eq!(place.parent, "examples");
        assert!(place.dependencies.iter().any(|name| name == "serde"));
    }

    #[test]
    fn without_examples_among_the_members_the_place_is_beside_them() {
        let manifest = MANIFEST.replace(r#", "examples/*""#, "");
        assert_eq!(Place::parse(&manifest).unwrap().parent, "");
    }

    #[test]
    fn what_the_workspace_lacks_is_named() {
        let manifest = MANIFEST
            .replace("insta =", "instant =")
            .replace("license =", "licence =");
        assert_eq!(
            Place::parse(&manifest).unwrap_err().to_string(),
            "the workspace lacks what a new integration takes from it; add `workspace.package.license`, \
             `workspace.dependencies.insta` to its `Cargo.toml`"
        );
    }

    #[test]
    fn the_name_of_the_template_is_gone_when_it_is_filled_in() {
        for (file, text) in TEMPLATE {
            let filled = fill_in(text, "acme-orders");
            assert!(!filled.contains("new-integration"), "{file}");
            assert!(!filled.contains("new_integration"), "{file}");
        }
    }
}
