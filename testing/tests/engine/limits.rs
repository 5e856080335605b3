//! Time limits, panics, logs, retention (E26, E27, E29, E30).

use runner::record::ResultType;
use sdk::host::LogLevel;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Settings, Simulation};

use crate::bench::{log, refusal, settings};

struct DropsBadly;

impl Drop for DropsBadly {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a panic in drop");
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        std::panic::panic_any("a panic in the panic");
    }
}

struct Panics;

#[flow(key = "panics", retry = Retry::times(1).every(minutes(1)))]
impl Panics {
    #[on_execution]
    async fn run(context: &Context, how: String) -> sdk::Result<u32> {
        match how.as_str() {
            "text" => panic!("order {} is odd", 7),
            "number" => std::panic::panic_any(7),
            "badly" => std::panic::panic_any(PanicsWhenDropped),
            "drop" => drop(DropsBadly),
            "step" => {
                context.step("odd", || async { panic_in_step() }).await?;
            }
            _ => {}
        }
        Ok(context.attempt())
    }
}

fn panic_in_step() -> sdk::Result<()> {
    panic!("in a step")
}

/// Quotes what it was sent, in its trigger, in a step or by itself.
struct Quotes;

#[flow(key = "quotes", respond = Respond::Directly)]
impl Quotes {
    #[on_trigger]
    async fn look(_context: &Context, payload: Payload) -> sdk::Result<()> {
        match payload.header("x-where") {
            Some("trigger") => Err(Error::new(format!("what is {}", payload.data()))),
            _ => Ok(()),
        }
    }

    #[on_execution]
    async fn run(context: &Context, payload: Payload) -> sdk::Result<()> {
        let refuse = || async { Err::<(), _>(Error::new(format!("what is {}", payload.data()))) };
        match payload.header("x-where") {
            Some("step") => context.step("look", refuse).await,
            _ => refuse().await,
        }
    }
}

/// A sender cannot make an error as long as its body, neither in the record nor in an answer.
#[tokio::test]
async fn an_error_that_quotes_a_body_is_cut() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Quotes>());
    let instance = lab.deploy(()).await?;
    let short = |text: &str| text.len() < 17 * 1024 && text.ends_with("… (1000010 bytes in all)");
    for place in ["trigger", "step", "run"] {
        let webhook = instance.webhook::<Quotes>().header("x-where", place);
        let report = webhook.json("x".repeat(1_000_000)).send().await;
        let answer = report.response.body["error"].as_str().unwrap_or_default();
        assert!(short(answer), "{place}: {} bytes", answer.len());
        let Some(run) = report.execution else {
            assert_eq!(place, "trigger");
            continue;
        };
        assert!(run.error.as_deref().is_some_and(short), "{place}");
        let mut of_steps = run.steps.iter().filter_map(|step| step.error.as_deref());
        assert_eq!(
            of_steps.next().map(short),
            (place == "step").then_some(true)
        );
    }
    Ok(())
}

struct PanicsFirst;

#[flow(key = "panics-first")]
impl PanicsFirst {
    #[on_trigger]
    async fn run(_context: &Context) -> sdk::Result<()> {
        panic!("in the trigger")
    }
}

/// E27: a panic, wherever it happens and whatever it carries, is a failed execution with its text; the process lives.
#[tokio::test]
async fn a_panic_is_a_failed_execution() -> Result {
    let lab = Simulation::of(
        Integration::<()>::new("i")
            .flow::<Panics>()
            .flow::<PanicsFirst>(),
    );
    let instance = lab.deploy(()).await?;
    let cases = [
        ("text", "the flow panicked: order 7 is odd"),
        ("number", "the flow panicked: without a text"),
        ("badly", "the flow panicked: without a text"),
        ("drop", "the flow panicked: a panic in drop"),
        ("step", "the flow panicked: in a step"),
    ];
    for (how, text) in cases {
        let report = instance.webhook::<Panics>().json(how).send().await;
        let run = report.execution.ok_or("an execution")?;
        assert_eq!(
            (run.result, run.error.as_deref()),
            (Some(ResultType::Error), Some(text)),
            "{how}"
        );
    }
    let refused = instance.webhook::<PanicsFirst>().send().await;
    assert_eq!(refused.status(), 400);
    let fine = instance.webhook::<Panics>().json("fine").send().await;
    assert_eq!(fine.execution.ok_or("an execution")?.output, 1);
    Ok(())
}

struct Sleeps;

#[flow(key = "sleeps", time_limit = minutes(2))]
impl Sleeps {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<()> {
        context.instance_state().set("slept", &true).await?;
        loop {
            context.sleep(seconds(10)).await;
            context.log().info("still there");
        }
    }

    #[on_instance_remove]
    async fn remove(context: &Context) -> sdk::Result<()> {
        context.sleep(hours(1)).await;
        Ok(())
    }
}

