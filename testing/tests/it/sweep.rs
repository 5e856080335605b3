//! The crash sweep finds planted faults, and finds nothing where there is nothing.

use sdk::prelude::*;
use testing::{Reply, Result, Simulation, Upstream};

#[derive(Debug, ConfigVars)]
struct Config {
    /// Where the other system is.
    upstream: Url,
}

async fn post(context: &Context<Config>, path: &str) -> sdk::Result<u16> {
    let answer = context
        .http()
        .post(context.config().upstream.join(path))
        .send()
        .await?
        .ok()?;
    Ok(answer.status().as_u16())
}

/// Three effects, each in a step, and a count in the state.
#[derive(Debug)]
struct Careful;

#[flow(key = "careful", retry = Retry::times(2).every(seconds(30)))]
impl Careful {
    #[on_execution]
    async fn work(context: &Context<Config>) -> sdk::Result<u64> {
        context.step("one", || post(context, "one")).await?;
        context.step("two", || post(context, "two")).await?;
        if context.attempt() == 1 {
            return Err(Error::new("the first attempt fails"));
        }
        context.step("three", || post(context, "three")).await?;
        context
            .instance_state()
            .update("runs", |runs: Option<u64>| runs.unwrap_or(0) + 1)
            .await
    }

    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> sdk::Result<()> {
        if context
            .instance_state()
            .get::<bool>("subscribed")
            .await?
            .is_none()
        {
            post(context, "hooks").await?;
            context.instance_state().set("subscribed", &true).await?;
        }
        Ok(())
    }
}

/// An effect between two steps.
#[derive(Debug)]
struct Careless;

#[flow(key = "careless")]
impl Careless {
    #[on_execution]
    async fn work(context: &Context<Config>) -> sdk::Result<()> {
        context.step("one", || post(context, "one")).await?;
        post(context, "between").await?;
        context.step("two", || post(context, "two")).await?;
        Ok(())
    }

    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> sdk::Result<()> {
        post(context, "hooks").await?;
        Ok(())
    }
}

/// State kept outside the product is lost or counted twice: here in a file of the other system, read and written without a step.
#[derive(Debug)]
struct Forgetful;

#[flow(key = "forgetful")]
impl Forgetful {
    #[on_execution]
    async fn work(context: &Context<Config>) -> sdk::Result<()> {
        let seen: u64 = context.execution_state().get("seen").await?.unwrap_or(0);
        context.step("one", || post(context, "one")).await?;
        // What was decided before the step is not in it: the second life of the execution decides anew.
        let place = if context.now() > context.started_at() + seconds(seen) {
            "late"
        } else {
            "early"
        };
        context.sleep(seconds(1)).await;
        context.step("two", || async { Ok(1) }).await?;
        context.instance_state().set("place", &place).await
    }
}

async fn upstream() -> Upstream {
    let upstream = Upstream::start().await;
    for path in ["/one", "/two", "/three", "/between", "/hooks"] {
        upstream.allow("POST", path, [Reply::status(201)]).await;
    }
    upstream
}

fn simulation() -> Simulation<Config> {
    let integration = Integration::new("swept")
        .flow::<Careful>()
        .flow::<Careless>()
        .flow::<Forgetful>();
    Simulation::of(integration).at("2026-03-27T16:50:00Z")
}

/// G2, G3: a flow whose effects are in steps survives a crash at every durable write, its retry included.
#[tokio::test]
async fn a_careful_flow_survives_a_crash_anywhere() -> Result {
    let (upstream, lab) = (upstream().await, simulation());
    let instance = lab
        .deploy(Config {
            upstream: upstream.url(),
        })
        .await?;
    assert_eq!(instance.webhook::<Careful>().send().await.status(), 200);
    lab.run_until_idle().await?;
    let sweep = lab.survives_a_crash_anywhere().await?;
    for point in ["deploy", "accept", "step", "finish"] {
        assert!(
            sweep.points.contains(&point),
            "{point} in {:?}",
            sweep.points
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_effect_outside_a_step_is_caught_and_told_where() -> Result {
    let (upstream, lab) = (upstream().await, simulation());
    let instance = lab
        .deploy(Config {
            upstream: upstream.url(),
        })
        .await?;
    instance.webhook::<Careless>().send().await;
    let failure = lab
        .survives_a_crash_anywhere()
        .await
        .expect_err("a finding")
        .to_string();
    let told =
        "flow `careless` sent `POST /between` again, 2 times instead of 1; put it into a step";
    assert!(failure.contains(told), "{failure}");
    assert!(
        failure.contains("(`step` of `two` in flow `careless`)"),
        "{failure}"
    );
    assert!(!failure.contains("/one"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_state_that_a_crash_changes_is_caught() -> Result {
    let (upstream, lab) = (upstream().await, simulation());
    let instance = lab
        .deploy(Config {
            upstream: upstream.url(),
        })
        .await?;
    instance.webhook::<Forgetful>().send().await;
    lab.run_until_idle().await?;
    let failure = lab
        .survives_a_crash_anywhere()
        .await
        .expect_err("a finding")
        .to_string();
    assert!(
        failure.contains("the state `instance of forgetful: place` (instance 1)")
            && failure.contains("\"late\" instead of \"early\""),
        "{failure}"
    );
    Ok(())
}

/// E51: deploy functions must be idempotent, and the testing crate checks that.
#[tokio::test]
async fn a_deploy_function_that_creates_twice_is_caught() -> Result {
    let (upstream, lab) = (upstream().await, simulation());
    lab.deploy(Config {
        upstream: upstream.url(),
    })
    .await?;
    let failure = lab
        .deploys_twice_alike()
        .await
        .expect_err("a finding")
        .to_string();
    assert!(
        failure.contains("flow `careless` sent `POST /hooks` again at the second deploy"),
        "{failure}"
    );
    assert!(!failure.contains("`careful`"), "{failure}");
    Ok(())
}

/// The whole life of an instance: webhooks, time, pause, redeploy, removal.
#[tokio::test]
async fn the_whole_life_of_an_instance_survives_a_crash_anywhere() -> Result {
    let lab = Simulation::of(lab::integration()).at("2026-03-27T16:50:00Z");
    let config = || lab::Config {
        hmac_secret: "AC49CB66-511F-4085-9119-360B1B142F4B".into(),
    };
    let instance = lab.deploy(config()).await?;
    instance
        .webhook::<lab::Signed>()
        .json(serde_json::json!({"a": 1}))
        .signed()
        .send()
        .await;
    instance.webhook::<lab::Steps>().query("ms", 5).send().await;
    instance
        .webhook::<lab::Flaky>()
        .query("succeed_on", 3)
        .send()
        .await;
    for id in [7, 7, 8] {
        instance
            .webhook::<lab::Ordered>()
            .json(serde_json::json!({"id": id}))
            .send()
            .await;
    }
    lab.advance(minutes(3)).await?;
    instance.pause().await?;
    lab.advance(minutes(2)).await?;
    instance.resume().await?;
    instance.redeploy(config()).await?;
    instance.webhook::<lab::Counter>().direct().send().await;
    instance.remove().await?;
    let sweep = lab.survives_a_crash_anywhere().await?;
    assert!(sweep.points.len() > 30, "{:?}", sweep.points);
    Ok(())
}
