//! The table of routes (section 3 of the operation contract).

use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::connections::{self, Authorizing};
use super::control::{self, BulkReplay, BulkReplayed, Replay, Replayed};
use super::deployed::{Deployed, Removed};
use super::execution_view::{ExecutionDetail, ExecutionView};
use super::executions::{self, ListQuery};
use super::instance_view::{InstanceDetail, InstanceView, KeyView, NewKey};
use super::instances::{self, Deploy, RemoveQuery};
use super::integration::{self, IntegrationView};
use super::invoke::{self, Invoke, Invoked};
use super::keys::{self, KeyQuery};
use super::logs::{self, LineView, LogQuery, StreamQuery};
use super::openapi;
use super::page::{Page, PageQuery};
use super::probes::{self, Probe};
use super::route::Route;
use super::state::{self, ClearQuery, StateValue};

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;
const ACCEPTED: StatusCode = StatusCode::ACCEPTED;
const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
const TOO_LARGE: StatusCode = StatusCode::PAYLOAD_TOO_LARGE;
const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;
const UNFIT: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

/// Returns every route.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = probes_and_papers();
    routes.extend(of_instances());
    routes.extend(of_connections());
    routes.extend(of_flows());
    routes.extend(of_executions());
    routes
}

fn get<H, T>(path: &'static str, names: (&'static str, &'static str), handler: H) -> Route
where
    H: axum::handler::Handler<T, std::sync::Arc<super::Admin>>,
    T: 'static,
{
    Route::new(Method::GET, path, names, handler)
}

fn post<H, T>(path: &'static str, names: (&'static str, &'static str), handler: H) -> Route
where
    H: axum::handler::Handler<T, std::sync::Arc<super::Admin>>,
    T: 'static,
{
    Route::new(Method::POST, path, names, handler)
}

fn delete<H, T>(path: &'static str, names: (&'static str, &'static str), handler: H) -> Route
where
    H: axum::handler::Handler<T, std::sync::Arc<super::Admin>>,
    T: 'static,
{
    Route::new(Method::DELETE, path, names, handler)
}

fn probes_and_papers() -> Vec<Route> {
    let document = ("openapi", "Returns this document");
    let integration = ("show_integration", "Shows the integration and its flows");
    vec![
        get(
            "/healthz",
            ("healthz", "Says that the process is alive"),
            probes::healthz,
        )
        .answers::<Probe>(OK)
        .open(),
        get(
            "/readyz",
            ("readyz", "Says whether the runner takes work"),
            probes::readyz,
        )
        .answers::<Probe>(OK)
        .open(),
        get(
            "/metrics",
            ("metrics", "Returns the counters for Prometheus"),
            probes::metrics,
        )
        .answers_as("application/openmetrics-text"),
        get("/api/openapi.json", document, openapi::show).answers::<Value>(OK),
        get("/api/integration", integration, integration::show).answers::<IntegrationView>(OK),
    ]
}

fn of_instances() -> Vec<Route> {
    let (all, one) = ("/api/instances", "/api/instances/{id}");
    let redeploy = (
        "redeploy_instance",
        "Deploys an instance again, with other values or a new version",
    );
    let clear = (
        "clear_state",
        "Erases the state of an instance, or a part of it",
    );
    vec![
        get(
            all,
            ("list_instances", "Lists the instances"),
            instances::list,
        )
        .query::<PageQuery>()
        .answers::<Page<InstanceView>>(OK),
        post(
            all,
            ("deploy_instance", "Deploys a new instance"),
            instances::deploy,
        )
        .body::<Deploy>()
        .answers::<Deployed>(CREATED)
        .refuses(&[CONFLICT, TOO_LARGE, UNFIT]),
        get(one, ("show_instance", "Shows an instance"), instances::show)
            .answers::<InstanceDetail>(OK)
            .refuses(&[NOT_FOUND]),
        Route::new(Method::PUT, one, redeploy, instances::redeploy)
            .body::<Deploy>()
            .answers::<Deployed>(OK)
            .refuses(&[NOT_FOUND, CONFLICT, TOO_LARGE, UNFIT]),
        delete(
            one,
            ("remove_instance", "Removes an instance"),
            instances::remove,
        )
        .query::<RemoveQuery>()
        .answers::<Removed>(OK)
        .refuses(&[NOT_FOUND, CONFLICT, UNFIT]),
        post(
            "/api/instances/{id}/pause",
            (
                "pause_instance",
                "Closes the endpoints and stops the schedules of an instance",
            ),
            instances::pause,
        )
        .answers::<InstanceDetail>(OK)
        .refuses(&[NOT_FOUND, CONFLICT]),
        post(
            "/api/instances/{id}/resume",
            ("resume_instance", "Lets a paused instance go on"),
            instances::resume,
        )
        .answers::<InstanceDetail>(OK)
        .refuses(&[NOT_FOUND, CONFLICT]),
        get(
            "/api/instances/{id}/state",
            ("list_state", "Lists the state of an instance"),
            state::list,
        )
        .query::<PageQuery>()
        .answers::<Page<StateValue>>(OK)
        .refuses(&[NOT_FOUND]),
        delete("/api/instances/{id}/state", clear, state::clear)
            .query::<ClearQuery>()
            .answers_nothing()
            .refuses(&[NOT_FOUND]),
    ]
}

fn of_connections() -> Vec<Route> {
    let forget = (
        "forget_authorization",
        "Forgets what was granted to a connection by OAuth 2.0",
    );
    vec![
        post(
            "/api/instances/{id}/connections/{variable}/authorize",
            (
                "authorize_connection",
                "Returns the URL at which somebody authorises a connection by OAuth 2.0",
            ),
            connections::authorize,
        )
        .answers::<Authorizing>(OK)
        .refuses(&[NOT_FOUND, CONFLICT]),
        delete(
            "/api/instances/{id}/connections/{variable}/authorization",
            forget,
            connections::forget,
        )
        .answers_nothing()
        .refuses(&[NOT_FOUND, CONFLICT]),
    ]
}

fn of_flows() -> Vec<Route> {
    let keys = "/api/instances/{id}/flows/{key}/keys";
    vec![
        post(
            "/api/instances/{id}/flows/{key}/test",
            ("invoke_flow", "Runs a flow by hand"),
            invoke::invoke,
        )
        .body::<Invoke>()
        .answers::<Invoked>(OK)
        .answers::<Invoked>(ACCEPTED)
        .refuses(&[NOT_FOUND, CONFLICT, TOO_LARGE, TOO_MANY]),
        get(
            keys,
            ("list_keys", "Lists the API keys of a flow, masked"),
            keys::list,
        )
        .query::<PageQuery>()
        .answers::<Page<KeyView>>(OK)
        .refuses(&[NOT_FOUND]),
        post(
            keys,
            ("make_key", "Makes an API key, which is shown this once"),
            keys::make,
        )
        .answers::<NewKey>(CREATED)
        .refuses(&[NOT_FOUND, CONFLICT]),
        delete(keys, ("delete_key", "Deletes an API key"), keys::delete)
            .query::<KeyQuery>()
            .answers_nothing()
            .refuses(&[NOT_FOUND, CONFLICT]),
        delete(
            "/api/instances/{id}/flows/{key}/secret",
            (
                "forget_secret",
                "Forgets the signing secret that a sender brought, so that its next handshake may bring another",
            ),
            keys::forget,
        )
        .answers_nothing()
        .refuses(&[NOT_FOUND, CONFLICT]),
    ]
}

fn of_executions() -> Vec<Route> {
    let tail = (
        "stream_logs",
        "Streams the log lines of all executions as they come",
    );
    let many = (
        "replay_executions",
        "Replays the executions that a page of the list would show, the oldest first",
    );
    vec![
        get(
            "/api/executions",
            ("list_executions", "Lists executions, newest first"),
            executions::list,
        )
        .query::<ListQuery>()
        .answers::<Page<ExecutionView>>(OK),
        get(
            "/api/executions/{id}",
            (
                "show_execution",
                "Shows an execution with everything that is kept of it",
            ),
            executions::show,
        )
        .answers::<ExecutionDetail>(OK)
        .refuses(&[NOT_FOUND]),
        get(
            "/api/executions/{id}/logs",
            ("list_logs", "Lists the log lines of an execution"),
            logs::list,
        )
        .query::<LogQuery>()
        .answers::<Page<LineView>>(OK)
        .refuses(&[NOT_FOUND]),
        get("/api/logs/stream", tail, logs::stream)
            .query::<StreamQuery>()
            .answers_as("text/event-stream"),
        post(
            "/api/executions/{id}/replay",
            (
                "replay_execution",
                "Runs an execution again with the payload that it had",
            ),
            control::replay,
        )
        .body::<Replay>()
        .answers::<Replayed>(CREATED)
        .refuses(&[NOT_FOUND, CONFLICT]),
        post(
            "/api/executions/{id}/cancel",
            (
                "cancel_execution",
                "Cancels an execution that waits or runs",
            ),
            control::cancel,
        )
        .answers::<ExecutionView>(OK)
        .refuses(&[NOT_FOUND, CONFLICT]),
        post(
            "/api/executions/{id}/dismiss",
            (
                "dismiss_execution",
                "Takes an execution off the list of dead letters",
            ),
            control::dismiss,
        )
        .answers::<ExecutionView>(OK)
        .refuses(&[NOT_FOUND, CONFLICT]),
        post("/api/executions/replay", many, control::replay_many)
            .body::<BulkReplay>()
            .answers::<BulkReplayed>(OK),
    ]
}
