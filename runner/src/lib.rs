//! x

pub mod signature;
