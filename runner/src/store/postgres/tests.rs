//! What only a store in a database has to prove: that it keeps what it said, groups what waits, and lets one process write.

mod active;
pub(crate) mod cluster;
mod schema;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sdk::state::StateScope;
use serde_json::json;

use self::cluster::Cluster;
use super::{PostgresOptions, PostgresStore};
use crate::record::{StateKey, StoredPayload};
use crate::store::conformance::{accept, accept_write, at, finish, finish_write, output, payload};
use crate::store::{
    Accept, Commit, Committed, DedupeClaim, ExecutionFilter, InstanceRecord, Point, StateChange,
    Store as _, StoreError, TickClaim, Write,
};
use crate::vault::Vault;

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

fn open(url: &str) -> PostgresStore {
    PostgresStore::connect(url, &PostgresOptions::default(), Vault::clear()).unwrap()
}

fn committed(writes: Vec<Write>) -> Commit {
    Commit::new(Point::Accept, writes)
}

/// Asks again and again until there is an answer.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, asking).await;
    found.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Holds every writer of a database up.
struct Blocker(tokio_postgres::Client);

impl Blocker {
    async fn new(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::runtime::Handle::current().spawn(connection);
        let sql = "BEGIN; SELECT FROM runner.active FOR UPDATE";
        client.batch_execute(sql).await.unwrap();
        Self(client)
    }

