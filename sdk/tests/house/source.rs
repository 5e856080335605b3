//! The files of the workspace, and the modules that a file names.

use std::fs;
use std::path::{Path, PathBuf};

/// The crates that the house is made of, the lowest first.
pub(crate) const CRATES: [&str; 4] = ["sdk-macros", "sdk", "runner", "testing"];

/// The folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads a file of the workspace.
#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = workspace().join(path);
    fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// All files below a folder of the workspace that end so, in a stable order, as paths from the workspace.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&workspace().join(folder), folder, ending, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, shown: &str, ending: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let shown = format!("{shown}/{name}");
        // What `runner/fuzz` builds stands beside it.
        if name == "target" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &shown, ending, found);
        } else if name.ends_with(ending) {
            found.push(shown);
        }
    }
}

/// A file of a crate's `src`.
pub(crate) struct Source {
    pub(crate) path: String,
    /// The module of the crate root to which it belongs.
    pub(crate) module: String,
    /// How many folders below the root it declares names in: 1 for `src/flow.rs`, 2 for `src/flow/part.rs`.
    depth: usize,
    text: String,
}

/// The files of a crate, without those that only tests compile and without the template of `new`.
pub(crate) fn sources(krate: &str) -> Vec<Source> {
    let src = format!("{krate}/src");
    let paths = files(&src, ".rs").into_iter();
    paths
        .filter(|path| !is_test(path) && !path.contains("/template/"))
        .map(|path| {
            let inside = path[src.len() + 1..].trim_end_matches(".rs");
            let depth = inside.split('/').count();
            let module = inside.split('/').next().unwrap().to_owned();
            let text = read(&path);
            Source {
                path,
                module,
                depth,
                text,
            }
        })
        .collect()
}

/// Tests of a module may stand on the whole crate.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/")
}

impl Source {
    /// The names of the crate root that this file uses: modules, and what the root re-exports.
    pub(crate) fn root_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let code = code_of(&self.text);
        for (start, _) in code.match_indices("crate::") {
            let attached =
                code[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_');
            if !attached {
                names.extend(first_names(&code[start + "crate::".len()..]));
            }
        }
        // `use super::…` climbs to the root from the first floor of files, `use super::super::…` from the second.
        let climb = format!("use {}", "super::".repeat(self.depth));
        for line in code.lines().filter(|line| line.starts_with("use ")) {
            if let Some(rest) = line.strip_prefix(&climb) {
                names.extend(first_names(rest));
            }
        }
        names
    }
}

/// The code of a file: no comments, so that documentation may point upwards.
fn code_of(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The first name of a path, or of each path in a group: `a::B` names `a`, `{a::{B, C}, d}` names `a` and `d`.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![identifier(path)];
    };
    let (mut names, mut depth, mut fresh) = (Vec::new(), 0, true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && !letter.is_whitespace() => {
                names.push(identifier(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

/// What the root of a crate re-exports, with the module from which it comes.
pub(crate) fn re_exports(krate: &str) -> Vec<(String, String)> {
    let code = code_of(&read(format!("{krate}/src/lib.rs")));
    let mut found = Vec::new();
    for (start, marker) in code.match_indices("pub use crate::") {
        let path = &code[start + marker.len()..];
        let module = identifier(path);
        let names = path[module.len()..].strip_prefix("::").unwrap_or_default();
        found.extend(
            first_names(names)
                .into_iter()
                .map(|name| (name, module.clone())),
        );
    }
    found
}

#[test]
fn names_are_read_from_paths_and_groups() {
    assert_eq!(first_names("flow::Flow;"), ["flow"]);
    assert_eq!(
        first_names("{flow::{A, B}, step::C,\n    Error};"),
        ["flow", "step", "Error"]
    );
}
