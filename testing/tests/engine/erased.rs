//! What is left of a removed instance, and until when (E52).

use std::sync::Arc;
use std::time::Duration;

use runner::clock::Clock as _;
use runner::deploy::{Customer, DeployRequest, Removal};
use runner::instance::InstanceStatus;
use runner::record::{StateKey, Status};
use runner::settings::Settings;
use runner::store::{Commit, Point, Store as _, Write};
use sdk::prelude::*;
use sdk::state::StateScope;
use serde_json::{Value, json};
use testing::{Result, SimulatedInstance, Simulation};

use crate::bench::{Bench as _, refusal, settings, statuses};
use crate::world::{Fault, Lasting, World};

#[derive(ConfigVars)]
struct Config {
    /// The key for the other system.
    key: Secret,
}

fn config() -> Config {
    Config {
        key: "sesame".into(),
    }
}

struct Counts;

#[flow(key = "counts", lifecycle_retry = Retry::times(1).every(seconds(1)))]
impl Counts {
    #[on_execution]
    async fn count(context: &Context<Config>, _body: Value) -> sdk::Result<u32> {
        let more = |count: Option<u32>| count.unwrap_or(0) + 1;
        context.instance_state().merge("count", more).await?;
        let count: Option<u32> = context.instance_state().get("count").await?;
        Ok(count.unwrap_or(0))
    }

    #[on_instance_deploy]
    async fn deploy(context: &Context<Config>) -> sdk::Result<()> {
        context.instance_state().set("deployed", &true).await
    }

    #[on_first_deploy]
    async fn first(context: &Context<Config>) -> sdk::Result<()> {
        let more = |count: Option<u32>| count.unwrap_or(0) + 1;
        context.instance_state().merge("first", more).await
    }

    #[on_instance_remove]
    async fn remove(context: &Context<Config>) -> sdk::Result<()> {
        context.log().info("cleaned up");
        Ok(())
    }
}

struct Ticks;

#[flow(key = "ticks", trigger = Schedule::every(hours(1)))]
impl Ticks {
    #[on_execution]
    async fn run(_context: &Context<Config>) -> sdk::Result<()> {
        Ok(())
    }
}

fn integration() -> Integration<Config> {
    Integration::new("i").flow::<Counts>().flow::<Ticks>()
}

fn lab() -> Simulation<Config> {
    Simulation::of(integration()).with_settings(settings())
}

async fn count(instance: &SimulatedInstance<Config>) -> Value {
    let sent = instance.webhook::<Counts>().synchronous(true).send().await;
    instance.follow(&sent).await.response.body
}

/// How many values of the state there are, and how many instances.
async fn left(lab: &Simulation<Config>, of: &SimulatedInstance<Config>) -> Result<(usize, usize)> {
    let store = &lab.runner().await?.engine.ports.store;
    let instances = store.instances().await?;
    let kept = instances.iter().filter(|it| it.id == *of.id()).count();
    Ok((store.states(of.id()).await?.len(), kept))
}

/// E52: state and secrets are erased after the time that the operator has set, to the moment; until then nothing of the instance runs.
#[tokio::test]
async fn a_removed_instance_is_erased_when_its_time_has_come() -> Result {
    let lab = Simulation::of(integration()).with_settings(Settings {
        keep_removed_seconds: 3600 * 24,
        ..settings()
    });
    let instance = lab.deploy(config()).await?;
    count(&instance).await;
    let request = instance.webhook::<Counts>().request();
    let ran = instance.remove().await?;
    assert_eq!(ran.executions.len(), 1);
    let runs = instance.timeline().await.executions;
    let removed = lab.runner().await?.engine.instances.find(instance.id());
    let removed = removed.ok_or("an instance")?;
    let now = lab.runner().await?.engine.ports.clock.now();
    assert_eq!(removed.facts.status, InstanceStatus::Removed);
    assert_eq!(removed.facts.erase_at, Some(now + hours(24)));

    lab.advance(millis(86_399_999)).await?;
    assert_eq!(left(&lab, &instance).await?, (3, 1));
    instance.send(request.clone()).await.assert_refused(404);
    assert_eq!(instance.next_fire::<Ticks>(), None);
    assert_eq!(instance.timeline().await.executions.len(), runs.len());
    lab.advance(millis(1)).await?;
    assert_eq!(left(&lab, &instance).await?, (0, 0));
    instance.send(request).await.assert_refused(404);
    assert!(
        lab.runner()
            .await?
            .engine
            .instances
            .find(instance.id())
            .is_none()
    );
    Ok(())
}

