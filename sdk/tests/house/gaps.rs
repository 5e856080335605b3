//! Whether a test does each thing that the harness of the system that we replace cannot do: TH-20 to TH-41.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{files, read};

/// The numbers in the comment of a test: `TH-24`, and each of `TH-20 to TH-24` and `TH-25 to 27`.
fn numbers(comment: &str) -> BTreeSet<u32> {
    let words: Vec<&str> = comment
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .filter(|word| !word.is_empty())
        .collect();
    let number = |word: &str| word.trim_start_matches("TH-").parse::<u32>().ok();
    let mut found = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let Some(first) = number(word).filter(|_| word.starts_with("TH-")) else {
            continue;
        };
        let last = match words.get(at + 1..at + 3) {
            Some(["to", last]) => number(last).unwrap_or(first),
            _ => first,
        };
        found.extend(first..=last);
    }
    found
}

/// Each test of a file, with the comment that stands right before it.
fn tests(code: &str) -> Vec<(String, String)> {
    let (mut found, mut comment, mut is_test) = (Vec::new(), String::new(), false);
    for line in code.lines().map(str::trim) {
        let code = line.trim_start_matches("async ");
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
            comment.push('\n');
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        } else if let Some(name) = code.strip_prefix("fn ").filter(|_| is_test) {
            let name = name.split('(').next().unwrap_or_default();
            found.push((name.to_owned(), std::mem::take(&mut comment)));
            is_test = false;
        } else {
            comment.clear();
            is_test = false;
        }
    }
    found
}

#[test]
fn each_gap_of_the_old_harness_is_closed_by_a_test_that_names_it() {
    let mut closed: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for path in ["testing/tests", "examples"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
    {
        for (name, comment) in tests(&read(&path)) {
            for number in numbers(&comment) {
                closed.entry(number).or_default().push(name.clone());
            }
        }
    }
    let open: Vec<_> = (20..=41)
        .filter(|number| !closed.contains_key(number))
        .map(|number| format!("TH-{number}"))
        .collect();
    assert_eq!(open, [""; 0], "no test names these in its comment");
    let unknown: Vec<_> = closed
        .iter()
        .filter(|(number, _)| !(20..=41).contains(*number))
        .collect();
    assert!(unknown.is_empty(), "there are no such gaps: {unknown:?}");
}

#[test]
fn numbers_are_read_one_by_one_and_in_ranges() {
    let read = |comment: &str| numbers(comment).into_iter().collect::<Vec<_>>();
    assert_eq!(
        read(" TH-20 to TH-22, TH-39: the report."),
        [20, 21, 22, 39]
    );
    assert_eq!(read("closed (TH-25 to 27, TH-29)."), [25, 26, 27, 29]);
    assert_eq!(read("TH-21, 22: nothing but TH-21"), [21]);
    assert_eq!(read("WITH-20"), [] as [u32; 0]);
}

#[test]
fn a_comment_belongs_to_the_test_right_behind_it() {
    let code = "/// One.\n#[test]\nfn a() {}\n\n/// Two.\nfn b() {}\n\n/// Three.\n\
                /// Four.\n#[tokio::test]\nasync fn c() -> Result {\n    #[test]\nfn d(x: u8) {}";
    let found = tests(code);
    let shown: Vec<_> = found
        .iter()
        .map(|(name, comment)| (name.as_str(), comment.as_str()))
        .collect();
    assert_eq!(
        shown,
        [("a", " One.\n"), ("c", " Three.\n Four.\n"), ("d", "")]
    );
}
