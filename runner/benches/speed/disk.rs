//! What the disk and SQLite can do at best: the limits of everything that is kept.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::Result;
use crate::orders::{Order, count, order};

/// Appends 1 KiB and syncs, over and over; returns how long each took, the shortest first.
pub(crate) fn append(folder: &Path, length: Duration) -> Result<Vec<Duration>> {
    let path = folder.join("append");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let record = vec![b'x'; 1024];
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < length {
        let one = Instant::now();
        file.write_all(&record)?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times)
}

/// As many executions share a transaction.
const BATCH: u32 = 256;

/// Queues so many executions in a table of SQLite and works them off: claim, run and finish 256 in one synced commit, with `steps`
/// commits before it that each record a step of all of them. Returns how long the working off took.
pub(crate) fn drain(folder: &Path, executions: usize, steps: u32) -> Result<Duration> {
    let path = folder.join("drain.db");
    let mut db = Connection::open(&path)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(
        "CREATE TABLE execution (key INTEGER PRIMARY KEY, id TEXT UNIQUE, status INTEGER, body BLOB, result BLOB);
         CREATE INDEX waiting ON execution (key) WHERE status = 0;
         CREATE TABLE step (execution INTEGER, number INTEGER, result BLOB, PRIMARY KEY (execution, number)) WITHOUT ROWID;",
    )?;
    let body = order();
    let fill = db.transaction()?;
    for number in 0..executions {
        fill.prepare_cached("INSERT INTO execution (id, status, body) VALUES (?1, 0, ?2)")?
            .execute(params![format!("0199-{number:032}"), body])?;
    }
    fill.commit()?;
    let begun = Instant::now();
    while work_off(&mut db, steps)? > 0 {}
    let took = begun.elapsed();
    drop(db);
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("drain.db{ending}")));
    }
    Ok(took)
}

fn work_off(db: &mut Connection, steps: u32) -> Result<usize> {
    let waiting: Vec<(i64, Vec<u8>)> = db
        .prepare_cached("SELECT key, body FROM execution WHERE status = 0 ORDER BY key LIMIT ?1")?
        .query_map([BATCH], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut ended = Vec::with_capacity(waiting.len());
    for (key, body) in &waiting {
        let order: Order = serde_json::from_slice(body)?;
        ended.push((*key, serde_json::to_vec(&count(order))?));
    }
    for step in 0..steps {
        let commit = db.transaction()?;
        for (key, result) in &ended {
            commit
                .prepare_cached("INSERT INTO step VALUES (?1, ?2, ?3)")?
                .execute(params![key, step, result])?;
        }
        commit.commit()?;
    }
    let commit = db.transaction()?;
    for (key, result) in &ended {
        commit
            .prepare_cached("UPDATE execution SET status = 3, result = ?2 WHERE key = ?1")?
            .execute(params![key, result])?;
    }
    commit.commit()?;
    Ok(waiting.len())
}

/// The time that stands in each row.
const TICK: i64 = 1_900_000_000_000;

/// Inserts so many rows in synced commits of 512 each, as if all of them had fallen due at once; returns after which time 99 of 100
/// were on disk.
pub(crate) fn insert(folder: &Path, rows: usize) -> Result<Duration> {
    let path = folder.join("insert.db");
    let mut db = Connection::open(&path)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(
        "CREATE TABLE execution (key INTEGER PRIMARY KEY, id TEXT UNIQUE, tick INTEGER)",
    )?;
    let begun = Instant::now();
    let mut done = 0;
    let mut took = Duration::ZERO;
    while done < rows {
        let commit = db.transaction()?;
        for number in done..rows.min(done + 512) {
            commit
                .prepare_cached("INSERT INTO execution (id, tick) VALUES (?1, ?2)")?
                .execute(params![format!("0199-{number:032}"), TICK])?;
        }
        commit.commit()?;
        done += 512;
        if took.is_zero() && done * 100 >= rows * 99 {
            took = begun.elapsed();
        }
    }
    drop(db);
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("insert.db{ending}")));
    }
    Ok(took)
}
