//! What the author of an integration waits for: the first build, and a test after an edit; and how large the binary becomes. Compared
//! with a small axum program that does the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::server::folder;
use crate::table::{Row, Target, float};
use crate::{Result, Scale};

/// What `runner new` writes; the manifest stands below, because this package is in no workspace.
const INTEGRATION: [(&str, &str); 4] = [
    (
        "src/lib.rs",
        include_str!("../../src/desk/template/src/lib.rs"),
    ),
    (
        "src/main.rs",
        include_str!("../../src/desk/template/src/main.rs"),
    ),
    (
        "tests/greet.rs",
        include_str!("../../src/desk/template/tests/greet.rs"),
    ),
    (
        "tests/snapshots/greet__a_visitor_is_greeted_by_name.snap",
        include_str!(
            "../../src/desk/template/tests/snapshots/greet__a_visitor_is_greeted_by_name.snap"
        ),
    ),
];

const INTEGRATION_NEEDS: &str = r#"
runner = { path = "ROOT/runner", features = ["server"] }
sdk = { path = "ROOT/sdk" }
serde = { version = "1", features = ["derive"] }

[dev-dependencies]
insta = { version = "1", features = ["yaml"] }
serde_json = "1"
testing = { path = "ROOT/testing" }
tokio = { version = "1", features = ["macros", "rt"] }
"#;

/// The same by hand.
const PROGRAM: [(&str, &str); 3] = [
    (
        "src/lib.rs",
        r#"use axum::{Json, Router, routing::post};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub struct Visitor {
    pub name: String,
}

#[derive(Debug, Serialize)]
pub struct Greeting {
    pub text: String,
}

pub async fn greet(Json(visitor): Json<Visitor>) -> Json<Greeting> {
    Json(Greeting { text: format!("Hello, {}!", visitor.name) })
}

pub fn router() -> Router {
    Router::new().route("/", post(greet))
}
"#,
    ),
    (
        "src/main.rs",
        r#"#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    axum::serve(listener, new_integration::router()).await
}
"#,
    ),
    (
        "tests/greet.rs",
        r#"use axum::Json;
use new_integration::{Visitor, greet};

#[tokio::test]
async fn a_visitor_is_greeted_by_name() {
    let Json(greeting) = greet(Json(Visitor { name: "Ada".to_owned() })).await;
    assert_eq!(greeting.text, "Hello, Ada!");
}
"#,
    ),
];

const PROGRAM_NEEDS: &str = r#"
axum = { version = "0.8", default-features = false, features = ["http1", "json", "tokio"] }
serde = { version = "1", features = ["derive"] }
tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
"#;

/// A package of its own, with a target folder of its own.
struct Package {
    folder: TempDir,
}

impl Package {
    fn new(needs: &str, files: &[(&str, &str)]) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .canonicalize()?;
        let folder = folder()?;
        let needs = needs.replace("ROOT", &root.to_string_lossy());
        let manifest = format!(
            "[package]\nname = \"new-integration\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]{needs}\n\
             [profile.dev]\ndebug = \"line-tables-only\"\n\n[workspace]\n"
        );
        fs::write(folder.path().join("Cargo.toml"), manifest)?;
        // The versions that everything here is built with.
        fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock"))?;
        for (file, text) in files {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
            fs::write(file, text)?;
        }
        Ok(Self { folder })
    }

    /// Runs cargo; returns how many seconds it took.
    fn cargo(&self, arguments: &[&str]) -> Result<f64> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let begun = Instant::now();
        let output = Command::new(cargo)
            .args(arguments)
            .args(["--offline", "--quiet"])
            .current_dir(self.folder.path())
            .env("CARGO_TARGET_DIR", self.folder.path().join("target"))
            .env("INSTA_UPDATE", "no")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(begun.elapsed().as_secs_f64());
        }
        let told = String::from_utf8_lossy(&output.stderr);
        Err(format!("`cargo {}` failed: {told}", arguments.join(" ")).into())
    }

    /// Changes the library, in a way that has to be compiled.
    fn edit(&self, number: usize) -> Result<()> {
        let file = self.folder.path().join("src/lib.rs");
        let text = fs::read_to_string(&file)?;
        let more = format!("\n/// Edit {number}.\npub const EDIT_{number}: usize = {number};\n");
        Ok(fs::write(file, text + &more)?)
    }

    fn binary(&self) -> PathBuf {
        self.folder.path().join("target/release/new-integration")
    }
}

/// Measures builds. What is tiny only asks cargo whether it understands the packages: nothing is built.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    let ours = Package::new(INTEGRATION_NEEDS, &INTEGRATION)?;
    let bare = Package::new(PROGRAM_NEEDS, &PROGRAM)?;
    let resolve = ["metadata", "--format-version", "1"];
    let both = [(ours.cargo(&resolve)?, bare.cargo(&resolve)?)];
    if scale.is_smoke {
        rows.push(row(
            "build: what cargo makes of the packages",
            &both,
            Target::None,
        ));
        return Ok(());
    }
    scale.say("clean build of an integration; minutes");
    let clean = [(ours.cargo(&["build"])?, bare.cargo(&["build"])?)];
    rows.push(row(
        "clean build of an integration",
        &clean,
        Target::AtMost(2.5),
    ));
    scale.say("first test");
    let first = [(ours.cargo(&["test"])?, bare.cargo(&["test"])?)];
    rows.push(row("- then the first test", &first, Target::None));
    scale.say("an edit, then the test");
    let mut edits = Vec::new();
    for number in 0..scale.rounds {
        bare.edit(number)?;
        ours.edit(number)?;
        let reference = bare.cargo(&["test"])?;
        edits.push((ours.cargo(&["test"])?, reference));
    }
    rows.push(row(
        "edit, until its test is green",
        &edits,
        Target::AtMost(2.0),
    ));
    scale.say("clean release build; minutes");
    let release = ["build", "--release"];
    let clean = [(ours.cargo(&release)?, bare.cargo(&release)?)];
    rows.push(row("clean release build", &clean, Target::None));
    let mib = |package: &Package| -> Result<f64> {
        let bytes = fs::metadata(package.binary())?.len();
        Ok(float(usize::try_from(bytes)?) / 1024.0 / 1024.0)
    };
    let sizes = [(mib(&ours)?, mib(&bare)?)];
    let size = |mib: f64| format!("{mib:.1} MiB");
    let row = Row::compared(
        "release binary of an integration",
        &sizes,
        Target::None,
        size,
    );
    rows.push(row.against("axum"));
    Ok(())
}

fn row(name: &str, rounds: &[(f64, f64)], target: Target) -> Row {
    let row = Row::compared(name, rounds, target, |seconds| format!("{seconds:.2} s"));
    row.against("axum")
}
