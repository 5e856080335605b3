//! Whether the papers name what is there.

use std::collections::BTreeSet;

use crate::source::{CRATES, files, read, sources, workspace};

/// What stands between single back-ticks in a paper, outside of code blocks.
fn ticked(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// All code of the workspace.
fn code() -> String {
    let folders = CRATES.iter().copied().chain(["examples"]);
    let paths = folders.flat_map(|folder| files(folder, ".rs"));
    paths.map(|path| read(&path) + "\n").collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Whether the code declares an item of this name, or has it on a line of its own: a macro or a variant.
fn declares(code: &str, name: &str) -> bool {
    if code
        .lines()
        .any(|line| line.trim().trim_end_matches(" {") == name)
    {
        return true;
    }
    let kinds = ["struct", "enum", "trait", "type", "fn", "mod", "const"];
    kinds.iter().any(|kind| {
        let declaration = format!("{kind} {name}");
        let ends = |at: usize| {
            !code[at + declaration.len()..]
                .starts_with(|next: char| next.is_alphanumeric() || next == '_')
        };
        code.match_indices(&declaration).any(|(at, _)| ends(at))
    })
}

/// Modules of the crates, and the packages.
fn modules_and_packages() -> BTreeSet<String> {
    let modules = CRATES
        .iter()
        .flat_map(|krate| sources(krate))
        .map(|source| source.module);
    let examples = ["lab", "acme-orders"];
    let packages = CRATES.iter().copied().chain(examples).map(str::to_owned);
    modules.chain(packages).collect()
}

#[test]
fn what_the_architecture_names_is_there() {
    let (known, code) = (modules_and_packages(), code());
    let mut missing = Vec::new();
    for name in ticked(&read("docs/architecture.md")) {
        let is_there = if name.contains('/') || name.starts_with('.') {
            workspace().join(&name).exists()
        } else if is_word(&name) || name.contains('-') {
            known.contains(&name) || declares(&code, &name)
        } else if name.contains("::") {
            name.split("::")
                .all(|part| known.contains(part) || declares(&code, part))
        } else {
            // Attributes such as `#[flow]`, and code such as `Request<Bytes>`.
            code.contains(&name)
        };
        if !is_there {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_word_of_the_glossary_has_its_name_in_the_code() {
    let code = code();
    let glossary = read("docs/glossary.md");
    let rows = glossary
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1);
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for name in ticked(cells[3]) {
            count += 1;
            let is_there = if is_word(&name) {
                declares(&code, &name)
            } else {
                code.contains(&name)
            };
            assert!(is_there, "`{name}` of the word {}", cells[1]);
        }
    }
    assert!(count > 20, "the table is read");
}

#[test]
fn every_test_that_proves_a_guarantee_is_there() {
    let code = code();
    let page = read("docs/guarantees.md");
    let tests = ticked(&page)
        .into_iter()
        .filter(|name| is_word(name) && name.contains('_') && *name == name.to_lowercase());
    let tests: Vec<_> = tests.collect();
    assert!(tests.len() > 10, "the page is read");
    let missing: Vec<_> = tests
        .iter()
        .filter(|name| !code.contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn links_between_the_papers_lead_somewhere() {
    let papers = files("docs", ".md")
        .into_iter()
        .chain(["README.md".to_owned()]);
    for paper in papers {
        let text = read(&paper);
        let folder = workspace().join(&paper).parent().unwrap().to_owned();
        for (at, marker) in text.match_indices("](") {
            let target = text[at + marker.len()..].split([')', '#']).next().unwrap();
            let leads = target.is_empty() || target.contains("://") || folder.join(target).exists();
            assert!(leads, "{paper} points at {target}");
        }
    }
}

#[test]
fn papers_that_shall_be_short_are_short() {
    for (paper, most) in [("docs/architecture.md", 150), ("docs/contributing.md", 100)] {
        let lines = read(paper).lines().count();
        assert!(
            lines <= most,
            "{paper} has {lines} lines, at most {most} are read"
        );
    }
}