    /// Waits until a writer waits.
    async fn meets_a_writer(&self) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("a writer that waits", async || {
            forget_statistics(&self.0).await;
            let row = self.0.query_one(sql, &[]).await.unwrap();
            (row.get::<_, i64>(0) > 0).then_some(())
        })
        .await;
    }

    async fn release(self) {
        self.0.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// Within a transaction the activity of others stays as it was when it was looked at first.
async fn forget_statistics(client: &tokio_postgres::Client) {
    let sql = "SELECT pg_stat_clear_snapshot()";
    client.batch_execute(sql).await.unwrap();
}

/// Lets these commits wait until all of them stand in one group.
async fn in_one_group(url: &str, store: &PostgresStore, commits: Vec<Commit>) -> Vec<Committed> {
    let before = store.transactions();
    let blocker = Blocker::new(url).await;
    let first = store.commit(committed(vec![accept_write("first", 1)]));
    blocker.meets_a_writer().await;
    let waiting: Vec<_> = commits.into_iter().map(|it| store.commit(it)).collect();
    blocker.release().await;
    assert_eq!(first.await.unwrap(), Committed::Done);
    let answers = join_all(waiting).await;
    assert_eq!(store.transactions() - before, 2, "one group");
    answers.into_iter().map(Result::unwrap).collect()
}

// G1.
#[tokio::test]
async fn what_was_committed_is_there_after_the_database_was_opened_again() {
    let url = Cluster::shared().database();
    let store = open(&url);
    accept(&store, "a", 1).await;
    accept(&store, "b", 2).await;
    finish(&store, "b", at(9)).await;
    let all = ExecutionFilter::default();
    let before = store.executions(&all, None, 10).await;
    drop(store);
    let store = open(&url);
    let after = store.executions(&all, None, 10).await;
    assert_eq!(after.unwrap(), before.unwrap());
    assert_eq!(
        *store.payload(&"a".into()).await.unwrap().unwrap(),
        payload()
    );
    assert_eq!(store.output(&"b".into()).await.unwrap(), Some(output(32)));
    assert_eq!(store.last_position().await.unwrap(), 2);
    assert_eq!(store.unfinished(0, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn whatever_waits_is_committed_to_the_database_together() {
    let url = Cluster::shared().database();
    let store = open(&url);
    let commits = (2..=200).map(|position| {
        let id = format!("a{position}");
        committed(vec![accept_write(&id, position)])
    });
    let answers = in_one_group(&url, &store, commits.collect()).await;
    assert!(answers.iter().all(|answer| *answer == Committed::Done));
    let unfinished = store.unfinished(0, 1000).await.unwrap();
    let positions: Vec<u64> = unfinished.iter().map(|it| it.position).collect();
    assert_eq!(positions, (1..=200).collect::<Vec<u64>>());
    assert_eq!(store.last_position().await.unwrap(), 200);
}

fn claiming(id: &str, position: u64, value: &str) -> Commit {
    let Write::Accept(accept) = accept_write(id, position) else {
        panic!("it accepts");
    };
    let claims = vec![DedupeClaim {
        value: value.to_owned(),
        until: at(1_000_000),
    }];
    committed(vec![Write::Accept(Box::new(Accept { claims, ..*accept }))])
}

fn changing(key: &str, text: &str, expected: Option<u64>) -> Write {
    Write::State(StateChange {
        key: StateKey {
            instance: "instance-1".into(),
            scope: StateScope::Instance,
            owner: "flow".into(),
            key: key.to_owned(),
        },
        value: Some(json!(text)),
        expected,
    })
}

// G3: what one commit of a group changes, the next one finds changed, and a refused one leaves nothing.
#[tokio::test]
async fn commits_of_one_group_refuse_each_other_as_if_they_came_one_by_one() {
    let url = Cluster::shared().database();
    let store = open(&url);
    let tick = || {
        Write::Tick(TickClaim {
            instance: "instance-1".into(),
            flow: "flow".into(),
            nominal: at(5),
        })
    };
    let limit = Write::StateLimit {
        instance: "instance-1".into(),
        bytes: 12,
    };
    let refused = |write: Write, id: &str| committed(vec![accept_write(id, 90), write]);
    let commits = vec![
        claiming("b", 2, "delivery"),
        claiming("c", 3, "delivery"),
        committed(vec![accept_write("b", 4)]),
        committed(vec![changing("key", "one", Some(0))]),
        refused(changing("key", "two", Some(0)), "d"),
        committed(vec![changing("key", "two", Some(1))]),
        committed(vec![tick()]),
        refused(tick(), "e"),
        committed(vec![limit.clone(), changing("k", "12", None)]),
        committed(vec![
            limit,
            changing("l", "123", None),
            accept_write("f", 91),
        ]),
    ];
    let answers = in_one_group(&url, &store, commits).await;
    let again = || Committed::Duplicate("b".into());
    let expected = [
        Committed::Done,
        again(),
        again(),
        Committed::Done,
        Committed::StateChanged,
        Committed::Done,
        Committed::Done,
        Committed::TickTaken,
        // `key` and `"two"` take 8 bytes, `k` and `"12"` five more: beyond the limit.
        Committed::StateFull,
        Committed::StateFull,
    ];
    assert_eq!(answers, expected);
    let all = ExecutionFilter::default();
    let found = store.executions(&all, None, 10).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["b", "first"]);
    let states = store.states(&"instance-1".into()).await.unwrap();
    assert_eq!(states.len(), 1);
    assert_eq!(
        (&states[0].1.value, states[0].1.version),
        (&json!("two"), 2)
    );
}

#[tokio::test]
async fn a_commit_that_the_database_refuses_does_not_spoil_its_neighbours() {
    let url = Cluster::shared().database();
    let store = open(&url);
    let name = url.rsplit('/').next().unwrap();
    let sql = "ALTER TABLE runner.instance ADD CHECK (id <> 'poison')";
    Cluster::shared().sql(name, sql);
    let instance = Write::PutInstance(Arc::new(InstanceRecord {
        id: "poison".into(),
        open: json!({}),
        sealed: Vec::new(),
    }));
    let blocker = Blocker::new(&url).await;
    let first = store.commit(committed(vec![accept_write("a", 1)]));
    blocker.meets_a_writer().await;
    let good = store.commit(committed(vec![accept_write("b", 2)]));
    let bad = store.commit(committed(vec![accept_write("c", 3), instance]));
    let last = store.commit(committed(vec![accept_write("d", 4)]));
    blocker.release().await;
    for answer in [first, good, last] {
        assert_eq!(answer.await.unwrap(), Committed::Done);
    }
    let refusal = bad.await.unwrap_err();
    assert!(matches!(refusal, StoreError::Unavailable(_)), "{refusal:?}");
    assert_eq!(store.execution(&"c".into()).await.unwrap(), None);
    assert_eq!(store.unfinished(0, 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_commit_to_the_database_is_done_even_if_nobody_waits_for_it() {
    let url = Cluster::shared().database();
    let store = open(&url);
    drop(store.commit(committed(vec![accept_write("a", 1)])));
    drop(store);
    let store = open(&url);
    assert!(store.execution(&"a".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_large_result_stands_in_the_database() {
    let url = Cluster::shared().database();
    let store = open(&url);
    let large = output(20_000_000);
    accept(&store, "a", 1).await;
    let writes = vec![finish_write("a", at(9), Some(large.clone()))];
    store.commit(committed(writes)).await.unwrap();
    assert!(store.output(&"a".into()).await.unwrap() == Some(large));
}

#[test]
fn what_is_large_has_more_time() {
    let small = committed(vec![accept_write("a", 1)]).weight();
    assert_eq!(super::writer::limit(small).as_secs(), 30);
    let text = "x".repeat(10_000_000);
    let large = committed(vec![changing("key", &text, None)]).weight();
    let limit = super::writer::limit(large);
    assert_eq!(limit.as_secs(), 30 + 10);
}

// G10, E56.
#[tokio::test]
async fn nothing_of_a_payload_stands_in_the_database_in_the_clear() {
    const CANARY: &str = "canary-in-a-request";
    let url = Cluster::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path()).unwrap();
    let options = PostgresOptions::default();
    let store = PostgresStore::connect(&url, &options, vault.clone()).unwrap();
    let telling = StoredPayload {
        query: vec![("token".to_owned(), CANARY.to_owned())],
        invoke_url: Some(format!("https://hooks.example/trigger/x?token={CANARY}")),
        raw_body: CANARY.into(),
        ..payload()
    };
    let Write::Accept(accept) = accept_write("a", 1) else {
        panic!("it accepts");
    };
    let accept = Write::Accept(Box::new(Accept {
        payload: Some(Arc::new(telling.clone())),
        ..*accept
    }));
    store.commit(committed(vec![accept])).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let sql = "SELECT string_agg(encode(head, 'escape') || encode(body, 'escape'), '') FROM runner.payload";
    let kept = Cluster::shared().sql(name, sql);
    assert!(!kept.is_empty() && !kept.contains("canary"), "{kept}");
    drop(store);
    let store = PostgresStore::connect(&url, &options, vault).unwrap();
    assert_eq!(*store.payload(&"a".into()).await.unwrap().unwrap(), telling);
}

// Look-ups must not grow with what is stored.
#[tokio::test]
async fn the_questions_of_the_hot_path_go_through_an_index_of_the_database() {
    let url = Cluster::shared().database();
    drop(open(&url));
    let name = url.rsplit('/').next().unwrap();
    for sql in [
        "SELECT id FROM execution WHERE id = ANY (ARRAY['a', 'b']::bytea[])",
        "UPDATE execution SET starts = 1 WHERE id = 'a' AND status < 3",
        "SELECT id FROM execution WHERE status < 3 AND position > 1 ORDER BY position, id LIMIT 9",
        "SELECT id FROM execution ORDER BY accepted_at DESC, id DESC LIMIT 9",
        "SELECT id FROM execution WHERE status = 4 ORDER BY accepted_at DESC, id DESC LIMIT 9",
        "SELECT id FROM execution WHERE first = 'a' ORDER BY accepted_at DESC, id DESC LIMIT 9",
        "SELECT id FROM execution WHERE dead_letter ORDER BY accepted_at DESC, id DESC LIMIT 9",
        "SELECT FROM execution AS other WHERE other.journal = 'a' AND other.status < 3",
        "SELECT execution FROM claim WHERE value = 'a' AND until > 1",
        "SELECT value FROM state WHERE instance = 'a' AND scope = 1 AND owner = 'b' AND key = 'c'",
        "SELECT name FROM step WHERE journal = 'a' ORDER BY number",
        "SELECT text FROM log WHERE execution = 'a' AND number >= 1 ORDER BY number, line LIMIT 9",
        "SELECT id FROM output WHERE ended_at < 1 ORDER BY ended_at LIMIT 9",
        "SELECT line FROM log WHERE at < 1 ORDER BY at LIMIT 9",
    ] {
        let explain =
            format!("SET search_path TO runner; SET enable_seqscan TO off; EXPLAIN {sql}");
        let plan = Cluster::shared().sql(name, &explain);
        assert!(
            plan.contains("Index") && !plan.contains("Seq Scan"),
            "{sql}: {plan}"
        );
    }
}
