//! The socket side: what stands between a TCP listener and a request that is whole.

pub mod admin;
mod body;
mod connection;
mod deadline;
mod framing;
mod front;
mod gate;
mod handler;
mod head;
#[cfg(unix)]
mod inherited;
mod limits;
mod listener;
mod phase;
mod refusal;
mod socket;
mod standby;

pub use self::body::{Body, BodyError};
pub use self::front::Front;
pub use self::handler::{Handler, Peer};
#[cfg(unix)]
pub use self::inherited::{Inherited, inherited_listeners};
pub use self::limits::Limits;
pub use self::listener::{Stopped, serve};
pub use self::socket::listen;
pub use self::standby::Standby;
