//! What each write does to the tables. All of it happens inside a transaction of the writer.

use rusqlite::types::ToSql;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Result, params};
use sdk::Timestamp;
use sdk::id::{ExecutionId, InstanceId};

use super::results::ResultFile;
use super::row::{self, EXECUTION_INSERT, number, to_json};
use super::{prune, read};
use crate::record::{Execution, LogRecord, ResultType, Status, StepRecord, StoredOutput};
use crate::store::code::Coded as _;
use crate::store::head::OutputHead;
use crate::store::{
    Accept, ClearState, Committed, Finish, InstanceRecord, StateChange, TickClaim, Write,
    lasting_change,
};

/// What must happen outside of the database once the transaction is durable.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Files of results that nothing names any more.
    pub(super) unneeded: Vec<String>,
    /// The highest position that was given.
    pub(super) position: Option<u64>,
    /// How many rows were taken away because they were old.
    pub(super) pruned: usize,
}

/// Says why a commit must not be done, if so: asked before any of it is.
pub(super) fn refusal(db: &Connection, writes: &[Write]) -> Result<Option<Committed>> {
    for write in writes {
        let refused = match write {
            Write::Accept(accept) => claimed(db, accept)?.map(Committed::Duplicate),
            Write::State(change) => changed_since(db, change)?.then_some(Committed::StateChanged),
            Write::Tick(claim) => tick_taken(db, claim)?.then_some(Committed::TickTaken),
            Write::StateLimit { instance, bytes } => {
                outgrows(db, instance, *bytes, writes)?.then_some(Committed::StateFull)
            }
            _ => None,
        };
        if refused.is_some() {
            return Ok(refused);
        }
    }
    Ok(None)
}

fn claimed(db: &Connection, accept: &Accept) -> Result<Option<ExecutionId>> {
    for claim in &accept.claims {
        let first = read::claimant(db, &claim.value, accept.execution.accepted_at)?;
        if first.is_some() {
            return Ok(first);
        }
    }
    Ok(None)
}

fn changed_since(db: &Connection, change: &StateChange) -> Result<bool> {
    let Some(expected) = change.expected else {
        return Ok(false);
    };
    let key = &change.key;
    let version: Option<i64> = db
        .prepare_cached(
            "SELECT version FROM state WHERE instance = ?1 AND scope = ?2 AND owner = ?3 AND key = ?4",
        )?
        .query_row(
            params![key.instance.as_str(), key.scope.code(), key.owner.as_ref(), key.key],
            |row| row.get(0),
        )
        .optional()?;
    Ok(version.unwrap_or(0) != number(expected))
}

/// Says whether the state of an instance would be larger than its limit. What the changes replace is looked up only when it matters.
fn outgrows(db: &Connection, instance: &InstanceId, limit: u64, writes: &[Write]) -> Result<bool> {
    let before = read::state_size(db, instance)?;
    let lasting = || {
        writes
            .iter()
            .filter_map(|write| lasting_change(write, instance))
    };
    let mut after = lasting().fold(before, |size, change| size.saturating_add(change.size()));
    if after <= limit {
        return Ok(false);
    }
    for change in lasting() {
        let key = &change.key;
        let replaced: Option<u64> = db
            .prepare_cached(
                "SELECT octet_length(key) + octet_length(value) FROM state \
                 WHERE instance = ?1 AND scope = ?2 AND owner = ?3 AND key = ?4 AND value IS NOT NULL",
            )?
            .query_row(
                params![key.instance.as_str(), key.scope.code(), key.owner.as_ref(), key.key],
                |row| row::count(row, 0),
            )
            .optional()?;
        after = after.saturating_sub(replaced.unwrap_or(0));
    }
    Ok(after > limit && after > before)
}

fn tick_taken(db: &Connection, claim: &TickClaim) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM tick WHERE instance = ?1 AND flow = ?2 AND nominal >= ?3")?
        .exists(params![
            claim.instance.as_str(),
            claim.flow.as_str(),
            claim.nominal.as_millis()
        ])
}

