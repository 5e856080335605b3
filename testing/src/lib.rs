//! Tests an integration through the runner's own engine: in memory, in milliseconds, with a clock that is moved by hand.
//!
//! A simulated webhook passes the same routing, limits, signature check, dedupe, durable accept, queue, retry and response code as a
//! real one; everything but the socket.
//!
//! ```
//! use sdk::prelude::*;
//! use testing::Simulation;
//!
//! struct Greet;
//!
//! #[flow(key = "greet", respond = Respond::Directly, time_limit = hours(2))]
//! impl Greet {
//!     #[on_execution]
//!     async fn greet(context: &Context, name: String) -> Result<String> {
//!         context.sleep(hours(1)).await;
//!         Ok(format!("Hello, {name}!"))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let lab = Simulation::of(Integration::<()>::new("greeter").flow::<Greet>()).at("2026-03-27T16:50:00Z");
//! let instance = lab.deploy(()).await?;
//!
//! // A caller waits 29 seconds for a result; the run goes on behind it.
//! let report = instance.webhook::<Greet>().json(&"Ada").send().await;
//! assert_eq!(report.status(), 504);
//!
//! lab.advance(hours(1)).await?;
//! assert_eq!(instance.executions::<Greet>().await[0].output, "Hello, Ada!");
//! # testing::Result::<()>::Ok(())
//! # }).unwrap();
//! ```
//!
//! The guide `docs/guide/testing.md` goes from zero to a snapshot, and on to time, other systems, known senders and recorded answers.

mod body;
mod cassette;
mod certified;
mod control;
mod error;
mod exchange;
pub mod fixtures;
mod instance;
mod moment;
mod multipart;
pub mod outbound;
pub mod report;
mod script;
mod simulation;
mod state;
pub mod sweep;
pub mod tasks;
mod upstream;
mod webhook;
mod witness;
mod world;

pub use crate::cassette::Cassette;
pub use crate::error::{Result, SimulationError};
pub use crate::instance::SimulatedInstance;
pub use crate::moment::Moment;
pub use crate::multipart::Multipart;
pub use crate::report::{ExecutionReport, Expectations, LifecycleReport, Report, Timeline};
pub use crate::simulation::{Deployment, Simulation};
pub use crate::state::SimulatedState;
pub use crate::sweep::{Finding, Sweep, SweepFailure};
pub use crate::upstream::{Received, Reply, Upstream};
pub use crate::webhook::Webhook;
pub use runner::settings::Settings;
