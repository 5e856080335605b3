//! Whether each rule of the engine has a test that names it.
//!
//! Rules have numbers (`E21`), which stand where the rule is implemented. A test names one in its name (`e21_…`, `…_e21`) or in the
//! comment above it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::source::{CRATES, files, read};

/// The rules of the engine: flows, schedules, executions, state, instances, secrets.
const ROWS: [RangeInclusive<u32>; 5] = [1..=6, 10..=18, 20..=30, 40..=42, 50..=56];

/// The tests of a file, each with the comment above it.
fn tests(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut above, mut is_test) = (String::new(), false);
    for line in text.lines().map(str::trim) {
        let name = line
            .split_once("fn ")
            .and_then(|(_, rest)| rest.split('(').next());
        if line.starts_with("//") {
            above.push_str(line);
            above.push('\n');
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if !line.starts_with("#[") {
            if let Some(name) = name.filter(|_| is_test) {
                found.push((name.to_owned(), std::mem::take(&mut above)));
            }
            above.clear();
            is_test = false;
        }
    }
    found
}

/// The numbers that follow a letter, where it begins a word.
fn numbers(text: &str, letter: char) -> BTreeSet<u32> {
    let words = text.split(|at: char| !at.is_ascii_alphanumeric());
    words
        .filter_map(|word| word.strip_prefix(letter)?.parse().ok())
        .collect()
}

#[test]
fn every_rule_of_the_engine_is_named_by_a_test() {
    let mut named: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let folders = CRATES.iter().copied().chain(["examples"]);
    for path in folders.flat_map(|folder| files(folder, ".rs")) {
        for (name, above) in tests(&read(&path)) {
            for row in numbers(&above, 'E').union(&numbers(&name, 'e')) {
                named.entry(*row).or_default().push(name.clone());
            }
        }
    }
    assert!(named.len() > 30, "the tests are read");
    let rows = ROWS.into_iter().flatten();
    let silent: Vec<u32> = rows.filter(|row| !named.contains_key(row)).collect();
    assert!(silent.is_empty(), "no test names these rows: {silent:?}");
}

#[test]
fn a_row_is_named_in_the_name_of_a_test_or_in_the_comment_above_it() {
    let text = "/// E1, E30: how it is.\n#[tokio::test(flavor = \"x\")]\nasync fn a_test_e5_e17() {}\n// E2\nfn no_test() {}";
    let found = tests(text);
    let [(name, above)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(numbers(name, 'e'), BTreeSet::from([5, 17]));
    assert_eq!(numbers(above, 'E'), BTreeSet::from([1, 30]));
}
