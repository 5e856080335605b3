//! Takes away what need not be kept any longer (E30), in small bites, so that nothing else waits for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sdk::time::seconds;

use crate::ports::Ports;
use crate::store::{Commit, Committed, Point, Prune, Write};

/// How much is taken away at once.
const BITE: u32 = 500;
/// How often a bite is taken while there may be more.
const PAUSE: Duration = seconds(1);
/// How many bites are taken in a row.
const BITES: u32 = 200;
/// Takes away what need not be kept any longer.
pub struct Retention {
    ports: Arc<Ports>,
}

impl Retention {
    /// Makes the task; [`run`](Self::run) it.
    pub fn new(ports: Arc<Ports>) -> Self {
        Self { ports }
    }

    /// Looks again and again, for ever.
    pub async fn run(self) {
        loop {
            let every = Duration::from_secs(self.ports.settings.prune_seconds);
            self.ports.clock.sleep(every).await;
            for _ in 0..BITES {
                if !self.bite().await {
                    break;
                }
                self.ports.clock.sleep(PAUSE).await;
            }
        }
    }

    /// Takes one bite; says whether there may be more.
    async fn bite(&self) -> bool {
        let settings = &self.ports.settings;
        let now = self.ports.clock.now();
        let before = |kept: u64| now - Duration::from_secs(kept);
        let prune = Prune {
            executions_before: before(settings.keep_executions_seconds),
            logs_before: before(settings.keep_logs_seconds),
            results_before: before(settings.keep_results_seconds),
            claims_before: now,
            at_most: BITE,
        };
        let commit = Commit::new(Point::Prune, vec![Write::Prune(prune)]);
        // A store that fails is asked again the next time.
        let committed = self.ports.store.commit(commit).await;
        matches!(committed, Ok(Committed::Pruned(rows)) if rows >= u64::from(BITE))
    }
}

impl fmt::Debug for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Retention")
    }
}
