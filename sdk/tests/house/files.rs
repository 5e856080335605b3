//! How large a file may be, and how it is called.

use crate::source::{CRATES, files, read};

/// The longest file, in lines.
const MOST_LINES: usize = 500;

fn all_files() -> Vec<String> {
    let crates = CRATES.iter().copied().chain(["examples"]);
    crates.flat_map(|folder| files(folder, ".rs")).collect()
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    let length = |path: &String| read(path).lines().count();
    let long: Vec<_> = all_files()
        .into_iter()
        .filter(|path| length(path) > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "divide by noun, not by `part 2`: {long:?}");
}

#[test]
fn no_module_is_called_mod_rs() {
    let named: Vec<_> = all_files()
        .into_iter()
        .filter(|path| path.ends_with("/mod.rs"))
        .collect();
    assert!(named.is_empty(), "write `foo.rs` beside `foo/`: {named:?}");
}