/// Does one write. `files` are the results of this commit that stand in files already.
pub(super) fn apply(
    db: &Connection,
    write: &Write,
    files: &[ResultFile],
    effects: &mut Effects,
) -> Result<()> {
    match write {
        Write::Accept(accept) => self::accept(db, accept, effects),
        Write::Start { id, at, starts } => run(
            db,
            "UPDATE execution SET status = ?2, started_at = ?3, starts = ?4 WHERE id = ?1 AND status < 3",
            params![id.as_str(), Status::Running.code(), at.as_millis(), starts],
        ),
        Write::Requeue { id, starts } => run(
            db,
            "UPDATE execution SET status = ?2, starts = ?3 WHERE id = ?1 AND status < 3",
            params![id.as_str(), Status::Queued.code(), starts],
        ),
        Write::Step(step) => self::step(db, step),
        Write::Finish(finish) => self::finish(db, finish, files, effects),
        Write::Log(lines) => log(db, lines),
        Write::State(change) => state(db, change),
        // It was kept before anything was done.
        Write::StateLimit { .. } => Ok(()),
        Write::ClearState(clear) => clear_state(db, clear),
        Write::PutInstance(instance) => put_instance(db, instance),
        Write::EraseInstance(id) => erase_instance(db, id),
        Write::Tick(claim) => run(
            db,
            "INSERT OR REPLACE INTO tick (instance, flow, nominal) VALUES (?1, ?2, ?3)",
            params![
                claim.instance.as_str(),
                claim.flow.as_str(),
                claim.nominal.as_millis()
            ],
        ),
        Write::DeadLetter { id, dead } => run(
            db,
            "UPDATE execution SET dead_letter = ?2 WHERE id = ?1",
            params![id.as_str(), dead],
        ),
        Write::Prune(bounds) => prune::prune(db, bounds, effects),
    }
}

/// Runs a statement that is kept prepared.
pub(super) fn run(db: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<()> {
    let mut statement: CachedStatement<'_> = db.prepare_cached(sql)?;
    statement.execute(values)?;
    Ok(())
}

/// Remembers the highest position that was given: the execution that had it may be pruned.
pub(super) fn raise_position(db: &Connection, position: u64) -> Result<()> {
    run(
        db,
        "UPDATE counter SET value = ?1 WHERE name = 'position' AND value < ?1",
        params![number(position)],
    )
}

/// Writes something that means nothing, to see whether writing works.
pub(super) fn probe(db: &Connection) -> Result<()> {
    run(
        db,
        "UPDATE counter SET value = 1 - value WHERE name = 'probe'",
        params![],
    )
}

/// Returns the key of an execution, if it is kept.
pub(super) fn key_of(db: &Connection, id: &ExecutionId) -> Result<Option<i64>> {
    db.prepare_cached("SELECT key FROM execution WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}

fn accept(db: &Connection, accept: &Accept, effects: &mut Effects) -> Result<()> {
    let execution = &accept.execution;
    for claim in &accept.claims {
        run(
            db,
            "INSERT OR REPLACE INTO claim (value, until, execution) VALUES (?1, ?2, ?3)",
            params![claim.value, claim.until.as_millis(), execution.id.as_str()],
        )?;
    }
    insert(db, execution)?;
    let key = db.last_insert_rowid();
    if let Some(payload) = &accept.payload {
        let head = match &payload.sealed {
            Some(sealed) => sealed.clone(),
            None => to_json(payload)?,
        };
        run(
            db,
            "INSERT INTO payload (key, head, body) VALUES (?1, ?2, ?3)",
            params![key, head, &payload.raw_body[..]],
        )?;
    }
    if let Some(answer) = &accept.answer {
        run(
            db,
            "INSERT INTO answer (key, answer) VALUES (?1, ?2)",
            params![key, to_json(answer)?],
        )?;
    }
    effects.position = effects.position.max(Some(execution.position));
    Ok(())
}

fn insert(db: &Connection, execution: &Execution) -> Result<()> {
    let journal = (execution.journal != execution.id).then(|| execution.journal.as_str());
    run(
        db,
        EXECUTION_INSERT,
        params![
            execution.id.as_str(),
            execution.instance.as_str(),
            execution.flow.as_str(),
            execution.function.code(),
            execution.invoked_by.code(),
            execution.synchronous,
            execution.status.code(),
            execution.result.map(ResultType::code),
            number(execution.position),
            execution.order_key,
            execution.accepted_at.as_millis(),
            execution.run_at.map(Timestamp::as_millis),
            execution.started_at.map(Timestamp::as_millis),
            execution.ended_at.map(Timestamp::as_millis),
            execution.attempt,
            execution.starts,
            journal,
            execution.first.as_ref().map(ExecutionId::as_str),
            execution.parent.as_ref().map(ExecutionId::as_str),
            execution.unique_id,
            execution.error,
            execution.dead_letter,
            execution.caller_error.as_ref().map(to_json).transpose()?,
            execution.canceled_by.as_ref().map(ExecutionId::as_str),
        ],
    )
}

fn step(db: &Connection, step: &StepRecord) -> Result<()> {
    run(
        db,
        "UPDATE execution SET starts = 1 WHERE id = ?1 AND starts > 1 AND status < 3",
        params![step.execution.as_str()],
    )?;
    let Some(journal) = key_of(db, &step.journal)? else {
        return Ok(());
    };
    let execution = (step.execution != step.journal).then(|| step.execution.as_str());
    let result = step.end.as_ref().ok().map(to_json).transpose()?;
    run(
        db,
        "INSERT OR REPLACE INTO step (journal, name, count, execution, began_at, ended_at, attempts, result, error) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            journal,
            step.step.name,
            step.step.count,
            execution,
            step.began_at.as_millis(),
            step.ended_at.as_millis(),
            step.attempts,
            result,
            step.end.as_ref().err(),
        ],
    )
}

fn finish(
    db: &Connection,
    finish: &Finish,
    files: &[ResultFile],
    effects: &mut Effects,
) -> Result<()> {
    let file = files.iter().find(|file| file.execution == finish.id);
    let key: Option<i64> = db
        .prepare_cached("SELECT key FROM execution WHERE id = ?1 AND status < 3")?
        .query_row([finish.id.as_str()], |row| row.get(0))
        .optional()?;
    let Some(key) = key else {
        effects.unneeded.extend(file.map(|file| file.name.clone()));
        return Ok(());
    };
    run(
        db,
        "UPDATE execution SET status = ?2, result = ?3, ended_at = ?4, error = ?5, dead_letter = ?6, caller_error = ?7, \
         canceled_by = ?8 WHERE key = ?1",
        params![
            key,
            finish.status.code(),
            finish.result.code(),
            finish.at.as_millis(),
            finish.error,
            finish.dead_letter,
            finish.caller_error.as_ref().map(to_json).transpose()?,
            finish.canceled_by.as_ref().map(ExecutionId::as_str),
        ],
    )?;
    match &finish.output {
        Some(output) => self::output(db, key, finish, output, file),
        None => Ok(()),
    }
}

fn output(
    db: &Connection,
    key: i64,
    finish: &Finish,
    output: &StoredOutput,
    file: Option<&ResultFile>,
) -> Result<()> {
    let head = to_json(&OutputHead::of(output))?;
    let data = file.is_none().then_some(&output.data[..]);
    run(
        db,
        "INSERT INTO output (key, ended_at, head, data, file) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            key,
            finish.at.as_millis(),
            head,
            data,
            file.map(|file| file.name.as_str()),
        ],
    )
}

fn log(db: &Connection, lines: &[LogRecord]) -> Result<()> {
    let mut last: Option<(&ExecutionId, Option<i64>)> = None;
    for line in lines {
        let key = match last {
            Some((id, key)) if *id == line.execution => key,
            _ => key_of(db, &line.execution)?,
        };
        last = Some((&line.execution, key));
        let Some(key) = key else { continue };
        let fields = match &line.fields {
            serde_json::Value::Null => None,
            fields => Some(to_json(fields)?),
        };
        run(
            db,
            "INSERT INTO log (execution, number, at, level, text, fields, step) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                key,
                line.number,
                line.at.as_millis(),
                line.level.code(),
                line.text,
                fields,
                line.step
            ],
        )?;
    }
    Ok(())
}

