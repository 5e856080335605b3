//! Tests of the simulation itself.

mod clock;
mod one_path;
mod webhook;
