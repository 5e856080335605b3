//! Takes instances away (E52).

use std::sync::Arc;
use std::time::Duration;

use sdk::id::InstanceId;

use super::lifecycle::Undertaking;
use super::{DeployError, DeployReport, Deployer, LifecycleEnd};
use crate::instance::{Instance, InstanceStatus};
use crate::record::InvokedBy;
use crate::store::{Commit, Point, Write};

/// How an instance is taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Whether it goes also when a remove function fails.
    pub force: bool,
    /// How long its state and secrets are kept before they are erased; the runner's setting if it is not said, and none erases them at
    /// once.
    pub keep: Option<Duration>,
}

impl Deployer {
    /// Takes an instance away: endpoints and schedules off, every `#[on_instance_remove]`, the flows that a removal triggers. What these
    /// start gets its time, whatever else still waits or runs is cancelled, then state and secrets are erased, at once or when they have
    /// been kept for their time (E52). When a function fails the instance stays, closed, so that it can be removed again; with `force`
    /// it goes all the same.
    ///
    /// An instance that is removed and not erased yet runs nothing again: `keep` says anew how long it is kept from now on.
    ///
    /// # Errors
    ///
    /// There is no such instance, something else happens to it, it is removed already and nothing new is said, or the store cannot take
    /// it.
    pub async fn remove(
        &self,
        id: &InstanceId,
        removal: Removal,
    ) -> Result<DeployReport, DeployError> {
        let _turn = self.take_turn(id)?;
        let known = self.engine.instances.find(id);
        let known = known.ok_or_else(|| DeployError::Unknown(id.clone()))?;
        if known.is_removed() {
            let keep = removal.keep.ok_or_else(|| DeployError::removed(&known))?;
            return Ok(DeployReport {
                instance: self.put_away(&known, keep).await?,
                functions: Vec::new(),
                succeeded: true,
            });
        }
        let began_at = self.engine.ports.clock.now();
        self.timer.remove(id);
        let mut instance = self
            .change(id, Point::Remove, |facts, _| {
                facts.status = InstanceStatus::Removing;
            })
            .await?;
        let undertaking =
            Undertaking::new(Arc::clone(&instance), InvokedBy::TearDownFlow, began_at);
        let mut functions = self.run_remove_functions(&undertaking).await?;
        if !functions.iter().any(LifecycleEnd::failed) || removal.force {
            functions.extend(self.run_remove_flows(&undertaking).await?);
        }
        let failed = functions.iter().any(LifecycleEnd::failed);
        if !failed || removal.force {
            self.clear_out(id, began_at).await?;
            let seconds = self.engine.ports.settings.keep_removed_seconds;
            let keep = removal.keep.unwrap_or(Duration::from_secs(seconds));
            instance = self.put_away(&instance, keep).await?;
        }
        Ok(DeployReport {
            instance,
            functions,
            succeeded: !failed,
        })
    }

    /// Erases an instance at once, or keeps it, removed, until its time has come.
    async fn put_away(
        &self,
        instance: &Arc<Instance>,
        keep: Duration,
    ) -> Result<Arc<Instance>, DeployError> {
        if keep.is_zero() {
            self.erase(&instance.id).await?;
            let mut erased = Instance::clone(instance);
            erased.facts.erase_at = None;
            return Ok(Arc::new(erased));
        }
        let erase_at = self.engine.ports.clock.now() + keep;
        let kept = self.change(&instance.id, Point::Removed, |facts, _| {
            facts.status = InstanceStatus::Removed;
            facts.erase_at = Some(erase_at);
        });
        kept.await
    }

    /// Erases state, secrets, endpoints and ticks of an instance in one commit.
    pub(super) async fn erase(&self, id: &InstanceId) -> Result<(), DeployError> {
        // Whoever stores a token meanwhile would have the instance back.
        let _changing = self.engine.changing.lock().await;
        let erase = Write::EraseInstance(id.clone());
        let commit = Commit::new(Point::Erase, vec![erase]);
        self.engine.ports.store.commit(commit).await?;
        self.engine.instances.remove(id);
        self.engine.keep_limit(id);
        Ok(())
    }
}
