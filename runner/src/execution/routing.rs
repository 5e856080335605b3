//! Runs a routing flow: it decides before there is an execution, and is recorded with the one that it routes.

use std::sync::Arc;

use sdk::endpoint::Route;
use sdk::response::OutputData;
use sdk::{Error, Output, Result};

use super::host::{ExecutionHost, Stage};
use super::{Dispatch, Run, call, host, run_before_accept};
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

/// Runs `#[on_execution]` of a routing flow: nothing is recorded but what it logs, and that is shown to nobody before it is known whose
/// secrets must be taken out of it.
pub async fn run_routing(ports: &Arc<Ports>, dispatch: &Arc<dyn Dispatch>, run: &Run) -> Routed {
    let host = host(ports, dispatch, run, Stage::Routing);
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
    let function = async move { on_execution.call(call, payload).await };
    let stopped = "the routing flow was stopped";
    let output = run_before_accept(ports, run.time_limit, stopped, function).await?;
    if host.changes_state().await {
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
