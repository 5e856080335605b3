//! Serves a compiled integration: webhooks, schedules, executions, state.

pub mod calendar;
pub mod record;
#[cfg(feature = "server")]
pub mod server;
pub mod signature;
pub mod store;
pub mod webhook;
