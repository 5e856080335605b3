//! What a function takes of a JSON body (W14): a type of its own is read straight from the text where nothing else looks into it, in
//! the same way in the first attempt, in a retry, after a crash and in a replay.

use std::fmt;

use runner::engine::ReplayFrom;
use sdk::endpoint::{Field, InstanceEndpoint};
use sdk::payload::FlowPayload;
use sdk::prelude::*;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::json;
use testing::{ExecutionReport, Result, SimulatedInstance, Simulation};

use crate::bench::{Bench as _, log};

/// The keys of an object, as they come: it sees what is otherwise no one's business.
struct Keys(String);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct AsTheyCome;

        impl<'de> Visitor<'de> for AsTheyCome {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut object: A,
            ) -> std::result::Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = object.next_entry::<String, _>()? {
                    keys.push(key);
                }
                Ok(Keys(keys.join(" ")))
            }
        }

        from.deserialize_map(AsTheyCome)
    }
}

/// Keeps how it saw the body, and fails at the first attempt.
async fn tell(context: &Context, seen: String) -> sdk::Result<()> {
    context.instance_state().set("seen", &seen).await?;
    context.log().info(seen);
    match context.attempt() {
        1 => Err(Error::new("once more")),
        _ => Ok(()),
    }
}

macro_rules! flows {
    ($($flow:ident($key:literal $(, $option:ident = $value:expr)?);)*) => {
        $(
            struct $flow;

            #[flow(key = $key, retry = Retry::times(1).every(seconds(1)) $(, $option = $value)?)]
            impl $flow {
                #[on_execution]
                async fn run(context: &Context, keys: Keys) -> sdk::Result<()> {
                    tell(context, keys.0).await
                }
            }
        )*
    };
}

flows! {
    Straight("straight");
    Ordered("ordered", queue = Queue::order_by("/a"));
    Once("once", dedupe = Dedupe::by("/once"));
}

struct Unique;

#[flow(key = "unique", retry = Retry::times(1).every(seconds(1)).unique_by("/unique"))]
impl Unique {
    #[on_execution]
    async fn run(context: &Context, keys: Keys) -> sdk::Result<()> {
        tell(context, keys.0).await
    }
}

struct Triggered;

#[flow(key = "triggered", retry = Retry::times(1).every(seconds(1)))]
impl Triggered {
    #[on_trigger]
    async fn look(_context: &Context, payload: Payload) -> sdk::Result<Payload> {
        assert!(matches!(payload.body, Body::Json(_)));
        Ok(payload)
    }

    #[on_execution]
    async fn run(context: &Context, keys: Keys) -> sdk::Result<()> {
        tell(context, keys.0).await
    }
}

