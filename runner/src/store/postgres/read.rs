//! What is asked of the tables.

use std::sync::Arc;

use sdk::Timestamp;
use sdk::host::StepId;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::Fault;
use super::row::{self, EXECUTION_COLUMNS, number};
use super::session::Session;
use crate::record::{
    Execution, InvokedBy, LogRecord, ResultType, StateEntry, StateKey, StepRecord, StoredAnswer,
    StoredOutput, StoredPayload,
};
use crate::store::code::Coded as _;
use crate::store::head::OutputHead;
use crate::store::{Cursor, ExecutionFilter, InstanceRecord};

type Answer<T> = Result<T, Fault>;

pub(super) async fn execution(session: &Session, id: &ExecutionId) -> Answer<Option<Execution>> {
    let sql = format!("SELECT {EXECUTION_COLUMNS} FROM execution WHERE id = $1");
    let found = session.query_opt(&sql, &[&id.as_str().as_bytes()]).await?;
    found.as_ref().map(row::execution).transpose()
}

pub(super) async fn payload(session: &Session, id: &ExecutionId) -> Answer<Option<StoredPayload>> {
    let sql = "SELECT head, body FROM payload WHERE id = $1";
    let found = session.query_opt(sql, &[&id.as_str().as_bytes()]).await?;
    let Some(found) = found else { return Ok(None) };
    let head = row::text(&found, 0)?;
    // What is sealed is no JSON object.
    let mut payload = if head.starts_with('{') {
        row::read_json(&found, 0)?
    } else {
        StoredPayload {
            sealed: Some(head),
            ..StoredPayload::default()
        }
    };
    payload.raw_body = found.try_get::<_, Vec<u8>>(1)?.into();
    Ok(Some(payload))
}

pub(super) async fn output(session: &Session, id: &ExecutionId) -> Answer<Option<StoredOutput>> {
    let sql = "SELECT head, data FROM output WHERE id = $1";
    let found = session.query_opt(sql, &[&id.as_str().as_bytes()]).await?;
    let Some(found) = found else { return Ok(None) };
    let head: OutputHead = row::read_json(&found, 0)?;
    Ok(Some(head.with(found.try_get::<_, Vec<u8>>(1)?.into())))
}

pub(super) async fn answer(session: &Session, id: &ExecutionId) -> Answer<Option<StoredAnswer>> {
    let sql = "SELECT answer FROM answer WHERE id = $1";
    let found = session.query_opt(sql, &[&id.as_str().as_bytes()]).await?;
    found.map(|found| row::read_json(&found, 0)).transpose()
}

pub(super) async fn claimant(
    session: &Session,
    value: &str,
    at: Timestamp,
) -> Answer<Option<ExecutionId>> {
    let sql = "SELECT execution FROM claim WHERE value = $1 AND until > $2";
    let values: [&(dyn ToSql + Sync); 2] = [&value.as_bytes(), &at.as_millis()];
    let found = session.query_opt(sql, &values).await?;
    let first = found.map(|found| row::text(&found, 0)).transpose()?;
    Ok(first.map(ExecutionId::from))
}

pub(super) async fn steps(session: &Session, journal: &ExecutionId) -> Answer<Vec<StepRecord>> {
    let sql = "SELECT name, count, execution, began_at, ended_at, attempts, result, error FROM step \
        WHERE journal = $1 ORDER BY number";
    let found = session.query(sql, &[&journal.as_str().as_bytes()]).await?;
    let read = |found: &Row| {
        let end = match row::optional_text(found, 7)? {
            Some(error) => Err(error),
            None => Ok(row::read_json(found, 6)?),
        };
        Ok(StepRecord {
            journal: journal.clone(),
            step: StepId {
                name: row::text(found, 0)?,
                count: row::small(found, 1)?,
            },
            execution: row::optional_id(found, 2)?.unwrap_or_else(|| journal.clone()),
            began_at: row::time(found, 3)?,
            ended_at: row::time(found, 4)?,
            attempts: row::small(found, 5)?,
            end,
        })
    };
    found.iter().map(read).collect()
}

