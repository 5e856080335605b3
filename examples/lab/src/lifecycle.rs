//! Flows that the life of an instance starts.

use sdk::prelude::*;

use crate::{Config, effects};

/// Flow `on-deploy`.
#[derive(Debug)]
pub struct OnDeploy;

/// Leaves its name at each deploy.
#[flow(key = "on-deploy", trigger = Trigger::instance_deploy())]
impl OnDeploy {
    #[on_execution]
    async fn leave(_context: &Context<Config>) -> Result<()> {
        effects::leave(Self::KEY)
    }
}

/// Flow `on-remove`.
#[derive(Debug)]
pub struct OnRemove;

/// Leaves its name when the instance is removed.
#[flow(key = "on-remove", trigger = Trigger::instance_remove())]
impl OnRemove {
    #[on_execution]
    async fn leave(_context: &Context<Config>) -> Result<()> {
        effects::leave(Self::KEY)
    }
}
