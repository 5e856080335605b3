//! One thing at a time happens to an instance.

use std::sync::PoisonError;

use sdk::id::InstanceId;

use super::{DeployError, Deployer};

/// The right to change an instance; the next one may when this is dropped.
pub(super) struct Turn<'a> {
    deployer: &'a Deployer,
    id: InstanceId,
}

impl Deployer {
    pub(super) fn take_turn(&self, id: &InstanceId) -> Result<Turn<'_>, DeployError> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.insert(id.clone()) {
            Ok(Turn {
                deployer: self,
                id: id.clone(),
            })
        } else {
            Err(DeployError::Busy(id.clone()))
        }
    }

    /// Says whether something happens to an instance now: an instance that is `Deploying` or `Removing` without it was left so by a
    /// process that is gone, or by a removal that failed.
    pub fn is_at_work_on(&self, id: &InstanceId) -> bool {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.contains(id)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.deployer
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
        let instance = self.deployer.engine.instances.find(&self.id);
        if instance.is_some_and(|instance| instance.is_removed()) {
            self.deployer.erasing.notify_one();
        }
    }
}
