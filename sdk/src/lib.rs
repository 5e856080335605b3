//! What an integration author writes.

mod secret;
pub mod signature;
pub mod time;

pub use crate::secret::Secret;
pub use crate::time::Timestamp;
