//! Opening: who may, what is refused, and how an older database is brought forward (G9, operation.md 2).

use std::error::Error as _;

use sdk::state::StateScope;

use super::Home;
use crate::record::StateKey;
use crate::store::conformance::accept;
use crate::store::sqlite::schema::MIGRATIONS;
use crate::store::{Commit, OpenError, Point, SqliteStore, StateChange, Store as _, Write};

fn refusal(home: &Home) -> OpenError {
    SqliteStore::open(&home.path(), &home.options).unwrap_err()
}

#[test]
fn a_second_opener_is_refused_until_the_first_has_gone() {
    let home = Home::new();
    let first = home.open();
    let refusal = refusal(&home);
    assert!(matches!(refusal, OpenError::InUse { .. }), "{refusal:?}");
    assert!(refusal.to_string().ends_with("choose another data folder"));
    drop(first);
    home.open();
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let home = Home::new();
    drop(home.open());
    let newer = MIGRATIONS.len() + 1;
    let db = rusqlite::Connection::open(home.path()).unwrap();
    db.execute_batch(&format!("PRAGMA user_version = {newer}"))
        .unwrap();
    drop(db);
    let refusal = refusal(&home);
    assert!(
        matches!(refusal, OpenError::Newer { found, known, .. } if found == newer && known == newer - 1),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn an_older_schema_is_brought_forward_with_what_it_holds() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    drop(store);
    let mut newer = MIGRATIONS.to_vec();
    newer.push("ALTER TABLE execution ADD COLUMN weight INTEGER NOT NULL DEFAULT 7");
    let store = SqliteStore::open_with(&home.path(), &home.options, &newer).unwrap();
    assert!(store.execution(&"a".into()).await.unwrap().is_some());
    drop(store);
    let db = rusqlite::Connection::open(home.path()).unwrap();
    let weight: i64 = db
        .query_row("SELECT weight FROM execution", [], |row| row.get(0))
        .unwrap();
    assert_eq!(weight, 7);
    drop(db);
    // And from then on it is a newer one.
    assert!(matches!(refusal(&home), OpenError::Newer { .. }));
}

/// E42, G9: what is there already counts.
#[tokio::test]
async fn the_state_of_an_older_schema_is_counted_when_it_is_brought_forward() {
    let home = Home::new();
    let before = MIGRATIONS
        .iter()
        .position(|it| it.contains("CREATE TABLE state_size"));
    let older = &MIGRATIONS[..before.unwrap()];
    let store = SqliteStore::open_with(&home.path(), &home.options, older).unwrap();
    let change = |scope, name: &str, value: Option<serde_json::Value>| {
        let key = StateKey {
            instance: "i".into(),
            scope,
            owner: "".into(),
            key: name.to_owned(),
        };
        let expected = None;
        Write::State(StateChange {
            key,
            value,
            expected,
        })
    };
    let writes = vec![
        change(StateScope::CrossFlow, "a", Some("12".into())),
        change(StateScope::Instance, "b", Some(7.into())),
        change(StateScope::Instance, "gone", None),
        change(StateScope::Execution, "c", Some("much".into())),
    ];
    store
        .commit(Commit::new(Point::Finish, writes))
        .await
        .unwrap();
    drop(store);
    let store = home.open();
    assert_eq!(store.state_size(&"i".into()).await.unwrap(), 5 + 2);
    assert_eq!(store.state_size(&"j".into()).await.unwrap(), 0);
}

// E28, E51: versions before called lifecycle functions dead letters that a crash had interrupted.
#[tokio::test]
async fn a_lifecycle_function_of_an_older_database_is_no_dead_letter() {
    let home = Home::new();
    let takes_them_off = |step: &&str| step.contains("SET dead_letter = 0 WHERE function <> 0");
    let before = MIGRATIONS.iter().position(takes_them_off);
    let older = &MIGRATIONS[..before.unwrap()];
    drop(SqliteStore::open_with(&home.path(), &home.options, older).unwrap());
    let db = rusqlite::Connection::open(home.path()).unwrap();
    for (id, function) in [("flow", 0), ("deploy", 1), ("remove", 2)] {
        db.execute(
            "INSERT INTO execution (id, instance, flow, function, invoked_by, synchronous, status, result, position, accepted_at,
                ended_at, attempt, starts, dead_letter) VALUES (?1, 'i', 'f', ?2, 3, 0, 4, 1, ?2 + 1, 1, 2, 1, 1, 1)",
            rusqlite::params![id, function],
        )
        .unwrap();
    }
    drop(db);
    let store = home.open();
    for (id, dead) in [("flow", true), ("deploy", false), ("remove", false)] {
        let found = store.execution(&id.into()).await.unwrap().unwrap();
        assert_eq!(found.dead_letter, dead, "{id}");
    }
}

