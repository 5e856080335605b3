//! What only a store on a disk has to prove: that it keeps what it said, groups what waits, and survives a disk that fails.

mod disk;
mod opening;
mod sealing;

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use tempfile::TempDir;

use super::{SqliteOptions, SqliteStore};
use crate::store::conformance::{accept, accept_write, at, finish, finish_write, output, payload};
use crate::store::{
    Commit, Committed, ExecutionFilter, Point, Prune, Store as _, StoreError, Write,
};

/// A store in a folder of its own.
struct Home {
    folder: TempDir,
    options: SqliteOptions,
}

impl Home {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            options: SqliteOptions {
                min_free_bytes: 0,
                reserve_bytes: 0,
                ..SqliteOptions::default()
            },
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data").join("store.db")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.path().with_extension(format!("db{ending}"))
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), &self.options).unwrap()
    }

    fn result_files(&self) -> usize {
        std::fs::read_dir(self.beside("-results")).unwrap().count()
    }
}

fn committed(writes: Vec<Write>) -> Commit {
    Commit::new(Point::Accept, writes)
}

fn prune_all() -> Write {
    Write::Prune(Prune {
        executions_before: at(1_000_000),
        logs_before: at(1_000_000),
        results_before: at(1_000_000),
        claims_before: at(1_000_000),
        at_most: 10_000,
    })
}

/// Holds the lock of the writer, as a backup does.
fn hold(path: &Path) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db
}

// G1.
#[tokio::test]
async fn what_was_committed_is_there_after_the_store_was_opened_again() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    accept(&store, "b", 2).await;
    finish(&store, "b", at(9)).await;
    let before = store
        .executions(&ExecutionFilter::default(), None, 10)
        .await;
    drop(store);
    let store = home.open();
    let after = store
        .executions(&ExecutionFilter::default(), None, 10)
        .await;
    assert_eq!(after.unwrap(), before.unwrap());
    assert_eq!(
        *store.payload(&"a".into()).await.unwrap().unwrap(),
        payload()
    );
    assert_eq!(store.output(&"b".into()).await.unwrap(), Some(output(32)));
    assert_eq!(store.last_position().await.unwrap(), 2);
    assert_eq!(store.unfinished(0, 9).await.unwrap().len(), 1);
}

