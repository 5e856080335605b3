//! How records stand in rows: enums as small numbers, times as milliseconds, the rest as text.

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Result, Row};
use sdk::Timestamp;
use sdk::id::ExecutionId;
use serde::de::DeserializeOwned;

use crate::record::Execution;
use crate::store::code::Coded;

/// The columns of an execution, in the order in which [`execution`] reads them and [`EXECUTION_INSERT`] writes them.
pub(super) const EXECUTION_COLUMNS: &str = "id, instance, flow, function, invoked_by, synchronous, status, result, position, \
    order_key, accepted_at, run_at, started_at, ended_at, attempt, starts, journal, first, parent, unique_id, error, dead_letter, \
    caller_error, canceled_by";

/// Adds an execution. Its key was never used: a result may still be kept under the key of an execution that is gone.
pub(super) const EXECUTION_INSERT: &str = "INSERT INTO execution (key, id, instance, flow, function, invoked_by, synchronous, status, \
    result, position, order_key, accepted_at, run_at, started_at, ended_at, attempt, starts, journal, first, parent, unique_id, \
    error, dead_letter, caller_error, canceled_by) VALUES (1 + max((SELECT ifnull(max(key), 0) FROM execution), (SELECT ifnull(max(key), 0) \
    FROM output)), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)";

/// Reads an execution from a row of [`EXECUTION_COLUMNS`].
pub(super) fn execution(row: &Row<'_>) -> Result<Execution> {
    let id: ExecutionId = text(row, 0)?.into();
    let journal = optional_id(row, 16)?.unwrap_or_else(|| id.clone());
    Ok(Execution {
        id,
        instance: text(row, 1)?.into(),
        flow: text(row, 2)?.into(),
        function: coded(row, 3)?,
        invoked_by: coded(row, 4)?,
        synchronous: row.get(5)?,
        status: coded(row, 6)?,
        result: row
            .get::<_, Option<i64>>(7)?
            .map(|code| decode(7, code))
            .transpose()?,
        position: count(row, 8)?,
        order_key: row.get(9)?,
        accepted_at: time(row, 10)?,
        run_at: optional_time(row, 11)?,
        started_at: optional_time(row, 12)?,
        ended_at: optional_time(row, 13)?,
        attempt: row.get(14)?,
        starts: row.get(15)?,
        journal,
        first: optional_id(row, 17)?,
        parent: optional_id(row, 18)?,
        unique_id: row.get(19)?,
        error: row.get(20)?,
        dead_letter: row.get(21)?,
        caller_error: optional_json(row, 22)?,
        canceled_by: optional_id(row, 23)?,
    })
}

/// Reads an enum.
pub(super) fn coded<T: Coded>(row: &Row<'_>, column: usize) -> Result<T> {
    decode(column, row.get(column)?)
}

/// Reads a text.
pub(super) fn text(row: &Row<'_>, column: usize) -> Result<String> {
    row.get(column)
}

/// Reads a time.
pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// Reads a number that is never below zero.
pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| misfit(column, FromSqlError::OutOfRange(number)))
}

/// Reads JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|fault| misfit(column, fault))
}

/// Reads JSON where there may be none.
fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else {
        return Ok(None);
    };
    serde_json::from_str(text)
        .map(Some)
        .map_err(|fault| misfit(column, fault))
}

/// Returns a count as SQLite keeps it: whole numbers of 64 bits with a sign.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Writes JSON.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|fault| Error::ToSqlConversionFailure(Box::new(fault)))
}

fn decode<T: Coded>(column: usize, code: i64) -> Result<T> {
    T::from_code(code).ok_or_else(|| misfit(column, FromSqlError::OutOfRange(code)))
}

fn misfit(column: usize, fault: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(fault))
}

fn optional_time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(Timestamp::from_millis))
}

fn optional_id(row: &Row<'_>, column: usize) -> Result<Option<ExecutionId>> {
    let id: Option<String> = row.get(column)?;
    Ok(id.map(ExecutionId::from))
}
