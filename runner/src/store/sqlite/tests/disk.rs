//! A disk that is full or fails (G7): nothing is half-written, nothing that was answered is lost, and the store goes on by itself.

use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;

use super::{Home, committed, prune_all};
use crate::store::conformance::{accept, accept_write, at, finish, finish_write, output, payload};
use crate::store::{Store, StoreError, Write};

/// The environment variable that tells a test that it runs in the child that it has started.
const CHILD: &str = "RUNNER_TEST_DISK";

const MIB: u64 = 1024 * 1024;

/// An execution with a body of a size that counts.
fn heavy(id: &str, position: u64) -> Write {
    let mut write = accept_write(id, position);
    let Write::Accept(accept) = &mut write else {
        unreachable!("an accept was made");
    };
    let mut heavy = payload();
    heavy.raw_body = Bytes::from(vec![b'x'; 64 * 1024]);
    accept.payload = Some(Arc::new(heavy));
    write
}

/// Accepts until the store refuses; returns how many it took, and the refusal.
async fn fill(store: &dyn Store) -> (u64, StoreError) {
    fill_from(store, 1).await
}

async fn fill_from(store: &dyn Store, first: u64) -> (u64, StoreError) {
    for position in first..100_000 {
        let write = heavy(&format!("a{position}"), position);
        if let Err(refusal) = store.commit(committed(vec![write])).await {
            return (position - first, refusal);
        }
    }
    panic!("the disk never filled");
}

async fn finish_all(store: &dyn Store, count: u64) {
    for position in 1..=count {
        finish(store, &format!("a{position}"), at(9)).await;
    }
}

async fn count_unfinished(store: &dyn Store) -> u64 {
    store.unfinished(0, 100_000).await.unwrap().len() as u64
}

#[tokio::test]
async fn a_full_store_refuses_new_executions_and_ends_old_ones() {
    let mut home = Home::new();
    home.options.max_bytes = Some(8 * MIB);
    home.options.min_free_bytes = 2 * MIB;
    let store = home.open();
    let (count, refusal) = fill(&store).await;
    assert!(matches!(refusal, StoreError::Full(_)), "{refusal:?}");
    assert!(matches!(store.check().await, Err(StoreError::Full(_))));
    assert_eq!(count_unfinished(&store).await, count);
    finish_all(&store, count).await;
    store.commit(committed(vec![prune_all()])).await.unwrap();
    // Room again, in the same process.
    store.check().await.unwrap();
    accept(&store, "new", 100_000).await;
}

#[tokio::test]
async fn a_store_filled_to_the_last_page_loses_nothing_and_goes_on() {
    let mut home = Home::new();
    home.options.max_bytes = Some(4 * MIB);
    let store = home.open();
    let (count, refusal) = fill(&store).await;
    assert!(matches!(refusal, StoreError::Full(_)), "{refusal:?}");
    assert!(count > 30, "{count}");
    assert_eq!(count_unfinished(&store).await, count);
    // Many at once: those that fit are done, those that do not are refused, none is half done.
    let crowd = (1..=20).map(|number| {
        let heavy = heavy(&format!("crowd{number}"), 1000 + number);
        store.commit(committed(vec![
            accept_write(&format!("pair{number}"), 1000 + number),
            heavy,
        ]))
    });
    for (number, answer) in (1..).zip(futures_util::future::join_all(crowd).await) {
        let pair = [format!("pair{number}"), format!("crowd{number}")];
        for id in pair {
            let there = store
                .execution(&id.as_str().into())
                .await
                .unwrap()
                .is_some();
            assert_eq!(there, answer.is_ok(), "{id}");
        }
    }
    drop(store);
    home.options.max_bytes = None;
    let store = home.open();
    assert_eq!(count_unfinished(&store).await, count);
    accept(&store, "new", 100_000).await;
}

#[tokio::test]
async fn a_result_file_of_a_refused_commit_is_not_left_behind() {
    let mut home = Home::new();
    home.options.max_bytes = Some(4 * MIB);
    home.options.min_free_bytes = u64::MAX;
    let store = home.open();
    let writes = vec![
        accept_write("a", 1),
        finish_write("a", at(2), Some(output(1_000_000))),
    ];
    let answer = store.commit(committed(writes)).await;
    assert!(matches!(answer, Err(StoreError::Full(_))), "{answer:?}");
    assert_eq!(home.result_files(), 0);
}

