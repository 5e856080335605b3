//! What is known when all is over.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use runner::record::{Execution, StepRecord};
use runner::store::{ExecutionFilter, Store};
use sdk::Timestamp;

use super::Delivery;

/// All that the checker looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// What callers sent and were told.
    pub(crate) deliveries: Vec<Delivery>,
    /// What the store has in the end.
    pub(crate) stored: Vec<Stored>,
    /// The store as it was at each kill.
    pub(crate) images: Vec<Image>,
    /// What flows left outside, line by line.
    pub(crate) effects: Vec<String>,
    /// What the servers wrote to standard error.
    pub(crate) log: String,
    /// Whether a request without an answer has no execution: nothing was killed.
    pub(crate) is_graceful: bool,
    /// Whether a request that was refused with 503 may have an execution: the store was cut off before it could say what it had done.
    pub(crate) is_in_doubt: bool,
}

/// An execution in the store.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) execution: Execution,
    pub(crate) body: Option<Bytes>,
    /// The nominal time of the tick that it stands for.
    pub(crate) tick: Option<Timestamp>,
    pub(crate) steps: Vec<StepRecord>,
}

/// What was on the disk when a process was dead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    /// The executions that callers held before.
    pub(crate) held: Vec<String>,
    pub(crate) executions: BTreeMap<String, Execution>,
    /// The steps that had finished, by journal and name.
    pub(crate) finished_steps: BTreeSet<(String, String)>,
    /// How many lines the effects had.
    pub(crate) effects: usize,
}

/// How many executions are read at once.
const PAGE: u32 = 1000;

/// Reads everything that a store has.
pub(crate) async fn read_stored(store: &dyn Store) -> Vec<Stored> {
    let mut all = Vec::new();
    for execution in executions(store).await {
        let payload = store.payload(&execution.id).await.unwrap();
        let steps = store.steps(&execution.journal).await.unwrap();
        let tick = payload.as_ref().and_then(|payload| payload.tick.as_ref());
        all.push(Stored {
            tick: tick.map(|tick| tick.nominal),
            body: payload.as_ref().map(|payload| payload.raw_body.clone()),
            steps,
            execution,
        });
    }
    all
}

/// Reads the store as a dead process left it. `held` and `effects` were read before.
pub(crate) async fn read_image(store: &dyn Store, held: Vec<String>, effects: usize) -> Image {
    let mut image = Image {
        held,
        effects,
        ..Image::default()
    };
    for execution in executions(store).await {
        if execution.flow.as_str() == "steps" {
            for step in store.steps(&execution.journal).await.unwrap() {
                let place = (step.journal.to_string(), step.step.name.clone());
                image.finished_steps.insert(place);
            }
        }
        image.executions.insert(execution.id.to_string(), execution);
    }
    image
}

async fn executions(store: &dyn Store) -> Vec<Execution> {
    let filter = ExecutionFilter::default();
    let mut all: Vec<Execution> = Vec::new();
    loop {
        let cursor = all.last().map(|last| (last.accepted_at, last.id.clone()));
        let page = store.executions(&filter, cursor.as_ref(), PAGE).await;
        let page = page.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}
