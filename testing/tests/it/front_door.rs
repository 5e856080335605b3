//! Gaps of the system that we replace, closed: what comes in and what goes back (TH-20, 21, 30, 32, 33, 36, 37).

use http::Method;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Multipart, Result, SimulatedInstance, Simulation, fixtures};

#[derive(Debug, ConfigVars)]
struct Config {
    /// Slack's signing secret.
    signing_secret: Secret,
}

/// Shows what came, and answers as it is told.
#[derive(Debug)]
struct Shows;

#[flow(key = "shows", name = "Shows what came", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Shows {
    #[on_execution]
    async fn show(context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
        if let Some(text) = payload.query_parameters.get("fail") {
            return Err(Error::new(text));
        }
        Ok(json!({
            "path": payload.path_fragment,
            "query": payload.query_parameters,
            "header": payload.header("X-Tag"),
            "body": payload.data(),
            "urls": context.webhook_urls(),
        }))
    }
}

/// Answers the sender and hands something else on.
#[derive(Debug)]
struct Answers;

#[flow(key = "answers", trigger = Webhook::unsigned())]
impl Answers {
    #[on_trigger]
    async fn answer(_context: &Context<Config>, body: Value) -> sdk::Result<TriggerOutput> {
        let answer = HttpResponse::status(202)
            .text("thank you")
            .header("x-queue", "orders");
        let changed = json!({"from the trigger": body});
        Ok(TriggerOutput::json(&changed)?.respond(answer))
    }

    #[on_execution]
    async fn take(_context: &Context<Config>, body: Value) -> sdk::Result<Value> {
        Ok(body)
    }
}

/// Returns nothing from its trigger.
#[derive(Debug)]
struct Passes;

#[flow(key = "passes", trigger = Webhook::unsigned())]
impl Passes {
    #[on_trigger]
    async fn look(_context: &Context<Config>) -> sdk::Result<()> {
        Ok(())
    }

    #[on_execution]
    async fn take(_context: &Context<Config>, body: Value) -> sdk::Result<Value> {
        Ok(body)
    }
}

/// Has a trigger that somebody else wrote.
#[derive(Debug)]
struct FromSlack;

#[flow(
    key = "from-slack",
    trigger = Webhook::signed_by(providers::slack(), |config: &Config| &config.signing_secret),
    retry = Retry::times(1).every(minutes(1)),
)]
impl FromSlack {
    #[on_execution]
    async fn read(context: &Context<Config>, event: Value) -> sdk::Result<Value> {
        if context.attempt() == 1 {
            return Err(Error::new("not yet"));
        }
        Ok(event["event"]["text"].clone())
    }
}

/// Asks each caller for a key.
#[derive(Debug)]
struct Guarded;

#[flow(key = "guarded", trigger = Webhook::unsigned(), security = Security::CustomerRequired, queue = Queue::sequential())]
impl Guarded {
    #[on_execution]
    async fn work(context: &Context<Config>, name: Value) -> sdk::Result<Value> {
        context.sleep(seconds(10)).await;
        Ok(name)
    }
}

async fn deploy() -> Result<(Simulation<Config>, SimulatedInstance<Config>)> {
    let integration = Integration::new("doors")
        .flow::<Shows>()
        .flow::<Answers>()
        .flow::<Passes>()
        .flow::<FromSlack>()
        .flow::<Guarded>();
    let lab = Simulation::of(integration).at("2026-03-27T16:50:00Z");
    let config = Config {
        signing_secret: "slack-signing-secret".into(),
    };
    let instance = lab
        .customer("acme")
        .api_key::<Guarded>("key-of-acme")
        .deploy(config)
        .await?;
    Ok((lab, instance))
}

/// TH-20: path, query, headers, JSON, forms and files are read from HTTP as it comes.
#[tokio::test]
async fn a_request_is_read_as_it_comes() -> Result {
    let (_lab, instance) = deploy().await?;
    let shows = || instance.webhook::<Shows>();
    let seen = shows()
        .method(Method::PUT)
        .path("a/b%20c")
        .query("page", 2)
        .header("x-tag", "new")
        .json([1, 2])
        .send()
        .await;
    let body = &seen.response.body;
    assert_eq!(
        (&body["path"], &body["query"]["page"]),
        (&json!("a/b c"), &json!(["2"]))
    );
    assert_eq!(
        (&body["header"], &body["body"]),
        (&json!("new"), &json!([1, 2]))
    );

    let form = shows().form([("a", "1 & 2")]).send().await;
    assert_eq!(form.response.body["body"], json!({"a": "1 & 2"}));
    let files = Multipart::new().text("a \"quoted\" name", "x").file(
        "f",
        "f.bin",
        "application/pdf",
        vec![0xff],
    );
    let files = shows().multipart(files).send().await;
    let parts = &files.response.body["body"];
    assert_eq!(parts["f"]["file_name"], "f.bin");
    assert_eq!(parts.as_object().map(serde_json::Map::len), Some(2));
    let bytes = shows().bytes(vec![0xff]).send().await;
    assert_eq!(bytes.response.body["body"], json!({"base64": "/w=="}));
    Ok(())
}

