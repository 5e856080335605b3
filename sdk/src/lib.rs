//! What an integration author writes.

pub mod schedule;
mod secret;
pub mod time;

pub use crate::schedule::Schedule;
pub use crate::secret::Secret;
pub use crate::time::Timestamp;
