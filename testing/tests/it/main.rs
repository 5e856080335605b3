//! Tests of the simulation itself.

mod clock;
mod one_path;
mod sweep;
mod webhook;
