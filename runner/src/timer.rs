//! placeholder
use crate::{engine::Engine, instance::Instance, store::StoreError};
use sdk::flow::AnyConfig;
use sdk::id::{FlowKey, InstanceId};
use sdk::integration::BuiltIntegration;
use std::sync::Arc;
/// x
#[derive(Debug)]
pub struct Timer;
impl Timer {
    /// x
    pub fn new(_e: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self)
    }
    /// x
    pub fn remove(&self, _i: &InstanceId) {}
    /// # Errors
    /// x
    pub async fn put(&self, _i: &Arc<Instance>) -> Result<(), StoreError> {
        Ok(())
    }
    /// x
    pub fn check(&self, _i: &BuiltIntegration, _c: &AnyConfig) -> Result<(), (FlowKey, String)> {
        Ok(())
    }
    /// x
    pub async fn run(&self) {}
}
