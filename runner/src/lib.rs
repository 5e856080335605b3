//! Serves a compiled integration: webhooks, schedules, executions, state.

#[cfg(feature = "server")]
pub mod server;
