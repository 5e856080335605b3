//! What the desk cannot do, told in one sentence (operation.md, section 1).

use std::path::Path;

use crate::fixture::{Fixture, Told, desk_in};

#[test]
fn a_package_that_is_no_integration_is_refused_with_those_that_are() {
    let fixture = Fixture::new("no_integration");
    fixture
        .run("serve -p shoop")
        .assert_refusal("no package `shoop` in this workspace; integrations are `lab`, `shop`");
    fixture.run("-p plain").assert_refusal(
        "package `plain` is no integration: it needs a binary `plain` and `runner` among its dependencies; \
         integrations are `lab`, `shop`",
    );
    fixture
        .run("dev -p shoop")
        .assert_refusal("no package `shoop` in this workspace; integrations are `lab`, `shop`");
}

#[test]
fn a_workspace_without_a_default_is_told_how_to_set_one() {
    let fixture = Fixture::new("no_default");
    let manifest = fixture.read("Cargo.toml").replace("default =", "other =");
    fixture.write("Cargo.toml", &manifest);
    fixture.run("").assert_refusal(
        "no default integration; name one with `-p`, or set `default = \"…\"` in `[workspace.metadata.runner]` \
         of the workspace; integrations are `lab`, `shop`",
    );
}

#[test]
fn outside_a_workspace_the_desk_says_so() {
    let output = desk_in(Path::new("/"), "serve").output().unwrap();
    Told::of(&output).assert_refusal("no cargo workspace here; run this inside the folder of one");
}

#[test]
fn a_cargo_that_is_not_there_is_named() {
    let fixture = Fixture::new("no_cargo");
    let output = fixture.desk("serve").env("CARGO", "no-such-cargo").output();
    let told = Told::of(&output.unwrap());
    assert!(
        told.errors
            .starts_with("error: cannot run `no-such-cargo`: "),
        "{told:?}"
    );
    assert_eq!(told.code, Some(1));
}

#[test]
fn a_command_that_is_not_there_is_answered_with_those_that_are() {
    let fixture = Fixture::new("no_command");
    fixture.run("sevre --json").assert_refusal(
        "no command `sevre`; there are serve, dev, new, instances, deploy, remove, pause, resume, invoke, \
         executions, logs, replay, cancel, schedules, state, keys, connections",
    );
}

#[test]
fn a_broken_manifest_is_shown_as_cargo_shows_it() {
    let fixture = Fixture::new("broken_manifest");
    fixture.write("shop/Cargo.toml", "[package]\nname = 3\n");
    let told = fixture.run("serve");
    assert!(told.errors.contains("shop/Cargo.toml"), "{told:?}");
    assert!(
        told.errors
            .ends_with("error: cargo cannot do it; it says above why\n"),
        "{told:?}"
    );
    assert_eq!((told.code, told.output.as_str()), (Some(1), ""));
}

#[test]
fn a_build_that_fails_shows_the_errors_of_cargo() {
    let fixture = Fixture::new("broken_build");
    fixture.write("shop/src/main.rs", "fn main() { missing() }");
    let told = fixture.run("instances -p shop");
    assert!(
        told.errors.contains("cannot find function `missing`"),
        "{told:?}"
    );
    assert!(
        told.errors
            .ends_with("error: cannot build `shop`; cargo says above what is wrong\n"),
        "{told:?}"
    );
    assert_eq!((told.code, told.output.as_str()), (Some(1), ""));
}

#[test]
fn an_address_that_is_taken_is_named_with_its_option() {
    let fixture = Fixture::new("address_taken");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let told = fixture.run(&format!("dev --listen 127.0.0.1:0 --admin={address}"));
    assert!(
        told.errors
            .starts_with(&format!("error: cannot listen on {address}: ")),
        "{told:?}"
    );
    assert!(
        told.errors
            .ends_with("choose another address with `--admin`\n"),
        "{told:?}"
    );
    assert_eq!(told.code, Some(1));
}
