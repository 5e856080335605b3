//! One execution from its acceptance to its end.

use sdk::host::{LogLevel, StepId};
use serde_json::{Value, json};

use super::fixture::{
    accept, accepting, at, commit, done, finish, finish_write, output, payload, queued,
};
use crate::record::{
    CallerError, Execution, Function, HeaderBytes, InvokedBy, LogRecord, ResultType, Status,
    StepRecord, StoredAnswer,
};
use crate::store::{Accept, Committed, DedupeClaim, Finish, Store, Write};

pub(super) async fn an_accepted_execution_comes_back_as_it_was(store: &dyn Store) {
    let plain = queued("plain", 1);
    let full = Execution {
        function: Function::OnFirstDeploy,
        invoked_by: InvokedBy::Retry,
        synchronous: true,
        status: Status::Error,
        result: Some(ResultType::CanceledAsDuplicate),
        position: u64::try_from(i64::MAX).unwrap(),
        order_key: Some("customer \u{0} 7".to_owned()),
        run_at: Some(at(10)),
        started_at: Some(at(11)),
        ended_at: Some(at(12)),
        attempt: 11,
        starts: 3,
        journal: "plain".into(),
        first: Some("plain".into()),
        parent: Some("parent".into()),
        unique_id: Some(String::new()),
        error: Some("it failed: é".to_owned()),
        dead_letter: true,
        canceled_by: Some("newer".into()),
        ..queued("full", 2)
    };
    done(
        store,
        vec![accepting(plain.clone()), accepting(full.clone())],
    )
    .await;
    assert_eq!(store.execution(&plain.id).await.unwrap(), Some(plain));
    assert_eq!(store.execution(&full.id).await.unwrap(), Some(full));
}

pub(super) async fn a_payload_comes_back_byte_for_byte(store: &dyn Store) {
    accept(store, "a", 1).await;
    let found = store.payload(&"a".into()).await.unwrap().unwrap();
    assert_eq!(*found, payload());
}

pub(super) async fn an_answer_comes_back_as_it_was(store: &dyn Store) {
    let answer = StoredAnswer {
        status: 418,
        headers: vec![("x-bytes".to_owned(), HeaderBytes::Bytes(vec![0xff]))],
        body: Some(vec![0, 1, 255]),
    };
    let accept = Accept {
        execution: queued("a", 1),
        payload: None,
        answer: Some(answer.clone()),
        claims: Vec::new(),
    };
    done(store, vec![Write::Accept(Box::new(accept))]).await;
    assert_eq!(store.answer(&"a".into()).await.unwrap(), Some(answer));
    assert_eq!(store.payload(&"a".into()).await.unwrap(), None);
}

pub(super) async fn what_was_never_accepted_is_not_there(store: &dyn Store) {
    let id = "nobody".into();
    assert_eq!(store.execution(&id).await.unwrap(), None);
    assert_eq!(store.payload(&id).await.unwrap(), None);
    assert_eq!(store.output(&id).await.unwrap(), None);
    assert_eq!(store.answer(&id).await.unwrap(), None);
    assert_eq!(store.steps(&id).await.unwrap(), []);
    assert_eq!(store.logs(&id, 0, 10).await.unwrap(), []);
    assert_eq!(store.last_position().await.unwrap(), 0);
    finish(store, "nobody", at(1)).await;
    assert_eq!(store.execution(&id).await.unwrap(), None);
    store.check().await.unwrap();
}

