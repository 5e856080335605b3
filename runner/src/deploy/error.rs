//! Why an instance was not set up, changed or taken away.

use sdk::Timestamp;
use sdk::config::ConfigFaults;
use sdk::id::{CustomerId, FlowKey, InstanceId};

use crate::engine::AcceptError;
use crate::instance::Instance;
use crate::store::StoreError;

/// Why an instance was not set up, changed or taken away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// There is no such instance.
    #[error("there is no instance `{0}`")]
    Unknown(InstanceId),
    /// Something else happens to it at the moment.
    #[error("instance `{0}` is being deployed or removed; try again when that has ended")]
    Busy(InstanceId),
    /// The config values do not fit.
    #[error("the config values do not fit: {0}")]
    Config(ConfigFaults),
    /// A schedule is wrong or can never fire.
    #[error("the schedule of flow `{flow}` {fault}")]
    Schedule {
        /// The flow.
        flow: FlowKey,
        /// What is wrong with it.
        fault: String,
    },
    /// The customer has an instance already, and at the endpoint that all customers share it could not be told from this one (W2).
    #[error(
        "customer `{customer}` has instance `{instance}` already, and a shared endpoint needs one for each; deploy that one again"
    )]
    CustomerTaken {
        /// The customer.
        customer: CustomerId,
        /// The instance that the customer has.
        instance: InstanceId,
    },
    /// A flow that demands an API key has none (W6).
    #[error("flow `{0}` needs an API key before it can be deployed; give one under `api_keys`")]
    KeyMissing(FlowKey),
    /// There is no such flow.
    #[error("the integration has no flow `{0}`")]
    UnknownFlow(FlowKey),
    /// The state of the instance does not allow it.
    #[error("instance `{0}` is {1}")]
    WrongStatus(InstanceId, &'static str),
    /// An API key cannot be one: no request could carry it.
    #[error(
        "an API key of flow `{0}` is empty, or holds something else than visible ASCII characters; give another one"
    )]
    Key(FlowKey),
    /// The customer's id cannot be one.
    #[error("the id of the customer {0}; give the one by which your product knows the customer")]
    CustomerId(&'static str),
    /// The name of the instance, or of its customer, cannot be one.
    #[error("the name of the {of} {fault}; give one by which people find it")]
    Name {
        /// Whose name it is.
        of: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// It is removed, and kept until it is erased (E52).
    #[error(
        "instance `{id}` is removed and will be erased at {erase_at}; deploy it again to bring it back, or remove it with `keep_seconds` 0 to erase it now"
    )]
    Removed {
        /// The instance.
        id: InstanceId,
        /// When it is erased.
        erase_at: Timestamp,
    },
    /// A lifecycle function was not accepted.
    #[error(transparent)]
    Refused(#[from] AcceptError),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DeployError {
    /// Says of an instance that it is removed, and until when it is kept.
    pub(super) fn removed(instance: &Instance) -> Self {
        Self::Removed {
            id: instance.id.clone(),
            erase_at: instance.facts.erase_at.unwrap_or_default(),
        }
    }

    /// Names the first of the schedules that are wrong.
    pub(super) fn of_schedules(faults: Vec<(FlowKey, String)>) -> Self {
        let (flow, fault) = faults
            .into_iter()
            .next()
            .unwrap_or_else(|| (FlowKey::new(""), String::new()));
        Self::Schedule { flow, fault }
    }
}
