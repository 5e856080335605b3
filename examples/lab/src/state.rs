//! Flows that remember.

use sdk::prelude::*;
use sdk::schedule::Overlap;
use serde_json::{Value, json};

use crate::Config;

/// Flow `counter`.
#[derive(Debug)]
pub struct Counter;

/// Adds 1 to a number in the state of the flow and returns it.
#[flow(key = "counter", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl Counter {
    #[on_execution]
    async fn count(context: &Context<Config>) -> Result<u64> {
        context.instance_state().update("count", one_more).await
    }
}

/// Flow `tick`.
#[derive(Debug)]
pub struct Tick;

/// Counts its runs, one every minute, in the state that all flows of the instance share, and returns the number with the times of
/// the run. While a run is going, the next one is passed over.
#[flow(key = "tick", trigger = Schedule::cron("* * * * *").overlap(Overlap::Skip))]
impl Tick {
    #[on_execution]
    async fn count(context: &Context<Config>, payload: Payload) -> Result<Value> {
        let runs = context.cross_flow_state().update("ticks", one_more).await?;
        Ok(json!({"runs": runs, "tick": payload.tick}))
    }
}

fn one_more(count: Option<u64>) -> u64 {
    count.unwrap_or(0) + 1
}
