use std::path::Path;

use serde_json::{Value, json};

use super::{Fault, Package, Workspace};

fn package(name: &str, target_kinds: &[&str], dependencies: &[(&str, Option<&str>)]) -> Value {
    let target = |kind: &&str| {
        json!({
            "name": name,
            "kind": [kind],
            "src_path": match *kind {
                "test" => format!("/w/{name}/tests/test.rs"),
                "custom-build" => format!("/w/{name}/build.rs"),
                kind => format!("/w/{name}/src/{kind}.rs"),
            },
        })
    };
    let dependency = |(other, kind): &(&str, Option<&str>)| match *other {
        "serde" => json!({"name": other, "kind": kind, "source": "registry"}),
        _ => json!({"name": other, "kind": kind, "path": format!("/w/{other}")}),
    };
    json!({
        "name": name,
        "manifest_path": format!("/w/{name}/Cargo.toml"),
        "targets": target_kinds.iter().map(target).collect::<Vec<_>>(),
        "dependencies": dependencies.iter().map(dependency).collect::<Vec<_>>(),
    })
}

fn workspace_with(metadata: &Value) -> Workspace {
    let json = json!({
        "workspace_root": "/w",
        "metadata": metadata,
        "packages": [
            package("shop", &["lib", "bin", "test"], &[("runner", None), ("sdk", None), ("serde", None)]),
            package("lab", &["lib", "bin"], &[("runner", None), ("testing", Some("dev"))]),
            package("runner", &["lib", "bin", "custom-build"], &[("sdk", None)]),
            package("sdk", &["lib"], &[("macros", Some("build"))]),
            package("macros", &["proc-macro"], &[]),
            package("testing", &["lib"], &[("runner", None)]),
            package("probe", &["bin"], &[("runner", Some("dev"))]),
        ],
    });
    Workspace::parse(json.to_string().as_bytes()).unwrap()
}

fn workspace() -> Workspace {
    workspace_with(&json!({"runner": {"default": "lab"}}))
}

#[track_caller]
fn check_refusal(workspace: &Workspace, named: Option<&str>, sentence: &str) {
    let fault = workspace.choose(named).unwrap_err();
    assert_eq!(fault.to_string(), sentence);
}

#[test]
fn the_package_that_is_named_is_chosen_and_else_the_default() {
    let workspace = workspace();
    assert_eq!(workspace.choose(Some("shop")).unwrap().name, "shop");
    assert_eq!(workspace.choose(None).unwrap().name, "lab");
}

#[test]
fn what_is_no_integration_is_refused_with_those_that_are() {
    let workspace = workspace();
    check_refusal(
        &workspace,
        Some("shoop"),
        "no package `shoop` in this workspace; integrations are `lab`, `shop`",
    );
    for name in ["testing", "runner", "probe"] {
        check_refusal(
            &workspace,
            Some(name),
            &format!(
                "package `{name}` is no integration: it needs a binary `{name}` and `runner` among its \
                 dependencies; integrations are `lab`, `shop`"
            ),
        );
    }
}

#[test]
fn a_missing_default_is_told_with_how_to_set_it() {
    for metadata in [
        json!(null),
        json!({"runner": {}}),
        json!({"runner": {"default": 1}}),
    ] {
        check_refusal(
            &workspace_with(&metadata),
            None,
            "no default integration; name one with `-p`, or set `default = \"…\"` in \
             `[workspace.metadata.runner]` of the workspace; integrations are `lab`, `shop`",
        );
    }
}

#[test]
fn a_default_that_does_not_exist_is_refused() {
    let workspace = workspace_with(&json!({"runner": {"default": "gone"}}));
    check_refusal(
        &workspace,
        None,
        "no package `gone` in this workspace; integrations are `lab`, `shop`",
    );
}

#[test]
fn a_description_that_is_no_json_is_a_fault() {
    assert!(matches!(
        Workspace::parse(b"{"),
        Err(Fault::UnknownMetadata(_))
    ));
}

#[cfg(unix)]
#[test]
fn the_parts_of_an_integration_are_what_it_is_built_from() {
    let workspace = workspace();
    let names = |name: &str| {
        let parts = workspace.parts_of(workspace.choose(Some(name)).unwrap());
        parts
            .iter()
            .map(|part| part.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("shop"), ["shop", "runner", "sdk", "macros"]);
    // `testing` is for its tests only.
    assert_eq!(names("lab"), ["lab", "runner", "sdk", "macros"]);
}

#[cfg(unix)]
#[test]
fn source_folders_are_those_of_what_is_built_in() {
    let workspace = workspace();
    let folders = |name: &str| {
        let is_it = |package: &&Package| package.name == name;
        workspace
            .packages
            .iter()
            .find(is_it)
            .unwrap()
            .source_folders()
    };
    assert_eq!(
        folders("shop").into_iter().collect::<Vec<_>>(),
        [Path::new("/w/shop/src")]
    );
    let of_runner = ["/w/runner", "/w/runner/src"].map(Path::new);
    assert_eq!(folders("runner").into_iter().collect::<Vec<_>>(), of_runner);
}
