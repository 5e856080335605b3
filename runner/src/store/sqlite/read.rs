//! What is asked of the tables.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use sdk::Timestamp;
use sdk::host::StepId;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use serde_json::Value;

use super::row::{self, EXECUTION_COLUMNS, number};
use crate::record::{
    Execution, InvokedBy, LogRecord, ResultType, StateEntry, StateKey, StepRecord, StoredAnswer,
    StoredPayload,
};
use crate::store::code::Coded as _;
use crate::store::head::OutputHead;
use crate::store::{Cursor, ExecutionFilter, InstanceRecord};

/// The data of an output: in the row, or in a file of that name.
#[derive(Debug)]
pub(super) enum OutputData {
    Row(Bytes),
    File(String),
}

pub(super) fn execution(db: &Connection, id: &ExecutionId) -> Result<Option<Execution>> {
    let sql = format!("SELECT {EXECUTION_COLUMNS} FROM execution WHERE id = ?1");
    db.prepare_cached(&sql)?
        .query_row([id.as_str()], row::execution)
        .optional()
}

pub(super) fn payload(db: &Connection, id: &ExecutionId) -> Result<Option<Arc<StoredPayload>>> {
    db.prepare_cached(
        "SELECT head, body FROM payload WHERE key = (SELECT key FROM execution WHERE id = ?1)",
    )?
    .query_row([id.as_str()], |row| {
        let head = row::text(row, 0)?;
        // What is sealed is no JSON object.
        let mut payload = if head.starts_with('{') {
            row::json(row, 0)?
        } else {
            StoredPayload {
                sealed: Some(head),
                ..StoredPayload::default()
            }
        };
        payload.raw_body = row.get::<_, Vec<u8>>(1)?.into();
        Ok(Arc::new(payload))
    })
    .optional()
}

pub(super) fn claimant(db: &Connection, value: &str, at: Timestamp) -> Result<Option<ExecutionId>> {
    db.prepare_cached("SELECT execution FROM claim WHERE value = ?1 AND until > ?2")?
        .query_row(params![value, at.as_millis()], |row| {
            row.get::<_, String>(0)
        })
        .optional()
        .map(|first| first.map(ExecutionId::from))
}

pub(super) fn output(
    db: &Connection,
    id: &ExecutionId,
) -> Result<Option<(OutputHead, OutputData)>> {
    db.prepare_cached(
        "SELECT head, data, file FROM output WHERE key = ifnull( \
             (SELECT key FROM execution WHERE id = ?1), (SELECT key FROM orphan WHERE id = ?1))",
    )?
    .query_row([id.as_str()], |row| {
        let data = match row.get::<_, Option<String>>(2)? {
            Some(file) => OutputData::File(file),
            None => OutputData::Row(row.get::<_, Vec<u8>>(1)?.into()),
        };
        Ok((row::json(row, 0)?, data))
    })
    .optional()
}

pub(super) fn answer(db: &Connection, id: &ExecutionId) -> Result<Option<StoredAnswer>> {
    db.prepare_cached(
        "SELECT answer FROM answer WHERE key = (SELECT key FROM execution WHERE id = ?1)",
    )?
    .query_row([id.as_str()], |row| row::json(row, 0))
    .optional()
}

pub(super) fn steps(db: &Connection, journal: &ExecutionId) -> Result<Vec<StepRecord>> {
    let read = |row: &Row<'_>| {
        let end = match row.get::<_, Option<String>>(7)? {
            Some(error) => Err(error),
            None => Ok(row::json(row, 6)?),
        };
        let execution: Option<String> = row.get(2)?;
        Ok(StepRecord {
            journal: journal.clone(),
            step: StepId {
                name: row.get(0)?,
                count: row.get(1)?,
            },
            execution: execution.map_or_else(|| journal.clone(), ExecutionId::from),
            began_at: row::time(row, 3)?,
            ended_at: row::time(row, 4)?,
            attempts: row.get(5)?,
            end,
        })
    };
    db.prepare_cached(
        "SELECT name, count, execution, began_at, ended_at, attempts, result, error FROM step \
         WHERE journal = (SELECT key FROM execution WHERE id = ?1) ORDER BY number",
    )?
    .query_map([journal.as_str()], read)?
    .collect()
}