/// Takes the payload in a way of its own.
struct Kind(&'static str);

impl FlowPayload for Kind {
    fn from_payload(payload: Payload) -> sdk::Result<Self> {
        Ok(match payload.body {
            Body::Json(_) => Self("json"),
            _ => Self("something else"),
        })
    }
}

struct Looks;

#[flow(key = "looks", retry = Retry::times(1).every(seconds(1)))]
impl Looks {
    #[on_execution]
    async fn run(context: &Context, kind: Kind) -> sdk::Result<()> {
        tell(context, kind.0.to_owned()).await
    }
}

struct Whole;

#[flow(key = "whole", retry = Retry::times(1).every(seconds(1)))]
impl Whole {
    #[on_execution]
    async fn run(context: &Context, payload: Payload) -> sdk::Result<()> {
        assert!(matches!(payload.body, Body::Json(_)));
        tell(context, payload.data().to_string()).await
    }
}

fn lab() -> Simulation<()> {
    Simulation::of(
        Integration::new("i")
            .flow::<Straight>()
            .flow::<Ordered>()
            .flow::<Once>()
            .flow::<Unique>()
            .flow::<Triggered>()
            .flow::<Looks>()
            .flow::<Whole>(),
    )
}

/// Sends a text to a flow, and returns how its first attempt, two replays and the retry of each saw it.
async fn seen<F: Flow<Config = ()>>(text: &'static str) -> Result<String> {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let request = instance.webhook::<F>().body("application/json", text);
    request.send().await;
    attempts::<F>(&lab, &instance).await
}

/// The same, at an endpoint that flows share.
async fn seen_routed(by: Field, text: &'static str) -> Result<String> {
    let integration = Integration::new("i").flow::<Straight>();
    let endpoint = InstanceEndpoint::flow_from(by);
    let lab = Simulation::of(integration.instance_endpoint(endpoint));
    let instance = lab.deploy(()).await?;
    let request = instance.routed_webhook().header("x-flow", "straight");
    request.body("application/json", text).send().await;
    attempts::<Straight>(&lab, &instance).await
}

async fn attempts<F: Flow<Config = ()>>(
    lab: &Simulation<()>,
    instance: &SimulatedInstance<()>,
) -> Result<String> {
    lab.advance(seconds(1)).await?;
    let last = instance.last::<F>().await;
    lab.replay(&last.id, ReplayFrom::Start).await?;
    lab.replay(&last.id, ReplayFrom::FailedStep).await?;
    lab.advance(seconds(2)).await?;
    let runs = instance.executions::<F>().await;
    let mut all: Vec<_> = runs.iter().flat_map(sights).collect();
    assert_eq!(all.len(), 6, "{runs:#?}");
    all.dedup();
    assert_eq!(all.len(), 1, "{all:#?}");
    Ok(all[0].to_owned())
}

/// What a run told of its body.
fn sights(run: &ExecutionReport) -> Vec<&str> {
    let lines = log(run).into_iter();
    lines.filter(|line| *line != "once more").collect()
}

const MIXED: &str = r#"{"b": 1, "a": {"z": 1}, "c": null}"#;

// W14, E20, E28.
#[tokio::test]
async fn a_type_of_its_own_is_read_straight_from_the_text_in_each_attempt() -> Result {
    assert_eq!(seen::<Straight>(MIXED).await?, "b a c");
    Ok(())
}

// W14, E22, E24, E25: what the runner looks into itself is a value, which has its keys sorted.
#[tokio::test]
async fn a_type_of_its_own_is_read_from_the_value_where_something_looks_into_it() -> Result {
    assert_eq!(seen::<Ordered>(MIXED).await?, "a b c");
    assert_eq!(seen::<Once>(MIXED).await?, "a b c");
    assert_eq!(seen::<Unique>(MIXED).await?, "a b c");
    assert_eq!(seen::<Triggered>(MIXED).await?, "a b c");
    Ok(())
}

// W2, W14: where the body says which flow is meant, it is a value before a flow is found.
#[tokio::test]
async fn a_body_that_is_read_to_find_its_flow_is_a_value_in_each_attempt() -> Result {
    let text = r#"{"flow": "straight", "a": 1}"#;
    let by_header = seen_routed(Field::header("x-flow"), text).await?;
    assert_eq!(by_header, "flow a");
    assert_eq!(seen_routed(Field::body("/flow"), text).await?, "a flow");
    Ok(())
}

// W14: of a key that comes again the last value counts, so there is no other.
#[tokio::test]
async fn a_key_that_comes_again_is_seen_once() -> Result {
    assert_eq!(
        seen::<Straight>(r#"{"b": 1, "a": 1, "b": 2}"#).await?,
        "a b"
    );
    Ok(())
}

// W14.
#[tokio::test]
async fn whoever_looks_into_a_payload_finds_a_value() -> Result {
    assert_eq!(seen::<Looks>(MIXED).await?, "json");
    assert_eq!(
        seen::<Whole>(MIXED).await?,
        r#"{"a":{"z":1},"b":1,"c":null}"#
    );
    Ok(())
}

/// G2: an execution that is read from the disk again sees its body as before.
#[tokio::test]
async fn a_type_of_its_own_is_read_straight_after_a_crash_too() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    let request = instance.webhook::<Straight>();
    request.body("application/json", MIXED).send().await;
    lab.advance(seconds(1)).await?;
    let kept = instance
        .instance_state::<Straight>()
        .get::<String>("seen")
        .await;
    assert_eq!(kept.as_deref(), Some("b a c"));
    // What it keeps is compared.
    lab.survives_a_crash_anywhere().await?;
    Ok(())
}

// W14: JSON that is not well formed is refused before the flow is asked, whatever it takes.
#[tokio::test]
async fn a_type_of_its_own_lets_nothing_in_that_is_not_json() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    for text in [
        r#"{"a": "\ud800"}"#,
        r#"{"a": 1e999}"#,
        r#"{"a": 1"#,
        "{} {}",
    ] {
        let request = instance.webhook::<Straight>();
        let report = request.body("application/json", text).send().await;
        let body = json!({"error": "Received malformed JSON payload."});
        assert_eq!(report.response.body, body, "{text}");
    }
    assert_eq!(instance.executions::<Straight>().await.len(), 0);
    Ok(())
}
