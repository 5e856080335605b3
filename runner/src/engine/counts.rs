//! Counts what happens, for whoever watches the runner. Nothing here is kept over a restart.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sdk::id::FlowKey;
use sdk::integration::BuiltIntegration;

use crate::record::ResultType;

/// Counts what happens. Flows and kinds of end are fixed when the engine is made, so that the counters cannot grow.
#[derive(Debug)]
pub struct Counts {
    flows: BTreeMap<FlowKey, OfFlow>,
    answers: Mutex<BTreeMap<u16, u64>>,
}

#[derive(Debug, Default)]
struct OfFlow {
    accepted: AtomicU64,
    /// By the place of the result in its enum.
    ended: [AtomicU64; 7],
}

impl Counts {
    /// Begins at nothing.
    pub fn new(integration: &BuiltIntegration) -> Self {
        let flows = integration.flows.iter();
        Self {
            flows: flows
                .map(|flow| (FlowKey::new(flow.options.key), OfFlow::default()))
                .collect(),
            answers: Mutex::default(),
        }
    }

    /// Counts an execution that was accepted.
    pub(crate) fn accepted(&self, flow: &FlowKey) {
        if let Some(counts) = self.flows.get(flow) {
            counts.accepted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an execution that ended.
    pub(crate) fn ended(&self, flow: &FlowKey, result: ResultType) {
        let counts = self.flows.get(flow);
        if let Some(count) = counts.and_then(|counts| counts.ended.get(result as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that was answered (G6).
    pub(crate) fn answered(&self, status: u16) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(status).or_default() += 1;
    }

    /// Returns how many executions of a flow were accepted.
    pub fn accepted_of(&self, flow: &str) -> u64 {
        let counts = self.flows.get(flow);
        counts.map_or(0, |counts| counts.accepted.load(Ordering::Relaxed))
    }

    /// Returns how many executions of a flow ended like this.
    pub fn ended_of(&self, flow: &str, result: ResultType) -> u64 {
        let counts = self.flows.get(flow);
        let count = counts.and_then(|counts| counts.ended.get(result as usize));
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Returns how many requests at the ingress were answered with each status.
    pub fn answers(&self) -> BTreeMap<u16, u64> {
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
