//! placeholder
use serde::{Deserialize, Serialize};
/// placeholder
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule(String);
impl Schedule {
    /// placeholder
    pub fn cron(e: &str) -> Self {
        Self(e.to_owned())
    }
    /// placeholder
    /// # Errors
    /// none
    pub fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
