//! What `#[on_trigger]` hands on, and what a flow gives a flow that it calls, is kept as it was: kind, bytes, headers and all (E3, W13, W21).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use runner::engine::ReplayFrom;
use sdk::Body;
use sdk::body::Part;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Multipart, Result, Simulation};

use crate::bench::{Bench as _, outputs};

fn seen(payload: &Payload) -> Value {
    let kind = match &payload.body {
        Body::Empty => "empty",
        Body::Json(_) => "json",
        Body::Form(_) => "form",
        Body::Multipart(_) => "multipart",
        Body::Text(_) => "text",
        Body::Bytes(_) => "bytes",
        _ => "unknown",
    };
    let headers: BTreeMap<_, _> = payload
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-"))
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    json!({
        "kind": kind,
        "body": payload.data(),
        "raw": payload.raw_body.as_ref(),
        "method": payload.method.as_str(),
        "headers": headers,
        "path": payload.path_fragment,
        "query": payload.query_parameters,
        "content_type": payload.content_type,
    })
}

/// Changes what its query asks for; its execution fails once, so that it runs once as read at the door and once as kept.
struct Rewrites;

#[flow(key = "rewrites", retry = Retry::times(1).every(seconds(1)))]
impl Rewrites {
    #[on_trigger]
    async fn change(_context: &Context, payload: Payload) -> sdk::Result<Payload> {
        let mut payload = payload;
        let what = payload
            .query_parameters
            .get("what")
            .unwrap_or_default()
            .to_owned();
        match what.as_str() {
            "head" => {
                payload.method = Method::PUT;
                payload
                    .headers
                    .insert("x-added", "by the trigger".parse().unwrap());
                payload.path_fragment = String::from("another/path");
                payload.query_parameters =
                    [("page".to_owned(), "2".to_owned())].into_iter().collect();
                payload.content_type = Some("application/x-own".to_owned());
            }
            "raw" => payload.raw_body = Bytes::from_static(b"\0\xff other"),
            "bytes" => payload.body = Body::Bytes(Bytes::from_static(b"\x89PNG\0")),
            "text" => payload.body = Body::Text("12".to_owned()),
            "form" => {
                payload.body = Body::Form([("a".to_owned(), "1".to_owned())].into_iter().collect());
            }
            "empty" => payload.body = Body::Empty,
            "parts" => {
                let part = Part {
                    data: Body::Bytes(Bytes::from_static(b"\xfe\xff")),
                    content_type: Some("image/png".to_owned()),
                    file_name: Some("a.png".to_owned()),
                };
                payload.body = Body::Multipart(BTreeMap::from([("file".to_owned(), vec![part])]));
            }
            "json" => {
                payload.body =
                    Body::Json(json!({"big": 9_007_199_254_740_993_u64, "third": 1.0 / 3.0}));
            }
            "fresh" => payload = Payload::json(&json!({"nothing": "else"})),
            _ => {}
        }
        Ok(payload)
    }

    #[on_execution]
    async fn run(context: &Context, payload: Payload) -> sdk::Result<Value> {
        let seen = seen(&payload);
        context.log().info(seen.to_string());
        match context.attempt() {
            1 => Err(Error::new("once more")),
            _ => Ok(seen),
        }
    }
}

fn lab() -> Simulation<()> {
    Simulation::of(
        Integration::new("i")
            .flow::<Rewrites>()
            .flow::<Gives>()
            .flow::<Takes>(),
    )
}

