//! `new` writes an integration into the workspace (operation.md, section 1).

use std::process::Command;

use crate::fixture::{Fixture, Told};

const SHARED: &str = r#"
[workspace.package]
version = "0.1.0"
edition = "2024"
rust-version = "1.95"
license = "MIT OR Apache-2.0"
publish = false

[workspace.dependencies]
insta = "1"
runner = { path = "runner" }
sdk = { path = "sdk" }
serde = "1"
serde_json = "1"
testing = { path = "testing" }
tokio = "1"

[workspace.lints]
"#;

fn fixture_with(name: &str, members: &str) -> Fixture {
    let fixture = Fixture::new(name);
    let manifest = fixture.read("Cargo.toml");
    let manifest = manifest.replace("\"plain\"]", members);
    fixture.write("Cargo.toml", &format!("{manifest}{SHARED}"));
    // Cargo takes a pattern that matches nothing for the name of a folder.
    for folder in ["sdk", "testing", "examples/first"] {
        let name = folder.trim_start_matches("examples/");
        fixture.write(&format!("{folder}/src/lib.rs"), "");
        fixture.write(
            &format!("{folder}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n"),
        );
    }
    fixture
}

/// Cargo takes the workspace as it is now, and finds the package in it.
#[track_caller]
fn assert_member(fixture: &Fixture, name: &str) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(&fixture.folder)
        .output();
    let told = Told::of(&output.unwrap());
    assert_eq!(told.code, Some(0), "{}", told.errors);
    assert!(
        told.output
            .contains(&format!("\"name\":\"{name}\",\"version\""))
    );
}

#[test]
fn a_new_integration_goes_to_the_examples() {
    let fixture = fixture_with("new_in_examples", "\"examples/*\", \"sdk\", \"testing\"]");
    let told = fixture.run("new acme-orders");
    assert_eq!(told.errors, "");
    assert_eq!(
        told.output,
        "`acme-orders` is in `examples/acme-orders`. Next:\n  cargo test -p acme-orders\n  \
         cargo run -p runner -- serve -p acme-orders\n"
    );
    assert_member(&fixture, "acme-orders");
    let read = |file| fixture.read(&format!("examples/acme-orders/{file}"));
    assert!(read("src/main.rs").contains("runner::main(acme_orders::integration())"));
    assert!(read("src/lib.rs").contains("Integration::new(\"acme-orders\")"));
    assert!(read("tests/greet.rs").contains("use acme_orders::{"));
    assert!(
        read("tests/snapshots/greet__a_visitor_is_greeted_by_name.snap").contains("Hello, Ada!")
    );

    // Another of that name is refused, and the first one is left as it is.
    fixture.run("new acme-orders").assert_refusal(
        "`acme-orders` cannot be the name of a package: the workspace has a package of that name",
    );
    assert_member(&fixture, "acme-orders");
}

#[test]
fn without_a_folder_for_examples_it_becomes_a_member_beside_the_others() {
    let fixture = fixture_with("new_beside", "\"sdk\", \"testing\"]");
    assert_eq!(fixture.run("new acme-orders").code, Some(0));
    assert_member(&fixture, "acme-orders");
    assert!(fixture.read("Cargo.toml").contains("\"acme-orders\""));
    assert!(
        fixture
            .read("acme-orders/Cargo.toml")
            .contains("sdk.workspace = true")
    );
}

#[test]
fn names_and_folders_that_do_not_fit_are_refused_and_nothing_is_written() {
    let fixture = fixture_with("new_refused", "\"examples/*\", \"sdk\", \"testing\"]");
    fixture.run("new Acme").assert_refusal(
        "`Acme` cannot be the name of a package: it must begin with a lower-case letter, a to z",
    );
    fixture.run("new tokio").assert_refusal(
        "`tokio` cannot be the name of a package: it is the name of a dependency of the workspace",
    );
    fixture
        .run("new")
        .assert_refusal("`new` needs one name, as in `cargo run -p runner -- new acme-orders`");
    let told = fixture.run("new fn");
    assert_eq!(told.code, Some(1));
    assert!(told.errors.contains("keyword"), "{told:?}");
    for name in ["Acme", "tokio", "fn"] {
        assert!(!fixture.folder.join("examples").join(name).exists());
    }

    fixture.write("examples/acme/notes.md", "mine");
    fixture.write(
        "examples/acme/Cargo.toml",
        "[package]\nname = \"other\"\nedition = \"2024\"\n",
    );
    fixture.write("examples/acme/src/lib.rs", "");
    let told = fixture.run("new acme");
    assert!(
        told.errors
            .ends_with("is there already; choose another name or move it away\n"),
        "{told:?}"
    );
    assert_eq!(fixture.read("examples/acme/notes.md"), "mine");
}

#[test]
fn a_workspace_that_lacks_what_the_template_needs_is_told_what() {
    let fixture = Fixture::new("new_lacking");
    let told = fixture.run("new acme");
    assert!(
        told.errors.contains("`workspace.dependencies.sdk`"),
        "{told:?}"
    );
    assert_eq!(told.code, Some(1));
    assert!(!fixture.folder.join("acme").exists());
}
