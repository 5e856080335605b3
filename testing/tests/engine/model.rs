//! A model of the engine (E20 to E28, G2, G3, G5): random scripts of sends, waits, cancels, replays, crashes and failures of the store
//! are played on the real engine, and a reference that knows only the rules reads what became durable and what author code did.
//!
//! - I1, I2: whatever was accepted ends, once; nothing else does.
//! - I4: a step whose result is durable never runs again.
//! - E50: no more run at once than the limit of the instance, and nobody waits while there is a place.
//! - I5, E24: the order of every lane, throttles, and what a poisoned execution does to those behind it.
//! - I7: what has ended stays as it ended.
//! - G3: a counter in the state is the number of executions that succeeded.
//! - E21, E22, E25, E28: exact retry times, cancelled retries, duplicates, dead letters.
//!
//! Plays 256 scripts, the same ones every time. `PROPTEST_CASES=10000 cargo test -p testing --test engine model` plays more.

mod flows;
pub(crate) mod history;
mod play;
mod reference;
mod rest;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use runner::engine::ReplayFrom;

use self::flows::{Act, End, FLOWS, Order};
use self::play::{Op, play};
use crate::world::Fault;

fn act() -> impl Strategy<Value = Act> {
    let end = prop_oneof![
        5 => Just(End::Succeeds),
        4 => Just(End::Fails),
        1 => Just(End::FailsForGood),
        1 => (1..90_u64).prop_map(End::FailsAndNamesTheTime),
        1 => Just(End::Panics),
    ];
    let sleep = prop_oneof![4 => Just(0), 4 => 1..12_u64, 1 => Just(40)];
    (0..3_u32, sleep, end).prop_map(|(steps, sleep, end)| Act { steps, sleep, end })
}

fn send() -> impl Strategy<Value = Op> {
    let order = (
        0..2_u8,
        proptest::option::of(0..2_u8),
        proptest::option::of(0..2_u8),
        vec(act(), 1..4),
    );
    (0..FLOWS.len(), order).prop_map(|(flow, (key, unique, dedupe, acts))| {
        let order = Order {
            number: 0,
            key,
            unique,
            dedupe,
            acts,
        };
        Op::Send { flow, order }
    })
}

fn op() -> impl Strategy<Value = Op> {
    let from = prop_oneof![Just(ReplayFrom::Start), Just(ReplayFrom::FailedStep)];
    prop_oneof![
        12 => send(),
        6 => prop_oneof![0..5_u64, 5..70_u64].prop_map(Op::Advance),
        2 => any::<usize>().prop_map(Op::Cancel),
        2 => (any::<usize>(), from).prop_map(|(pick, from)| Op::Replay(pick, from)),
        1 => any::<usize>().prop_map(Op::Dismiss),
        2 => (0..12_u32, any::<bool>()).prop_map(|(commits, after)| Op::Crash { commits, after }),
        1 => (0..8_u64).prop_map(|grace| Op::Stop { grace }),
        1 => (0..4_u32).prop_map(Op::Limit),
        1 => (0..6_u32, fault()).prop_map(|(commits, fault)| Op::Fault { commits, fault }),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::LostBefore),
        Just(Fault::LostAfter),
        Just(Fault::Full)
    ]
}

/// Few flows in each script, so that executions meet in their lanes.
fn script() -> impl Strategy<Value = Vec<Op>> {
    let flows = vec(0..FLOWS.len(), 1..3);
    (flows, vec(op(), 1..40)).prop_map(|(flows, mut ops)| {
        for (place, op) in ops.iter_mut().enumerate() {
            if let Op::Send { flow, order } = op {
                *flow = flows[*flow % flows.len()];
                order.number = place;
            }
        }
        ops
    })
}

#[test]
fn the_engine_keeps_the_rules_of_the_reference_through_crashes() {
    let config = Config {
        rng_seed: RngSeed::Fixed(27),
        failure_persistence: None,
        ..Config::default()
    };
    let played = TestRunner::new(config).run(&script(), |ops| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(play(ops));
        Ok(())
    });
    if let Err(fault) = played {
        panic!("{fault}");
    }
}
