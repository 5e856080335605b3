//! What only a store in a database has to prove.

pub(crate) mod cluster;
