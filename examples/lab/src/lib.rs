//! The lab: one integration that shows every answer a caller can get.
//!
//! Run it and look at what a sender really sends (`echo`), or drive it from outside in an acceptance test. Each file holds one family
//! of flows.

mod answers;
mod challenge;
mod durability;
mod echo;
mod effects;
mod failures;
mod lifecycle;
mod signed;
mod state;

use sdk::prelude::*;

pub use crate::answers::{Bytes, Status, Xml};
pub use crate::challenge::Challenge;
pub use crate::durability::{Ordered, PerKey, Steps};
pub use crate::echo::{Caller, Echo, EchoSync};
pub use crate::failures::{Fail, Flaky, Panic, Slow};
pub use crate::lifecycle::{OnDeploy, OnRemove};
pub use crate::signed::Signed;
pub use crate::state::{Counter, Tick};

/// What is filled in when the lab is deployed.
#[derive(Debug, ConfigVars)]
pub struct Config {
    /// The secret that deliveries to `signed` are signed with.
    pub hmac_secret: Secret,
}

/// Lists the flows of the lab.
pub fn integration() -> Integration<Config> {
    Integration::new("lab")
        .version(env!("CARGO_PKG_VERSION"))
        .description("Shows what a sender really sends and what each answer looks like.")
        .flow::<Echo>()
        .flow::<EchoSync>()
        .flow::<Challenge>()
        .flow::<Status>()
        .flow::<Xml>()
        .flow::<Bytes>()
        .flow::<Fail>()
        .flow::<Flaky>()
        .flow::<Slow>()
        .flow::<Panic>()
        .flow::<Steps>()
        .flow::<Signed>()
        .flow::<Ordered>()
        .flow::<PerKey>()
        .flow::<Counter>()
        .flow::<Tick>()
        .flow::<OnDeploy>()
        .flow::<OnRemove>()
        .flow::<Caller>()
        // The secret is public, so it belongs to the local instance and is no default: any other instance must be given its own.
        .local_instance(|| Config {
            hmac_secret: "AC49CB66-511F-4085-9119-360B1B142F4B".into(),
        })
}

#[cfg(test)]
mod tests;
