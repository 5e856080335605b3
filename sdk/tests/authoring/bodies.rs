//! A body that is JSON and not read yet, and what functions make of it.

use sdk::Body;
use sdk::flow::FlowFn;
use sdk::integration::FlowParts;
use sdk::payload::FlowPayload;
use sdk::prelude::*;
use serde_json::{Value, json};

use crate::{call, now};

struct Whole;

#[flow(key = "whole")]
impl Whole {
    #[on_execution]
    async fn run(_context: &Context<crate::Config>, payload: Payload) -> Result<bool> {
        Ok(matches!(payload.body, Body::Json(_)))
    }
}

/// Takes the payload in a way of its own.
struct IsRead(bool);

impl FlowPayload for IsRead {
    fn from_payload(payload: Payload) -> Result<Self> {
        Ok(Self(matches!(payload.body, Body::Json(_))))
    }
}

struct InItsOwnWay;

#[flow(key = "in-its-own-way")]
impl InItsOwnWay {
    #[on_execution]
    async fn run(_context: &Context<crate::Config>, payload: IsRead) -> Result<bool> {
        Ok(payload.0)
    }
}

struct Decoded;

#[flow(key = "decoded")]
impl Decoded {
    #[on_execution]
    async fn run(_context: &Context<crate::Config>, order: crate::Order) -> Result<bool> {
        Ok(order.quantity == 5)
    }
}

struct Values;

#[flow(key = "values")]
impl Values {
    #[on_execution]
    async fn run(_context: &Context<crate::Config>, value: Value) -> Result<bool> {
        Ok(value == json!({"item": "widget", "quantity": 5}))
    }
}

struct Nothing;

#[flow(key = "nothing")]
impl Nothing {
    #[on_execution]
    async fn run(_context: &Context<crate::Config>) -> Result<bool> {
        Ok(true)
    }
}

fn on_execution(flow: FlowParts) -> FlowFn<Output> {
    flow.functions.on_execution.unwrap()
}

fn flows() -> [FlowParts; 5] {
    [
        Whole::definition().into_parts(),
        InItsOwnWay::definition().into_parts(),
        Decoded::definition().into_parts(),
        Values::definition().into_parts(),
        Nothing::definition().into_parts(),
    ]
}

#[test]
fn a_function_says_whether_it_decodes_its_body() {
    let decode = flows().map(|flow| on_execution(flow).decodes());
    assert_eq!(decode, [false, false, true, true, true]);
    let wrapped = flows().map(|flow| {
        let function =
            on_execution(flow).wrapped(|function, call, payload| function.call(call, payload));
        function.decodes()
    });
    assert_eq!(wrapped, decode);
}

#[test]
fn whoever_looks_into_a_body_finds_its_json_read() {
    let text = r#"{"quantity": 5, "item": "widget"}"#;
    for flow in flows() {
        let key = flow.options.key;
        let payload = Payload::empty().with_body(Body::from_json_text(&text.into()).unwrap());
        let output = now(on_execution(flow).call(call(), payload)).unwrap();
        assert_eq!(output, Output::json(&true).unwrap(), "{key}");
    }
}
