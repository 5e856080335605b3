//! Serves a compiled integration: webhooks, schedules, executions, state.

pub mod calendar;
pub mod clock;
#[cfg(feature = "server")]
mod command;
pub mod connection;
pub mod decode;
pub mod deploy;
pub mod engine;
pub mod entropy;
pub mod envelope;
pub mod execution;
pub mod instance;
pub mod lane;
pub mod outbound;
pub mod ports;
pub mod rate;
pub mod record;
pub mod redaction;
pub mod retention;
mod runner;
#[cfg(feature = "server")]
pub mod server;
pub mod settings;
pub mod signature;
pub mod spawn;
pub mod store;
pub mod timer;
pub mod timetable;
pub mod vault;
pub mod webhook;

#[cfg(feature = "server")]
pub use crate::command::main;
pub use crate::runner::{NotReady, Runner, StartError};