/// E52, W3: its endpoint answers as one that never was, whatever is asked.
#[tokio::test]
async fn the_endpoint_of_a_removed_instance_answers_as_an_unknown_one() -> Result {
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    let known = instance.webhook::<Counts>().request();
    let mut unknown = known.clone();
    *unknown.uri_mut() = "https://hooks.example.test/trigger/nobody".parse()?;
    instance.remove_keeping(hours(1)).await?;
    for method in ["POST", "GET", "OPTIONS", "PATCH", "BREW"] {
        let (mut known, mut unknown) = (known.clone(), unknown.clone());
        *known.method_mut() = method.parse()?;
        *unknown.method_mut() = method.parse()?;
        let (known, unknown) = (instance.send(known).await, instance.send(unknown).await);
        assert_eq!(known.response, unknown.response, "{method}");
        assert_eq!(known.execution, None);
    }
    Ok(())
}

/// E52: until it is erased, a deploy brings an instance back with what it knew: state, secrets, endpoint, keys. What fell due meanwhile
/// does not run.
#[tokio::test]
async fn a_removed_instance_is_brought_back_by_a_deploy() -> Result {
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    let key = instance.add_api_key::<Counts>().await?;
    let send = || instance.webhook::<Counts>().api_key(&key).synchronous(true);
    assert_eq!(instance.follow(&send().send().await).await.response.body, 1);
    let url = instance.url_of::<Counts>();
    instance.remove_keeping(days(7)).await?;
    assert!(lab.instances().await?.is_empty());
    lab.advance(days(3)).await?;

    instance.redeploy_as_is().await?;
    assert_eq!(instance.url_of::<Counts>(), url);
    assert_eq!(instance.follow(&send().send().await).await.response.body, 2);
    let state = instance.timeline().await.state;
    assert_eq!(state["instance of counts: first"], 1, "E2");
    lab.advance(days(5)).await?;
    assert_eq!(left(&lab, &instance).await?.1, 1, "it is not erased");
    let ticks = instance.executions::<Ticks>().await;
    assert_eq!(ticks.len(), 5 * 24);
    assert_eq!(statuses(&ticks[..2]), [Status::Success; 2]);
    Ok(())
}

/// E52: a removed instance is erased at once, or kept longer, by whoever says so; who says nothing is told until when it is kept.
#[tokio::test]
async fn the_time_of_a_removed_instance_can_be_changed() -> Result {
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    instance.remove_keeping(hours(1)).await?;
    let text = refusal(instance.remove().await);
    let expected = format!(
        "instance `{}` is removed and will be erased at 2026-01-01T01:00:00Z; deploy it again to bring it back, or remove it with `keep_seconds` 0 to erase it now",
        instance.id()
    );
    assert_eq!(text, expected);
    let again = instance.remove_keeping(hours(2)).await?;
    assert_eq!(again.executions, [], "nothing runs again");
    lab.advance(hours(1)).await?;
    assert_eq!(left(&lab, &instance).await?.1, 1);
    instance.remove_keeping(Duration::ZERO).await?;
    assert_eq!(left(&lab, &instance).await?, (0, 0));
    assert!(refusal(instance.remove().await).starts_with("there is no instance"));
    Ok(())
}

/// E52, E28: nothing of a removed instance is run by hand, paused, resumed, replayed or given a key.
#[tokio::test]
async fn nothing_is_done_to_a_removed_instance() -> Result {
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    count(&instance).await;
    instance.remove_keeping(hours(1)).await?;
    assert!(refusal(instance.pause().await).ends_with("is not active"));
    assert!(refusal(instance.resume().await).ends_with("is not paused"));
    let text = refusal(instance.add_api_key::<Counts>().await);
    assert!(text.contains("is removed and will be erased"), "{text}");
    for run in instance.executions::<Counts>().await {
        let refused = lab.replay(&run.id, runner::engine::ReplayFrom::Start).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("its instance is removed"), "{text}");
    }
    Ok(())
}

