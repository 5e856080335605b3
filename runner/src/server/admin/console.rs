//! The console: the management API as pages for people.
//!
//! It knows nothing but what the management API answers, and does nothing but ask it; so what is secret there is secret here (G10). Each
//! page is made here, whole; browsers are told to run no script.

mod answer;
mod api;
mod deploy;
mod entry;
mod executions;
mod flow;
mod instances;
mod layout;
mod live;
mod refused;
mod sessions;
mod single;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use self::api::Api;
use self::sessions::Sessions;
use super::Admin;

/// What the pages share.
struct Console {
    admin: Arc<Admin>,
    api: Api,
    sessions: Sessions,
}

/// Where the console begins.
const HOME: &str = "/console";
const STYLE: &str = "/console/style.css";
const ENTRY: &str = "/console/enter";

/// Says whether a path is one of the console's, which asks for a session of its own in place of the token.
pub(super) fn has(path: &str) -> bool {
    path == "/" || path == HOME || path.starts_with("/console/")
}

/// Returns the pages; `api` is the management API, without what guards it.
pub(super) fn routes(admin: Arc<Admin>, api: Router) -> Router {
    let console = Arc::new(Console {
        admin,
        api: Api::new(api),
        sessions: Sessions::default(),
    });
    let one = "/console/instances/{id}";
    let execution = "/console/executions/{id}";
    let of_flow = "/console/instances/{id}/flows/{key}";
    Router::new()
        .route(HOME, get(instances::list))
        .route("/console/deploy", get(deploy::first).post(deploy::make))
        .route(one, get(instances::show))
        .route(&format!("{one}/pause"), post(instances::pause))
        .route(&format!("{one}/resume"), post(instances::resume))
        .route(
            &format!("{one}/remove"),
            get(instances::ask_removal).post(instances::remove),
        )
        .route(
            &format!("{one}/deploy"),
            get(deploy::again).post(deploy::change),
        )
        .route(&format!("{one}/redeploy"), post(deploy::repeat))
        .route(&format!("{one}/state"), get(state::list))
        .route(&format!("{one}/state/clear"), post(state::clear))
        .route(of_flow, get(flow::show))
        .route(&format!("{of_flow}/invoke"), post(flow::invoke))
        .route(&format!("{of_flow}/keys"), post(flow::make_key))
        .route(&format!("{of_flow}/keys/delete"), post(flow::delete_key))
        .route("/console/executions", get(executions::list))
        .route("/console/executions/replay", post(executions::replay_many))
        .route(execution, get(single::show))
        .route(&format!("{execution}/replay"), post(single::replay))
        .route(&format!("{execution}/cancel"), post(single::cancel))
        .route(&format!("{execution}/dismiss"), post(single::dismiss))
        .route("/console/log", get(live::show))
        .route("/console/leave", post(entry::leave))
        .route("/console/{*rest}", get(refused::no_page))
        .layer(from_fn_with_state(Arc::clone(&console), demand_session))
        .route("/", get(|| async { Redirect::to(HOME) }))
        .route(STYLE, get(style))
        .route(ENTRY, get(entry::show).post(entry::enter))
        .layer(axum::middleware::map_response(guard_browser))
        .with_state(console)
}

/// Sends whoever has no session to the entry.
async fn demand_session(
    State(console): State<Arc<Console>>,
    request: Request,
    next: Next,
) -> Response {
    let now = console.admin.ports().clock.now();
    if console.sessions.know(request.headers(), now) {
        return next.run(request).await;
    }
    let wanted = request.uri().path_and_query();
    let back = wanted.filter(|_| request.method() == Method::GET);
    Redirect::to(&entry::path(back.map_or(HOME, |wanted| wanted.as_str()))).into_response()
}

/// What a page may do in a browser: nothing but show itself and send forms to its own server.
async fn guard_browser(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    );
    // With `no-referrer` a browser would send forms without their origin, and they would be refused.
    set(REFERRER_POLICY, "same-origin");
    response
}

async fn style() -> (HeaderMap, &'static str) {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    (headers, include_str!("console/style.css"))
}
