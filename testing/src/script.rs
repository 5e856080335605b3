//! What a test did, so that the crash sweep can do it again.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use sdk::config::ConfigValues;
use sdk::id::FlowKey;

use crate::oauth::OAuthServer;

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
    /// Had a connection authorised.
    Authorize {
        instance: usize,
        variable: String,
        server: OAuthServer,
    },
    /// Sent a request.
    Send {
        to: Address,
        request: Box<Request<Bytes>>,
    },
    /// Moved time on.
    Advance(Duration),
    /// Moved time on until everything had ended.
    RunUntilIdle,
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
