//! Reads the parts of an HTTP request: address, query, body. Bytes in, data out: nothing here waits, stores or calls.

mod address;
mod body;
mod compression;
mod fault;
mod form;
mod json;
mod media_type;
mod multipart;
mod text;

pub use self::address::{EndpointPath, PathFault, read_path, read_query};
pub use self::body::{read_body, read_body_as};
pub use self::fault::{BodyFault, BodyLimits};
pub use self::json::JsonAs;
