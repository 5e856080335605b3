//! How records stand in rows: enums as small numbers, times as milliseconds, texts as bytes.

use sdk::Timestamp;
use sdk::id::ExecutionId;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::fault::Fault;
use super::session::Value;
use crate::record::{Execution, ResultType};
use crate::store::code::Coded;

/// The columns of an execution, in the order in which [`execution`] reads them and [`EXECUTION_INSERT`] writes them.
pub(super) const EXECUTION_COLUMNS: &str = "id, instance, flow, function, invoked_by, synchronous, status, result, position, \
    order_key, accepted_at, run_at, started_at, ended_at, attempt, starts, journal, first, parent, unique_id, error, dead_letter, \
    caller_error, canceled_by";

/// Adds an execution.
pub(super) const EXECUTION_INSERT: &str = "INSERT INTO execution (id, instance, flow, function, invoked_by, synchronous, status, \
    result, position, order_key, accepted_at, run_at, started_at, ended_at, attempt, starts, journal, first, parent, unique_id, \
    error, dead_letter, caller_error, canceled_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
    $17, $18, $19, $20, $21, $22, $23, $24)";

/// Returns the values of [`EXECUTION_INSERT`].
pub(super) fn values(execution: &Execution) -> Result<Vec<Value<'_>>, Fault> {
    let journal = (execution.journal != execution.id).then_some(&execution.journal);
    let id = |id: Option<&'_ ExecutionId>| id.map(|id| id.as_str().as_bytes().to_vec());
    Ok(vec![
        bytes(execution.id.as_str()),
        bytes(execution.instance.as_str()),
        bytes(execution.flow.as_str()),
        Box::new(execution.function.code()),
        Box::new(execution.invoked_by.code()),
        Box::new(execution.synchronous),
        Box::new(execution.status.code()),
        Box::new(execution.result.map(ResultType::code)),
        Box::new(number(execution.position)),
        maybe(execution.order_key.as_deref()),
        Box::new(execution.accepted_at.as_millis()),
        Box::new(execution.run_at.map(Timestamp::as_millis)),
        Box::new(execution.started_at.map(Timestamp::as_millis)),
        Box::new(execution.ended_at.map(Timestamp::as_millis)),
        Box::new(i64::from(execution.attempt)),
        Box::new(i64::from(execution.starts)),
        Box::new(id(journal)),
        Box::new(id(execution.first.as_ref())),
        Box::new(id(execution.parent.as_ref())),
        maybe(execution.unique_id.as_deref()),
        maybe(execution.error.as_deref()),
        Box::new(execution.dead_letter),
        maybe_json(execution.caller_error.as_ref())?,
        Box::new(id(execution.canceled_by.as_ref())),
    ])
}

/// Reads an execution from a row of [`EXECUTION_COLUMNS`].
pub(super) fn execution(row: &Row) -> Result<Execution, Fault> {
    let id = ExecutionId::from(text(row, 0)?);
    let journal = optional_id(row, 16)?.unwrap_or_else(|| id.clone());
    let result: Option<i64> = row.try_get(7)?;
    Ok(Execution {
        id,
        instance: text(row, 1)?.into(),
        flow: text(row, 2)?.into(),
        function: coded(row, 3)?,
        invoked_by: coded(row, 4)?,
        synchronous: row.try_get(5)?,
        status: coded(row, 6)?,
        result: result.map(decode).transpose()?,
        position: count(row, 8)?,
        order_key: optional_text(row, 9)?,
        accepted_at: time(row, 10)?,
        run_at: optional_time(row, 11)?,
        started_at: optional_time(row, 12)?,
        ended_at: optional_time(row, 13)?,
        attempt: small(row, 14)?,
        starts: small(row, 15)?,
        journal,
        first: optional_id(row, 17)?,
        parent: optional_id(row, 18)?,
        unique_id: optional_text(row, 19)?,
        error: optional_text(row, 20)?,
        dead_letter: row.try_get(21)?,
        caller_error: optional_json(row, 22)?,
        canceled_by: optional_id(row, 23)?,
    })
}

/// Writes a text.
pub(super) fn bytes(text: &str) -> Value<'_> {
    Box::new(text.as_bytes())
}

/// Writes a text where there may be none.
pub(super) fn maybe(text: Option<&str>) -> Value<'_> {
    Box::new(text.map(str::as_bytes))
}

/// Writes JSON.
pub(super) fn json(value: &impl serde::Serialize) -> Result<Value<'static>, Fault> {
    Ok(Box::new(to_json(value)?))
}

/// Writes JSON where there may be none.
pub(super) fn maybe_json(value: Option<&impl serde::Serialize>) -> Result<Value<'static>, Fault> {
    Ok(Box::new(value.map(to_json).transpose()?))
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(|fault| Fault::Damaged(fault.to_string()))
}

/// Returns a count as it is kept: whole numbers of 64 bits with a sign.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads a text.
pub(super) fn text(row: &Row, column: usize) -> Result<String, Fault> {
    utf8(row.try_get(column)?)
}

/// Reads a text where there may be none.
pub(super) fn optional_text(row: &Row, column: usize) -> Result<Option<String>, Fault> {
    row.try_get::<_, Option<Vec<u8>>>(column)?
        .map(utf8)
        .transpose()
}

/// Reads the id of an execution where there may be none.
pub(super) fn optional_id(row: &Row, column: usize) -> Result<Option<ExecutionId>, Fault> {
    Ok(optional_text(row, column)?.map(ExecutionId::from))
}

/// Reads an enum.
pub(super) fn coded<T: Coded>(row: &Row, column: usize) -> Result<T, Fault> {
    decode(row.try_get(column)?)
}

/// Reads a time.
pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

/// Reads a number that is never below zero.
pub(super) fn count(row: &Row, column: usize) -> Result<u64, Fault> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| out_of_range(number))
}

/// Reads a number that is never below zero nor large.
pub(super) fn small(row: &Row, column: usize) -> Result<u32, Fault> {
    let number: i64 = row.try_get(column)?;
    u32::try_from(number).map_err(|_| out_of_range(number))
}

/// Reads JSON.
pub(super) fn read_json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Fault> {
    from_json(row.try_get(column)?)
}

/// Reads JSON where there may be none.
pub(super) fn optional_json<T: DeserializeOwned>(
    row: &Row,
    column: usize,
) -> Result<Option<T>, Fault> {
    let found: Option<&[u8]> = row.try_get(column)?;
    found.map(from_json).transpose()
}

fn from_json<T: DeserializeOwned>(written: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(written).map_err(|fault| Fault::Damaged(fault.to_string()))
}

fn optional_time(row: &Row, column: usize) -> Result<Option<Timestamp>, Fault> {
    let millis: Option<i64> = row.try_get(column)?;
    Ok(millis.map(Timestamp::from_millis))
}

fn utf8(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|fault| Fault::Damaged(fault.to_string()))
}

fn decode<T: Coded>(code: i64) -> Result<T, Fault> {
    T::from_code(code).ok_or_else(|| out_of_range(code))
}

fn out_of_range(number: i64) -> Fault {
    Fault::Damaged(format!("{number} means nothing where it stands"))
}
