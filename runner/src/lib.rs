//! Serves a compiled integration: webhooks, schedules, executions, state.

pub mod record;
pub mod store;
pub mod vault;