pub(super) fn logs(
    db: &Connection,
    id: &ExecutionId,
    from: u32,
    limit: u32,
) -> Result<Vec<LogRecord>> {
    let read = |row: &Row<'_>| {
        let fields = match row.get::<_, Option<String>>(4)? {
            Some(_) => row::json(row, 4)?,
            None => Value::Null,
        };
        Ok(LogRecord {
            execution: id.clone(),
            number: row.get(0)?,
            at: row::time(row, 1)?,
            level: row::coded(row, 2)?,
            step: row.get(5)?,
            text: row.get(3)?,
            fields,
        })
    };
    db.prepare_cached(
        "SELECT number, at, level, text, fields, step FROM log \
         WHERE execution = (SELECT key FROM execution WHERE id = ?1) AND number >= ?2 ORDER BY number, line LIMIT ?3",
    )?
    .query_map(params![id.as_str(), from, limit], read)?
    .collect()
}

/// Lists executions. Only the conditions that the filter names stand in the statement, so that SQLite can choose an index for them.
pub(super) fn executions(
    db: &Connection,
    filter: &ExecutionFilter,
    cursor: Option<&Cursor>,
    limit: u32,
) -> Result<Vec<Execution>> {
    let mut conditions = Conditions::default();
    if let Some(instance) = &filter.instance {
        conditions.add("instance = ?", instance.as_str().to_owned());
    }
    if let Some(flow) = &filter.flow {
        conditions.add("flow = ?", flow.as_str().to_owned());
    }
    if let Some(status) = filter.status {
        // The code stands in the text: only so does SQLite see that a partial index holds all of them.
        let unfinished = if status.is_final() {
            ""
        } else {
            " AND status < 3"
        };
        conditions.text(&format!("status = {}{unfinished}", status.code()));
    }
    if let Some(result) = filter.result {
        conditions.add("result = ?", result.code());
    }
    if let Some(since) = filter.since {
        conditions.add("accepted_at >= ?", since.as_millis());
    }
    if let Some(until) = filter.until {
        conditions.add("accepted_at < ?", until.as_millis());
    }
    if let Some(first) = &filter.first {
        conditions.add("first = ?", first.as_str().to_owned());
    }
    if filter.dead_letters {
        conditions.text("dead_letter = 1");
    }
    if let Some((unique_id, position)) = &filter.superseding {
        conditions.add("unique_id = ?", unique_id.clone());
        conditions.add("position > ?", i64::try_from(*position).unwrap_or(i64::MAX));
        conditions.add("invoked_by <> ?", InvokedBy::Replay.code());
        conditions.add("invoked_by <> ?", InvokedBy::Retry.code());
        let duplicate = ResultType::CanceledAsDuplicate.code();
        conditions.add("ifnull(result, -1) <> ?", duplicate);
    }
    if let Some((accepted_at, id)) = cursor {
        conditions.add("accepted_at <= ?", accepted_at.as_millis());
        conditions.add("(accepted_at < ?", accepted_at.as_millis());
        conditions.or("id < ?)", id.as_str().to_owned());
    }
    conditions.list(db, limit)
}

/// The conditions of a list and their values.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    fn add(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.text(condition);
        self.values.push(Box::new(value));
    }

    fn or(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.sql.push_str(" OR ");
        self.sql.push_str(condition);
        self.values.push(Box::new(value));
    }

    fn text(&mut self, condition: &str) {
        self.sql.push_str(if self.sql.is_empty() {
            "WHERE "
        } else {
            " AND "
        });
        self.sql.push_str(condition);
    }

    fn list(mut self, db: &Connection, limit: u32) -> Result<Vec<Execution>> {
        let sql = format!(
            "SELECT {EXECUTION_COLUMNS} FROM execution {} ORDER BY accepted_at DESC, id DESC LIMIT ?",
            self.sql
        );
        self.values.push(Box::new(limit));
        db.prepare_cached(&sql)?
            .query_map(rusqlite::params_from_iter(self.values), row::execution)?
            .collect()
    }
}

