//! Serves a compiled integration: webhooks, schedules, executions, state.

pub mod calendar;
pub mod clock;
pub mod decode;
pub mod engine;
pub mod entropy;
pub mod envelope;
pub mod execution;
pub mod instance;
pub mod lane;
pub mod outbound;
pub mod ports;
pub mod record;
pub mod redaction;
#[cfg(feature = "server")]
pub mod server;
pub mod settings;
pub mod signature;
pub mod spawn;
pub mod store;
pub mod vault;
