//! Starts one tick: what becomes of the runs before it, then the claim and the execution in one commit (E15, E17).

use std::sync::Arc;

use sdk::Payload;
use sdk::integration::FlowParts;
use sdk::schedule::Overlap;

use super::agenda::{Attempt, Came};
use crate::engine::{AcceptError, ControlError, Engine, Invocation};
use crate::instance::{Instance, InstanceStatus};
use crate::record::InvokedBy;
use crate::store::{StoreError, TickClaim};

/// Starts a tick.
pub(super) async fn start(engine: &Arc<Engine>, attempt: &Attempt) -> Came {
    let instance = engine.instances.get(&attempt.key.instance);
    let flow = engine.ports.integration.flow(attempt.key.flow.as_str());
    let (Some(instance), Some(flow)) = (instance, flow) else {
        return Came::Closed;
    };
    if instance.facts.status != InstanceStatus::Active {
        return Came::Closed;
    }
    let (id, key) = (&instance.id, &attempt.key.flow);
    let decided = attempt.in_doubt;
    let passed_over = attempt.overlap == Overlap::Skip && !decided && engine.is_going(id, key);
    if attempt.overlap == Overlap::CancelPrevious && !decided {
        for previous in engine.going(id, key) {
            // One that has just ended needs no cancelling.
            if let Err(ControlError::Store(_)) = engine.cancel(&previous).await {
                return Came::Refused { in_doubt: false };
            }
        }
    }
    let invocation = invocation(engine, attempt, &instance, flow);
    let accepted = if passed_over {
        engine.record_skipped(invocation).await
    } else {
        engine.accept(invocation).await
    };
    match accepted {
        Ok(_) => Came::Claimed,
        // A skip that may be recorded is looked at anew: it claims the tick, so it can only be refused.
        Err(AcceptError::Store(StoreError::Unavailable(_) | StoreError::Damaged(_))) => {
            Came::Refused {
                in_doubt: !passed_over,
            }
        }
        Err(_) => Came::Refused { in_doubt: false },
    }
}

fn invocation(
    engine: &Engine,
    attempt: &Attempt,
    instance: &Arc<Instance>,
    flow: &Arc<FlowParts>,
) -> Invocation {
    let payload = Payload {
        tick: Some(attempt.tick(engine.ports.clock.now())),
        ..Payload::empty()
    };
    let (instance, flow) = (Arc::clone(instance), Arc::clone(flow));
    let mut invocation = Invocation::new(instance, flow, InvokedBy::Scheduled, payload);
    invocation.tick = Some(TickClaim {
        instance: attempt.key.instance.clone(),
        flow: attempt.key.flow.clone(),
        nominal: attempt.nominal,
    });
    invocation.in_turn = attempt.overlap == Overlap::Queue;
    invocation
}
