//! Looking executions up (W50).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use sdk::Timestamp;
use sdk::id::ExecutionId;
use serde::Deserialize;

use super::Admin;
use super::execution_view::{
    ExecutionDetail, ExecutionView, Lineage, OutputView, PayloadView, Repetition, ResponseView,
    StepView,
};
use super::failure::Failure;
use super::input::{PathOf, QueryOf};
use super::page::{self, Page, PageQuery};
use super::words;
use crate::record::{Execution, ResultType, Status};
use crate::store::ExecutionFilter;

/// Which executions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
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
    /// Repeating this execution.
    first: Option<String>,
    /// Only dead letters (E28).
    dead_letters: Option<bool>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many items at most, 1 to 100; 50 if it is not given.
    limit: Option<u32>,
}

/// Lists executions, newest first.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<Page<ExecutionView>>, Failure> {
    let page = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    };
    let filter = ExecutionFilter {
        instance: query.instance.map(Into::into),
        flow: query.flow.map(Into::into),
        status: query.status,
        result: query.result,
        since: query.since,
        until: query.until,
        first: query.first.map(Into::into),
        dead_letters: query.dead_letters.unwrap_or(false),
        superseding: None,
    };
    let limit = page.limit()?;
    let found = find(&admin, &filter, page.cursor.as_deref(), limit).await?;
    Ok(Json(found.map(|execution| ExecutionView::from(&execution))))
}

/// Returns a page of executions.
pub(super) async fn find(
    admin: &Admin,
    filter: &ExecutionFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<Execution>, Failure> {
    let cursor = page::execution_cursor(cursor)?;
    let store = &admin.ports().store;
    // One more than is asked for tells whether there are more.
    let found = store.executions(filter, cursor.as_ref(), limit + 1).await?;
    Ok(Page::of(found, limit, page::place_of))
}

/// Returns an execution, or says that there is none.
pub(super) async fn get(admin: &Admin, id: &ExecutionId) -> Result<Execution, Failure> {
    let found = admin.ports().store.execution(id).await?;
    found.ok_or_else(|| Failure::not_found(format!("there is no execution `{id}`")))
}

/// Shows an execution.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
) -> Result<Json<ExecutionDetail>, Failure> {
    detail(&admin, &ExecutionId::new(id)).await.map(Json)
}

/// Puts together all that is kept of an execution.
pub(super) async fn detail(admin: &Admin, id: &ExecutionId) -> Result<ExecutionDetail, Failure> {
    let execution = get(admin, id).await?;
    let store = &admin.ports().store;
    let instance = admin.runner.engine.instances.find(&execution.instance);
    let redactor = instance.as_ref().map(|instance| &instance.redactor);
    let limits = admin.runner.engine.body_limits();
    let repeated = ExecutionFilter {
        first: Some(id.clone()),
        ..ExecutionFilter::default()
    };
    let repeated = store.executions(&repeated, None, page::MOST).await?;
    let steps = store.steps(&execution.journal).await?;
    let answer = store.answer(id).await?;
    let output = store.output(id).await?;
    let payload = store.payload(id).await?;
    let mut view = ExecutionView::from(&execution);
    view.clean(redactor);
    Ok(ExecutionDetail {
        execution: view,
        lineage: Lineage {
            first: execution.first.as_ref().map(ToString::to_string),
            parent: execution.parent.as_ref().map(ToString::to_string),
            repeated_by: repeated.iter().map(Repetition::from).collect(),
        },
        steps: steps
            .into_iter()
            .map(|step| StepView::of(step, redactor))
            .collect(),
        response: answer.map(|answer| ResponseView::of(&answer, redactor)),
        output: output.map(|output| OutputView::of(&output, redactor)),
        payload: payload.map(|payload| PayloadView::of(&payload, &limits, redactor)),
    })
}
