//! Retention (E30): what is old goes, so much at a time that the writer is not held up.

use rusqlite::{Connection, Result, ToSql, params};
use sdk::Timestamp;
use sdk::state::StateScope;

use super::apply::{Effects, run};
use crate::store::Prune;
use crate::store::code::Coded as _;

/// Takes away what ended before the given times; counts it in the effects.
pub(super) fn prune(db: &Connection, bounds: &Prune, effects: &mut Effects) -> Result<()> {
    let gone = executions(db, bounds, effects)?;
    effects.pruned += gone;
    let gone = results(db, bounds.results_before, bounds.at_most, effects)?;
    effects.pruned += gone;
    effects.pruned += change(
        db,
        "DELETE FROM log WHERE line IN (SELECT line FROM log WHERE at < ?1 ORDER BY at LIMIT ?2)",
        params![bounds.logs_before.as_millis(), bounds.at_most],
    )?;
    effects.pruned += change(
        db,
        "DELETE FROM claim WHERE value IN (SELECT value FROM claim WHERE until < ?1 ORDER BY until LIMIT ?2)",
        params![bounds.claims_before.as_millis(), bounds.at_most],
    )?;
    Ok(())
}

/// Runs a statement that is kept prepared; returns how many rows it changed.
fn change(db: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<usize> {
    db.prepare_cached(sql)?.execute(values)
}

/// Takes executions that have ended, but none whose journal another one goes on with: its steps would run again (G2). A dead letter
/// stays with its journal until it is replayed or dismissed (E28). A result that is to be kept longer becomes an orphan.
fn executions(db: &Connection, bounds: &Prune, effects: &mut Effects) -> Result<usize> {
    let mut old = db.prepare_cached(
        "SELECT key, id, instance FROM execution AS ended \
         WHERE accepted_at < ?1 AND ended_at < ?1 AND dead_letter = 0 AND NOT EXISTS \
             (SELECT 1 FROM execution AS other WHERE other.journal = ended.id AND other.status < 3) \
         AND NOT EXISTS \
             (SELECT 1 FROM execution AS retry WHERE retry.first = ended.id \
              AND retry.journal = ended.id AND retry.dead_letter = 1) \
         ORDER BY accepted_at LIMIT ?2",
    )?;
    let before = bounds.executions_before.as_millis();
    let rows: Vec<(i64, String, String)> = old
        .query_map(params![before, bounds.at_most], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_>>()?;
    let count = rows.len();
    let results_before = bounds.results_before.as_millis();
    for (key, id, instance) in rows {
        let kept = change(
            db,
            "INSERT INTO orphan (key, id) SELECT key, ?2 FROM output WHERE key = ?1 AND ended_at >= ?3",
            params![key, id, results_before],
        )?;
        if kept == 0 {
            forget_output(db, key, effects)?;
        }
        for sql in [
            "DELETE FROM payload WHERE key = ?1",
            "DELETE FROM answer WHERE key = ?1",
            "DELETE FROM step WHERE journal = ?1",
            "DELETE FROM log WHERE execution = ?1",
            "DELETE FROM execution WHERE key = ?1",
        ] {
            run(db, sql, params![key])?;
        }
        run(
            db,
            "DELETE FROM state WHERE instance = ?1 AND scope = ?2 AND owner = ?3",
            params![instance, StateScope::Execution.code(), id],
        )?;
    }
    Ok(count)
}

fn results(
    db: &Connection,
    before: Timestamp,
    at_most: u32,
    effects: &mut Effects,
) -> Result<usize> {
    let mut old =
        db.prepare_cached("SELECT key FROM output WHERE ended_at < ?1 ORDER BY ended_at LIMIT ?2")?;
    let keys: Vec<i64> = old
        .query_map(params![before.as_millis(), at_most], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for key in &keys {
        forget_output(db, *key, effects)?;
    }
    Ok(keys.len())
}

fn forget_output(db: &Connection, key: i64, effects: &mut Effects) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM output WHERE key = ?1 RETURNING file")?;
    let files = delete.query_map([key], |row| row.get(0))?;
    for file in files {
        effects.unneeded.extend::<Option<String>>(file?);
    }
    run(db, "DELETE FROM orphan WHERE key = ?1", params![key])?;
    Ok(())
}