pub(super) async fn an_execution_runs_from_accept_to_finish(store: &dyn Store) {
    accept(store, "a", 1).await;
    let start = Write::Start {
        id: "a".into(),
        at: at(5),
        starts: 2,
    };
    done(store, vec![start]).await;
    let mut expected = Execution {
        status: Status::Running,
        started_at: Some(at(5)),
        starts: 2,
        ..queued("a", 1)
    };
    assert_eq!(
        store.execution(&"a".into()).await.unwrap(),
        Some(expected.clone())
    );

    let told = CallerError {
        text: "it is late".to_owned(),
        status: Some(503),
    };
    let finish = Finish {
        id: "a".into(),
        status: Status::Error,
        result: ResultType::TimedOut,
        at: at(9),
        error: Some("too slow".to_owned()),
        caller_error: Some(told.clone()),
        output: None,
        dead_letter: true,
        canceled_by: None,
    };
    done(store, vec![Write::Finish(Box::new(finish))]).await;
    expected.status = Status::Error;
    expected.result = Some(ResultType::TimedOut);
    expected.ended_at = Some(at(9));
    expected.error = Some("too slow".to_owned());
    expected.caller_error = Some(told);
    expected.dead_letter = true;
    assert_eq!(store.execution(&"a".into()).await.unwrap(), Some(expected));
    assert_eq!(store.output(&"a".into()).await.unwrap(), None);
}

pub(super) async fn a_requeued_execution_waits_with_its_starts(store: &dyn Store) {
    accept(store, "a", 1).await;
    let start = Write::Start {
        id: "a".into(),
        at: at(5),
        starts: 1,
    };
    let requeue = Write::Requeue {
        id: "a".into(),
        starts: 1,
    };
    done(store, vec![start, requeue]).await;
    let execution = store.execution(&"a".into()).await.unwrap().unwrap();
    assert_eq!((execution.status, execution.starts), (Status::Queued, 1));
    assert_eq!(execution.started_at, Some(at(5)));
}

pub(super) async fn an_output_comes_back_small_or_large(store: &dyn Store) {
    for (position, bytes) in [(1, 0), (2, 1), (3, 64), (4, 65), (5, 300_000)] {
        let id = format!("output-{bytes}");
        accept(store, &id, position).await;
        done(store, vec![finish_write(&id, at(9), Some(output(bytes)))]).await;
        let found = store.output(&id.as_str().into()).await.unwrap();
        assert_eq!(found, Some(output(bytes)), "{bytes}");
    }
}

// I7.
pub(super) async fn a_final_execution_never_changes(store: &dyn Store) {
    accept(store, "a", 1).await;
    finish(store, "a", at(5)).await;
    let before = store.execution(&"a".into()).await.unwrap();
    let again = [
        Write::Start {
            id: "a".into(),
            at: at(7),
            starts: 3,
        },
        Write::Requeue {
            id: "a".into(),
            starts: 3,
        },
        finish_write("a", at(8), Some(output(1000))),
        finish_write("a", at(8), None),
    ];
    for write in again {
        done(store, vec![write]).await;
        assert_eq!(store.execution(&"a".into()).await.unwrap(), before);
        assert_eq!(store.output(&"a".into()).await.unwrap(), Some(output(32)));
    }
    assert_eq!(store.unfinished(0, 10).await.unwrap(), []);
}

// E28.
pub(super) async fn only_the_dead_letter_of_a_final_execution_changes(store: &dyn Store) {
    accept(store, "a", 1).await;
    finish(store, "a", at(5)).await;
    let before = store.execution(&"a".into()).await.unwrap().unwrap();
    for dead in [true, false] {
        let id = "a".into();
        done(store, vec![Write::DeadLetter { id, dead }]).await;
        let now = store.execution(&"a".into()).await.unwrap().unwrap();
        assert_eq!(now.dead_letter, dead);
        assert_eq!(
            Execution {
                dead_letter: before.dead_letter,
                ..now
            },
            before
        );
    }
}

pub(super) async fn an_execution_accepted_twice_is_a_duplicate_of_itself(store: &dyn Store) {
    accept(store, "a", 1).await;
    finish(store, "a", at(5)).await;
    let writes = vec![accepting(queued("b", 2)), accepting(queued("a", 3))];
    let committed = commit(store, writes).await.unwrap();
    assert_eq!(committed, Committed::Duplicate("a".into()));
    assert_eq!(store.execution(&"b".into()).await.unwrap(), None);
    let first = store.execution(&"a".into()).await.unwrap().unwrap();
    assert_eq!((first.status, first.position), (Status::Success, 1));
}