pub(super) fn unfinished(db: &Connection, after: u64, limit: u32) -> Result<Vec<Execution>> {
    let sql = format!(
        "SELECT {EXECUTION_COLUMNS} FROM execution WHERE status < 3 AND position > ?1 ORDER BY position, id LIMIT ?2"
    );
    db.prepare_cached(&sql)?
        .query_map(params![number(after), limit], row::execution)?
        .collect()
}

pub(super) fn last_position(db: &Connection) -> Result<u64> {
    db.prepare_cached("SELECT value FROM counter WHERE name = 'position'")?
        .query_row([], |row| row::count(row, 0))
}

pub(super) fn state(db: &Connection, key: &StateKey) -> Result<(Option<Value>, u64)> {
    let found = db
        .prepare_cached(
            "SELECT value, version FROM state WHERE instance = ?1 AND scope = ?2 AND owner = ?3 AND key = ?4",
        )?
        .query_row(
            params![key.instance.as_str(), key.scope.code(), key.owner.as_ref(), key.key],
            |row| {
                let value = match row.get_ref(0)? {
                    rusqlite::types::ValueRef::Null => None,
                    _ => Some(row::json(row, 0)?),
                };
                Ok((value, row::count(row, 1)?))
            },
        )
        .optional()?;
    Ok(found.unwrap_or((None, 0)))
}

pub(super) fn states(
    db: &Connection,
    instance: &InstanceId,
) -> Result<Vec<(StateKey, StateEntry)>> {
    let read = |row: &Row<'_>| {
        let key = StateKey {
            instance: instance.clone(),
            scope: row::coded(row, 0)?,
            owner: row::text(row, 1)?.into(),
            key: row.get(2)?,
        };
        let entry = StateEntry {
            value: row::json(row, 3)?,
            version: row::count(row, 4)?,
        };
        Ok((key, entry))
    };
    db.prepare_cached(
        "SELECT scope, owner, key, value, version FROM state \
         WHERE instance = ?1 AND value IS NOT NULL ORDER BY scope, owner, key",
    )?
    .query_map([instance.as_str()], read)?
    .collect()
}

pub(super) fn state_size(db: &Connection, instance: &InstanceId) -> Result<u64> {
    db.prepare_cached("SELECT bytes FROM state_size WHERE instance = ?1")?
        .query_row([instance.as_str()], |row| row::count(row, 0))
        .optional()
        .map(Option::unwrap_or_default)
}

pub(super) fn instances(db: &Connection) -> Result<Vec<Arc<InstanceRecord>>> {
    let read = |row: &Row<'_>| {
        Ok(Arc::new(InstanceRecord {
            id: row::text(row, 0)?.into(),
            open: row::json(row, 1)?,
            sealed: row.get(2)?,
        }))
    };
    db.prepare_cached("SELECT id, open, sealed FROM instance ORDER BY id")?
        .query_map([], read)?
        .collect()
}

pub(super) fn last_ticks(
    db: &Connection,
    instance: &InstanceId,
) -> Result<Vec<(FlowKey, Timestamp)>> {
    db.prepare_cached("SELECT flow, nominal FROM tick WHERE instance = ?1 ORDER BY flow")?
        .query_map([instance.as_str()], |row| {
            Ok((row::text(row, 0)?.into(), row::time(row, 1)?))
        })?
        .collect()
}

/// Returns those of the names that no output names.
pub(super) fn unnamed(db: &Connection, names: Vec<String>) -> Result<Vec<String>> {
    let mut find = db.prepare_cached("SELECT 1 FROM output WHERE file = ?1")?;
    let mut unnamed = Vec::new();
    for name in names {
        if !find.exists([&name])? {
            unnamed.push(name);
        }
    }
    Ok(unnamed)
}