/// E52: a crash at any durable write of a removal, and of the erasing behind it, loses nothing and leaves nothing.
#[tokio::test]
async fn e52_a_crash_anywhere_between_removal_and_erasing_leaves_nothing() -> Result {
    let lab = lab();
    let instance = lab.deploy(config()).await?;
    instance.webhook::<Counts>().send().await;
    instance.remove_keeping(hours(2)).await?;
    lab.advance(minutes(30)).await?;
    instance.redeploy_as_is().await?;
    instance.remove_keeping(hours(2)).await?;
    lab.advance(hours(3)).await?;
    let points = lab.survives_a_crash_anywhere().await?.points;
    for point in ["remove", "removed", "erase"] {
        assert!(points.contains(&point), "{point} in {points:?}");
    }
    Ok(())
}

async fn deployed(world: &World, customer: &str) -> Arc<runner::instance::Instance> {
    let deployer = Arc::clone(&world.runner.deployer);
    let request = DeployRequest {
        config: Some(config().encode()),
        customer: Some(Customer {
            id: customer.into(),
            name: None,
        }),
        ..DeployRequest::default()
    };
    let report = world.drive(async move { deployer.deploy(None, request).await });
    report.await.unwrap().unwrap().instance
}

async fn remove(world: &World, id: &sdk::id::InstanceId, keep: Duration) {
    let (deployer, id) = (Arc::clone(&world.runner.deployer), id.clone());
    let removal = Removal {
        keep: Some(keep),
        ..Removal::default()
    };
    let removed = world.drive(async move { deployer.remove(&id, removal).await });
    assert!(removed.await.unwrap().unwrap().succeeded);
}

/// E52: times that passed while no process ran are caught up at the start, the others are kept.
#[tokio::test]
async fn a_time_that_passed_while_the_process_was_down_is_caught_up() {
    let built = integration().build().unwrap();
    let lasting = Lasting::new(built, Settings::default());
    let world = World::start(&lasting, None).await;
    let (one, two) = (deployed(&world, "one").await, deployed(&world, "two").await);
    remove(&world, &one.id, hours(1)).await;
    remove(&world, &two.id, hours(3)).await;
    world.kill();
    lasting.clock.advance_to(lasting.clock.now() + hours(2));
    let world = World::start(&lasting, None).await;
    let kept = lasting.disk.instances().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].id, two.id);
    world.advance(hours(1), |_| {}).await;
    assert_eq!(lasting.disk.instances().await.unwrap(), []);
    assert_eq!(lasting.disk.states(&one.id).await.unwrap(), []);
}

#[derive(ConfigVars)]
struct Demanding {
    /// What no instance was deployed with.
    novelty: String,
}

struct CountsMore;

#[flow(key = "counts")]
impl CountsMore {
    #[on_execution]
    async fn run(_context: &Context<Demanding>, _body: Value) -> sdk::Result<()> {
        Ok(())
    }
}

/// E52: a removed instance stays one whose config values a new version does not understand, and is erased at its time.
#[tokio::test]
async fn a_removed_instance_of_another_version_is_erased_at_its_time() {
    let built = integration().build().unwrap();
    let mut lasting = Lasting::new(built, Settings::default());
    let world = World::start(&lasting, None).await;
    let (one, two) = (deployed(&world, "one").await, deployed(&world, "two").await);
    remove(&world, &one.id, hours(1)).await;
    world.kill();
    let later = Integration::new("i").flow::<CountsMore>();
    lasting.integration = later.build().unwrap();
    let world = World::start(&lasting, None).await;
    let instances = &world.runner.engine.instances;
    let status = |id| instances.find(id).map(|found| found.facts.status);
    assert_eq!(status(&one.id), Some(InstanceStatus::Removed));
    assert_eq!(status(&two.id), Some(InstanceStatus::DeployFailed));
    world.advance(hours(1), |_| {}).await;
    assert_eq!(status(&one.id), None);
    assert_eq!(status(&two.id), Some(InstanceStatus::DeployFailed));
}

