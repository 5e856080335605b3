//! What an operator does with executions: cancel, replay, dismiss (E28).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use sdk::Timestamp;
use sdk::id::ExecutionId;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::execution_view::ExecutionView;
use super::executions;
use super::failure::Failure;
use super::input::{JsonOf, PathOf};
use super::page;
use super::words;
use crate::engine::ReplayFrom;
use crate::record::{Execution, Function, InvokedBy, ResultType, Status};
use crate::store::ExecutionFilter;

/// How an execution is replayed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    /// From the start, or from the step that failed: finished steps keep their results.
    #[serde(default)]
    #[schemars(schema_with = "words::replay_from")]
    from: ReplayFrom,
}

/// Which executions are replayed, and how. At least one of the fields that choose must be given.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkReplay {
    /// Of this instance.
    instance: Option<String>,
    /// Of the flow with this key.
    flow: Option<String>,
    /// With this status.
    #[serde(default)]
    #[schemars(schema_with = "words::status_or_null")]
    status: Option<Status>,
    /// With this kind of end.
    #[serde(default)]
    #[schemars(schema_with = "words::result_or_null")]
    result: Option<ResultType>,
    /// Accepted at or after this time.
    #[serde(default)]
    #[schemars(schema_with = "words::moment_or_null")]
    since: Option<Timestamp>,
    /// Accepted before this time.
    #[serde(default)]
    #[schemars(schema_with = "words::moment_or_null")]
    until: Option<Timestamp>,
    /// Only dead letters.
    #[serde(default)]
    dead_letters: bool,
    /// From the start, or from the step that failed.
    #[serde(default)]
    #[schemars(schema_with = "words::replay_from")]
    from: ReplayFrom,
    /// The `next_cursor` of the answer before: it goes on with older executions.
    cursor: Option<String>,
    /// How many executions at most, 1 to 100; 100 if it is not given.
    limit: Option<u32>,
}

/// A replay that will run.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Replayed {
    /// The execution that runs again.
    id: String,
    /// The execution that it runs in.
    execution_id: String,
}

/// What came of a replay of many executions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BulkReplayed {
    /// One for each execution that was chosen, the oldest first: so they are replayed too.
    items: Vec<BulkItem>,
    /// How many run again.
    replayed: usize,
    /// Give this as `cursor` to go on with older executions; null at the end.
    next_cursor: Option<String>,
}

/// What came of the replay of one of many.
#[derive(Debug, Serialize, JsonSchema)]
struct BulkItem {
    /// The execution that was chosen.
    id: String,
    /// The execution that it runs again in; null if it does not.
    execution_id: Option<String>,
    /// Why it does not run again.
    error: Option<String>,
}

/// Replays an execution (W53).
pub(super) async fn replay(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
    JsonOf(how): JsonOf<Replay>,
) -> Result<(StatusCode, Json<Replayed>), Failure> {
    let id = ExecutionId::new(id);
    let replay = admin.runner.deployer.replay(&id, how.from).await?;
    let replayed = Replayed {
        id: id.to_string(),
        execution_id: replay.to_string(),
    };
    Ok((StatusCode::CREATED, Json(replayed)))
}

/// Replays many executions: those that a page of the list would show.
pub(super) async fn replay_many(
    State(admin): State<Arc<Admin>>,
    JsonOf(bulk): JsonOf<BulkReplay>,
) -> Result<Json<BulkReplayed>, Failure> {
    let limit = page::limit(bulk.limit, page::MOST, page::MOST)?;
    let filter = ExecutionFilter {
        instance: bulk.instance.map(Into::into),
        flow: bulk.flow.map(Into::into),
        status: bulk.status,
        result: bulk.result,
        since: bulk.since,
        until: bulk.until,
        first: None,
        dead_letters: bulk.dead_letters,
        superseding: None,
    };
    if filter == ExecutionFilter::default() {
        return Err(Failure::bad_request(
            "say which executions: by `instance`, `flow`, `status`, `result`, `since`, `until` or `dead_letters`",
        ));
    }
    let chosen = executions::find(&admin, &filter, bulk.cursor.as_deref(), limit).await?;
    let mut answers = Vec::new();
    for execution in last_attempts(&chosen.items).into_iter().rev() {
        answers.push(replay_one(&admin, execution, bulk.from).await?);
    }
    Ok(Json(BulkReplayed {
        replayed: answers
            .iter()
            .filter(|item| item.execution_id.is_some())
            .count(),
        items: answers,
        next_cursor: chosen.next_cursor,
    }))
}

