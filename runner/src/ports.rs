//! What the engine asks of the world, in one place: time, chance, tasks, rows, HTTP, and the integration that it serves.

use std::fmt;
use std::sync::Arc;

use sdk::integration::BuiltIntegration;
use tokio::sync::broadcast;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::outbound::Outbound;
use crate::record::LogRecord;
use crate::settings::Settings;
use crate::spawn::Spawn;
use crate::store::Store;
use crate::vault::Vault;

/// What the engine asks of the world.
pub struct Ports {
    /// The integration.
    pub integration: BuiltIntegration,
    /// The limits.
    pub settings: Settings,
    /// How callers reach the ingress: used in every URL that leaves.
    pub public_url: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub entropy: Entropy,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
    /// Rows.
    pub store: Arc<dyn Store>,
    /// HTTP to other systems.
    pub outbound: Arc<dyn Outbound>,
    /// Seals what is secret and signs what leaves.
    pub vault: Vault,
    /// The live tail of all logs (E29).
    pub tail: broadcast::Sender<LogRecord>,
}

impl Ports {
    /// Shows lines to whoever follows the live tail; nobody listening is no fault.
    pub fn show<'a>(&self, lines: impl IntoIterator<Item = &'a LogRecord>) {
        for line in lines {
            let _ = self.tail.send(line.clone());
        }
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports")
            .field("integration", &self.integration.name)
            .finish_non_exhaustive()
    }
}