#[tokio::test]
async fn below_the_high_water_mark_only_what_is_accepted_goes_on() {
    let mut home = Home::new();
    let store = home.open();
    accept(&store, "a", 1).await;
    drop(store);
    // No disk has so much room.
    home.options.min_free_bytes = u64::MAX;
    let store = home.open();
    let answer = store.commit(committed(vec![accept_write("b", 2)])).await;
    assert!(matches!(answer, Err(StoreError::Full(_))), "{answer:?}");
    finish(&store, "a", at(9)).await;
    store.commit(committed(vec![prune_all()])).await.unwrap();
    assert_eq!(store.execution(&"b".into()).await.unwrap(), None);
}

#[tokio::test]
async fn the_reserve_takes_the_room_that_it_promises() {
    let mut home = Home::new();
    home.options.reserve_bytes = 3 * MIB + 5;
    let store = home.open();
    accept(&store, "a", 1).await;
    let reserve = home.beside("-reserve");
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 3 * MIB + 5);
    drop(store);
    home.options.reserve_bytes = MIB;
    let store = home.open();
    accept(&store, "b", 2).await;
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), MIB);
}

// A limit on the size of files makes every write beyond it fail, as a failing disk does: an I/O error, not a full disk.
#[cfg(unix)]
#[tokio::test]
async fn a_write_that_fails_is_answered_as_such_and_the_next_one_works() {
    if !is_child() {
        let test = "a_write_that_fails_is_answered_as_such_and_the_next_one_works";
        run_in_child(test, &["sh", "-c"], "trap '' XFSZ && ulimit -f 4096").unwrap();
        return;
    }
    let home = Home::new();
    let store = home.open();
    let mut accepted = Vec::new();
    let mut failed = 0;
    for position in 1..=400 {
        let id = format!("a{position}");
        let answer = store
            .commit(committed(vec![accept_write(&id, position)]))
            .await;
        match answer {
            Ok(_) => accepted.push(position),
            Err(StoreError::Unavailable(_)) => failed += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    // The log had reached the limit and was carried over: the store went on by itself, more than once.
    assert!(failed >= 1 && accepted.len() > 350, "{failed} failed");
    assert!(accepted.contains(&400));
    let unfinished = store.unfinished(0, 1000).await.unwrap();
    let there: Vec<u64> = unfinished.iter().map(|it| it.position).collect();
    assert_eq!(there, accepted);
    drop(store);
    assert_eq!(
        home.open().unfinished(0, 1000).await.unwrap().len(),
        accepted.len()
    );
}

// A disk of its own, filled by somebody else to the last byte.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_full_disk_the_reserve_lets_executions_end_and_retention_work() {
    if !is_child() {
        let disk = tempfile::tempdir().unwrap();
        let mount = format!(
            "mount -t tmpfs -o size=16m none '{0}' && export TMPDIR='{0}'",
            disk.path().display()
        );
        let test = "on_a_full_disk_the_reserve_lets_executions_end_and_retention_work";
        let ways: [&[&str]; 2] = [
            &["unshare", "-m", "sh", "-c"],
            &["unshare", "-rm", "sh", "-c"],
        ];
        if can_mount(&[]) || can_mount(&["-r"]) {
            let way = if can_mount(&[]) { ways[0] } else { ways[1] };
            run_in_child(test, way, &mount).unwrap();
        } else {
            assert!(
                is_set("RUNNER_TEST_NO_MOUNT"),
                "this test mounts a small disk: run it as root or allow user namespaces, or set RUNNER_TEST_NO_MOUNT=1 to leave it out"
            );
        }
        return;
    }
    let mut home = Home::new();
    home.options.reserve_bytes = 4 * MIB;
    let store = home.open();
    for position in 1..=20 {
        store
            .commit(committed(vec![heavy(&format!("a{position}"), position)]))
            .await
            .unwrap();
    }
    let hog = home.folder.path().join("hog");
    let full = std::fs::write(&hog, vec![0; 64 * 1024 * 1024]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);

    let (count, refusal) = fill_from(&store, 21).await;
    assert!(matches!(refusal, StoreError::Full(_)), "{refusal:?}");
    assert_eq!(count_unfinished(&store).await, 20 + count);
    let writes = vec![finish_write("a1", at(9), Some(output(20_000_000)))];
    let answer = store.commit(committed(writes)).await;
    assert!(matches!(answer, Err(StoreError::Full(_))), "{answer:?}");
    assert_eq!(home.result_files(), 0);
    finish_all(&store, 20 + count).await;
    assert!(!home.beside("-reserve").exists());
    store.commit(committed(vec![prune_all()])).await.unwrap();

    std::fs::remove_file(&hog).unwrap();
    store.check().await.unwrap();
    accept(&store, "new", 100_000).await;
    assert!(home.beside("-reserve").exists());
    assert_eq!(count_unfinished(&store).await, 1);
}

/// Runs a test of this file again in a child of its own: `prepare` is what the shell does before.
fn run_in_child(test: &str, shell: &[&str], prepare: &str) -> std::io::Result<()> {
    let binary = std::env::current_exe()?;
    let line = format!("{prepare} && exec \"$0\" --exact --nocapture \"$1\"");
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut command = Command::new(shell[0]);
    command
        .args(&shell[1..])
        .arg(line)
        .arg(binary)
        .arg(format!("{module}::{test}"));
    let ran = command.env(CHILD, "1").output()?;
    let said = [ran.stdout, ran.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    Ok(())
}

#[cfg(target_os = "linux")]
fn can_mount(options: &[&str]) -> bool {
    let line = ["-m", "mount", "-t", "tmpfs", "none", "/mnt"];
    let ran = Command::new("unshare").args(options).args(line).output();
    ran.is_ok_and(|ran| ran.status.success())
}

fn is_child() -> bool {
    is_set(CHILD)
}

fn is_set(variable: &str) -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "a child is told by its environment what it is"
    )]
    std::env::var(variable).is_ok()
}