#[test]
fn a_migration_that_fails_leaves_the_version_before_it() {
    let home = Home::new();
    drop(home.open());
    let mut broken = MIGRATIONS.to_vec();
    broken.push("CREATE TABLE half (x); INSERT INTO nowhere VALUES (1)");
    SqliteStore::open_with(&home.path(), &home.options, &broken).unwrap_err();
    home.open();
    let db = rusqlite::Connection::open(home.path()).unwrap();
    let half: i64 = db
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'half'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(half, 0);
}

#[test]
fn a_file_that_is_something_else_is_refused() {
    let home = Home::new();
    std::fs::create_dir(home.folder.path().join("data")).unwrap();
    std::fs::write(
        home.path(),
        "a letter to grandmother, long enough to be a header of a database",
    )
    .unwrap();
    assert!(matches!(refusal(&home), OpenError::Foreign { .. }));
    std::fs::remove_file(home.path()).unwrap();
    let db = rusqlite::Connection::open(home.path()).unwrap();
    db.execute_batch("CREATE TABLE recipe (cake TEXT)").unwrap();
    drop(db);
    let refusal = refusal(&home);
    assert!(matches!(refusal, OpenError::Foreign { .. }), "{refusal:?}");
}

#[test]
fn a_damaged_file_is_refused_with_its_cause() {
    let home = Home::new();
    drop(home.open());
    let mut bytes = std::fs::read(home.path()).unwrap();
    for byte in &mut bytes[100..4096] {
        *byte = 0xaa;
    }
    std::fs::write(home.path(), bytes).unwrap();
    let refusal = refusal(&home);
    assert!(matches!(refusal, OpenError::Damaged { .. }), "{refusal:?}");
    let cause = refusal.source().unwrap().to_string();
    assert!(!refusal.to_string().contains(&cause), "{refusal}: {cause}");
}

#[tokio::test]
async fn a_database_that_was_emptied_is_not_taken_for_a_new_one() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    let emptied = Home::new();
    std::fs::create_dir(emptied.folder.path().join("data")).unwrap();
    std::fs::copy(home.beside("-wal"), emptied.beside("-wal")).unwrap();
    std::fs::write(emptied.path(), "").unwrap();
    let refusal = refusal(&emptied);
    assert!(matches!(refusal, OpenError::Damaged { .. }), "{refusal:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let home = Home::new();
    // A file stands where the folder should be: refused for every user, root too.
    std::fs::write(home.folder.path().join("data"), "").unwrap();
    let refusal = refusal(&home);
    assert!(matches!(refusal, OpenError::Folder { .. }), "{refusal:?}");
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused() {
    let home = Home::new();
    std::fs::create_dir_all(home.path()).unwrap();
    let refusal = refusal(&home);
    assert!(
        matches!(refusal, OpenError::Unwritable { .. }),
        "{refusal:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_what_is_made() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut home = Home::new();
    home.options.reserve_bytes = 4096;
    let store = home.open();
    accept(&store, "a", 1).await;
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.folder.path().join("data")), 0o700);
    assert_eq!(mode(home.beside("-results")), 0o700);
    for ending in ["", "-wal", "-shm", "-lock", "-reserve"] {
        assert_eq!(mode(home.beside(ending)), 0o600, "{ending}");
    }
}
