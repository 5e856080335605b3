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
pub mod endpoint;
mod error;
pub mod flow;
pub mod handle;
pub mod host;
pub mod http_client;
pub mod id;
pub mod integration;
mod json;
pub mod oauth;
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

/// Makes config variables of the fields of a struct: implements [`ConfigVars`](trait@ConfigVars) for it.
///
/// The name of a variable is that of its field, its description the doc comment. The type of a field is one that
/// [`ConfigValue`] knows: texts, numbers, [`Url`], [`Secret`], [`Schedule`], [`Connection`], [`Timestamp`], [`Date`](config::Date),
/// [`Code`](config::Code), [`ObjectSelection`](config::ObjectSelection), [`FieldMap`](config::FieldMap), any JSON, lists, maps by
/// name, pick lists; `Option` for what may be left out. What else there is to say stands in `#[config(…)]` on the field; each name
/// there is a method of [`ConfigVar`](config::ConfigVar): `default`, `time_zone`, `visibility`, `min`, `max`, `min_length`,
/// `max_length`. Schedules and time zones that stand there as literals are checked when the crate is compiled (E18).
///
/// ```
/// use sdk::config::Visibility;
/// use sdk::prelude::*;
///
/// #[derive(ConfigVars)]
/// struct Config {
///     /// Where the customer's Acme account lives.
///     acme_url: Url,
///     /// When the daily report is sent.
///     #[config(default = "0 7 * * MON-FRI", time_zone = "Europe/Paris")]
///     report_at: Schedule,
///     #[config(default = 50, min = 1, max = 200, visibility = Visibility::Organization)]
///     page_size: u32,
/// }
///
/// let names: Vec<_> = Config::variables().iter().map(|variable| variable.name()).collect();
/// assert_eq!(names, ["acme_url", "report_at", "page_size"]);
/// ```
pub use sdk_macros::ConfigVars;
/// Makes the choices of a pick list of the variants of an enum: implements [`PickList`](trait@PickList) for it, so that it can be
/// the type of a config variable.
///
/// A choice goes by the name of its variant in snake case, or by the name in `#[choice("…")]`. The names are stored with the
/// instances: a variant may be renamed when `#[choice]` keeps its old name.
///
/// ```
/// use sdk::prelude::*;
///
/// #[derive(Clone, Copy, PickList)]
/// enum Period {
///     EveryDay,
///     #[choice("each 3 months")]
///     Quarter,
/// }
///
/// assert_eq!(Period::EveryDay.name(), "every_day");
/// assert_eq!(Period::Quarter.name(), "each 3 months");
/// ```
pub use sdk_macros::PickList;
/// Makes a flow of an `impl` block: implements [`Flow`] for the type.
///
/// The block stays as it is written, and its functions can be called in a test. Functions with a marker are those of the flow:
/// [`#[on_trigger]`](macro@on_trigger), [`#[on_execution]`](macro@on_execution),
/// [`#[on_instance_deploy]`](macro@on_instance_deploy), [`#[on_instance_remove]`](macro@on_instance_remove),
/// [`#[on_first_deploy]`](macro@on_first_deploy); each may be there or not, at least one is. They have one shape:
///
/// ```text
/// async fn name(context: &Context<Config>, payload: T) -> Result<R>
/// ```
///
/// - The context is that of the integration's [config variables](trait@ConfigVars), `&Context` if it has none.
/// - `T` is [`Payload`], or anything that deserialises from its body. The parameter may be left out.
/// - `R` is anything that serialises, [`Output`], or [`HttpResponse`]; for `#[on_trigger]` also `Payload` or [`TriggerOutput`].
///
/// The key is required and lasting: what is deployed is known by it (E1). Every other option is a method of
/// [`FlowOptions`](options::FlowOptions), and the doc comment of the block is the flow's description. A key, a cron expression
/// and a time zone that stand there as literals are checked when the crate is compiled (E18).
///
/// ```
/// use sdk::prelude::*;
///
/// struct DailyReport;
///
/// /// Sends what was sold yesterday.
/// #[flow(
///     key = "daily-report",
///     trigger = Schedule::cron("0 7 * * MON-FRI").in_zone("Europe/Paris"),
///     retry = Retry::times(5).every(minutes(4)).with_backoff(),
/// )]
/// impl DailyReport {
///     #[on_execution]
///     async fn send(context: &Context, payload: Payload) -> Result<Option<Timestamp>> {
///         context.log().info("sending the report");
///         Ok(payload.tick.map(|tick| tick.nominal))
///     }
///
///     #[on_instance_deploy]
///     async fn greet(context: &Context) -> Result<()> {
///         context.log().info(format!("the first report comes to {} soon", context.customer().name));
///         Ok(())
///     }
/// }
///
/// assert_eq!(DailyReport::KEY, "daily-report");
/// ```
pub use sdk_macros::flow;
/// Marks the function of a [flow](macro@flow) that does its work: with what `#[on_trigger]` made of the payload, or with the payload
/// itself.
pub use sdk_macros::on_execution;
/// Marks the function of a [flow](macro@flow) that runs at the first deploy of an instance, and not at later ones (E51).
pub use sdk_macros::on_first_deploy;
/// Another name of [`#[on_instance_remove]`](macro@on_instance_remove).
pub use sdk_macros::on_instance_delete;
/// Marks the function of a [flow](macro@flow) that runs at each deploy of an instance (E51). It must be idempotent; when it fails, it is
/// tried again as [`lifecycle_retry`](options::FlowOptions::lifecycle_retry) says, while the deploy waits.
pub use sdk_macros::on_instance_deploy;
/// Marks the function of a [flow](macro@flow) that runs when an instance is removed (E52). What it undoes outside it
/// undoes in the state too: a removed instance may be brought back with its state until it is erased.
pub use sdk_macros::on_instance_remove;
/// Marks the function of a [flow](macro@flow) that runs first: it reads the payload, may answer the caller, split a page into items,
/// or say that there is nothing new. See [`TriggerOutput`].
pub use sdk_macros::on_trigger;
