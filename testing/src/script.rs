//! What a test did, so that the crash sweep can do it again.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use runner::Runner;
use runner::engine::{ControlError, ReplayFrom};
use runner::record::Function;
use sdk::config::ConfigValues;
use sdk::id::{ExecutionId, FlowKey};

/// One thing that a test did. Instances go by the order in which they were deployed.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Deployed an instance.
    Deploy {
        customer: String,
        config: ConfigValues,
        api_keys: BTreeMap<FlowKey, Vec<String>>,
        rate_per_second: Option<u32>,
        concurrency: Option<u32>,
    },
    /// Deployed an instance again.
    Redeploy {
        instance: usize,
        config: ConfigValues,
    },
    /// Removed an instance.
    Remove {
        instance: usize,
        keep: Option<Duration>,
    },
    /// Paused an instance.
    Pause { instance: usize },
    /// Resumed an instance.
    Resume { instance: usize },
    /// Made an API key for a flow; the requests that show it show another one when this is done again.
    AddKey {
        instance: usize,
        flow: FlowKey,
        key: String,
    },
    /// Sent a request.
    Send {
        to: Address,
        request: Box<Request<Bytes>>,
    },
    /// Did something to an execution.
    Control {
        instance: usize,
        which: Which,
        deed: Deed,
    },
    /// Stopped the process for so long.
    Down(Duration),
    /// Moved time on.
    Advance(Duration),
    /// Moved time on until everything had ended.
    RunUntilIdle,
}

/// Which execution of an instance: its id is another one when this is done again.
#[derive(Clone, Debug)]
pub(crate) struct Which {
    /// Its flow.
    pub(crate) flow: FlowKey,
    /// Which function of the flow.
    pub(crate) function: Function,
    /// How many first attempts of the function were accepted before its first attempt.
    pub(crate) original: usize,
    /// How many attempts and replays were accepted before it, its first attempt among them.
    pub(crate) repeat: usize,
}

/// What is done to an execution (E28).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Cancel,
    Replay(ReplayFrom),
    Dismiss,
}

impl Deed {
    /// Does it; returns the id of the execution, or of the replay.
    pub(crate) async fn of(
        self,
        runner: &Runner,
        id: &ExecutionId,
    ) -> Result<ExecutionId, ControlError> {
        match self {
            Self::Cancel => runner.engine.cancel(id).await?,
            Self::Replay(from) => return runner.deployer.replay(id, from).await,
            Self::Dismiss => runner.engine.dismiss(id).await?,
        }
        Ok(id.clone())
    }
}

/// Where a request goes: endpoints and executions have other ids when the script is done again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// The endpoint of a flow of an instance.
    Flow(usize, String),
    /// The endpoint of an instance.
    Instance(usize),
    /// The endpoint that all customers share.
    Shared,
    /// The `location` of the answer to the request of this number, counted from 0.
    Location(usize),
    /// Where it says.
    AsItSays,
}
