//! The state of an instance (E40).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use sdk::id::InstanceId;
use sdk::state::StateScope;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Admin;
use super::failure::Failure;
use super::input::{PathOf, QueryOf};
use super::instances::find;
use super::page::{Page, PageQuery};
use crate::store::{ClearState, Commit, Point, Write};

/// A value of the state. Secrets of the instance stand as `[variable]`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StateValue {
    scope: ScopeView,
    /// What the scope belongs to: the key of the flow, the id of the execution, or nothing for the whole instance.
    owner: String,
    /// The key that the author chose.
    key: String,
    value: Value,
    /// How often it was written.
    version: u64,
}

/// Where a value is kept and who sees it (E40).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "StateScope")]
enum ScopeView {
    /// One execution, all its attempts.
    Execution,
    /// One flow of the instance.
    Instance,
    /// All flows of the instance.
    CrossFlow,
    /// All flows of the instance, surviving every version.
    Integration,
}

/// Which values go; all of them if nothing is said.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClearQuery {
    /// Only those of this scope; `owner` must be given with it.
    scope: Option<ScopeView>,
    /// Only those of this owner, as the list names it; empty for the whole instance.
    owner: Option<String>,
}

impl From<StateScope> for ScopeView {
    fn from(scope: StateScope) -> Self {
        match scope {
            StateScope::Execution => Self::Execution,
            StateScope::Instance => Self::Instance,
            StateScope::CrossFlow => Self::CrossFlow,
            StateScope::Integration => Self::Integration,
        }
    }
}

impl From<ScopeView> for StateScope {
    fn from(scope: ScopeView) -> Self {
        match scope {
            ScopeView::Execution => Self::Execution,
            ScopeView::Instance => Self::Instance,
            ScopeView::CrossFlow => Self::CrossFlow,
            ScopeView::Integration => Self::Integration,
        }
    }
}

/// Lists the values in the order of their keys.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Page<StateValue>>, Failure> {
    let instance = find(&admin, &InstanceId::new(id))?;
    let states = admin.ports().store.states(&instance.id).await?;
    let page = page.cut(states, |(key, _)| {
        let scope = ScopeView::from(key.scope);
        (scope, key.owner.to_string(), key.key.clone())
    })?;
    Ok(Json(page.map(|(key, entry)| StateValue {
        scope: key.scope.into(),
        owner: key.owner.to_string(),
        key: instance.redactor.text(&key.key),
        value: instance.redactor.value(entry.value),
        version: entry.version,
    })))
}

/// Erases values.
pub(super) async fn clear(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<ClearQuery>,
) -> Result<StatusCode, Failure> {
    let instance = find(&admin, &InstanceId::new(id))?;
    let only = match (query.scope, query.owner) {
        (Some(scope), Some(owner)) => Some((scope.into(), owner.into())),
        (None, None) => None,
        _ => {
            return Err(Failure::bad_request(
                "give `scope` and `owner` together, or neither to erase everything",
            ));
        }
    };
    let clear = Write::ClearState(ClearState {
        instance: instance.id.clone(),
        only,
    });
    let store = &admin.ports().store;
    store
        .commit(Commit::new(Point::ClearState, vec![clear]))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
