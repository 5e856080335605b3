//! The checker finds what it is there for: sound evidence, spoilt in one place.

use bytes::Bytes;
use runner::record::{Execution, ResultType, Status, StepRecord};
use sdk::Timestamp;
use sdk::host::StepId;
use serde_json::json;

use super::{Delivery, Evidence, Image, Reply, Try, evidence::Stored, violations};
use crate::caller::Broken;

fn body(number: u64) -> Bytes {
    json!({ "number": number }).to_string().into()
}

fn delivery(number: u64, flow: &'static str, reply: Reply) -> Delivery {
    let item = ("a".to_owned(), number.to_string());
    Delivery {
        number,
        flow,
        body: body(number),
        order: (flow == "per-key").then_some(item),
        tries: vec![Try {
            sent: number * 2 + 1,
            heard: number * 2 + 2,
            reply,
        }],
    }
}

fn execution(id: &str, flow: &str, position: u64) -> Execution {
    let at = Timestamp::from_millis(7);
    Execution {
        status: Status::Success,
        result: Some(ResultType::Completed),
        position,
        started_at: Some(at),
        ended_at: Some(at),
        starts: 1,
        ..Execution::queued(id.into(), "instance".into(), flow.into(), at)
    }
}

fn step(id: &str, name: &str) -> StepRecord {
    let at = Timestamp::from_millis(7);
    StepRecord {
        journal: id.into(),
        step: StepId {
            name: name.to_owned(),
            count: 0,
        },
        execution: id.into(),
        began_at: at,
        ended_at: at,
        attempts: 1,
        end: Ok(json!(null)),
    }
}

fn stored(id: &str, flow: &str, number: u64) -> Stored {
    let steps = match flow {
        "steps" => ["one", "two", "three"].map(|name| step(id, name)).into(),
        _ => Vec::new(),
    };
    Stored {
        execution: execution(id, flow, number),
        body: Some(body(number)),
        tick: None,
        steps,
    }
}

/// Two items of a key, a walk that one kill interrupted, a request that nobody answered, and one that was refused.
fn sound() -> Evidence {
    let accepted = |id: &str| Reply::Accepted(id.to_owned());
    let interrupted = Execution {
        status: Status::Running,
        result: None,
        ended_at: None,
        ..execution("w", "steps", 3)
    };
    let image = Image {
        held: vec!["x".to_owned(), "y".to_owned()],
        executions: [execution("x", "per-key", 1), interrupted]
            .into_iter()
            .chain([execution("y", "per-key", 2)])
            .map(|execution| (execution.id.to_string(), execution))
            .collect(),
        finished_steps: [("w".to_owned(), "one".to_owned())].into(),
        effects: 4,
    };
    let effects = ["a 1", "w one", "w two", "a 2", "w two", "w three"];
    Evidence {
        deliveries: vec![
            delivery(1, "per-key", accepted("x")),
            delivery(2, "per-key", accepted("y")),
            delivery(3, "steps", accepted("w")),
            delivery(4, "echo", Reply::Broken(Broken::Reset)),
            delivery(5, "echo", Reply::Refused(503)),
        ],
        stored: vec![
            stored("x", "per-key", 1),
            stored("y", "per-key", 2),
            stored("w", "steps", 3),
        ],
        images: vec![image],
        effects: effects.map(str::to_owned).into(),
        log: r#"{"timestamp":"2026-01-01T00:00:00Z","level":"INFO"}"#.to_owned(),
        is_graceful: false,
        is_in_doubt: false,
    }
}

/// Spoils sound evidence and expects a violation of exactly this rule.
#[track_caller]
fn check(rule: &str, spoil: impl FnOnce(&mut Evidence)) {
    let mut evidence = sound();
    spoil(&mut evidence);
    let found = violations(&evidence);
    let rules: Vec<&str> = found.iter().map(|violation| violation.rule).collect();
    assert!(rules.contains(&rule), "{rule} not in {found:?}");
}

#[test]
fn sound_evidence_has_no_violations() {
    assert_eq!(violations(&sound()), []);
    let mut unanswered = sound();
    unanswered.stored.push(stored("z", "echo", 4));
    assert_eq!(violations(&unanswered), [], "it may be there, once");
}

#[test]
fn a_lost_execution_is_found() {
    check("I1", |it| {
        it.stored.remove(1);
    });
    check("I1", |it| it.stored[0].body = Some(body(2)));
    check("I1", |it| it.stored[0].execution.flow = "echo".into());
    check("I1", |it| it.stored[2].execution.status = Status::Running);
    check("I1", |it| it.images[0].held.push("late".to_owned()));
    check("I1", |it| {
        let again = it.deliveries[0].tries[0].clone();
        let reply = Reply::Accepted("other".to_owned());
        it.deliveries[0].tries.push(Try { reply, ..again });
    });
}

#[test]
fn a_ghost_is_found() {
    check("I2", |it| it.stored.push(stored("g", "echo", 99)));
    check("I2", |it| it.stored.push(stored("g", "echo", 5)));
    check("I2", |it| it.stored.push(stored("x2", "per-key", 1)));
    check("I2", |it| it.effects.push("g one".to_owned()));
    check("I2", |it| {
        it.is_graceful = true;
        it.stored.push(stored("z", "echo", 4));
    });
}

#[test]
fn missing_and_surplus_effects_are_found() {
    check("I3", |it| {
        it.effects.pop();
    });
    check("I3", |it| it.effects.swap(1, 5));
    check("I3", |it| it.effects.push("w three".to_owned()));
    check("I3", |it| {
        it.effects.remove(0);
    });
    check("I3", |it| it.images.clear());
}

#[test]
fn a_finished_step_that_runs_again_is_found() {
    check("I4", |it| it.effects[4] = "w one".to_owned());
    check("I4", |it| {
        it.stored[2].steps.pop();
    });
}

#[test]
fn a_wrong_order_is_found() {
    check("I5", |it| it.effects.swap(0, 3));
    check("I5", |it| {
        it.stored[0].execution.position = 2;
        it.stored[1].execution.position = 1;
        it.images.clear();
    });
}

#[test]
fn a_tick_that_runs_twice_is_found() {
    check("I6", |it| {
        for stored in &mut it.stored {
            stored.execution.flow = "tick".into();
            stored.tick = Some(Timestamp::from_millis(0));
        }
    });
}

#[test]
fn an_end_that_changes_is_found() {
    check("I7", |it| {
        it.stored[0].execution.ended_at = Some(Timestamp::from_millis(8));
    });
    check("I7", |it| {
        it.stored[0].execution.result = Some(ResultType::Canceled);
    });
    check("I7", |it| it.stored[2].execution.position = 9);
    check("I7", |it| {
        it.stored.remove(0);
    });
}

#[test]
fn a_loud_log_is_found() {
    check("I8", |it| {
        it.log += "\nthread 'main' panicked at src/main.rs";
    });
    check("I8", |it| {
        it.log += "\n{\"level\":\"INFO\",\"secret\":\"AC49CB66-511F\"}";
    });
    check("I8", |it| {
        it.log += &"\n{\"timestamp\":\"2026-01-01T00:00:00.1Z\",\"level\":\"ERROR\"}".repeat(11);
    });
}