// G1: what a crash leaves is the database and its log as they stand at that moment.
#[tokio::test]
async fn what_was_committed_is_there_after_a_crash() {
    let home = Home::new();
    let store = home.open();
    for position in 1..=50 {
        accept(&store, &format!("a{position}"), position).await;
    }
    let crashed = Home::new();
    std::fs::create_dir(crashed.folder.path().join("data")).unwrap();
    for ending in ["", "-wal"] {
        std::fs::copy(home.beside(ending), crashed.beside(ending)).unwrap();
    }
    assert_eq!(crashed.open().unfinished(0, 100).await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_concurrent_commits_are_all_answered_and_there() {
    let home = Home::new();
    let store = home.open();
    let tasks = (1..=200).map(|position| {
        let store = store.clone();
        #[expect(clippy::disallowed_methods, reason = "the test itself is the spawner")]
        tokio::spawn(async move { accept(&store, &format!("a{position}"), position).await })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    let unfinished = store.unfinished(0, 1000).await.unwrap();
    let positions: Vec<u64> = unfinished.iter().map(|it| it.position).collect();
    assert_eq!(positions, (1..=200).collect::<Vec<u64>>());
}

#[tokio::test]
async fn whatever_waits_is_committed_and_synced_together() {
    let home = Home::new();
    let store = home.open();
    let backup = hold(&home.path());
    let accepts = (1..=200).map(|position| {
        let id = format!("a{position}");
        store.commit(committed(vec![accept_write(&id, position)]))
    });
    let waiting: Vec<_> = accepts.collect();
    backup.execute_batch("ROLLBACK").unwrap();
    for answer in join_all(waiting).await {
        assert_eq!(answer.unwrap(), Committed::Done);
    }
    // One for what the writer had taken when it met the lock, one for the rest.
    assert!(store.transactions() <= 2, "{}", store.transactions());
}

#[tokio::test]
async fn one_refused_commit_does_not_spoil_its_neighbours() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    let backup = hold(&home.path());
    let waiting: Vec<_> = ["b", "a", "c"]
        .iter()
        .zip(2..)
        .map(|(id, position)| store.commit(committed(vec![accept_write(id, position)])))
        .collect();
    backup.execute_batch("ROLLBACK").unwrap();
    let answers: Vec<Committed> = join_all(waiting)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let repeated = Committed::Duplicate("a".into());
    assert_eq!(answers, [Committed::Done, repeated, Committed::Done]);
    assert_eq!(store.unfinished(0, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_commit_is_done_even_if_nobody_waits_for_it() {
    let home = Home::new();
    let store = home.open();
    drop(store.commit(committed(vec![accept_write("a", 1)])));
    drop(store);
    assert!(home.open().execution(&"a".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn reads_go_on_while_the_writer_waits() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    let backup = hold(&home.path());
    let waiting = store.commit(committed(vec![accept_write("b", 2)]));
    assert_eq!(store.unfinished(0, 10).await.unwrap().len(), 1);
    backup.execute_batch("ROLLBACK").unwrap();
    assert_eq!(waiting.await.unwrap(), Committed::Done);
}

#[tokio::test]
async fn a_large_result_stands_in_a_file_until_it_is_pruned() {
    let home = Home::new();
    let store = home.open();
    let large = output(1_000_000);
    accept(&store, "a", 1).await;
    let writes = vec![finish_write("a", at(9), Some(large.clone()))];
    store.commit(committed(writes)).await.unwrap();
    assert_eq!(home.result_files(), 1);
    drop(store);
    let store = home.open();
    assert_eq!(store.output(&"a".into()).await.unwrap(), Some(large));
    store.commit(committed(vec![prune_all()])).await.unwrap();
    assert_eq!(home.result_files(), 0);
    assert_eq!(store.output(&"a".into()).await.unwrap(), None);
}

#[tokio::test]
async fn a_second_end_leaves_the_file_of_the_first_and_none_of_its_own() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    for bytes in [1_000_000, 2_000_000] {
        let writes = vec![finish_write("a", at(9), Some(output(bytes)))];
        store.commit(committed(writes)).await.unwrap();
    }
    assert_eq!(home.result_files(), 1);
    assert_eq!(
        store.output(&"a".into()).await.unwrap(),
        Some(output(1_000_000))
    );
}

#[tokio::test]
async fn a_result_that_a_crash_left_without_a_name_is_swept() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    let writes = vec![finish_write("a", at(9), Some(output(1_000_000)))];
    store.commit(committed(writes)).await.unwrap();
    drop(store);
    std::fs::write(home.beside("-results").join("left-over.0"), "half").unwrap();
    drop(home.open());
    assert_eq!(home.result_files(), 1);
    assert_eq!(
        home.open().output(&"a".into()).await.unwrap(),
        Some(output(1_000_000))
    );
}

#[tokio::test]
async fn a_result_whose_file_is_gone_is_damage_and_not_nothing() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    let writes = vec![finish_write("a", at(9), Some(output(1_000_000)))];
    store.commit(committed(writes)).await.unwrap();
    std::fs::remove_dir_all(home.beside("-results")).unwrap();
    let answer = store.output(&"a".into()).await;
    assert!(matches!(answer, Err(StoreError::Damaged(_))), "{answer:?}");
}

// Look-ups must not grow with what is stored.
#[tokio::test]
async fn the_questions_of_the_hot_path_go_through_an_index() {
    let home = Home::new();
    drop(home.open());
    let db = rusqlite::Connection::open(home.path()).unwrap();
    for sql in [
        "SELECT key FROM execution WHERE id = 'a' AND status < 3",
        "SELECT id FROM execution WHERE status < 3 AND position > 1 ORDER BY position, id LIMIT 9",
        "SELECT id FROM execution WHERE status = 4 ORDER BY accepted_at DESC, id DESC LIMIT 9",
        "SELECT id FROM execution WHERE first = 'a' ORDER BY accepted_at DESC, id DESC LIMIT 9",
        "SELECT id FROM execution WHERE dead_letter = 1 ORDER BY accepted_at DESC, id DESC LIMIT 9",
        "SELECT 1 FROM execution AS other WHERE other.journal = 'a' AND other.status < 3",
        "SELECT execution FROM claim WHERE value = 'a' AND until > 1",
        "SELECT value FROM state WHERE instance = 'a' AND scope = 1 AND owner = 'b' AND key = 'c'",
        "SELECT name FROM step WHERE journal = 1 ORDER BY number",
        "SELECT text FROM log WHERE execution = 1 AND number >= 1 ORDER BY number, line LIMIT 9",
        "SELECT key FROM output WHERE ended_at < 1 ORDER BY ended_at LIMIT 9",
        "SELECT line FROM log WHERE at < 1 ORDER BY at LIMIT 9",
    ] {
        let plan: String = db
            .query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3))
            .unwrap();
        assert!(
            plan.starts_with("SEARCH") || plan.contains("USING INDEX"),
            "{sql}: {plan}"
        );
    }
}
