//! What a test does to single executions, as an operator would (E24, E28).

use sdk::prelude::*;
use testing::{Result, Simulation};

struct Ship;

#[flow(
    key = "ship",
    queue = Queue::sequential().on_poison(Poison::Park),
    retry = Retry::times(1).every(minutes(1)),
)]
impl Ship {
    #[on_execution]
    async fn ship(context: &Context, parcel: String) -> sdk::Result<String> {
        let label = async || Ok(context.execution_id().to_string());
        let label: String = context.step("label", label).await?;
        context.sleep(minutes(1)).await;
        let is_replayed = context.invoked_by() == "REPLAY";
        match parcel.as_str() {
            "lost" if !is_replayed => Err(Error::new("the parcel is lost").permanent()),
            _ => Ok(label),
        }
    }
}

fn lab() -> Simulation<()> {
    Simulation::of(Integration::new("parcels").flow::<Ship>())
}

#[tokio::test]
async fn what_waits_behind_a_dead_letter_goes_on_when_that_is_replayed() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    for parcel in ["lost", "first", "second"] {
        instance.webhook::<Ship>().json(parcel).send().await;
    }
    let parked = lab.run_until_idle().await.unwrap_err().to_string();
    assert_eq!(
        parked,
        "executions of flow `ship` wait behind one that is out of attempts, and nothing else goes on; replay or dismiss that one"
    );
    let dead = instance.dead_letters().await;
    assert_eq!(dead.len(), 1);
    let lost = dead[0].assert_failed("the parcel is lost");

    let replay = instance.replay_from_failed_step(&lost.id).await?;
    lab.run_until_idle().await?;
    let replayed = instance.execution(&replay).await;
    assert_eq!(replayed.assert_completed().output, lost.id.as_str());
    assert_eq!(instance.dead_letters().await, []);
    assert_eq!(instance.executions::<Ship>().await.len(), 4);

    let again = instance.replay(&lost.id).await?;
    lab.run_until_idle().await?;
    assert_eq!(instance.execution(&again).await.output, again.as_str());

    lab.survives_a_crash_anywhere().await?;
    Ok(())
}

#[tokio::test]
async fn a_dead_letter_is_dismissed_and_what_waits_is_cancelled() -> Result {
    let lab = lab();
    let instance = lab.deploy(()).await?;
    for parcel in ["lost", "first", "second"] {
        instance.webhook::<Ship>().json(parcel).send().await;
    }
    lab.advance(minutes(5)).await?;
    let runs = instance.executions::<Ship>().await;
    instance.cancel(&runs[1].id).await?;
    instance.dismiss(&runs[0].id).await?;
    lab.run_until_idle().await?;
    let runs = instance.executions::<Ship>().await;
    runs[1].assert_failed("the execution was cancelled");
    runs[2].assert_completed();
    assert_eq!(instance.dead_letters().await, []);

    let ended = instance.cancel(&runs[2].id).await.unwrap_err();
    let text = format!("execution `{}` has ended already", runs[2].id);
    assert_eq!(ended.to_string(), text);
    let nobody = instance.replay(&"nobody".into()).await.unwrap_err();
    assert_eq!(nobody.to_string(), "there is no execution `nobody`");

    lab.survives_a_crash_anywhere().await?;
    Ok(())
}

#[tokio::test]
async fn an_execution_of_another_instance_is_none_of_this_one() -> Result {
    let lab = lab();
    let acme = lab.deploy_for("acme", ()).await?;
    let globex = lab.deploy_for("globex", ()).await?;
    acme.webhook::<Ship>().json("first").send().await;
    let run = acme.last::<Ship>().await.id;
    assert!(globex.cancel(&run).await.is_err());
    acme.cancel(&run).await?;
    Ok(())
}
