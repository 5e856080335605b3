//! The flows that the model knows, and what it knows of them.

use sdk::context::Context;
use sdk::integration::BuiltIntegration;
use sdk::prelude::*;
use sdk::time::seconds;
use serde::{Deserialize, Serialize};

use super::history::{self, Event};

/// How one attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    /// How many steps it has; each takes no time.
    pub(crate) steps: u32,
    /// How long it sleeps after them.
    pub(crate) sleep: u64,
    /// How it ends.
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Succeeds,
    Fails,
    FailsForGood,
    FailsAndNamesTheTime(u64),
    Panics,
}

/// What is sent: a script for every attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Which send it is.
    pub(crate) number: usize,
    pub(crate) key: u8,
    pub(crate) unique: Option<u8>,
    pub(crate) dedupe: Option<u8>,
    /// The last one goes on for all further attempts.
    pub(crate) acts: Vec<Act>,
}

impl Order {
    pub(crate) fn act(&self, attempt: u32) -> Act {
        let place = usize::try_from(attempt).unwrap() - 1;
        *self.acts.get(place).or(self.acts.last()).unwrap()
    }
}

/// What the model knows of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) key: &'static str,
    pub(crate) order: Lanes,
    pub(crate) retries: u32,
    pub(crate) delay: u64,
    pub(crate) backoff: bool,
    pub(crate) unique: bool,
    pub(crate) window: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lanes {
    Parallel,
    Throttled(usize),
    Sequential(Poison),
    ByKey(Poison),
}

impl Lanes {
    pub(crate) fn poison(self) -> Poison {
        match self {
            Self::Sequential(poison) | Self::ByKey(poison) => poison,
            Self::Parallel | Self::Throttled(_) => Poison::Skip,
        }
    }
}

/// Longer runs are timed out.
pub(crate) const TIME_LIMIT: u64 = 30;

macro_rules! flows {
    ($($name:ident, $key:tt, $order:expr, [$($option:ident = $value:expr),*], $rules:expr;)+) => {
        $(
            #[derive(Debug)]
            pub(crate) struct $name;

            #[flow(key = $key, time_limit = seconds(TIME_LIMIT), $($option = $value),*)]
            impl $name {
                #[on_execution]
                async fn work(context: &Context, order: Order) -> sdk::Result<u32> {
                    work(context, order).await
                }
            }
        )+

        pub(crate) fn integration() -> BuiltIntegration {
            Integration::<()>::new("model")$(.flow::<$name>())+.build().unwrap()
        }

        pub(crate) const FLOWS: &[Rules] = &[$(Rules { key: $key, order: $order, ..$rules }),+];
    };
}

const NO_RETRY: Rules = Rules {
    key: "",
    order: Lanes::Parallel,
    retries: 0,
    delay: 60,
    backoff: false,
    unique: false,
    window: None,
};

const fn retried(retries: u32, delay: u64) -> Rules {
    Rules {
        retries,
        delay,
        ..NO_RETRY
    }
}

flows! {
    Parallel, "parallel", Lanes::Parallel,
        [retry = Retry::times(2).every(seconds(60))], retried(2, 60);
    Throttled, "throttled", Lanes::Throttled(2),
        [queue = Queue::throttled(2), retry = Retry::times(1).every(seconds(20))], retried(1, 20);
    Sequential, "sequential", Lanes::Sequential(Poison::Skip),
        [queue = Queue::sequential(), retry = Retry::times(3).every(seconds(10)).with_backoff()],
        Rules { backoff: true, ..retried(3, 10) };
    SequentialBlock, "sequential-block", Lanes::Sequential(Poison::Block),
        [queue = Queue::sequential().on_poison(Poison::Block), retry = Retry::times(1).every(seconds(15))], retried(1, 15);
    Skip, "skip", Lanes::ByKey(Poison::Skip),
        [queue = Queue::order_by("/key"), retry = Retry::times(2).every(seconds(25))], retried(2, 25);
    Park, "park", Lanes::ByKey(Poison::Park),
        [queue = Queue::order_by("/key").on_poison(Poison::Park), retry = Retry::times(1).every(seconds(25))], retried(1, 25);
    Block, "block", Lanes::ByKey(Poison::Block),
        [queue = Queue::order_by("/key").on_poison(Poison::Block), retry = Retry::times(1).every(seconds(25))], retried(1, 25);
    Unique, "unique", Lanes::Parallel,
        [retry = Retry::times(3).every(seconds(40)).unique_by("/unique")], Rules { unique: true, ..retried(3, 40) };
    UniqueByKey, "unique-by-key", Lanes::ByKey(Poison::Skip),
        [queue = Queue::order_by("/key"), retry = Retry::times(3).every(seconds(40)).unique_by("/unique")],
        Rules { unique: true, ..retried(3, 40) };
    Deduped, "deduped", Lanes::Sequential(Poison::Skip),
        [queue = Queue::sequential(), dedupe = Dedupe::by("/dedupe").within(seconds(50))],
        Rules { window: Some(50), ..NO_RETRY };
}

/// Says in the history that author code is there, from when it is made until it is dropped.
struct Presence<'a>(&'a Context);

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        let id = self.0.execution_id().clone();
        history::record(self.0.now(), Event::Left(id));
    }
}

async fn work(context: &Context, order: Order) -> Result<u32> {
    let id = context.execution_id();
    history::record(context.now(), Event::Began(id.clone()));
    let _presence = Presence(context);
    let act = order.act(context.attempt());
    for step in 0..act.steps {
        let result: u32 = context
            .step("work", || async {
                history::record(context.now(), Event::StepRan(id.clone(), step));
                Ok(step)
            })
            .await?;
        assert_eq!(result, step, "the recorded result of a step");
    }
    let state = context.instance_state();
    let more = |count: Option<u32>| count.unwrap_or(0) + 1;
    if order.number.is_multiple_of(2) {
        state.update("count", more).await?;
    } else {
        state.merge("count", more).await?;
    }
    context.sleep(seconds(act.sleep)).await;
    match act.end {
        End::Succeeds => Ok(act.steps),
        End::Fails => Err(Error::new("it fails")),
        End::FailsForGood => Err(Error::new("it fails for good").permanent()),
        End::FailsAndNamesTheTime(wait) => Err(Error::new("not now").retry_after(seconds(wait))),
        End::Panics => panic!("it panics"),
    }
}
