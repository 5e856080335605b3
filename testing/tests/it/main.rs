//! Tests of the simulation itself.

mod cassette;
mod clock;
mod fixture;
mod front_door;
mod instances;
mod kept;
mod one_path;
mod polling;
mod secret;
mod sweep;
mod upstream;
mod webhook;