pub(super) async fn logs(
    session: &Session,
    id: &ExecutionId,
    from: u32,
    limit: u32,
) -> Answer<Vec<LogRecord>> {
    let sql = "SELECT number, at, level, text, fields, step FROM log \
        WHERE execution = $1 AND number >= $2 ORDER BY number, line LIMIT $3";
    let values: [&(dyn ToSql + Sync); 3] =
        [&id.as_str().as_bytes(), &i64::from(from), &i64::from(limit)];
    let read = |found: &Row| {
        Ok(LogRecord {
            execution: id.clone(),
            number: row::small(found, 0)?,
            at: row::time(found, 1)?,
            level: row::coded(found, 2)?,
            step: row::optional_text(found, 5)?,
            text: row::text(found, 3)?,
            fields: row::optional_json(found, 4)?.unwrap_or(Value::Null),
        })
    };
    session
        .query(sql, &values)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Lists executions. Only the conditions that the filter names stand in the statement, so that the database can choose an index for them.
pub(super) async fn executions(
    session: &Session,
    filter: &ExecutionFilter,
    cursor: Option<&Cursor>,
    limit: u32,
) -> Answer<Vec<Execution>> {
    let mut conditions = Conditions::default();
    if let Some(instance) = &filter.instance {
        conditions.add("instance = ?", instance.as_str().as_bytes());
    }
    if let Some(flow) = &filter.flow {
        conditions.add("flow = ?", flow.as_str().as_bytes());
    }
    if let Some(status) = filter.status {
        // The code stands in the text: only so is it seen that a partial index holds all of them.
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
        conditions.add("first = ?", first.as_str().as_bytes());
    }
    if filter.dead_letters {
        conditions.text("dead_letter");
    }
    if let Some((unique_id, position)) = &filter.superseding {
        conditions.add("unique_id = ?", unique_id.as_bytes());
        conditions.add("position > ?", number(*position));
        let others = [InvokedBy::Replay.code(), InvokedBy::Retry.code()];
        conditions.add("invoked_by <> ALL (?)", others.to_vec());
        let duplicate = ResultType::CanceledAsDuplicate.code();
        conditions.add("result IS DISTINCT FROM ?", duplicate);
    }
    if let Some((accepted_at, id)) = cursor {
        conditions.add("accepted_at <= ?", accepted_at.as_millis());
        conditions.add("(accepted_at, id) < (?, ", accepted_at.as_millis());
        conditions.end("?)", id.as_str().as_bytes());
    }
    conditions.list(session, limit).await
}

/// The conditions of a list and their values.
#[derive(Default)]
struct Conditions<'a> {
    sql: String,
    values: Vec<Box<dyn ToSql + Send + Sync + 'a>>,
}

impl<'a> Conditions<'a> {
    fn add(&mut self, condition: &str, value: impl ToSql + Send + Sync + 'a) {
        self.sql.push_str(if self.sql.is_empty() {
            "WHERE "
        } else {
            " AND "
        });
        self.end(condition, value);
    }

    /// Ends a condition that began with another value.
    fn end(&mut self, condition: &str, value: impl ToSql + Send + Sync + 'a) {
        self.values.push(Box::new(value));
        let place = format!("${}", self.values.len());
        self.sql.push_str(&condition.replace('?', &place));
    }

    fn text(&mut self, condition: &str) {
        self.sql.push_str(if self.sql.is_empty() {
            "WHERE "
        } else {
            " AND "
        });
        self.sql.push_str(condition);
    }

