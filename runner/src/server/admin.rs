//! The management API (section 3 of the operation contract), which a command line and a script use, and the console, which is made of it.
//!
//! Every route stands in one table, `table`; the router and the OpenAPI document at `/api/openapi.json` are both made of it. What is
//! answered has types of its own, apart from those of the rooms below, and secrets are taken out where those types are made (G10).

mod access;
mod attempts;
mod connections;
mod console;
mod content;
mod control;
mod deployed;
mod endpoint_view;
mod execution_view;
mod executions;
mod failure;
mod health;
mod input;
mod instance_view;
mod instances;
mod integration;
mod invoke;
mod keys;
mod logs;
mod openapi;
mod page;
mod probes;
mod route;
mod schedules;
mod state;
mod table;
mod token_file;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use sdk::integration::FlowParts;
use serde_json::Value;
use tokio::sync::watch;

pub use self::access::{Access, AccessError};
use self::failure::Failure;
use super::Peer;
use crate::Runner;
use crate::ports::Ports;

/// What the handlers share.
pub(in crate::server) struct Admin {
    runner: Arc<Runner>,
    access: Access,
    stop: watch::Receiver<bool>,
    document: Value,
    /// The paths that need no token: they say nothing but that the server is there.
    open: BTreeSet<&'static str>,
}

impl Admin {
    fn ports(&self) -> &Ports {
        &self.runner.engine.ports
    }

    /// Returns a flow, or says that there is none.
    fn demand_flow(&self, key: &str) -> Result<Arc<FlowParts>, Failure> {
        let found = self.ports().integration.flow(key);
        found
            .map(Arc::clone)
            .ok_or_else(|| Failure::not_found(format!("the integration has no flow `{key}`")))
    }
}

/// Returns the management API of a runner, and its console.
///
/// `/healthz` and `/readyz` need no token and take any `Host`, because probes come by address; everything else, `/metrics` too, needs
/// what [`Access`] demands. The console, at `/console`, asks people for the token once. Streams end when `stop` becomes true or its sender
/// is gone.
pub fn router(runner: Arc<Runner>, access: Access, stop: watch::Receiver<bool>) -> Router {
    let routes = table::routes();
    let integration = &runner.engine.ports.integration;
    let document = openapi::document(&integration.name, &integration.version, &routes);
    let open = routes.iter().filter(|route| route.is_open);
    let open = open.map(|route| route.path).collect();
    // A test payload is written as JSON, which may double it.
    let body_limit = runner.engine.ports.settings.body_bytes.saturating_mul(2);
    let table = routes.into_iter();
    let api = table.fold(Router::new(), |api, route| {
        api.route(route.path, route.handler)
    });
    let admin = Arc::new(Admin {
        runner,
        access,
        stop,
        document,
        open,
    });
    let api = api
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(body_limit))
        .with_state(Arc::clone(&admin));
    let console = console::routes(Arc::clone(&admin), api.clone());
    let console = console.layer(DefaultBodyLimit::max(body_limit));
    api.merge(console).layer(from_fn_with_state(admin, guard))
}

async fn no_path() -> Failure {
    Failure::not_found("there is nothing at this path; see /api/openapi.json")
}

async fn no_method() -> Failure {
    let text = "this path does not take this method; see /api/openapi.json";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, text)
}

/// Lets through who may pass; no answer is kept by a cache or taken for something else by a browser.
async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    let checked = if admin.open.contains(uri.path()) {
        Ok(())
    } else if console::has(uri.path()) {
        admin.access.check_place(uri, headers)
    } else {
        let peer = request.extensions().get::<Peer>().copied();
        let now = admin.ports().clock.now();
        admin.access.check(uri, headers, peer, now)
    };
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}
