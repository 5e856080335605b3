//! A workspace in a folder of its own, and the desk run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A workspace with the integrations `lab` and `shop`, and `plain`, which is none.
pub(crate) struct Fixture {
    pub(crate) folder: PathBuf,
}

/// Prints what it was given, and ends with 7.
const SHOP: &str = r#"
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("shop {} {}", std::process::id(), arguments.join(" "));
    std::process::ExitCode::from(7)
}
"#;

const LAB: &str = r#"
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("lab {} {}", arguments.join(" "), cfg!(debug_assertions));
}
"#;

impl Fixture {
    /// Writes the workspace; `name` is that of the test, so that no two share a folder.
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("desk")
            .join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        let fixture = Self { folder };
        fixture.write(
            "Cargo.toml",
            r#"
[workspace]
resolver = "3"
members = ["runner", "shop", "lab", "plain"]

[workspace.metadata.runner]
default = "lab"
"#,
        );
        fixture.write_package("runner", "");
        fixture.write_package("plain", "");
        fixture.write("runner/src/lib.rs", "");
        fixture.write("plain/src/lib.rs", "");
        let dependencies = "[dependencies]\nrunner = { path = \"../runner\" }\n";
        for (name, text) in [("shop", SHOP), ("lab", LAB)] {
            fixture.write_package(name, dependencies);
            fixture.write(&format!("{name}/src/main.rs"), text);
        }
        fixture
    }

    fn write_package(&self, name: &str, dependencies: &str) {
        let head =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        self.write(
            &format!("{name}/Cargo.toml"),
            &format!("{head}\n{dependencies}"),
        );
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let file = self.folder.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// The desk, about to be run in the workspace.
    pub(crate) fn desk(&self, line: &str) -> Command {
        desk_in(&self.folder, line)
    }

    /// Runs the desk to its end.
    pub(crate) fn run(&self, line: &str) -> Told {
        Told::of(&self.desk(line).output().unwrap())
    }
}

/// The desk, about to be run in a folder.
pub(crate) fn desk_in(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command
        .args(line.split_whitespace())
        .current_dir(folder)
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUNNER_LISTEN")
        .env_remove("RUNNER_ADMIN")
        .stdin(Stdio::null());
    command
}

/// What a run of the desk left.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Told {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            code: output.status.code(),
            output: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }

    /// Holds it against a refusal: exit code 1, one sentence, nothing on standard output.
    #[track_caller]
    pub(crate) fn assert_refusal(&self, sentence: &str) {
        assert_eq!(self.errors, format!("error: {sentence}\n"));
        assert_eq!(self.output, "");
        assert_eq!(self.code, Some(1));
    }
}
