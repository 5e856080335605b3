use sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use testing::Simulation;

struct SyncContact;

/// Changes of one contact in the order in which they came, each once; other contacts do not wait.
#[flow(
    key = "sync-contact",
    queue = Queue::order_by("/contact").on_poison(Poison::Park),
    dedupe = Dedupe::by("/delivery").within(hours(2)),
    retry = Retry::times(3).every(minutes(1)),
)]
impl SyncContact {
    #[on_execution]
    async fn sync(context: &Context, change: Change) -> Result<()> {
        if change.number == 1 && context.attempt() == 1 {
            return Err(Error::new("the address book is busy").retry_after(minutes(10)));
        }
        let add = move |mut done: Vec<u32>| { done.push(change.number); done };
        let append = move |done: Option<Vec<u32>>| add(done.unwrap_or_default());
        context.instance_state().update(&change.contact, append).await?;
        Ok(())
    }
}

#[derive(Deserialize, Serialize)]
struct Change {
    delivery: String,
    contact: String,
    number: u32,
}

#[tokio::test]
async fn changes_of_a_contact_wait_for_the_retry_of_the_one_before() -> testing::Result {
    let lab = Simulation::of(Integration::new("contacts").flow::<SyncContact>());
    let instance = lab.deploy(()).await?;
    for (contact, number) in [("ada", 1), ("ada", 2), ("bob", 3), ("ada", 2)] {
        let change = json!({"delivery": format!("d-{number}"), "contact": contact, "number": number});
        instance.webhook::<SyncContact>().json(change).send().await.assert_status(200);
    }

    let state = instance.instance_state::<SyncContact>();
    let done = async |contact| state.get::<Vec<u32>>(contact).await.unwrap_or_default();
    assert_eq!((done("ada").await, done("bob").await), (vec![], vec![3]));
    lab.advance(minutes(10)).await?;
    assert_eq!(done("ada").await, [1, 2]);
    Ok(())
}
