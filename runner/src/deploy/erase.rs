//! Erases removed instances when they have been kept for their time (E52).

use std::sync::Arc;
use std::time::Duration;

use super::{DeployError, Deployer};

/// How long it waits before it asks a store that failed again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

impl Deployer {
    /// Erases each removed instance at its time, for ever; those whose time has passed while no process ran at once. A store that does
    /// not take it is asked again.
    pub async fn erase_in_time(self: Arc<Self>) {
        let clock = &self.engine.ports.clock;
        loop {
            let now = clock.now();
            let all = self.engine.instances.to_erase();
            let (due, later): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| *at <= now);
            let mut store_fails = false;
            for (_, id) in due {
                // Whatever else happens to it at this moment decides its time anew, and tells of it.
                let Ok(_turn) = self.take_turn(&id) else {
                    continue;
                };
                let found = self.engine.instances.find(&id);
                let erase_at = found.and_then(|instance| instance.facts.erase_at);
                if erase_at.is_none_or(|at| at > now) {
                    continue;
                }
                if let Err(fault) = self.erase(&id).await {
                    store_fails |= matches!(fault, DeployError::Store(_));
                    tracing::warn!(instance = %id, %fault, "a removed instance could not be erased; it is tried again");
                }
            }
            if store_fails {
                clock.sleep(STORE_PAUSE).await;
                continue;
            }
            match later.first() {
                Some((at, _)) => tokio::select! {
                    () = self.erasing.notified() => {}
                    () = clock.sleep_until(*at) => {}
                },
                None => self.erasing.notified().await,
            }
        }
    }
}
