//! Lists: their order, their pages, their filters.

use std::sync::Arc;

use serde_json::json;

use super::fixture::{accept, accepting, at, done, finish, finish_write, pruned, queued};
use crate::record::{Execution, InvokedBy, ResultType, Status};
use crate::store::{Cursor, ExecutionFilter, Finish, InstanceRecord, Prune, Store, Write};

async fn ids(store: &dyn Store, filter: ExecutionFilter) -> Vec<String> {
    page(store, &filter, None, 100).await
}

async fn page(
    store: &dyn Store,
    filter: &ExecutionFilter,
    cursor: Option<&Cursor>,
    limit: u32,
) -> Vec<String> {
    let found = store.executions(filter, cursor, limit).await.unwrap();
    found.iter().map(|it| it.id.to_string()).collect()
}

/// Accepts executions, each at its time.
async fn accept_at(store: &dyn Store, executions: &[(&str, i64)]) {
    for (position, (id, millis)) in (1..).zip(executions) {
        let execution = Execution {
            accepted_at: at(*millis),
            ..queued(id, position)
        };
        done(store, vec![accepting(execution)]).await;
    }
}

pub(super) async fn executions_are_listed_newest_first_and_then_by_id(store: &dyn Store) {
    accept_at(
        store,
        &[
            ("b", 5),
            ("late", 9),
            ("a", 5),
            ("early", 1),
            ("Z", 5),
            ("é", 5),
        ],
    )
    .await;
    let listed = ids(store, ExecutionFilter::default()).await;
    assert_eq!(listed, ["late", "é", "b", "a", "Z", "early"]);
}

pub(super) async fn a_list_goes_on_after_its_cursor_without_gap_or_repeat(store: &dyn Store) {
    accept_at(
        store,
        &[("a", 1), ("b", 1), ("c", 1), ("d", 2), ("e", 3), ("f", 3)],
    )
    .await;
    let filter = ExecutionFilter::default();
    let mut cursor: Option<Cursor> = None;
    let mut listed = Vec::new();
    loop {
        let found = store.executions(&filter, cursor.as_ref(), 2).await.unwrap();
        let Some(last) = found.last() else { break };
        cursor = Some((last.accepted_at, last.id.clone()));
        listed.extend(found.iter().map(|it| it.id.to_string()));
        // What arrives between two pages is newer than the cursor and moves nothing.
        let between = Execution {
            accepted_at: at(50),
            ..queued(&format!("new-{}", listed.len()), 100)
        };
        done(store, vec![accepting(between)]).await;
    }
    assert_eq!(listed, ["f", "e", "d", "c", "b", "a"]);
    assert_eq!(
        page(store, &filter, Some(&(at(1), "b".into())), 9).await,
        ["a"]
    );
}

/// What a case asks for.
type Change = fn(&mut ExecutionFilter);

/// Six executions that differ in what filters ask for.
async fn accept_a_mixture(store: &dyn Store) {
    let executions = [
        queued("a", 1),
        Execution {
            instance: "instance-2".into(),
            ..queued("b", 2)
        },
        Execution {
            flow: "other".into(),
            status: Status::Running,
            ..queued("c", 3)
        },
        Execution {
            first: Some("a".into()),
            status: Status::Pending,
            ..queued("d", 4)
        },
        queued("e", 5),
        queued("f", 6),
    ];
    done(store, executions.into_iter().map(accepting).collect()).await;
    let failed = Finish {
        id: "e".into(),
        status: Status::Error,
        result: ResultType::Error,
        at: at(9),
        error: None,
        caller_error: None,
        output: None,
        dead_letter: true,
        canceled_by: None,
    };
    let failed = Write::Finish(Box::new(failed));
    done(store, vec![failed, finish_write("f", at(9), None)]).await;
}

pub(super) async fn every_filter_picks_its_executions(store: &dyn Store) {
    accept_a_mixture(store).await;
    let filter = |change: Change| {
        let mut filter = ExecutionFilter::default();
        change(&mut filter);
        filter
    };
    let cases: [(&str, Change); 14] = [
        ("fedcba", |_| {}),
        ("b", |it| it.instance = Some("instance-2".into())),
        ("c", |it| it.flow = Some("other".into())),
        ("ba", |it| it.status = Some(Status::Queued)),
        ("c", |it| it.status = Some(Status::Running)),
        ("d", |it| it.status = Some(Status::Pending)),
        ("e", |it| it.status = Some(Status::Error)),
        ("f", |it| it.status = Some(Status::Success)),
        ("e", |it| it.result = Some(ResultType::Error)),
        ("fed", |it| it.since = Some(at(4))),
        ("cba", |it| it.until = Some(at(4))),
        ("d", |it| it.first = Some("a".into())),
        ("e", |it| it.dead_letters = true),
        ("", |it| {
            it.dead_letters = true;
            it.status = Some(Status::Success);
        }),
    ];
    for (expected, change) in cases {
        let filter = filter(change);
        assert_eq!(
            ids(store, filter.clone()).await.concat(),
            expected,
            "{filter:?}"
        );
    }
}

