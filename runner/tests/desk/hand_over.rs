//! The desk becomes the binary of the integration (operation.md, section 1).

use std::process::Stdio;

use crate::fixture::{Fixture, Told};

#[test]
fn a_command_goes_to_the_binary_of_its_package_and_takes_over_process_output_and_code() {
    let fixture = Fixture::new("pass_through");
    let desk = fixture
        .desk("logs -p shop --follow")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = desk.id();
    let told = Told::of(&desk.wait_with_output().unwrap());
    assert_eq!(told.output, format!("shop {id} logs --follow\n"));
    assert_eq!(told.code, Some(7));
}

#[test]
fn without_a_word_the_default_integration_is_served() {
    let fixture = Fixture::new("default");
    let told = fixture.run("");
    assert_eq!(
        (told.output.as_str(), told.code),
        ("lab serve true\n", Some(0))
    );
    let told = fixture.run("--json -- -p shop");
    assert_eq!(told.output, "lab serve --json -- -p shop true\n");
}

#[test]
fn release_and_the_target_folder_are_honoured() {
    let fixture = Fixture::new("release");
    let target = fixture.folder.join("elsewhere");
    let mut desk = fixture.desk("serve --release");
    let told = Told::of(&desk.env("CARGO_TARGET_DIR", &target).output().unwrap());
    assert_eq!(told.output, "lab serve false\n");
    assert!(target.join("release/lab").exists());
    assert!(!fixture.folder.join("target").exists());
}

#[test]
fn the_desk_helps_without_building_anything() {
    let fixture = Fixture::new("help");
    for (line, wanted) in [
        ("--help", "Usage: runner [COMMAND]"),
        ("help", "Usage: runner [COMMAND]"),
        ("new --help", "Usage: runner new NAME"),
        ("dev --help", "Usage: runner dev"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let told = fixture.run(line);
        assert!(told.output.contains(wanted), "{line}: {told:?}");
        assert_eq!((told.code, told.errors.as_str()), (Some(0), ""));
    }
    // Help on a command is the integration's own.
    assert!(
        fixture
            .run("serve --help")
            .output
            .starts_with("lab serve --help")
    );
}
