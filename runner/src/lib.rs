//! x

pub mod webhook;
