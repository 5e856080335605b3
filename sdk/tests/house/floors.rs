//! Modules have floors: a module uses only modules on lower floors of its crate. Two modules on one floor do not know each other.
//!
//! A change here is a change of the architecture: it comes with its reason, in the same commit.

use crate::source::{CRATES, re_exports, sources};

/// The floors of each crate, the lowest first.
const FLOORS: [(&str, &[&[&str]]); 4] = [
    (
        "sdk-macros",
        &[
            &["refusals"],
            &["function", "options", "pick_list"],
            &["literal"],
            &["config", "flow"],
            &["lib"],
        ],
    ),
    (
        "sdk",
        &[
            &["error", "id", "secret", "time"],
            &["json", "query", "queue", "retry", "schedule", "signature"],
            &["body", "config", "trigger"],
            &["connection", "options", "payload"],
            &["response"],
            &["host"],
            &["http_client", "state", "step"],
            &["context"],
            &["flow"],
            &["endpoint", "handle"],
            &["integration"],
            &["prelude", "private"],
            &["lib"],
        ],
    ),
    (
        "runner",
        &[
            &[
                "clock",
                "entropy",
                "lane",
                "rate",
                "record",
                "redaction",
                "settings",
                "spawn",
                "vault",
            ],
            // `outbound` knows by `redaction` which headers no other origin gets.
            &[
                "calendar",
                "decode",
                "outbound",
                "signature",
                "store",
                "timetable",
            ],
            &["envelope", "instance", "ports"],
            &["execution", "retention"],
            &["engine"],
            &["timer", "webhook"],
            &["deploy"],
            &["runner"],
            &["server"],
            &["command"],
            // The front desk is a program of its own, that builds and starts others.
            &["desk"],
            &["lib", "main"],
        ],
    ),
    (
        "testing",
        &[
            &[
                "body",
                "certified",
                "error",
                "fixtures",
                "moment",
                "multipart",
                "script",
                "tasks",
                "witness",
            ],
            &["cassette", "upstream"],
            &["outbound"],
            &["report"],
            &["world"],
            &["exchange", "state"],
            &["instance"],
            &["control", "webhook"],
            // A simulation begins webhooks to the endpoint that all customers share.
            &["simulation"],
            &["sweep"],
            &["lib"],
        ],
    ),
];

/// Uses that go upwards, and why they may.
const EXCEPTIONS: [(&str, &str, &str, &str); 2] = [
    (
        "sdk",
        "host",
        "state",
        "the port speaks of scopes and writes; `State` is what an author sees of the port",
    ),
    (
        "testing",
        "instance",
        "webhook",
        "an instance begins webhooks; a webhook is sent to its instance",
    ),
];

fn floor_of(floors: &[&[&str]], module: &str) -> Option<usize> {
    floors.iter().position(|floor| floor.contains(&module))
}

#[test]
fn a_module_uses_only_modules_on_lower_floors() {
    let mut upwards = Vec::new();
    let mut needed = Vec::new();
    for (krate, floors) in FLOORS {
        let re_exports = re_exports(krate);
        for source in sources(krate)
            .iter()
            .filter(|source| source.module != "lib")
        {
            let Some(own) = floor_of(floors, &source.module) else {
                continue;
            };
            for name in source.root_names() {
                let behind = re_exports.iter().find(|(exported, _)| *exported == name);
                let used = match behind {
                    Some((_, module)) if floor_of(floors, &name).is_none() => module,
                    _ => &name,
                };
                let Some(floor) = floor_of(floors, used) else {
                    continue;
                };
                if floor < own || *used == source.module {
                    continue;
                }
                let exception = EXCEPTIONS
                    .iter()
                    .find(|(of, from, to, _)| (*of, *from, *to) == (krate, &*source.module, used));
                match exception {
                    Some(exception) => needed.push(exception),
                    None => upwards.push(format!("{} uses `{used}`", source.path)),
                }
            }
        }
    }
    assert!(
        upwards.is_empty(),
        "put what both use on a lower floor: {upwards:#?}"
    );
    let idle: Vec<_> = EXCEPTIONS
        .iter()
        .filter(|exception| !needed.contains(exception))
        .collect();
    assert!(
        idle.is_empty(),
        "exceptions that nothing needs any more: {idle:#?}"
    );
}

#[test]
fn every_module_has_a_floor_and_every_floor_its_modules() {
    assert_eq!(FLOORS.map(|(krate, _)| krate), CRATES);
    for (krate, floors) in FLOORS {
        let mut written: Vec<&str> = floors.iter().copied().flatten().copied().collect();
        written.sort_unstable();
        let mut modules: Vec<String> = sources(krate)
            .into_iter()
            .map(|source| source.module)
            .collect();
        modules.sort();
        modules.dedup();
        assert_eq!(written, modules, "the floors of `{krate}`");
    }
}