/// E52: an instance that a version stored which did not know of all this is read as it was.
#[tokio::test]
async fn an_instance_of_an_older_database_is_there() {
    let built = integration().build().unwrap();
    let lasting = Lasting::new(built, Settings::default());
    let world = World::start(&lasting, None).await;
    let instance = deployed(&world, "acme").await;
    world.kill();
    let stored = lasting.disk.instances().await.unwrap().remove(0);
    let mut older = (*stored).clone();
    let open = older.open.as_object_mut().unwrap();
    assert_eq!(open.remove("erase_at"), Some(Value::Null));
    let put = Commit::new(Point::Deploy, vec![Write::PutInstance(older.into())]);
    lasting.disk.commit(put).await.unwrap();
    let world = World::start(&lasting, None).await;
    let found = world.runner.engine.instances.get(&instance.id).unwrap();
    assert_eq!(found.facts.status, InstanceStatus::Active);
    world.advance(days(1), |_| {}).await;
    assert!(world.runner.engine.instances.get(&instance.id).is_some());
}

/// E52: a store that does not take the erasing is asked again; until it does, everything is there.
#[tokio::test]
async fn a_store_that_fails_at_the_time_is_asked_again() {
    for fault in [Fault::Full, Fault::LostBefore, Fault::LostAfter] {
        let built = integration().build().unwrap();
        let lasting = Lasting::new(built, Settings::default());
        let world = World::start(&lasting, None).await;
        let instance = deployed(&world, "acme").await;
        remove(&world, &instance.id, minutes(1)).await;
        world.store.arm(0, fault);
        world.advance(minutes(1), |_| {}).await;
        let instances = &world.runner.engine.instances;
        assert!(instances.find(&instance.id).is_some(), "{fault:?}");
        world.advance(seconds(1), |_| {}).await;
        assert!(instances.find(&instance.id).is_none(), "{fault:?}");
        assert!(lasting.disk.instances().await.unwrap().is_empty());
        let key = StateKey {
            instance: instance.id.clone(),
            scope: StateScope::Instance,
            owner: "counts".into(),
            key: "deployed".to_owned(),
        };
        assert_eq!(lasting.disk.state(&key).await.unwrap().0, None);
    }
}

/// E50, W3: a customer is known by an id that can be one.
#[tokio::test]
async fn an_impossible_customer_is_refused() -> Result {
    let lab = lab();
    for (id, fault) in [
        ("", "is empty"),
        (" ", "begins or ends with a space"),
        ("acme ", "begins or ends with a space"),
        ("ac\nme", "holds a control character"),
        (&"a".repeat(257), "is longer than 256 bytes"),
    ] {
        let text = refusal(lab.deploy_for(id, config()).await);
        let expected = format!(
            "the id of the customer {fault}; give the one by which your product knows the customer"
        );
        assert_eq!(text, expected);
    }
    assert!(lab.instances().await?.is_empty());
    lab.deploy_for("Acme & Söhne", config()).await?;
    lab.deploy_for(&"a".repeat(256), config()).await?;
    Ok(())
}

struct Shared;

#[flow(key = "shared", trigger = Webhook::unsigned())]
impl Shared {
    #[on_execution]
    async fn run(context: &Context<Config>, _body: Value) -> sdk::Result<String> {
        Ok(context.customer().id.to_string())
    }
}

/// E52, W2, W3: at an endpoint that customers share, a removed instance is not found and does not stand in the way of a new one.
#[tokio::test]
async fn the_customer_of_a_removed_instance_may_have_another() -> Result {
    let endpoint = sdk::endpoint::SharedEndpoint::customer_from(sdk::endpoint::Field::body("/c"))
        .flow_from(sdk::endpoint::Field::body("/f"));
    let integration = Integration::new("i").flow::<Shared>();
    let lab = Simulation::of(integration.shared_endpoint(endpoint)).with_settings(settings());
    let first = lab.deploy_for("acme", config()).await?;
    let send = || {
        lab.shared_webhook()
            .json(json!({"c": "acme", "f": "shared"}))
            .send()
    };
    assert_eq!(send().await.status(), 200);
    first.remove_keeping(hours(1)).await?;
    assert_eq!(send().await.status(), 404);
    let second = lab.deploy_for("acme", config()).await?;
    assert_eq!(send().await.status(), 200);
    assert_eq!(second.executions::<Shared>().await.len(), 1);
    let text = refusal(first.redeploy_as_is().await);
    assert!(text.contains("has instance"), "{text}");
    second.remove().await?;
    first.redeploy_as_is().await?;
    assert_eq!(send().await.status(), 200);
    Ok(())
}
