//! Tests of the simulation itself.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what the functions beside the tests cannot do fails the test"
)]

mod cassette;
mod certificates;
mod clock;
mod control;
mod down;
mod egress;
mod faults;
mod fixture;
mod front_door;
mod handshakes;
mod instances;
mod kept;
mod layouts;
mod one_path;
mod polling;
mod refused;
mod secret;
mod sweep;
mod upstream;
mod webhook;