/// E22: not itself nor what came before it, not of other flows, no replay and no retry, and nothing that is a duplicate itself.
pub(super) async fn what_a_retry_gives_way_to_is_found(store: &dyn Store) {
    let of = |id: &str, position| Execution {
        unique_id: Some("7".to_owned()),
        ..queued(id, position)
    };
    let executions = [
        of("a", 1),
        of("b", 2),
        queued("c", 3),
        Execution {
            unique_id: Some("8".to_owned()),
            ..queued("d", 4)
        },
        Execution {
            invoked_by: InvokedBy::Replay,
            ..of("e", 5)
        },
        Execution {
            invoked_by: InvokedBy::Retry,
            attempt: 2,
            ..of("E", 5)
        },
        Execution {
            flow: "other".into(),
            ..of("f", 6)
        },
        Execution {
            status: Status::Success,
            result: Some(ResultType::CanceledAsDuplicate),
            ..of("g", 7)
        },
        Execution {
            status: Status::Error,
            result: Some(ResultType::Error),
            ..of("h", 8)
        },
        of("i", 9),
    ];
    done(store, executions.into_iter().map(accepting).collect()).await;
    let newer_than = async |position| {
        let filter = ExecutionFilter {
            instance: Some("instance-1".into()),
            flow: Some("receive-order".into()),
            superseding: Some(("7".to_owned(), position)),
            ..ExecutionFilter::default()
        };
        ids(store, filter).await.concat()
    };
    assert_eq!(newer_than(1).await, "ihb");
    assert_eq!(newer_than(2).await, "ih");
    assert_eq!(newer_than(9).await, "");
    let gave_way = Finish {
        id: "a".into(),
        status: Status::Success,
        result: ResultType::CanceledAsDuplicate,
        at: at(10),
        error: None,
        caller_error: None,
        output: None,
        dead_letter: false,
        canceled_by: Some("i".into()),
    };
    done(store, vec![Write::Finish(Box::new(gave_way))]).await;
    let found = store.execution(&"a".into()).await.unwrap().unwrap();
    assert_eq!(found.canceled_by, Some("i".into()));
}

pub(super) async fn unfinished_executions_come_in_order_of_position(store: &dyn Store) {
    for (id, position) in [("c", 3), ("a", 1), ("d", 4), ("b", 2)] {
        accept(store, id, position).await;
    }
    let retry = Execution {
        attempt: 2,
        journal: "a".into(),
        ..queued("a-retry", 1)
    };
    done(store, vec![accepting(retry)]).await;
    finish(store, "b", at(9)).await;
    let start = Write::Start {
        id: "c".into(),
        at: at(9),
        starts: 1,
    };
    done(store, vec![start]).await;
    let unfinished = async |after, limit| {
        let found = store.unfinished(after, limit).await.unwrap();
        found.iter().map(|it| it.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(unfinished(0, 10).await, ["a", "a-retry", "c", "d"]);
    assert_eq!(unfinished(1, 1).await, ["c"]);
    assert_eq!(unfinished(4, 10).await, [""; 0]);
}

pub(super) async fn the_last_position_outlives_its_execution(store: &dyn Store) {
    accept(store, "a", 7).await;
    accept(store, "b", 3).await;
    assert_eq!(store.last_position().await.unwrap(), 7);
    finish(store, "a", at(9)).await;
    let everything = Prune {
        executions_before: at(100),
        logs_before: at(100),
        results_before: at(100),
        claims_before: at(100),
        at_most: 100,
    };
    assert_eq!(pruned(store, everything).await, 1);
    assert_eq!(store.execution(&"a".into()).await.unwrap(), None);
    assert_eq!(store.last_position().await.unwrap(), 7);
}

pub(super) async fn instances_are_kept_replaced_and_erased(store: &dyn Store) {
    let record = |id: &str, version: u32| {
        Arc::new(InstanceRecord {
            id: id.into(),
            open: json!({"version": version, "name": "Ünï"}),
            sealed: vec![0, 255, 7],
        })
    };
    for record in [record("b", 1), record("a", 1), record("b", 2)] {
        done(store, vec![Write::PutInstance(record)]).await;
    }
    assert_eq!(
        store.instances().await.unwrap(),
        [record("a", 1), record("b", 2)]
    );
    done(store, vec![Write::EraseInstance("a".into())]).await;
    assert_eq!(store.instances().await.unwrap(), [record("b", 2)]);
}
