//! HTTP request → invocation → HTTP response. The only room that knows both.

pub mod address;
pub mod body;
mod compression;
mod fault;
mod form;
mod json;
mod media_type;
mod multipart;
mod text;
