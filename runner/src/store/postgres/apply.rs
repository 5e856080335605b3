//! What each write does to the tables: statements that need no answer, so that all of a group are sent at once.

use sdk::Timestamp;
use sdk::id::{ExecutionId, InstanceId};

use super::fault::Fault;
use super::prune;
use super::row::{self, EXECUTION_INSERT, bytes, json, maybe, maybe_json};
use super::session::Ask;
use crate::record::{LogRecord, Status, StepRecord};
use crate::store::code::Coded as _;
use crate::store::head::OutputHead;
use crate::store::{Accept, ClearState, Finish, InstanceRecord, StateChange, Write};

/// Adds the statements of one write.
pub(super) fn apply<'a>(write: &'a Write, asks: &mut Vec<Ask<'a>>) -> Result<(), Fault> {
    match write {
        Write::Accept(accept) => self::accept(accept, asks)?,
        Write::Start { id, at, starts } => asks.push(Ask::new(
            "UPDATE execution SET status = $2, started_at = $3, starts = $4 WHERE id = $1 AND status < 3",
            vec![
                bytes(id.as_str()),
                Box::new(Status::Running.code()),
                Box::new(at.as_millis()),
                Box::new(i64::from(*starts)),
            ],
        )),
        Write::Requeue { id, starts } => asks.push(Ask::new(
            "UPDATE execution SET status = $2, starts = $3 WHERE id = $1 AND status < 3",
            vec![
                bytes(id.as_str()),
                Box::new(Status::Queued.code()),
                Box::new(i64::from(*starts)),
            ],
        )),
        Write::Step(step) => self::step(step, asks)?,
        Write::Finish(finish) => asks.push(self::finish(finish)?),
        Write::Log(lines) => asks.push(log(lines)?),
        Write::State(change) => asks.push(state(change)?),
        // It was kept before anything was done.
        Write::StateLimit { .. } => {}
        Write::ClearState(clear) => asks.push(clear_state(clear)),
        Write::PutInstance(instance) => asks.push(put_instance(instance)?),
        Write::EraseInstance(id) => erase_instance(id, asks),
        Write::Tick(claim) => asks.push(Ask::new(
            "INSERT INTO tick (instance, flow, nominal) VALUES ($1, $2, $3) \
             ON CONFLICT (instance, flow) DO UPDATE SET nominal = excluded.nominal",
            vec![
                bytes(claim.instance.as_str()),
                bytes(claim.flow.as_str()),
                Box::new(claim.nominal.as_millis()),
            ],
        )),
        Write::DeadLetter { id, dead } => asks.push(Ask::new(
            "UPDATE execution SET dead_letter = $2 WHERE id = $1",
            vec![bytes(id.as_str()), Box::new(*dead)],
        )),
        Write::Prune(bounds) => asks.extend(prune::prune(bounds)),
    }
    Ok(())
}

fn accept<'a>(accept: &'a Accept, asks: &mut Vec<Ask<'a>>) -> Result<(), Fault> {
    let execution = &accept.execution;
    let id = execution.id.as_str();
    for claim in &accept.claims {
        asks.push(Ask::new(
            "INSERT INTO claim (value, until, execution) VALUES ($1, $2, $3) \
             ON CONFLICT (value) DO UPDATE SET until = excluded.until, execution = excluded.execution",
            vec![
                bytes(&claim.value),
                Box::new(claim.until.as_millis()),
                bytes(id),
            ],
        ));
    }
    asks.push(Ask::new(EXECUTION_INSERT, row::values(execution)?));
    if let Some(payload) = &accept.payload {
        let head = match &payload.sealed {
            Some(sealed) => bytes(sealed),
            None => json(payload)?,
        };
        asks.push(Ask::new(
            "INSERT INTO payload (id, head, body) VALUES ($1, $2, $3)",
            vec![bytes(id), head, Box::new(&payload.raw_body[..])],
        ));
    }
    if let Some(answer) = &accept.answer {
        asks.push(Ask::new(
            "INSERT INTO answer (id, answer) VALUES ($1, $2)",
            vec![bytes(id), json(answer)?],
        ));
    }
    Ok(())
}

fn step<'a>(step: &'a StepRecord, asks: &mut Vec<Ask<'a>>) -> Result<(), Fault> {
    asks.push(Ask::new(
        "UPDATE execution SET starts = 1 WHERE id = $1 AND starts > 1 AND status < 3",
        vec![bytes(step.execution.as_str())],
    ));
    let execution = (step.execution != step.journal).then(|| step.execution.as_str());
    asks.push(Ask::new(
        "INSERT INTO step (journal, name, count, execution, began_at, ended_at, attempts, result, error) \
         SELECT $1::bytea, $2::bytea, $3::bigint, $4::bytea, $5::bigint, $6::bigint, $7::bigint, $8::bytea, $9::bytea \
         WHERE EXISTS (SELECT FROM execution WHERE id = $1::bytea) \
         ON CONFLICT (journal, name, count) DO UPDATE SET number = DEFAULT, execution = excluded.execution, \
         began_at = excluded.began_at, ended_at = excluded.ended_at, attempts = excluded.attempts, result = excluded.result, \
         error = excluded.error",
        vec![
            bytes(step.journal.as_str()),
            bytes(&step.step.name),
            Box::new(i64::from(step.step.count)),
            maybe(execution),
            Box::new(step.began_at.as_millis()),
            Box::new(step.ended_at.as_millis()),
            Box::new(i64::from(step.attempts)),
            maybe_json(step.end.as_ref().ok())?,
            maybe(step.end.as_ref().err().map(String::as_str)),
        ],
    ));
    Ok(())
}