    async fn list(mut self, session: &Session, limit: u32) -> Answer<Vec<Execution>> {
        let sql = format!(
            "SELECT {EXECUTION_COLUMNS} FROM execution {} ORDER BY accepted_at DESC, id DESC LIMIT ${}",
            self.sql,
            self.values.len() + 1,
        );
        self.values.push(Box::new(i64::from(limit)));
        let values: Vec<&(dyn ToSql + Sync)> = self
            .values
            .iter()
            .map(|value| -> &(dyn ToSql + Sync) { &**value })
            .collect();
        let found = session.query(&sql, &values).await?;
        found.iter().map(row::execution).collect()
    }
}

pub(super) async fn unfinished(
    session: &Session,
    after: u64,
    limit: u32,
) -> Answer<Vec<Execution>> {
    let sql = format!(
        "SELECT {EXECUTION_COLUMNS} FROM execution WHERE status < 3 AND position > $1 ORDER BY position, id LIMIT $2"
    );
    let values: [&(dyn ToSql + Sync); 2] = [&number(after), &i64::from(limit)];
    let found = session.query(&sql, &values).await?;
    found.iter().map(row::execution).collect()
}

pub(super) async fn last_position(session: &Session) -> Answer<u64> {
    let sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM position";
    match session.query_opt(sql, &[]).await? {
        Some(found) => row::count(&found, 0),
        None => Ok(0),
    }
}

pub(super) async fn state(session: &Session, key: &StateKey) -> Answer<(Option<Value>, u64)> {
    let sql = "SELECT value, version FROM state WHERE instance = $1 AND scope = $2 AND owner = $3 AND key = $4";
    let values: [&(dyn ToSql + Sync); 4] = [
        &key.instance.as_str().as_bytes(),
        &key.scope.code(),
        &key.owner.as_bytes(),
        &key.key.as_bytes(),
    ];
    match session.query_opt(sql, &values).await? {
        Some(found) => Ok((row::optional_json(&found, 0)?, row::count(&found, 1)?)),
        None => Ok((None, 0)),
    }
}

pub(super) async fn states(
    session: &Session,
    instance: &InstanceId,
) -> Answer<Vec<(StateKey, StateEntry)>> {
    let sql = "SELECT scope, owner, key, value, version FROM state \
        WHERE instance = $1 AND value IS NOT NULL ORDER BY scope, owner, key";
    let read = |found: &Row| {
        let key = StateKey {
            instance: instance.clone(),
            scope: row::coded(found, 0)?,
            owner: row::text(found, 1)?.into(),
            key: row::text(found, 2)?,
        };
        let entry = StateEntry {
            value: row::read_json(found, 3)?,
            version: row::count(found, 4)?,
        };
        Ok((key, entry))
    };
    let found = session.query(sql, &[&instance.as_str().as_bytes()]).await?;
    found.iter().map(read).collect()
}

pub(super) async fn state_size(session: &Session, instance: &InstanceId) -> Answer<u64> {
    let sql = "SELECT bytes FROM state_size WHERE instance = $1";
    let values: [&(dyn ToSql + Sync); 1] = [&instance.as_str().as_bytes()];
    match session.query_opt(sql, &values).await? {
        Some(found) => row::count(&found, 0),
        None => Ok(0),
    }
}

pub(super) async fn instances(session: &Session) -> Answer<Vec<Arc<InstanceRecord>>> {
    let sql = "SELECT id, open, sealed FROM instance ORDER BY id";
    let read = |found: &Row| {
        Ok(Arc::new(InstanceRecord {
            id: row::text(found, 0)?.into(),
            open: row::read_json(found, 1)?,
            sealed: found.try_get(2)?,
        }))
    };
    session.query(sql, &[]).await?.iter().map(read).collect()
}

pub(super) async fn last_ticks(
    session: &Session,
    instance: &InstanceId,
) -> Answer<Vec<(FlowKey, Timestamp)>> {
    let sql = "SELECT flow, nominal FROM tick WHERE instance = $1 ORDER BY flow";
    let read = |found: &Row| Ok((row::text(found, 0)?.into(), row::time(found, 1)?));
    let found = session.query(sql, &[&instance.as_str().as_bytes()]).await?;
    found.iter().map(read).collect()
}