fn claiming(id: &str, position: u64, value: &str) -> Write {
    let execution = queued(id, position);
    let until = execution.accepted_at + sdk::time::millis(100);
    Write::Accept(Box::new(Accept {
        execution,
        payload: None,
        answer: None,
        claims: vec![DedupeClaim {
            value: value.to_owned(),
            until,
        }],
    }))
}

// W34, E25.
pub(super) async fn a_claimed_delivery_is_a_duplicate_until_it_runs_out(store: &dyn Store) {
    done(store, vec![claiming("a", 1, "delivery")]).await;
    let duplicate = Committed::Duplicate("a".into());
    assert_eq!(
        commit(store, vec![claiming("b", 2, "delivery")])
            .await
            .unwrap(),
        duplicate
    );
    assert_eq!(
        commit(store, vec![claiming("c", 100, "delivery")])
            .await
            .unwrap(),
        duplicate
    );
    done(store, vec![claiming("d", 101, "delivery")]).await;
    let duplicate = Committed::Duplicate("d".into());
    assert_eq!(
        commit(store, vec![claiming("e", 200, "delivery")])
            .await
            .unwrap(),
        duplicate
    );
    done(store, vec![claiming("f", 150, "another")]).await;
    for (id, there) in [
        ("a", true),
        ("b", false),
        ("c", false),
        ("d", true),
        ("e", false),
    ] {
        assert_eq!(
            store.execution(&id.into()).await.unwrap().is_some(),
            there,
            "{id}"
        );
    }
}

pub(super) async fn a_refused_commit_leaves_nothing(store: &dyn Store) {
    done(store, vec![claiming("a", 1, "delivery")]).await;
    let writes = vec![
        accepting(queued("b", 2)),
        Write::Log(vec![line("a", 0)]),
        finish_write("a", at(9), Some(output(1000))),
        claiming("c", 3, "delivery"),
    ];
    let committed = commit(store, writes).await.unwrap();
    assert_eq!(committed, Committed::Duplicate("a".into()));
    assert_eq!(store.execution(&"b".into()).await.unwrap(), None);
    assert_eq!(
        store.execution(&"a".into()).await.unwrap().unwrap().status,
        Status::Queued
    );
    assert_eq!(store.output(&"a".into()).await.unwrap(), None);
    assert_eq!(store.logs(&"a".into(), 0, 10).await.unwrap(), []);
    assert_eq!(store.last_position().await.unwrap(), 1);
}

fn step(journal: &str, execution: &str, name: &str, count: u32) -> StepRecord {
    StepRecord {
        journal: journal.into(),
        step: StepId {
            name: name.to_owned(),
            count,
        },
        execution: execution.into(),
        began_at: at(2),
        ended_at: at(3),
        attempts: 2,
        end: Ok(json!({"name": name, "count": count})),
    }
}

pub(super) async fn steps_come_back_in_the_order_in_which_they_ended(store: &dyn Store) {
    accept(store, "a", 1).await;
    accept(store, "b", 2).await;
    let mut failed = step("a", "a", "alpha", 0);
    failed.end = Err("no answer".to_owned());
    let mut nothing = step("a", "a", "zeta", 1);
    nothing.end = Ok(Value::Null);
    let steps = [step("a", "a", "zeta", 0), failed, nothing];
    for step in &steps {
        done(store, vec![Write::Step(Box::new(step.clone()))]).await;
    }
    done(
        store,
        vec![Write::Step(Box::new(step("b", "b", "zeta", 0)))],
    )
    .await;
    assert_eq!(store.steps(&"a".into()).await.unwrap(), steps);
}

