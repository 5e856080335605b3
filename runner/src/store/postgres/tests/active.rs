//! One process writes (G4), and what it was told is done is done, whatever happens to its connection (G1, G7).

use super::*;
use crate::store::Standing;
use crate::store::postgres::PostgresError;

fn is_active(store: &PostgresStore) -> bool {
    matches!(*store.standing().borrow(), Standing::Active)
}

/// Commits again and again until the store takes it; says how often it did not.
async fn accept_in_the_end(store: &PostgresStore, id: &str, position: u64) -> u32 {
    let mut refused = 0;
    eventually("a store that takes a commit", async || {
        let commit = committed(vec![accept_write(id, position)]);
        match store.commit(commit).await {
            Ok(_) => Some(()),
            Err(fault) => {
                assert!(matches!(fault, StoreError::Unavailable(_)), "{fault:?}");
                refused += 1;
                None
            }
        }
    })
    .await;
    refused
}

#[tokio::test]
async fn one_process_is_active_and_the_next_one_is_when_it_has_gone() {
    let url = Cluster::shared().database();
    let first = open(&url);
    let second = open(&url);
    assert!(is_active(&first) && !is_active(&second));
    accept(&first, "a", 7).await;
    let refusal = second.commit(committed(vec![accept_write("b", 8)])).await;
    assert!(
        matches!(refusal, Err(StoreError::Unavailable(_))),
        "{refusal:?}"
    );
    assert!(second.check().await.is_err());

    drop(first);
    let mut standing = second.standing();
    let active = standing.wait_for(|it| matches!(it, Standing::Active));
    let active = tokio::time::timeout(PATIENCE, active).await.unwrap();
    drop(active.unwrap());
    assert_eq!(second.last_position().await.unwrap(), 7);
    accept(&second, "b", 8).await;
    assert_eq!(second.unfinished(0, 9).await.unwrap().len(), 2);
}

// The row decides, also if a process still believes that it has the lock: behind a pooler, or on a copy of the database.
#[tokio::test]
async fn a_process_behind_which_another_epoch_began_writes_no_more() {
    let url = Cluster::shared().database();
    let store = open(&url);
    accept(&store, "a", 1).await;
    let name = url.rsplit('/').next().unwrap();
    Cluster::shared().sql(name, "UPDATE runner.active SET epoch = epoch + 1");
    for id in ["b", "c"] {
        let refusal = store.commit(committed(vec![accept_write(id, 2)])).await;
        assert!(
            matches!(refusal, Err(StoreError::Unavailable(_))),
            "{refusal:?}"
        );
    }
    let standing = store.standing().borrow().clone();
    let Standing::Over(fault) = standing else {
        panic!("{standing:?}");
    };
    let fault = fault.downcast_ref::<PostgresError>();
    assert!(matches!(fault, Some(PostgresError::TakenOver)), "{fault:?}");
    assert_eq!(store.unfinished(0, 9).await.unwrap().len(), 1);
}

// A transaction that is under way when another process becomes active is waited for: it is done before, and found, or not at all.
#[tokio::test]
async fn an_epoch_begins_behind_the_transaction_that_is_under_way() {
    let url = Cluster::shared().database();
    let store = open(&url);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::runtime::Handle::current().spawn(connection);
    let fence = "BEGIN; SELECT FROM runner.active FOR SHARE";
    client.batch_execute(fence).await.unwrap();
    // The next process begins an epoch as soon as the first one has gone, but not before this transaction has.
    let next = open(&url);
    drop(store);
    let waits = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE active%'";
    eventually("the next process waits", async || {
        forget_statistics(&client).await;
        let row = client.query_one(waits, &[]).await.unwrap();
        (row.get::<_, i64>(0) == 1).then_some(())
    })
    .await;
    assert!(!is_active(&next));
    client.batch_execute("COMMIT").await.unwrap();
    accept_in_the_end(&next, "a", 1).await;
    assert!(is_active(&next));
}

#[tokio::test]
async fn g7_a_connection_that_the_database_ends_is_made_anew() {
    let url = Cluster::shared().database();
    let store = open(&url);
    accept(&store, "a", 1).await;
    let end_all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let name = url.rsplit('/').next().unwrap();
    for position in 2..5 {
        Cluster::shared().sql(name, end_all);
        accept_in_the_end(&store, &format!("a{position}"), position).await;
        assert!(is_active(&store));
    }
    assert_eq!(store.unfinished(0, 9).await.unwrap().len(), 4);
    let epoch = Cluster::shared().sql(name, "SELECT epoch FROM runner.active");
    assert_eq!(epoch, "1");
}

#[tokio::test]
async fn g7_after_a_restart_of_the_database_the_same_process_is_active() {
    let cluster = Cluster::own();
    let url = cluster.database();
    let active = open(&url);
    let standby = open(&url);
    accept(&active, "a", 1).await;
    cluster.crash();
    let refusal = active.commit(committed(vec![accept_write("b", 2)])).await;
    assert!(
        matches!(refusal, Err(StoreError::Unavailable(_))),
        "{refusal:?}"
    );
    assert!(active.unfinished(0, 9).await.is_err());
    cluster.start();
    accept_in_the_end(&active, "b", 2).await;
    assert_eq!(active.unfinished(0, 9).await.unwrap().len(), 2);
    assert!(is_active(&active) && !is_active(&standby));
}

// G3: whoever asks after a lost answer hears what was done, or nothing at all, but never that it was not done when it was.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_or_in_doubt() {
    let cluster = Cluster::own();
    let url = cluster.database();
    let name = url.rsplit('/').next().unwrap();
    let store = open(&url);
    accept(&store, "a", 1).await;
    // Every commit is done and synced here, and waits for a replica that never comes.
    let reload = "SELECT pg_reload_conf()";
    cluster.sql(
        name,
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
    );
    cluster.sql(name, reload);
    eventually("the database waits for replicas", async || {
        let names = cluster.sql(name, "SHOW synchronous_standby_names");
        (names == "nobody").then_some(())
    })
    .await;
    let commit = store.commit(committed(vec![accept_write("b", 2)]));
    let waits = "pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()";
    eventually("a commit that waits", async || {
        let count = cluster.sql(name, &format!("SELECT count(*) FROM {waits}"));
        (count == "1").then_some(())
    })
    .await;
    cluster.sql(
        name,
        &format!("SELECT pg_terminate_backend(pid) FROM {waits}"),
    );
    let answer = commit.await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    let found = eventually("an answer", async || {
        store.execution(&"b".into()).await.ok()
    })
    .await;
    assert!(found.is_some(), "it was done");

    cluster.sql(name, "ALTER SYSTEM RESET synchronous_standby_names");
    cluster.sql(name, reload);
    let again = store.commit(committed(vec![accept_write("b", 2)])).await;
    assert_eq!(again.unwrap(), Committed::Duplicate("b".into()));
}
