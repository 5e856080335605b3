//! Instances: list, deploy, show, redeploy, remove, pause, resume (E50 to E53).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use sdk::id::{FlowKey, InstanceId};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Admin;
use super::deployed::{Deployed, FunctionEnd, Removed};
use super::failure::Failure;
use super::health::Health;
use super::input::{JsonOf, PathOf, QueryOf};
use super::instance_view::{InstanceDetail, InstanceView};
use super::page::{Page, PageQuery};
use crate::deploy::{Customer, DeployError, DeployReport, DeployRequest, Removal};
use crate::instance::Instance;

/// What an instance is set up with. At a redeploy, what is not given stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Deploy {
    /// The name that people read; the customer's name if it is not given.
    name: Option<String>,
    /// The customer for whom the instance is set up.
    customer: Option<DeployCustomer>,
    /// The values of the config variables, as the config schema of the integration describes them.
    config: Option<Map<String, Value>>,
    /// How many requests the customer takes within one second; 0 sets no limit. The runner's setting if it was never given (E50).
    rate_per_second: Option<u32>,
    /// How many executions of the instance run at once; 0 sets no limit. The runner's setting if it was never given (E50).
    concurrency: Option<u32>,
    /// API keys by flow key, for flows that need one before they can be deployed (W6).
    #[serde(default)]
    api_keys: BTreeMap<String, Vec<String>>,
}

/// A customer, as the product that ships the integration knows it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeployCustomer {
    /// The customer's id.
    id: String,
    /// The customer's name; the id if it is not given.
    name: Option<String>,
}

/// How an instance is removed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveQuery {
    /// Whether the instance goes also when a remove function fails.
    #[serde(default)]
    force: bool,
    /// How long its state and secrets are kept before they are erased; 0 erases them at once. The runner's setting
    /// `keep_removed_seconds` if it is not given. For an instance that is removed already it counts from now.
    keep_seconds: Option<u64>,
}

impl From<Deploy> for DeployRequest {
    fn from(deploy: Deploy) -> Self {
        let keys = deploy.api_keys.into_iter();
        Self {
            name: deploy.name,
            customer: deploy.customer.map(|customer| Customer {
                id: customer.id.into(),
                name: customer.name,
            }),
            config: deploy.config,
            rate_per_second: deploy.rate_per_second,
            concurrency: deploy.concurrency,
            api_keys: keys
                .map(|(flow, keys)| (FlowKey::new(flow), keys))
                .collect(),
            from_source: None,
        }
    }
}

/// Lists the instances in the order of their ids: the oldest first.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Page<InstanceView>>, Failure> {
    let all = admin.runner.engine.instances.all();
    let page = page.cut(all, |instance| instance.id.as_str().to_owned())?;
    Ok(Json(page.map(|instance| InstanceView::from(&*instance))))
}

/// Returns an instance, or says that there is none.
pub(super) fn find(admin: &Admin, id: &InstanceId) -> Result<Arc<Instance>, Failure> {
    let found = admin.runner.engine.instances.find(id);
    found.ok_or_else(|| Failure::not_found(format!("there is no instance `{id}`")))
}

/// Shows an instance.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
) -> Result<Json<InstanceDetail>, Failure> {
    let instance = find(&admin, &InstanceId::new(id))?;
    detail(&admin, &instance).await.map(Json)
}

/// Deploys a new instance (E51).
pub(super) async fn deploy(
    State(admin): State<Arc<Admin>>,
    JsonOf(request): JsonOf<Deploy>,
) -> Result<(StatusCode, Json<Deployed>), Failure> {
    let deployed = run_deploy(&admin, None, request).await?;
    Ok((StatusCode::CREATED, Json(deployed)))
}

/// Deploys an instance again, with other values or a new version of the integration (E51).
pub(super) async fn redeploy(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
    JsonOf(request): JsonOf<Deploy>,
) -> Result<Json<Deployed>, Failure> {
    let id = Some(InstanceId::new(id));
    run_deploy(&admin, id, request).await.map(Json)
}

async fn run_deploy(
    admin: &Admin,
    id: Option<InstanceId>,
    request: Deploy,
) -> Result<Deployed, Failure> {
    let report = admin.runner.deployer.deploy(id, request.into()).await;
    let report = report.map_err(|refusal| match &refusal {
        // Here the flow is not part of the path but of what was sent.
        DeployError::UnknownFlow(_) => {
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.to_string())
        }
        _ => refusal.into(),
    })?;
    let functions = ends(&report);
    if !report.succeeded {
        let text =
            "a deploy function failed; the instance takes nothing until it is deployed again";
        return Err(Failure::functions(
            text,
            report.instance.id.as_str(),
            functions,
        ));
    }
    Ok(Deployed {
        instance: detail(admin, &report.instance).await?,
        functions,
    })
}

/// Removes an instance (E52).
pub(super) async fn remove(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<RemoveQuery>,
) -> Result<Json<Removed>, Failure> {
    let id = InstanceId::new(id);
    let removal = Removal {
        force: query.force,
        keep: query.keep_seconds.map(Duration::from_secs),
    };
    let report = admin.runner.deployer.remove(&id, removal).await?;
    let functions = ends(&report);
    if report.succeeded || query.force {
        return Ok(Json(Removed {
            id: id.to_string(),
            erase_at: report.instance.facts.erase_at,
            functions,
        }));
    }
    let text = "a remove function failed, so the instance is still there, closed; remove it again, or with `force=true`";
    Err(Failure::functions(text, id.as_str(), functions))
}

/// Pauses an instance (W7).
pub(super) async fn pause(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
) -> Result<Json<InstanceDetail>, Failure> {
    let paused = admin.runner.deployer.pause(&InstanceId::new(id)).await?;
    detail(&admin, &paused).await.map(Json)
}

/// Lets a paused instance go on.
pub(super) async fn resume(
    State(admin): State<Arc<Admin>>,
    PathOf(id): PathOf<String>,
) -> Result<Json<InstanceDetail>, Failure> {
    let resumed = admin.runner.deployer.resume(&InstanceId::new(id)).await?;
    detail(&admin, &resumed).await.map(Json)
}

fn ends(report: &DeployReport) -> Vec<FunctionEnd> {
    report.functions.iter().map(FunctionEnd::from).collect()
}

async fn detail(admin: &Admin, instance: &Instance) -> Result<InstanceDetail, Failure> {
    let health = Health::of(instance, admin.ports()).await?;
    Ok(InstanceDetail::of(instance, &admin.runner, health))
}