/// W13, W15, W16, W21, E3, E20, E28: what the trigger changed reaches the first attempt, the retry and a replay, each the same.
#[tokio::test]
async fn what_a_trigger_hands_on_is_the_same_in_every_attempt() -> Result {
    let cases = [
        (
            "head",
            json!({"kind": "json", "body": {"n": 1}, "method": "PUT", "path": "another/path", "query": {"page": ["2"]},
            "headers": {"x-added": "by the trigger", "x-sent": "1"}, "content_type": "application/x-own"}),
        ),
        (
            "raw",
            json!({"kind": "json", "body": {"n": 1}, "raw": b"\0\xff other"}),
        ),
        (
            "bytes",
            json!({"kind": "bytes", "body": {"base64": "iVBORwA="}, "raw": br#"{"n":1}"#}),
        ),
        ("text", json!({"kind": "text", "body": "12"})),
        ("form", json!({"kind": "form", "body": {"a": "1"}})),
        ("empty", json!({"kind": "empty", "body": null})),
        (
            "parts",
            json!({"kind": "multipart", "body": {"file": {"data": {"base64": "/v8="}, "content_type": "image/png", "file_name": "a.png"}}}),
        ),
        (
            "json",
            json!({"kind": "json", "body": {"big": 9_007_199_254_740_993_u64, "third": 1.0 / 3.0}}),
        ),
        (
            "fresh",
            json!({"body": {"nothing": "else"}, "raw": br#"{"nothing":"else"}"#, "headers": {}, "query": {}, "path": ""}),
        ),
        (
            "nothing",
            json!({"body": {"n": 1}, "raw": br#"{"n":1}"#, "path": "a b", "headers": {"x-sent": "1"}}),
        ),
    ];
    for (what, expected) in cases {
        let lab = lab();
        let instance = lab.deploy(()).await?;
        let request = instance
            .webhook::<Rewrites>()
            .path("a%20b")
            .query("what", what);
        request
            .header("x-sent", "1")
            .json(json!({"n": 1}))
            .send()
            .await;
        lab.advance(seconds(1)).await?;
        let runs = instance.executions::<Rewrites>().await;
        assert_eq!(runs.len(), 2, "{what}");
        let last = runs.iter().find(|run| run.attempt == 2).ok_or("a retry")?;
        let first = runs
            .iter()
            .find(|run| run.attempt == 1)
            .ok_or("a first attempt")?;
        assert_eq!(first.log[0].text, last.output.to_string(), "{what}");
        for (field, value) in expected.as_object().ok_or("fields")? {
            assert_eq!(&last.output[field], value, "{what}: {field}");
        }
        for from in [ReplayFrom::FailedStep, ReplayFrom::Start] {
            let replay = lab.replay(&last.id, from).await?;
            let runs = instance.executions::<Rewrites>().await;
            let replay = runs.iter().find(|run| run.id == replay).ok_or("a replay")?;
            assert_eq!(
                replay.log[0].text,
                last.output.to_string(),
                "{what}: {from:?}"
            );
        }
    }
    Ok(())
}

struct Takes;

#[flow(key = "takes")]
impl Takes {
    #[on_execution]
    async fn take(_context: &Context, payload: Payload) -> sdk::Result<Value> {
        Ok(seen(&payload))
    }
}

struct Gives;

#[flow(key = "gives")]
impl Gives {
    #[on_execution]
    async fn give(context: &Context, payload: Payload) -> sdk::Result<Value> {
        let changed = payload.with_body(json!({"chosen": true}));
        let waited = context.handle::<Takes>().call_with(changed).await?;
        let waited = waited.output.unwrap_or_default();
        Ok(serde_json::from_slice(&waited.to_bytes())?)
    }
}

/// E5: a flow that is called sees the body that its caller chose, and the rest of the payload as the caller had it.
#[tokio::test]
async fn a_called_flow_sees_the_body_that_its_caller_chose() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let form = Multipart::new().text("kept", "as it was");
    instance
        .webhook::<Gives>()
        .header("x-sent", "1")
        .multipart(form)
        .send()
        .await;
    let taken = outputs(&instance.executions::<Takes>().await);
    assert_eq!(taken[0]["body"], json!({"chosen": true}));
    assert_eq!(taken[0]["headers"], json!({"x-sent": "1"}));
    assert!(!taken[0]["raw"].as_array().ok_or("bytes")?.is_empty());
    assert_eq!(outputs(&instance.executions::<Gives>().await), taken);
    Ok(())
}