/// Returns the last attempt of each delivery, in the order of the list: one delivery is not run again for each of its attempts. A retry
/// may be as old as the attempt before it, so their order in the list says nothing.
fn last_attempts(executions: &[Execution]) -> Vec<&Execution> {
    let mut last: BTreeMap<&ExecutionId, u32> = BTreeMap::new();
    for execution in executions {
        let attempt = last.entry(execution.first_of_chain()).or_default();
        *attempt = execution.attempt.max(*attempt);
    }
    let is_last =
        |execution: &&Execution| last.get(execution.first_of_chain()) == Some(&execution.attempt);
    executions.iter().filter(is_last).collect()
}

/// Replays one of many; a store that fails ends it all.
async fn replay_one(
    admin: &Admin,
    execution: &Execution,
    from: ReplayFrom,
) -> Result<BulkItem, Failure> {
    let id = execution.id.to_string();
    let refused = |error: String| BulkItem {
        id: id.clone(),
        execution_id: None,
        error: Some(error),
    };
    // Whoever replays a time meant its payloads: what was set up well is not set up once more, least of all for the first time.
    if execution.function != Function::OnExecution
        && execution.result == Some(ResultType::Completed)
    {
        let text = "a lifecycle function that succeeded is replayed by its own id alone";
        return Ok(refused(text.to_owned()));
    }
    if let Some(later) = later_attempt(admin, execution).await? {
        return Ok(refused(format!(
            "a later attempt followed it: execution `{later}`"
        )));
    }
    match admin.runner.deployer.replay(&execution.id, from).await {
        Ok(replay) => Ok(BulkItem {
            id: id.clone(),
            execution_id: Some(replay.to_string()),
            error: None,
        }),
        Err(refusal) => {
            let failure = Failure::from(refusal);
            if failure.is_unavailable() {
                return Err(failure);
            }
            Ok(refused(failure.text().to_owned()))
        }
    }
}

/// Returns the attempt that followed this one, if one did.
async fn later_attempt(
    admin: &Admin,
    execution: &Execution,
) -> Result<Option<ExecutionId>, Failure> {
    let same_chain = ExecutionFilter {
        first: Some(execution.first_of_chain().clone()),
        since: Some(execution.accepted_at),
        ..ExecutionFilter::default()
    };
    let store = &admin.ports().store;
    let repeated = store.executions(&same_chain, None, page::MOST).await?;
    let later = repeated
        .into_iter()
        .find(|other| other.invoked_by == InvokedBy::Retry && other.attempt > execution.attempt);
    Ok(later.map(|other| other.id))
}

/// Cancels an execution that waits or runs; answers how it stands then.
pub(super) async fn cancel(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
) -> Result<Json<ExecutionView>, Failure> {
    let id = ExecutionId::new(id);
    admin.runner.engine.cancel(&id).await?;
    let execution = executions::get(&admin, &id).await?;
    Ok(Json(ExecutionView::from(&execution)))
}

/// Takes an execution off the list of dead letters.
pub(super) async fn dismiss(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
) -> Result<Json<ExecutionView>, Failure> {
    let id = ExecutionId::new(id);
    // Another execution may hold the lane: only a dead letter may let it go.
    if !executions::get(&admin, &id).await?.dead_letter {
        return Err(Failure::conflict(format!(
            "execution `{id}` is no dead letter"
        )));
    }
    admin.runner.engine.dismiss(&id).await?;
    let execution = executions::get(&admin, &id).await?;
    Ok(Json(ExecutionView::from(&execution)))
}