/// What has ended does not change, and keeps the output that it had.
fn finish(finish: &Finish) -> Result<Ask<'_>, Fault> {
    let end = "UPDATE execution SET status = $2, result = $3, ended_at = $4, error = $5, dead_letter = $6, \
        caller_error = $7, canceled_by = $8 WHERE id = $1 AND status < 3";
    let end_with_output = "WITH ended AS (UPDATE execution SET status = $2, result = $3, ended_at = $4, error = $5, dead_letter = $6, \
        caller_error = $7, canceled_by = $8 WHERE id = $1 AND status < 3 RETURNING id) \
        INSERT INTO output (id, ended_at, head, data) SELECT id, $4, $9::bytea, $10::bytea FROM ended";
    let mut values = vec![
        bytes(finish.id.as_str()),
        Box::new(finish.status.code()),
        Box::new(finish.result.code()),
        Box::new(finish.at.as_millis()),
        maybe(finish.error.as_deref()),
        Box::new(finish.dead_letter),
        maybe_json(finish.caller_error.as_ref())?,
        maybe(finish.canceled_by.as_ref().map(ExecutionId::as_str)),
    ];
    let Some(output) = &finish.output else {
        return Ok(Ask::new(end, values));
    };
    values.push(json(&OutputHead::of(output))?);
    values.push(Box::new(&output.data[..]));
    Ok(Ask::new(end_with_output, values))
}

fn log(lines: &[LogRecord]) -> Result<Ask<'_>, Fault> {
    let field = |line: &LogRecord| match &line.fields {
        serde_json::Value::Null => Ok(None),
        fields => row::to_json(fields).map(Some),
    };
    let ids: Vec<&[u8]> = lines
        .iter()
        .map(|it| it.execution.as_str().as_bytes())
        .collect();
    let numbers: Vec<i64> = lines.iter().map(|it| i64::from(it.number)).collect();
    let times: Vec<i64> = lines.iter().map(|it| Timestamp::as_millis(it.at)).collect();
    let levels: Vec<i64> = lines.iter().map(|it| it.level.code()).collect();
    let texts: Vec<&[u8]> = lines.iter().map(|it| it.text.as_bytes()).collect();
    let fields: Vec<Option<Vec<u8>>> = lines.iter().map(field).collect::<Result<_, Fault>>()?;
    let steps: Vec<Option<&[u8]>> = lines
        .iter()
        .map(|it| it.step.as_deref().map(str::as_bytes))
        .collect();
    Ok(Ask::new(
        "INSERT INTO log (execution, number, at, level, text, fields, step) \
         SELECT execution, number, at, level, text, fields, step \
         FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[]) \
         WITH ORDINALITY AS line (execution, number, at, level, text, fields, step, place) \
         WHERE EXISTS (SELECT FROM execution WHERE id = line.execution) ORDER BY place",
        vec![
            Box::new(ids),
            Box::new(numbers),
            Box::new(times),
            Box::new(levels),
            Box::new(texts),
            Box::new(fields),
            Box::new(steps),
        ],
    ))
}

fn state(change: &StateChange) -> Result<Ask<'_>, Fault> {
    let key = &change.key;
    Ok(Ask::new(
        "INSERT INTO state AS kept (instance, scope, owner, key, value, version) VALUES ($1, $2, $3, $4, $5, 1) \
         ON CONFLICT (instance, scope, owner, key) DO UPDATE SET value = excluded.value, version = kept.version + 1",
        vec![
            bytes(key.instance.as_str()),
            Box::new(key.scope.code()),
            bytes(&key.owner),
            bytes(&key.key),
            maybe_json(change.value.as_ref())?,
        ],
    ))
}

/// Keeps the versions of what goes, so that a write that was made from an old value is still refused.
fn clear_state(clear: &ClearState) -> Ask<'_> {
    let instance = bytes(clear.instance.as_str());
    match &clear.only {
        None => Ask::new(
            "UPDATE state SET value = NULL, version = version + 1 WHERE instance = $1 AND value IS NOT NULL",
            vec![instance],
        ),
        Some((scope, owner)) => Ask::new(
            "UPDATE state SET value = NULL, version = version + 1 \
             WHERE instance = $1 AND scope = $2 AND owner = $3 AND value IS NOT NULL",
            vec![instance, Box::new(scope.code()), bytes(owner)],
        ),
    }
}

fn put_instance(instance: &InstanceRecord) -> Result<Ask<'_>, Fault> {
    Ok(Ask::new(
        "INSERT INTO instance (id, open, sealed) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET open = excluded.open, sealed = excluded.sealed",
        vec![
            bytes(instance.id.as_str()),
            json(&instance.open)?,
            Box::new(&instance.sealed[..]),
        ],
    ))
}

fn erase_instance<'a>(id: &'a InstanceId, asks: &mut Vec<Ask<'a>>) {
    for sql in [
        "DELETE FROM instance WHERE id = $1",
        "DELETE FROM state WHERE instance = $1",
        "DELETE FROM tick WHERE instance = $1",
    ] {
        asks.push(Ask::new(sql, vec![bytes(id.as_str())]));
    }
}

/// Remembers the highest position that was given: the execution that had it may be pruned.
pub(super) fn raise_position(position: i64) -> Ask<'static> {
    let sql = "SELECT setval('position', $1)";
    Ask::new(sql, vec![Box::new(position)])
}
