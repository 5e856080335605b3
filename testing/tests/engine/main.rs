//! The engine's contract: a model of it (`model`), and tests for its rows, in memory and on a clock that is moved by hand.
//!
//! Schedules (E10 to E18) are tested where they are made, in `runner`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what the functions beside the tests cannot do fails the test"
)]

mod batches;
mod bench;
mod calls;
mod concurrency;
mod control;
mod decoded;
mod erased;
mod functions;
mod functions_again;
mod give_way;
mod handed_on;
mod in_combination;
mod instances;
mod limits;
mod local;
mod model;
mod outages;
mod repeated;
mod set_up;
mod state;
mod steps;
mod stop;
mod tried_again;
mod waiting;
mod world;
