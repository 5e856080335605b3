//! The API keys of a flow (W6), and the signing secret that its sender brought (W41).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use sdk::id::{FlowKey, InstanceId};
use serde::Deserialize;

use super::Admin;
use super::failure::Failure;
use super::input::{PathOf, QueryOf};
use super::instance_view::{KeyView, NewKey};
use super::instances::find;
use super::page::{Page, PageQuery};

/// Which key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyQuery {
    /// The `id` of the key.
    id: String,
}

/// Lists the keys of a flow, masked.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    PathOf((id, flow)): PathOf<(String, String)>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Page<KeyView>>, Failure> {
    let instance = find(&admin, &InstanceId::new(id))?;
    admin.demand_flow(&flow)?;
    let keys = instance.secrets.keys.get(flow.as_str());
    let keys = keys.into_iter().flatten().cloned().collect();
    let page = page.cut(keys, |key: &crate::instance::ApiKey| {
        (key.made_at.as_millis(), key.id.clone())
    })?;
    Ok(Json(page.map(|key| KeyView::from(&key))))
}

/// Makes a key; it is shown this once.
pub(super) async fn make(
    State(admin): State<Arc<Admin>>,
    PathOf((id, flow)): PathOf<(String, String)>,
) -> Result<(StatusCode, Json<NewKey>), Failure> {
    let (id, flow) = (InstanceId::new(id), FlowKey::new(flow));
    let key = admin.runner.deployer.add_key(&id, &flow).await?;
    Ok((StatusCode::CREATED, Json(NewKey::from(key))))
}

/// Deletes a key.
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    PathOf((id, flow)): PathOf<(String, String)>,
    QueryOf(key): QueryOf<KeyQuery>,
) -> Result<StatusCode, Failure> {
    let (id, flow) = (InstanceId::new(id), FlowKey::new(flow));
    let deployer = &admin.runner.deployer;
    if deployer.delete_key(&id, &flow, &key.id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::not_found(format!(
            "flow `{flow}` has no key `{}`",
            key.id
        )))
    }
}

/// Forgets the signing secret that a sender brought.
pub(super) async fn forget(
    State(admin): State<Arc<Admin>>,
    PathOf((id, flow)): PathOf<(String, String)>,
) -> Result<StatusCode, Failure> {
    let (id, flow) = (InstanceId::new(id), FlowKey::new(flow));
    if admin.runner.deployer.forget_secret(&id, &flow).await? {
        tracing::info!(instance = %id, flow = %flow, "the signing secret that a sender brought was forgotten");
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::not_found(format!(
            "no sender has brought a signing secret to flow `{flow}`"
        )))
    }
}
