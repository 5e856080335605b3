//! Starts that must fail: exit code 1 and one sentence that says what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::process::{Failed, Home};

/// Expects an end before the server is ready, with one line on standard error that holds these words.
#[track_caller]
fn check(failed: &Failed, words: &[&str]) {
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let text = failed.text.trim_end();
    assert_eq!(text.lines().count(), 1, "{failed:?}");
    assert!(text.starts_with("error: "), "{failed:?}");
    for unwanted in [
        "panicked",
        "RUST_BACKTRACE",
        "Os {",
        "Error(",
        "SqliteFailure",
    ] {
        assert!(!text.contains(unwanted), "{unwanted} in {failed:?}");
    }
    for word in words {
        assert!(text.contains(word), "no {word} in {failed:?}");
    }
}

async fn refused(home: &Home, more: &[&str]) -> Failed {
    home.try_start(more).await.expect_err("it must not start")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_option_that_chooses_another() {
    let home = Home::new("").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = refused(&home, &["--listen", &address]).await;
    check(&failed, &[&address, "--listen"]);
    let failed = refused(&home, &["--admin", &address]).await;
    check(&failed, &[&address, "--admin"]);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let home = Home::new("").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let file = text(&file);
    check(&refused(&home, &["--settings", file]).await, &[file]);
    fs::write(file, "rate_per_second = 0\nrate_per_minute = 7\n").unwrap();
    let failed = refused(&home, &["--settings", file]).await;
    check(&failed, &[file, "rate_per_minute"]);
    fs::write(file, "running = 0\n").unwrap();
    let failed = refused(&home, &["--settings", file]).await;
    check(&failed, &[file, "running"]);
    fs::write(file, "this is no TOML").unwrap();
    check(&refused(&home, &["--settings", file]).await, &[file]);
    check(
        &refused(&home, &["--settings", text(folder.path())]).await,
        &[text(folder.path())],
    );
}

#[tokio::test]
async fn a_store_of_another_kind_or_a_newer_version_is_left_alone() {
    let home = Home::new("").await;
    let database = home.data().join("runner.db");
    let sound = fs::read(&database).unwrap();
    // `user_version` stands at byte 60 of the header of an SQLite database.
    let mut newer = sound.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&database, &newer).unwrap();
    check(&refused(&home, &[]).await, &[text(&database), "99"]);
    assert_eq!(fs::read(&database).unwrap(), newer);
    fs::write(&database, "a letter to the editor, long enough to be read").unwrap();
    check(&refused(&home, &[]).await, &[text(&database)]);
    fs::write(&database, &sound[..sound.len() / 2]).unwrap();
    check(&refused(&home, &[]).await, &[text(&database)]);
    fs::write(&database, &sound).unwrap();
    assert!(home.start().await.stop().await.success());

    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", text(folder.path()));
    let failed = refused(&home, &["--store", &store]).await;
    check(&failed, &[text(folder.path())]);
    let failed = refused(&home, &["--store", "mysql://here"]).await;
    check(&failed, &["`mysql` is no store", "sqlite:"]);
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let home = Home::new("").await;
    let first = home.start().await;
    check(&refused(&home, &[]).await, &["in use by another process"]);
    assert!(first.stop().await.success());
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_is_named() {
    let home = Home::new("").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let inside = file.join("data");
    let failed = refused(&home, &["--data", text(&inside)]).await;
    check(&failed, &[text(&inside), "--data"]);
    check(
        &refused(&home, &["--data", text(&file)]).await,
        &[text(&file)],
    );
    // Root may write everywhere but where the kernel itself does not let it.
    let failed = refused(&home, &["--data", "/proc/lab"]).await;
    check(&failed, &["/proc/lab", "--data"]);

    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let inside = closed.join("data");
    if fs::create_dir(&inside).is_err() {
        let failed = refused(&home, &["--data", text(&inside)]).await;
        check(&failed, &[text(&inside), "--data"]);
    }
}

#[tokio::test]
async fn a_key_file_that_is_lost_or_cut_short_is_named() {
    let home = Home::new("").await;
    let key = home.data().join("vault.key");
    let sound = fs::read(&key).unwrap();
    fs::write(&key, &sound[..sound.len() / 2]).unwrap();
    check(&refused(&home, &[]).await, &[text(&key)]);
    fs::remove_file(&key).unwrap();
    let failed = refused(&home, &[]).await;
    check(&failed, &["key"]);
}
