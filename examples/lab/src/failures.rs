//! Flows that fail, or take their time.

use sdk::prelude::*;
use serde_json::{Value, json};

use crate::Config;

/// Flow `fail`.
#[derive(Debug)]
pub struct Fail;

/// Fails always.
#[flow(key = "fail", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl Fail {
    #[on_execution]
    async fn fail(_context: &Context<Config>) -> Result<()> {
        Err(Error::new("The widget requested is not in the database"))
    }
}

/// Flow `flaky`.
#[derive(Debug)]
pub struct Flaky;

/// Fails until the attempt `succeed_on` of the query string.
#[flow(key = "flaky", trigger = Webhook::unsigned(), retry = Retry::times(5).every(seconds(1)))]
impl Flaky {
    #[on_execution]
    async fn try_again(context: &Context<Config>, payload: Payload) -> Result<Value> {
        let attempt = context.attempt();
        let succeed_on: u32 = payload.query_parameters.require("succeed_on")?;
        if attempt < succeed_on {
            return Err(Error::new(format!(
                "attempt {attempt} fails, attempt {succeed_on} will not"
            )));
        }
        Ok(json!({"attempt": attempt}))
    }
}

/// Flow `slow`.
#[derive(Debug)]
pub struct Slow;

/// Takes `ms` milliseconds, asleep or with `blocking=true` in the way of its thread. First it writes as many lines to its log as `lines`
/// says, if it does.
#[flow(key = "slow", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl Slow {
    #[on_execution]
    async fn wait(context: &Context<Config>, payload: Payload) -> Result<Value> {
        let query = &payload.query_parameters;
        let length: u64 = query.require("ms")?;
        let blocking = query.parse("blocking")?.unwrap_or(false);
        for line in 0..query.parse("lines")?.unwrap_or(0_u32) {
            context.log().info(format!("line {line}"));
        }
        if blocking {
            // No flow should do this. This one does, so that one can see what it does to others: nothing (E27).
            std::thread::sleep(millis(length));
        } else {
            context.sleep(millis(length)).await;
        }
        Ok(json!({"ms": length, "blocking": blocking}))
    }
}

/// Flow `panic`.
#[derive(Debug)]
pub struct Panic;

/// Panics with the text `text`.
#[flow(key = "panic", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl Panic {
    #[on_execution]
    #[expect(clippy::panic, reason = "to show that the process lives on (E27)")]
    async fn panic(_context: &Context<Config>, payload: Payload) -> Result<()> {
        let text = payload.query_parameters.get("text").unwrap_or("no text");
        panic!("{text}")
    }
}
