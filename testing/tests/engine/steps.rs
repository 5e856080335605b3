//! Steps (E20, E23).

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use runner::engine::ReplayFrom;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, Simulation};

use crate::bench::Bench as _;

thread_local! {
    /// The steps whose work ran, in order: a test has a thread of its own.
    static RAN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn ran(name: impl Into<String>) {
    RAN.with_borrow_mut(|ran| ran.push(name.into()));
}

fn take_ran() -> Vec<String> {
    RAN.with_borrow_mut(std::mem::take)
}

struct AtOnce;

#[flow(key = "at-once", retry = Retry::times(1).every(seconds(1)))]
impl AtOnce {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<Value> {
        let work = |name: &'static str, wait: u64| {
            context.step(name, move || async move {
                ran(name);
                context.sleep(seconds(wait)).await;
                Ok(wait)
            })
        };
        let (slow, quick) = tokio::try_join!(work("slow", 3), work("quick", 1))?;
        let first = tokio::select! {
            won = work("loses", 9) => won?,
            won = work("wins", 2) => won?,
        };
        let pages = (1..4).map(|wait| work("page", wait));
        let pages: u64 = try_join_all(pages).await?.into_iter().sum();
        match context.attempt() {
            1 => Err(Error::new("once more")),
            _ => Ok(json!([slow, quick, first, pages])),
        }
    }
}

/// E20: steps are found by name and count, so those that run at once are found again too; one that was dropped runs again.
#[tokio::test]
async fn steps_that_run_at_once_are_found_again() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<AtOnce>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<AtOnce>().send().await;
    lab.run_until_idle().await?;
    assert_eq!(
        instance.executions::<AtOnce>().await[1].output,
        json!([3, 1, 2, 6])
    );
    let ran = take_ran();
    let times = |name: &str| ran.iter().filter(|it| *it == name).count();
    assert_eq!(["slow", "quick", "wins", "page"].map(times), [1, 1, 1, 3]);
    Ok(())
}

struct Loops;

#[flow(key = "loops", retry = Retry::times(1).every(seconds(1)))]
impl Loops {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<Vec<u32>> {
        let mut results = Vec::new();
        for place in 0..4 {
            let work = || async move {
                ran(place.to_string());
                match (place, context.attempt()) {
                    (2, 1) => Err(Error::new("not yet")),
                    _ => Ok(place),
                }
            };
            results.push(context.step("page", work).await?);
        }
        Ok(results)
    }
}

/// E20: the count tells steps of one name apart; only what had not finished runs again.
#[tokio::test]
async fn a_loop_goes_on_behind_the_last_finished_step() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Loops>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<Loops>().send().await;
    lab.run_until_idle().await?;
    assert_eq!(take_ran(), ["0", "1", "2", "2", "3"]);
    assert_eq!(
        instance.executions::<Loops>().await[1].output,
        json!([0, 1, 2, 3])
    );
    Ok(())
}

struct Changes;

#[flow(key = "changes")]
impl Changes {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<Value> {
        if context.invoked_by() == "REPLAY" {
            let number: u32 = context.step("ask", || async { Ok(7) }).await?;
            return Ok(json!(number));
        }
        let text: String = context
            .step("ask", || async { Ok("seven".to_owned()) })
            .await?;
        Err(Error::new(text))
    }
}

/// E20: a recorded result that no longer fits its type is an error that names the step and the remedy.
#[tokio::test]
async fn a_recorded_result_that_no_longer_fits_is_an_error_with_the_remedy() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Changes>());
    let instance = lab.deploy(()).await?;
    let report = instance.webhook::<Changes>().send().await;
    let id = report.execution.ok_or("an execution")?.id;
    lab.replay(&id, ReplayFrom::FailedStep).await?;
    lab.replay(&id, ReplayFrom::Start).await?;
    let runs = instance.executions::<Changes>().await;
    let error = runs[1].error.clone().unwrap_or_default();
    assert!(
        error.starts_with("the recorded result of step `ask` does not fit `u32`"),
        "{error}"
    );
    assert!(
        error.ends_with("replay the execution from the start"),
        "{error}"
    );
    assert_eq!(runs[2].output, 7);
    Ok(())
}

struct Tries;

#[flow(key = "tries")]
impl Tries {
    #[on_execution]
    async fn run(context: &Context, permanent: bool) -> sdk::Result<Value> {
        let began = context.now();
        let work = || async {
            ran("try");
            let error = Error::new("no");
            Err::<u32, _>(if permanent { error.permanent() } else { error })
        };
        let step = context
            .step("fragile", work)
            .retry(Retry::times(2).every(seconds(5)));
        let ignored = step.ignore().await?;
        let text = ignored.err().map(|error| error.to_string());
        Ok(json!([text, context.now().since(began).as_secs()]))
    }
}

/// E23: attempts and delay inside the execution; `ignore` goes on with the error as a value; a permanent error is not tried again.
#[tokio::test]
async fn a_step_is_tried_again_and_its_error_may_be_a_value() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Tries>());
    let instance = lab.deploy(()).await?;
    for (permanent, tries, seconds) in [(false, 3, 10), (true, 1, 0)] {
        instance.webhook::<Tries>().json(permanent).send().await;
        lab.run_until_idle().await?;
        let runs = instance.executions::<Tries>().await;
        let run = &runs[runs.len() - 1];
        assert_eq!(run.output, json!(["no", seconds]));
        assert_eq!(take_ran().len(), tries);
        let runner = lab.runner().await?;
        let steps = runner.engine.ports.store.steps(&run.id).await?;
        assert_eq!(steps[0].attempts, u32::try_from(tries)?);
    }
    Ok(())
}

struct Nests;

