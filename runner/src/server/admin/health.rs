//! How the executions of an instance have been going.

use schemars::JsonSchema;
use sdk::Timestamp;
use serde::Serialize;

use super::words;
use crate::instance::{Instance, InstanceStatus};
use crate::ports::Ports;
use crate::record::Status;
use crate::store::{ExecutionFilter, StoreResult};

/// How many of the latest executions are looked at.
const RECENT: u32 = 50;

/// How the latest executions of an instance have been going, the 50 last ones.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    /// The whole in a word.
    state: HealthState,
    /// How many of them ended well.
    succeeded: u32,
    /// How many of them ended badly.
    failed: u32,
    /// How many of them run or wait.
    unfinished: u32,
    /// How many dead letters there are; 100 stands for 100 or more.
    dead_letters: usize,
    /// When one of them last ended well.
    #[schemars(schema_with = "words::moment_or_null")]
    last_success_at: Option<Timestamp>,
    /// When one of them last ended badly.
    #[schemars(schema_with = "words::moment_or_null")]
    last_failure_at: Option<Timestamp>,
    /// By which senders endpoints were verified: "endpoint verified by Slack" (W41).
    verified: Vec<VerifiedEndpoint>,
}

/// That a sender has found an endpoint to be there.
#[derive(Debug, Serialize, JsonSchema)]
struct VerifiedEndpoint {
    /// The key of the flow.
    flow: String,
    /// The sender.
    by: String,
    /// The handshake by which it did.
    handshake: String,
    /// When it did so; it is noted once a day.
    #[schemars(schema_with = "words::moment")]
    at: Timestamp,
}

/// The health of an instance in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum HealthState {
    /// The last execution that ended has ended well, or none has ended, and there is no dead letter.
    Healthy,
    /// The last execution that ended has failed, or there are dead letters.
    Degraded,
    /// It does not take anything: it must be deployed again.
    Down,
}

impl Health {
    /// Looks at the latest executions of an instance.
    pub(super) async fn of(instance: &Instance, ports: &Ports) -> StoreResult<Self> {
        let filter = |dead_letters| ExecutionFilter {
            instance: Some(instance.id.clone()),
            dead_letters,
            ..ExecutionFilter::default()
        };
        let recent = ports.store.executions(&filter(false), None, RECENT).await?;
        let dead = ports.store.executions(&filter(true), None, 100).await?;
        let with = |status: Status| recent.iter().filter(move |found| found.status == status);
        let count = |status| u32::try_from(with(status).count()).unwrap_or(RECENT);
        let last = |status| with(status).filter_map(|found| found.ended_at).max();
        let (succeeded, failed) = (count(Status::Success), count(Status::Error));
        let (last_success_at, last_failure_at) = (last(Status::Success), last(Status::Error));
        let state = match instance.facts.status {
            InstanceStatus::DeployFailed | InstanceStatus::Removing | InstanceStatus::Removed => {
                HealthState::Down
            }
            _ if !dead.is_empty() || last_failure_at > last_success_at => HealthState::Degraded,
            _ => HealthState::Healthy,
        };
        let all = u32::try_from(recent.len()).unwrap_or(RECENT);
        Ok(Self {
            state,
            succeeded,
            failed,
            unfinished: all - succeeded - failed,
            dead_letters: dead.len(),
            last_success_at,
            last_failure_at,
            verified: verified(instance),
        })
    }
}

fn verified(instance: &Instance) -> Vec<VerifiedEndpoint> {
    let noted = instance.facts.verified.iter();
    noted
        .map(|(flow, verification)| VerifiedEndpoint {
            flow: flow.to_string(),
            by: verification.by.clone(),
            handshake: verification.handshake.clone(),
            at: verification.at,
        })
        .collect()
}