/// Says that it is refused, and why.
async fn assert_moved(store: &dyn Store, id: &str) {
    let write = accept_write(id, 100);
    let refusal = store.commit(committed(vec![write])).await;
    let text = refusal.expect_err("nothing is promised").to_string();
    assert!(
        text.contains("was moved, replaced, overwritten or deleted"),
        "{text}"
    );
    assert!(store.check().await.is_err(), "it is not ready");
}

// G1, G7: an open file can still be written when it has lost its name, and the next start would not find it.
#[tokio::test]
async fn a_database_that_is_moved_away_or_replaced_takes_nothing_and_goes_on_when_it_is_put_back() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "before", 1).await;

    std::fs::rename(home.path(), home.beside("-elsewhere")).unwrap();
    assert_moved(&store, "gone").await;
    std::fs::copy(home.beside("-elsewhere"), home.path()).unwrap();
    assert_moved(&store, "replaced").await;

    std::fs::rename(home.beside("-elsewhere"), home.path()).unwrap();
    store.check().await.unwrap();
    accept(&store, "after", 2).await;
    drop(store);
    assert_eq!(count_unfinished(&home.open()).await, 2);
}

// G1, G7: an older copy, something else or nothing, written into the file itself.
#[tokio::test]
async fn a_database_that_is_overwritten_takes_nothing_and_goes_on_when_its_content_is_back() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "before", 1).await;
    drop(store);
    let older = std::fs::read(home.path()).unwrap();
    let store = home.open();
    for position in 2..300 {
        store
            .commit(committed(vec![heavy(&format!("a{position}"), position)]))
            .await
            .unwrap();
    }
    // What was carried over meanwhile stands in the database.
    let content = std::fs::read(home.path()).unwrap();
    assert!(content.len() > older.len());

    for other in [&[][..], &vec![b'x'; content.len() + 1], &older] {
        std::fs::write(home.path(), other).unwrap();
        assert_moved(&store, "gone").await;
    }
    std::fs::write(home.path(), content).unwrap();
    accept(&store, "after", 300).await;
    drop(store);
    assert_eq!(count_unfinished(&home.open()).await, 300);
}

#[tokio::test]
async fn a_database_that_an_operator_made_smaller_goes_on() {
    let home = Home::new();
    let store = home.open();
    for position in 1..=100 {
        let write = heavy(&format!("a{position}"), position);
        store.commit(committed(vec![write])).await.unwrap();
    }
    finish_all(&store, 100).await;
    store.commit(committed(vec![prune_all()])).await.unwrap();
    let operator = rusqlite::Connection::open(home.path()).unwrap();
    let carry_over = "PRAGMA wal_checkpoint(TRUNCATE)";
    operator.query_row(carry_over, [], |_| Ok(())).unwrap();
    accept(&store, "seen", 101).await;
    let before = std::fs::metadata(home.path()).unwrap().len();
    operator.execute_batch("VACUUM").unwrap();
    operator.query_row(carry_over, [], |_| Ok(())).unwrap();
    assert!(std::fs::metadata(home.path()).unwrap().len() < before);
    accept(&store, "after", 102).await;
    drop((store, operator));
    assert_eq!(count_unfinished(&home.open()).await, 2);
}

#[tokio::test]
async fn a_log_that_is_deleted_takes_nothing_more_and_what_it_held_is_saved() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "before", 1).await;

    std::fs::remove_file(home.beside("-wal")).unwrap();
    assert_moved(&store, "gone").await;

    // A copy is what a crash would leave.
    let crashed = Home::new();
    std::fs::create_dir(crashed.folder.path().join("data")).unwrap();
    std::fs::copy(home.path(), crashed.path()).unwrap();
    assert_eq!(count_unfinished(&crashed.open()).await, 1);
}