#[flow(key = "nests", retry = Retry::times(2).every(seconds(1)))]
impl Nests {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<Value> {
        let page =
            |name: &'static str| context.step("page", move || async move { Ok(name.to_owned()) });
        let mut all: Vec<String> = Vec::new();
        for part in ["first", "second"] {
            let pages = || async move { Ok((page(part).await?, page("rest").await?)) };
            let (one, rest) = context.step("part › of it", pages).await?;
            all.extend([one, rest]);
        }
        all.push(page("last").await?);
        match context.attempt() {
            1 | 2 => Err(Error::new("once more")),
            _ => Ok(json!(all)),
        }
    }
}

/// E20: a step inside a step that had finished is not begun again; those of its name behind it are still found by their own count.
#[tokio::test]
async fn steps_inside_a_finished_step_are_not_taken_for_those_behind_it() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Nests>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<Nests>().send().await;
    lab.run_until_idle().await?;
    let runs = instance.executions::<Nests>().await;
    let steps = |run: &testing::ExecutionReport| run.steps.len();
    assert_eq!(runs.iter().map(steps).collect::<Vec<_>>(), [7, 0, 0]);
    assert_eq!(
        runs[2].assert_completed().output,
        json!(["first", "rest", "second", "rest", "last"])
    );
    assert_eq!(runs[0].step("page"), "last");
    assert_eq!(runs[0].step("part › of it"), &json!(["second", "rest"]));
    lab.survives_a_crash_anywhere().await?;
    Ok(())
}

struct Catches;

#[flow(key = "catches", retry = Retry::times(1).every(minutes(1)))]
impl Catches {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<Value> {
        let attempt = context.attempt();
        let fragile = context.step("fragile", || async move {
            assert!(attempt > 1, "the first time it breaks");
            Ok(())
        });
        // Whoever catches it says so, in either attempt.
        let _ = AssertUnwindSafe(fragile).catch_unwind().await;
        let once = context.step("once", || async move { Ok(attempt) }).await?;
        match attempt {
            1 => Err(Error::new("later")),
            _ => Ok(json!({"once": once})),
        }
    }
}

/// E20: a step whose panic the author catches does not count as the place of those behind it.
#[tokio::test]
async fn a_step_behind_one_that_panicked_is_found_again() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Catches>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<Catches>().send().await;
    lab.run_until_idle().await?;
    let runs = instance.executions::<Catches>().await;
    assert_eq!(runs[1].assert_completed().output, json!({"once": 1}));
    Ok(())
}

struct Ignores;

#[flow(key = "ignores", retry = Retry::times(1).every(minutes(1)))]
impl Ignores {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<Value> {
        let plain = || async { Err::<(), _>(Error::new("plain")) };
        let plain = context.step("plain", plain).ignore().await?;
        let rich = || async {
            let error = Error::new("no row 17").context("no stock").permanent();
            let error = error.with_status(409).retry_after(minutes(7));
            Err::<(), _>(error.for_caller("sold out"))
        };
        let rich = context.step("rich", rich).ignore().await?;
        if context.attempt() == 1 {
            return Err(Error::new("once more"));
        }
        let told = |error: &Error| {
            json!([
                error.chain(),
                error.caller_text(),
                error.status(),
                error.is_permanent(),
                error.wait()
            ])
        };
        Ok([plain, rich]
            .iter()
            .filter_map(|it| it.as_ref().err())
            .map(told)
            .collect())
    }
}

/// E20, E23: an error that is a value is recorded with everything that the author can ask of it, so that a run that goes on from it
/// decides alike.
#[tokio::test]
async fn an_ignored_error_is_the_same_when_it_is_tried_again() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Ignores>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<Ignores>().send().await;
    lab.run_until_idle().await?;
    let seven_minutes = json!({"secs": 420, "nanos": 0});
    assert_eq!(
        instance.last::<Ignores>().await.assert_completed().output,
        json!([
            ["plain", "plain", null, false, null],
            ["no stock: no row 17", "sold out", 409, true, seven_minutes],
        ])
    );
    let first = &instance.executions::<Ignores>().await[0];
    assert_eq!(first.step("plain"), &json!({"err": "plain"}));
    Ok(())
}

struct Logs;

#[flow(key = "logs")]
impl Logs {
    #[on_execution]
    async fn run(context: &Context) -> sdk::Result<()> {
        let log = context.log();
        log.info("before");
        let slow = context.step("slow", || async {
            log.info("begins");
            context.sleep(seconds(2)).await;
            log.info("ends");
            Ok(())
        });
        let quick = context.step("quick", || async {
            context.sleep(seconds(1)).await;
            log.info("works");
            context
                .step("inner", || async {
                    log.info("deep");
                    Ok(())
                })
                .await?;
            log.info("goes on");
            Ok(())
        });
        let (slow, quick) = tokio::join!(slow, quick);
        log.info("after");
        slow.and(quick)
    }
}

/// E29: a line of the log names its step, also of steps that run at once or one inside the other.
#[tokio::test]
async fn a_line_of_the_log_names_its_step() -> Result {
    let lab = Simulation::of(Integration::<()>::new("i").flow::<Logs>());
    let instance = lab.deploy(()).await?;
    instance.webhook::<Logs>().send().await;
    lab.run_until_idle().await?;
    let runs = instance.executions::<Logs>().await;
    let lines: Vec<_> = runs[0]
        .log
        .iter()
        .map(|line| (line.step.as_deref(), line.text.as_str()))
        .collect();
    let expected = [
        (None, "before"),
        (Some("slow"), "begins"),
        (Some("quick"), "works"),
        (Some("inner"), "deep"),
        (Some("quick"), "goes on"),
        (Some("slow"), "ends"),
        (None, "after"),
    ];
    assert_eq!(lines, expected);
    Ok(())
}
