//! The state of an instance, as a test reads it.

use std::fmt;
use std::sync::Arc;

use runner::record::StateKey;
use sdk::id::InstanceId;
use sdk::state::StateScope;
use serde::de::DeserializeOwned;

use crate::world::World;

/// The state of one scope of an instance, as it is stored (E40).
pub struct SimulatedState<'a> {
    world: &'a World,
    instance: InstanceId,
    scope: StateScope,
    owner: Arc<str>,
}

impl<'a> SimulatedState<'a> {
    pub(crate) fn new(
        world: &'a World,
        instance: InstanceId,
        scope: StateScope,
        owner: &str,
    ) -> Self {
        Self {
            world,
            instance,
            scope,
            owner: owner.into(),
        }
    }

    /// Returns the value of a key, `None` if there is none.
    ///
    /// # Panics
    ///
    /// The value is not of type `T`.
    #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let key = StateKey {
            instance: self.instance.clone(),
            scope: self.scope,
            owner: Arc::clone(&self.owner),
            key: key.to_owned(),
        };
        // The store of a simulation always answers.
        let (value, _) = self.world.store().state(&key).await.ok()?;
        let value = value?;
        match serde_json::from_value(value.clone()) {
            Ok(value) => Some(value),
            Err(fault) => panic!("the state under `{}` does not fit: {fault}", key.key),
        }
    }
}

impl fmt::Debug for SimulatedState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedState")
            .field("scope", &self.scope)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
