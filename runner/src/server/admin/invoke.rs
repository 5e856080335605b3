//! Runs a flow by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use schemars::JsonSchema;
use sdk::id::InstanceId;
use sdk::{Payload, QueryParameters};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Admin;
use super::execution_view::ExecutionDetail;
use super::executions;
use super::failure::Failure;
use super::input::{JsonOf, PathOf};
use super::instances::find;
use crate::clock;
use crate::decode::{BodyLimits, read_body};
use crate::deploy::Deployer;
use crate::engine::{Accepted, Invocation};
use crate::instance::{Instance, InstanceStatus};
use crate::record::InvokedBy;

/// What a flow is invoked with. It is not verified, and not compared with earlier deliveries.
///
/// `{"body": {"item": "widget"}, "wait": true}` runs the flow as if a webhook with this JSON body had come.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invoke {
    /// The body: a text with a `content-type` among the headers is taken as it is, anything else is sent as JSON.
    body: Option<Value>,
    /// The headers.
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    /// The query parameters.
    #[serde(default)]
    query: BTreeMap<String, Values>,
    /// The path after the endpoint id.
    #[serde(default)]
    path_fragment: String,
    /// Whether to wait for the end, as a synchronous caller does: then the run is not retried and waits in no queue.
    #[serde(default)]
    wait: bool,
}

/// One value or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl Values {
    fn all(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

/// A flow that was invoked.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Invoked {
    /// The execution.
    execution_id: String,
    /// The execution with its end; null if nobody waited, or if it takes longer than the limit for synchronous runs.
    execution: Option<ExecutionDetail>,
}

/// Runs a flow by hand.
pub(super) async fn invoke(
    State(admin): State<Arc<Admin>>,
    PathOf((id, flow)): PathOf<(String, String)>,
    JsonOf(invoke): JsonOf<Invoke>,
) -> Result<(StatusCode, Json<Invoked>), Failure> {
    let instance = find(&admin, &InstanceId::new(id))?;
    let flow = admin.demand_flow(&flow)?;
    demand_deployed(&instance, &admin.runner.deployer)?;
    let engine = &admin.runner.engine;
    let payload = payload(&invoke, &engine.body_limits())?;
    let mut invocation = Invocation::new(instance, flow, InvokedBy::Test, payload);
    invocation.synchronous = invoke.wait;
    let (id, outcome) = match engine.accept(invocation).await? {
        Accepted::New { id, outcome } => (id, outcome),
        Accepted::Duplicate(id) => (id, None),
        Accepted::TickTaken => return Err(Failure::conflict("something else ran in its place")),
    };
    let invoked = |status, execution| {
        let execution_id = id.to_string();
        let invoked = Invoked {
            execution_id,
            execution,
        };
        Ok((status, Json(invoked)))
    };
    let Some(outcome) = outcome else {
        return invoked(StatusCode::ACCEPTED, None);
    };
    let ports = admin.ports();
    let deadline = ports.clock.now() + ports.settings.synchronous_limit();
    match clock::until(&*ports.clock, deadline, outcome).await {
        Ok(Ok(outcome)) if outcome.recorded => {
            let detail = executions::detail(&admin, &id).await?;
            invoked(StatusCode::OK, Some(detail))
        }
        Ok(Ok(_)) => Err(Failure::unavailable(format!(
            "the end of execution `{id}` cannot be stored now; look again later"
        ))),
        Ok(Err(_)) => Err(Failure::unavailable(format!(
            "the runner is stopping; execution `{id}` goes on at its next start"
        ))),
        Err(_) => invoked(StatusCode::ACCEPTED, None),
    }
}

/// A paused instance may be tried by hand; one that is not deployed has nothing to try.
fn demand_deployed(instance: &Instance, deployer: &Deployer) -> Result<(), Failure> {
    let what = match instance.facts.status {
        InstanceStatus::Active | InstanceStatus::Paused => return Ok(()),
        InstanceStatus::Deploying if deployer.is_at_work_on(&instance.id) => {
            "is being deployed; try again when that has ended"
        }
        InstanceStatus::Deploying => "was being deployed when the process ended; deploy it again",
        InstanceStatus::DeployFailed => "is not deployed; deploy it again",
        InstanceStatus::Removing => "is being removed",
        InstanceStatus::Removed => "is removed; deploy it again to bring it back",
    };
    Err(Failure::conflict(format!(
        "instance `{}` {what}",
        instance.id
    )))
}

fn payload(invoke: &Invoke, limits: &BodyLimits) -> Result<Payload, Failure> {
    let headers = headers(&invoke.headers)?;
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let (raw_body, content_type) = match (&invoke.body, given) {
        (None, given) => (Bytes::new(), given),
        (Some(Value::String(text)), Some(given)) => (Bytes::from(text.clone()), Some(given)),
        (Some(body), given) => {
            let content_type = given.unwrap_or_else(|| "application/json".to_owned());
            (Bytes::from(body.to_string()), Some(content_type))
        }
    };
    if raw_body.len() > limits.size {
        let text = format!("the body is larger than {} bytes", limits.size);
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let body = read_body(content_type.as_deref(), None, &raw_body, limits)
        .map_err(|fault| Failure::bad_request(fault.to_string()))?;
    let query = invoke.query.iter();
    let query_parameters: QueryParameters = query
        .flat_map(|(name, values)| values.all().iter().map(move |value| (name, value)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(Payload {
        headers,
        path_fragment: invoke.path_fragment.clone(),
        query_parameters,
        raw_body,
        content_type,
        body,
        ..Payload::empty()
    })
}

fn headers(given: &BTreeMap<String, Values>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, values) in given {
        let wrong = || Failure::bad_request(format!("the header `{name}` is no HTTP header"));
        let parsed = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        for value in values.all() {
            let value = HeaderValue::try_from(value.as_str()).map_err(|_| wrong())?;
            headers.append(parsed.clone(), value);
        }
    }
    Ok(headers)
}
