//! Runs a routing flow: it decides before there is an execution, and is recorded with the one that it routes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use sdk::endpoint::Route;
use sdk::response::OutputData;
use sdk::{Error, Output, Result};
use tokio::sync::oneshot;

use super::host::ExecutionHost;
use super::{AbortOnDrop, Dispatch, Run, call, host, panic_text, time_limit_text};
use crate::clock;
use crate::ports::Ports;
use crate::store::Write;

/// What a routing flow did.
#[derive(Debug)]
pub struct Routed {
    /// Where the request goes, or why that is not known.
    pub route: Result<Route>,
    /// What it logged.
    pub lines: Option<Write>,
}

/// Runs `#[on_execution]` of a routing flow: nothing is recorded but what it logs.
pub async fn run_routing(ports: &Arc<Ports>, dispatch: &Arc<dyn Dispatch>, run: &Run) -> Routed {
    let host = host(ports, dispatch, run, false);
    let route = decide(ports, run, &host).await;
    Routed {
        route,
        lines: host.take_lines(),
    }
}

async fn decide(ports: &Arc<Ports>, run: &Run, host: &Arc<ExecutionHost>) -> Result<Route> {
    let Some(on_execution) = run.flow.functions.on_execution.clone() else {
        return Ok(Route::default());
    };
    let (call, payload) = (call(ports, run, host), run.payload.clone());
    let (sender, receiver) = oneshot::channel();
    let task = Box::pin(async move {
        let returned = AssertUnwindSafe(async { on_execution.call(call, payload).await })
            .catch_unwind()
            .await;
        // Whoever waits may have gone.
        let _ = sender
            .send(returned.unwrap_or_else(|panic| Err(Error::new(panic_text(panic)).permanent())));
    });
    let task = AbortOnDrop(ports.spawn.author(task));
    let deadline = ports.clock.now() + run.time_limit;
    let returned = clock::until(&*ports.clock, deadline, receiver).await;
    drop(task);
    let output = returned
        .map_err(|_| Error::new(time_limit_text(run.time_limit)).with_status(504))?
        .map_err(|_| Error::new("the routing flow was stopped"))??;
    if !host.state_changes().await?.is_empty() {
        return Err(Error::new(
            "a routing flow keeps no state; let the flow that it names keep it",
        ));
    }
    read(&output)
}

fn read(output: &Output) -> Result<Route> {
    let OutputData::Json(json) = &output.data else {
        return Err(Error::new(
            "a routing flow returns a `Route`; it returned something else",
        ));
    };
    serde_json::from_slice(json).map_err(|fault| {
        Error::new(format!(
            "a routing flow returns a `Route`; what it returned does not fit: {fault}"
        ))
    })
}
