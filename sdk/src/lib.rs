//! What an integration author writes: flows, triggers, config variables, state and steps.
//!
//! An integration is a library crate. Its flows are `impl` blocks with `#[flow]`, its config variables a struct with
//! `#[derive(ConfigVars)]`, and `Integration` lists them:
//!
//! ```
//! use sdk::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     item: String,
//!     quantity: u32,
//! }
//!
//! struct ReceiveOrder;
//!
//! /// Files an order.
//! #[flow(key = "receive-order", retry = Retry::times(5).every(minutes(4)))]
//! impl ReceiveOrder {
//!     #[on_execution]
//!     async fn file(context: &Context, order: Order) -> Result<String> {
//!         context.log().info(format!("{} x {}", order.quantity, order.item));
//!         Ok("filed".to_owned())
//!     }
//! }
//!
//! let integration = Integration::<()>::new("acme-orders").flow::<ReceiveOrder>().build().unwrap();
//! assert_eq!(integration.flows[0].options.description, "Files an order.");
//! ```
//!
//! This crate does no IO, reads no clock and knows no runtime: the crate `runner` serves an integration, the crate `testing` tests it
//! through the same engine.

extern crate self as sdk;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod body;
pub mod config;
pub mod connection;
pub mod context;
mod error;
pub mod flow;
pub mod host;
pub mod http_client;
pub mod id;
pub mod integration;
pub mod options;
pub mod payload;
pub mod prelude;
pub mod query;
pub mod queue;
pub mod response;
pub mod retry;
pub mod schedule;
mod secret;
pub mod signature;
pub mod state;
pub mod step;
pub mod time;
pub mod trigger;

pub use crate::body::{Body, Part};
pub use crate::config::{ConfigFaults, ConfigValue, ConfigVars, PickList, Url};
pub use crate::connection::Connection;
pub use crate::context::Context;
pub use crate::error::{Error, Result};
pub use crate::flow::Flow;
pub use crate::integration::Integration;
pub use crate::options::{Respond, Security};
pub use crate::payload::{Payload, Tick};
pub use crate::query::QueryParameters;
pub use crate::queue::{Dedupe, Poison, Queue};
pub use crate::response::{HttpResponse, Output, TriggerOutput};
pub use crate::retry::Retry;
pub use crate::schedule::Schedule;
pub use crate::secret::Secret;
pub use crate::time::Timestamp;
pub use crate::trigger::{Trigger, Webhook};
pub use sdk_macros::{
    ConfigVars, PickList, flow, on_execution, on_first_deploy, on_instance_delete,
    on_instance_deploy, on_instance_remove, on_trigger,
};