fn state(db: &Connection, change: &StateChange) -> Result<()> {
    let key = &change.key;
    let value = change.value.as_ref().map(to_json).transpose()?;
    run(
        db,
        "INSERT INTO state (instance, scope, owner, key, value, version) VALUES (?1, ?2, ?3, ?4, ?5, 1) \
         ON CONFLICT (instance, scope, owner, key) DO UPDATE SET value = excluded.value, version = version + 1",
        params![
            key.instance.as_str(),
            key.scope.code(),
            key.owner.as_ref(),
            key.key,
            value
        ],
    )
}

/// Keeps the versions of what goes, so that a write that was made from an old value is still refused.
fn clear_state(db: &Connection, clear: &ClearState) -> Result<()> {
    let instance = clear.instance.as_str();
    match &clear.only {
        None => run(
            db,
            "UPDATE state SET value = NULL, version = version + 1 WHERE instance = ?1 AND value IS NOT NULL",
            params![instance],
        ),
        Some((scope, owner)) => run(
            db,
            "UPDATE state SET value = NULL, version = version + 1 \
             WHERE instance = ?1 AND scope = ?2 AND owner = ?3 AND value IS NOT NULL",
            params![instance, scope.code(), owner.as_ref()],
        ),
    }
}

fn put_instance(db: &Connection, instance: &InstanceRecord) -> Result<()> {
    run(
        db,
        "INSERT OR REPLACE INTO instance (id, open, sealed) VALUES (?1, ?2, ?3)",
        params![
            instance.id.as_str(),
            to_json(&instance.open)?,
            instance.sealed
        ],
    )
}

fn erase_instance(db: &Connection, id: &InstanceId) -> Result<()> {
    run(
        db,
        "DELETE FROM instance WHERE id = ?1",
        params![id.as_str()],
    )?;
    run(
        db,
        "DELETE FROM state WHERE instance = ?1",
        params![id.as_str()],
    )?;
    run(
        db,
        "DELETE FROM tick WHERE instance = ?1",
        params![id.as_str()],
    )
}
