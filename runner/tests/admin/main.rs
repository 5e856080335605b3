//! The management API, driven without a socket: every route, good and bad (section 3 of the operation contract).

mod access;
mod caller;
mod document;
mod executions;
mod flows;
mod instances;
mod logs;
mod openapi;
mod probes;
mod secrets;
mod store;