/// E26: the limit of a flow and that of a lifecycle function are two; a run over its limit is gone and has saved nothing.
#[tokio::test]
async fn a_run_and_a_lifecycle_function_have_limits_of_their_own() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Sleeps>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<Sleeps>().send().await;
    lab.advance(hours(1)).await?;
    let runs = instance.executions::<Sleeps>().await;
    assert_eq!(runs[0].result, Some(ResultType::TimedOut));
    assert_eq!(
        runs[0].error.as_deref(),
        Some("the run took longer than its time limit of 120 s")
    );
    assert_eq!(log(&runs[0]).len(), 12, "its task is gone");
    assert!(instance.timeline().await.state.is_empty());
    let before = lab.now();
    let text = refusal(instance.remove().await);
    assert!(
        text.ends_with("the run took longer than its time limit of 30 s"),
        "{text}"
    );
    assert_eq!(lab.now().since(before), seconds(30));
    Ok(())
}

#[derive(ConfigVars)]
struct Config {
    token: Secret,
}

struct Tells;

#[flow(key = "tells")]
impl Tells {
    #[on_execution]
    async fn run(context: &Context<Config>) -> sdk::Result<()> {
        let token = context.config().token.expose();
        context.log().line(
            LogLevel::Warn,
            format!("token {token}"),
            json!({"deep": [token]}),
        );
        let failed = context.step("send", || async move {
            Err::<(), _>(Error::new(format!("401 for {token}")))
        });
        let _ = failed.await;
        Err(Error::new(format!("refused: {token}")))
    }
}

/// E29, G10: no secret in a log line, its fields, the error of a step, that of the execution, or the answer.
#[tokio::test]
async fn secrets_are_taken_out_of_logs_steps_errors_and_answers() -> Result {
    let lab = Simulation::of(Integration::<Config>::new("i").flow::<Tells>());
    let instance = lab
        .deploy(Config {
            token: "hunter2-canary".into(),
        })
        .await?;
    let report = instance.webhook::<Tells>().synchronous(true).send().await;
    assert_eq!(report.response.body, json!({"error": "refused: [token]"}));
    let run = report.execution.ok_or("an execution")?;
    assert_eq!(run.log[0].fields, json!({"deep": ["[token]"]}));
    assert_eq!(run.steps[0].error.as_deref(), Some("401 for [token]"));
    let everything = serde_json::to_string(&instance.timeline().await)?;
    assert!(!everything.contains("canary"), "{everything}");
    Ok(())
}

struct Chats;

#[flow(key = "chats", retry = Retry::times(1).every(seconds(1)))]
impl Chats {
    #[on_execution]
    async fn run(context: &Context, lines: u32) -> sdk::Result<()> {
        for line in 0..lines {
            context.log().info(line.to_string());
        }
        Err(Error::new("the end"))
    }
}

/// E29: the log of an execution ends at its limit, and says so; a retry has a log of its own.
#[tokio::test]
async fn a_log_that_is_full_says_so() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Chats>()).with_settings(Settings {
        log_lines: 100,
        ..settings()
    });
    let instance = lab.deploy(()).await?;
    instance.webhook::<Chats>().json(200).send().await;
    lab.run_until_idle().await?;
    for run in instance.executions::<Chats>().await {
        let lines = log(&run);
        assert_eq!(lines.len(), 101);
        assert_eq!(
            lines[99..],
            ["99", "the log is full after 100 lines; the rest is dropped"]
        );
    }
    Ok(())
}

/// E30: executions, logs and results go when their time is over, each by its own setting.
#[tokio::test]
async fn what_is_old_goes_by_its_own_setting() -> Result {
    let day = 86_400;
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Keeps>()).with_settings(Settings {
        keep_results_seconds: day,
        keep_logs_seconds: 2 * day,
        keep_executions_seconds: 3 * day,
        ..settings()
    });
    let instance = lab.deploy(()).await?;
    instance.webhook::<Keeps>().send().await;
    let kept = || async {
        let runs = instance.executions::<Keeps>().await;
        let run = runs.first();
        let output = run.map(|run| run.output.clone());
        (run.map(|run| run.log.len()), output.unwrap_or_default())
    };
    assert_eq!(kept().await, (Some(1), json!("kept")));
    lab.advance(days(1) + hours(2)).await?;
    assert_eq!(kept().await, (Some(1), Value::Null));
    lab.advance(days(1)).await?;
    assert_eq!(kept().await, (Some(0), Value::Null));
    lab.advance(days(1)).await?;
    assert_eq!(kept().await, (None, Value::Null));
    Ok(())
}

struct Keeps;

#[flow(key = "keeps")]
impl Keeps {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<&'static str> {
        context.log().info("kept");
        Ok("kept")
    }
}

/// W24, E30: the URL of a result holds for its thirty days, though its execution is gone after fourteen.
#[tokio::test]
async fn a_result_is_read_by_its_url_longer_than_its_execution_is_kept() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Keeps>()).with_settings(settings());
    let instance = lab.deploy(()).await?;
    let redirect = instance.webhook::<Keeps>().synchronous(true).send().await;
    assert_eq!(redirect.response.status, 303);
    let at_first = instance.follow(&redirect).await.response;
    assert_eq!((at_first.status, &at_first.body), (200, &json!("kept")));
    lab.advance(days(29)).await?;
    assert!(instance.executions::<Keeps>().await.is_empty());
    let later = instance.follow(&redirect).await.response;
    assert_eq!(
        later, at_first,
        "content type, etag and length are the same"
    );
    assert!(later.headers.contains_key("etag"), "{later:?}");
    lab.advance(days(2)).await?;
    assert_eq!(instance.follow(&redirect).await.response.status, 410);
    Ok(())
}