pub(super) async fn a_step_of_the_same_id_replaces_the_first(store: &dyn Store) {
    accept(store, "a", 1).await;
    let (first, other) = (step("a", "a", "one", 0), step("a", "a", "two", 0));
    let again = StepRecord {
        end: Ok(json!("again")),
        ..first.clone()
    };
    for step in [&first, &other, &again] {
        done(store, vec![Write::Step(Box::new(step.clone()))]).await;
    }
    assert_eq!(store.steps(&"a".into()).await.unwrap(), [other, again]);
}

pub(super) async fn a_step_sets_the_starts_back_to_one(store: &dyn Store) {
    for (id, position, starts, expected) in [("a", 1, 3, 1), ("b", 2, 0, 0)] {
        accept(store, id, position).await;
        let start = Write::Start {
            id: id.into(),
            at: at(5),
            starts,
        };
        done(
            store,
            vec![start, Write::Step(Box::new(step(id, id, "one", 0)))],
        )
        .await;
        let execution = store.execution(&id.into()).await.unwrap().unwrap();
        assert_eq!(execution.starts, expected, "{id}");
    }
}

// E20: a retry finds the steps of the attempts before it.
pub(super) async fn a_retry_adds_to_the_journal_of_the_first_attempt(store: &dyn Store) {
    accept(store, "a", 1).await;
    let retry = Execution {
        journal: "a".into(),
        first: Some("a".into()),
        attempt: 2,
        ..queued("retry", 1)
    };
    let steps = [step("a", "a", "one", 0), step("a", "retry", "two", 0)];
    let writes = steps.iter().map(|step| Write::Step(Box::new(step.clone())));
    done(
        store,
        [accepting(retry)].into_iter().chain(writes).collect(),
    )
    .await;
    assert_eq!(store.steps(&"a".into()).await.unwrap(), steps);
    assert_eq!(store.steps(&"retry".into()).await.unwrap(), []);
}

fn line(id: &str, number: u32) -> LogRecord {
    LogRecord {
        execution: id.into(),
        number,
        at: at(i64::from(number)),
        level: LogLevel::Warn,
        step: (number == 3).then(|| "file".to_owned()),
        text: format!("line \u{0} {number}"),
        fields: if number.is_multiple_of(2) {
            Value::Null
        } else {
            json!({"odd": number})
        },
    }
}

pub(super) async fn log_lines_come_back_by_number_and_in_pages(store: &dyn Store) {
    accept(store, "a", 1).await;
    accept(store, "b", 2).await;
    let lines = |numbers: &[u32]| Write::Log(numbers.iter().map(|n| line("a", *n)).collect());
    done(store, vec![lines(&[0, 1, 4])]).await;
    done(
        store,
        vec![
            Write::Log(vec![line("b", 0), line("a", 2), line("b", 1)]),
            lines(&[3]),
        ],
    )
    .await;
    let all: Vec<LogRecord> = (0..5).map(|number| line("a", number)).collect();
    assert_eq!(store.logs(&"a".into(), 0, 100).await.unwrap(), all);
    assert_eq!(store.logs(&"a".into(), 1, 2).await.unwrap(), all[1..3]);
    assert_eq!(store.logs(&"a".into(), 5, 2).await.unwrap(), []);
    assert_eq!(
        store.logs(&"b".into(), 0, 100).await.unwrap(),
        [line("b", 0), line("b", 1)]
    );
}

pub(super) async fn lines_and_steps_of_an_unknown_execution_are_dropped(store: &dyn Store) {
    let unknown = Write::Step(Box::new(step("nobody", "nobody", "one", 0)));
    done(store, vec![Write::Log(vec![line("nobody", 0)]), unknown]).await;
    accept(store, "nobody", 1).await;
    assert_eq!(store.logs(&"nobody".into(), 0, 10).await.unwrap(), []);
    assert_eq!(store.steps(&"nobody".into()).await.unwrap(), []);
}