/// TH-20: 200, 303, 400, 401, 404, 405 and 429 are what a caller would get; a malformed body can be sent.
#[tokio::test]
async fn a_caller_gets_every_kind_of_answer() -> Result {
    let (_lab, instance) = deploy().await?;
    let shows = || instance.webhook::<Shows>();
    shows().json(1).send().await.assert_status(200);
    shows().query("fail", "no").send().await.assert_status(400);
    shows()
        .body("application/json", "{oops")
        .send()
        .await
        .assert_refused(400);
    shows()
        .method(Method::OPTIONS)
        .send()
        .await
        .assert_refused(405);
    instance
        .webhook::<FromSlack>()
        .json(1)
        .send()
        .await
        .assert_refused(401);
    let elsewhere = http::Request::post("/trigger/unknown").body(bytes::Bytes::new())?;
    instance.send(elsewhere).await.assert_refused(404);
    for _ in 0..46 {
        shows().send().await;
    }
    shows().send().await.assert_refused(429);
    Ok(())
}

/// TH-20: a whole request of the test's own making goes through the same door.
#[tokio::test]
async fn a_raw_request_goes_through_the_same_door() -> Result {
    let (_lab, instance) = deploy().await?;
    let raw = http::Request::patch("/some/path?page=3&page=4")
        .header("x-tag", "raw")
        .header("content-type", "application/json")
        .body(r#"{"a":1}"#)?;
    let report = instance.webhook::<Shows>().raw(raw).send().await;
    let body = &report.response.body;
    assert_eq!(body["path"], "some/path");
    assert_eq!(body["query"], json!({"page": ["3", "4"]}));
    assert_eq!(
        (&body["header"], &body["body"]),
        (&json!("raw"), &json!({"a": 1}))
    );
    Ok(())
}

/// TH-21, TH-33: the caller sees the answer of the trigger, `#[on_execution]` what the trigger returned, and a report both.
#[tokio::test]
async fn the_answer_of_a_trigger_is_seen() -> Result {
    let (_lab, instance) = deploy().await?;
    let report = instance.webhook::<Answers>().json("x").send().await;
    assert_eq!(report.assert_status(202).response.body, "thank you");
    assert_eq!(report.response.headers["x-queue"], "orders");
    assert_eq!(report.execution().output, json!({"from the trigger": "x"}));
    Ok(())
}

/// TH-37: a trigger that returns nothing lets the payload pass.
#[tokio::test]
async fn a_trigger_that_returns_nothing_lets_the_payload_pass() -> Result {
    let (_lab, instance) = deploy().await?;
    let report = instance
        .webhook::<Passes>()
        .json(json!({"a": 1}))
        .send()
        .await;
    assert_eq!(report.execution().output, json!({"a": 1}));
    Ok(())
}

/// TH-30: retry, queue, wait for the result and security are what the author wrote.
#[tokio::test]
async fn the_options_of_a_flow_hold() -> Result {
    let (lab, instance) = deploy().await?;
    let guarded = |n: u32| instance.webhook::<Guarded>().json(n).api_key("key-of-acme");
    instance
        .webhook::<Guarded>()
        .json(0)
        .send()
        .await
        .assert_refused(401);
    guarded(1).send().await.assert_status(200);
    guarded(2).send().await.assert_status(200);
    lab.advance(seconds(15)).await?;
    let runs = instance.executions::<Guarded>().await;
    runs[0].assert_completed();
    assert_eq!(runs[1].result, None, "one at a time");
    // Whoever waits for a result does not wait in the queue.
    let waiting = guarded(3).synchronous(true).direct().send().await;
    assert_eq!(waiting.body::<u32>(), 3);

    let event = fixtures::slack::message();
    let first = instance
        .webhook::<FromSlack>()
        .fixture(event)
        .signed()
        .send()
        .await;
    first.execution().assert_failed("not yet");
    lab.advance(minutes(1)).await?;
    assert_eq!(
        instance.last::<FromSlack>().await.output,
        "Where is order 1042?"
    );
    Ok(())
}

/// TH-32: the URL of each flow stands under its name and its key, and is the one that works.
#[tokio::test]
async fn a_flow_knows_its_real_urls() -> Result {
    let (_lab, instance) = deploy().await?;
    let report = instance.webhook::<Shows>().send().await;
    let urls = &report.response.body["urls"];
    assert_eq!(urls["Shows what came"], urls["shows"]);
    assert_eq!(urls["passes"], instance.url_of::<Passes>());
    let target = urls["passes"].as_str().unwrap_or_default();
    let request = http::Request::post(target).body(bytes::Bytes::new())?;
    let report = instance.send(request).await;
    assert_eq!(report.assert_status(200).execution().flow, "passes");
    Ok(())
}

/// TH-36: a trigger that comes ready-made runs as it is, its question to the endpoint included.
#[tokio::test]
async fn a_ready_made_trigger_is_not_passed_over() -> Result {
    let (lab, instance) = deploy().await?;
    let question = || {
        instance
            .webhook::<FromSlack>()
            .fixture(fixtures::slack::url_verification())
    };
    let answer = question().signed().send().await;
    answer.assert_refused(200);
    assert!(
        answer.response.body.to_string().contains("3eZbrw1aBm2r"),
        "{answer}"
    );
    question()
        .signed_with("a guess")
        .send()
        .await
        .assert_refused(401);

    let late = instance
        .webhook::<FromSlack>()
        .fixture(fixtures::slack::message())
        .signed()
        .request();
    lab.advance(minutes(6)).await?;
    instance.send(late).await.assert_refused(401);
    Ok(())
}
