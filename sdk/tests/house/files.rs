//! How large a file may be, how it is called, and which features a build has.

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

/// What lets a test kill a process at a durable point (`crash-points` of `runner`) is for tests alone.
#[test]
fn no_build_but_that_of_a_test_can_be_told_to_crash() {
    let mut asked = 0;
    for folder in CRATES.iter().copied().chain(["examples"]) {
        for manifest in files(folder, "Cargo.toml") {
            let text = read(&manifest);
            let (usual, for_tests) = text.split_once("[dev-dependencies]").unwrap_or((&text, ""));
            asked += for_tests.matches("crash-points").count();
            let mut named = usual.lines().filter(|line| line.contains("crash-points"));
            let is_definition = |line: &str| line.starts_with("crash-points = ");
            assert!(
                named.all(is_definition),
                "{manifest} asks for `crash-points`"
            );
        }
    }
    assert_eq!(asked, 1, "the tests of the lab ask for it");
}
