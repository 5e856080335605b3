//! Where a cap on the executions of a page means something (E6).

use sdk::prelude::*;
use sdk::schedule::Overlap;

macro_rules! flow {
    ($name:ident, $key:literal, [$($option:ident = $value:expr),*]) => {
        struct $name;

        #[flow(key = $key, batch_limit = 2, $($option = $value),*)]
        impl $name {
            #[on_trigger]
            async fn look(_context: &Context) -> Result<TriggerOutput> {
                Ok(TriggerOutput::nothing_new())
            }

            #[on_execution]
            async fn take(_context: &Context) -> Result<()> {
                Ok(())
            }
        }
    };
}

flow!(AtOnce, "at-once", []);
flow!(Throttled, "throttled", [queue = Queue::throttled(5)]);
flow!(
    Skips,
    "skips",
    [trigger = Trigger::poll(Schedule::cron("@hourly").overlap(Overlap::Skip))]
);
flow!(Sequential, "sequential", [queue = Queue::sequential()]);
flow!(ByKey, "by-key", [queue = Queue::order_by("/id")]);
flow!(
    InTurn,
    "in-turn",
    [trigger = Trigger::poll(Schedule::cron("@hourly").overlap(Overlap::Queue))]
);

/// E6, E15, E24: a cap that nothing would ever reach is refused, rather than taken without effect.
#[test]
fn a_cap_on_what_runs_one_after_another_is_refused() {
    let fine = Integration::<()>::new("i").flow::<AtOnce>();
    let fine = fine.flow::<Throttled>().flow::<Skips>().build();
    assert!(fine.is_ok());
    let built = Integration::<()>::new("i")
        .flow::<Sequential>()
        .flow::<ByKey>()
        .flow::<InTurn>()
        .build();
    let keeps_order = "a queue that keeps order runs one at a time, or one of each key; remove `batch_limit`, or take `Queue::throttled`";
    let takes_turns = "under `Overlap::Queue` what a page is cut into runs one after another; remove `batch_limit`, or take `Overlap::Skip`";
    assert_eq!(
        built.unwrap_err().0,
        [
            format!("flow `sequential`: {keeps_order}"),
            format!("flow `by-key`: {keeps_order}"),
            format!("flow `in-turn`: {takes_turns}"),
        ]
    );
}
