//! The management API, driven without a socket: every route, good and bad (section 3 of the operation contract).
#![cfg(feature = "server")]

#[cfg(test)]
mod access;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod console;
#[cfg(test)]
mod document;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod executions;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod store;
