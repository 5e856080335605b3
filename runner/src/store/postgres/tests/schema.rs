//! Databases that are new, older, newer, or somebody else's (G9).

use super::*;
use crate::store::postgres::PostgresError;
use crate::store::postgres::schema::MIGRATIONS;

const NEXT: &[&str] = &[MIGRATIONS[0], "CREATE TABLE later (number bigint);"];
const BROKEN: &[&str] = &[
    MIGRATIONS[0],
    "CREATE TABLE later (number bigint); SELECT 1 / 0;",
];

fn open_with(
    url: &str,
    migrations: &'static [&'static str],
) -> Result<PostgresStore, PostgresError> {
    let options = PostgresOptions::default();
    PostgresStore::connect_with(url, &options, Vault::clear(), migrations)
}

fn refusal(url: &str) -> PostgresError {
    let options = PostgresOptions::default();
    PostgresStore::connect(url, &options, Vault::clear()).unwrap_err()
}

fn database() -> (String, String) {
    let url = Cluster::shared().database();
    let name = url.rsplit('/').next().unwrap().to_owned();
    (url, name)
}

fn version(name: &str) -> String {
    Cluster::shared().sql(name, "SELECT version FROM runner.schema_version")
}

#[tokio::test]
async fn an_older_schema_of_a_database_is_brought_forward_with_what_it_holds() {
    let (url, name) = database();
    let store = open(&url);
    accept(&store, "a", 1).await;
    drop(store);
    assert_eq!(version(&name), "1");
    let store = open_with(&url, NEXT).unwrap();
    assert_eq!(version(&name), "2");
    assert!(store.execution(&"a".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_newer_schema_of_a_database_is_refused_and_left_alone() {
    let (url, name) = database();
    drop(open_with(&url, NEXT).unwrap());
    let refusal = refusal(&url);
    assert!(
        matches!(refusal, PostgresError::Newer { found: 2, known: 1 }),
        "{refusal:?}"
    );
    assert_eq!(version(&name), "2");
}

// An older process that is active keeps its tables until it has gone.
#[tokio::test]
async fn a_newer_process_that_stands_by_changes_no_table() {
    let (url, name) = database();
    let older = open(&url);
    let newer = open_with(&url, NEXT).unwrap();
    accept(&older, "a", 1).await;
    assert_eq!(version(&name), "1");
    drop(older);
    let mut standing = newer.standing();
    let active = standing.wait_for(|it| matches!(it, crate::store::Standing::Active));
    drop(
        tokio::time::timeout(PATIENCE, active)
            .await
            .unwrap()
            .unwrap(),
    );
    assert_eq!(version(&name), "2");
}

#[tokio::test]
async fn a_migration_of_a_database_that_fails_leaves_the_version_before_it() {
    let (url, name) = database();
    drop(open(&url));
    let refusal = open_with(&url, BROKEN).unwrap_err();
    assert!(matches!(refusal, PostgresError::Refused(_)), "{refusal:?}");
    assert_eq!(version(&name), "1");
    drop(open_with(&url, NEXT).unwrap());
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused() {
    let (url, name) = database();
    let cluster = Cluster::shared();
    cluster.sql(
        &name,
        "CREATE SCHEMA runner; CREATE TABLE runner.shoes (size int)",
    );
    let refusal = refusal(&url);
    assert!(matches!(refusal, PostgresError::Foreign), "{refusal:?}");
}

#[tokio::test]
async fn a_user_who_may_make_no_tables_is_told_so_until_there_is_a_schema_for_it() {
    let (url, name) = database();
    let cluster = Cluster::shared();
    let user = format!("plain_{name}");
    cluster.sql(&name, &format!("CREATE ROLE {user} LOGIN"));
    let url = url.replacen("postgres@", &format!("{user}@"), 1);
    let refusal = refusal(&url);
    assert!(
        matches!(refusal, PostgresError::Forbidden(_)),
        "{refusal:?}"
    );
    cluster.sql(&name, &format!("CREATE SCHEMA runner AUTHORIZATION {user}"));
    accept(&open(&url), "a", 1).await;
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let cluster = Cluster::shared();
    let sql = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0";
    cluster.sql("postgres", sql);
    let refusal = refusal(&cluster.url("ascii"));
    assert!(matches!(refusal, PostgresError::Encoding(_)), "{refusal:?}");
}

// E56.
#[tokio::test]
async fn a_database_whose_secrets_have_another_key_is_refused() {
    let (url, _) = database();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let options = PostgresOptions::default();
    let [ours, other] = folders.each_ref().map(|it| Vault::open(it.path()).unwrap());
    drop(PostgresStore::connect(&url, &options, ours.clone()).unwrap());
    let refusal = PostgresStore::connect(&url, &options, other).unwrap_err();
    assert!(matches!(refusal, PostgresError::OtherKey), "{refusal:?}");
    assert!(PostgresStore::connect(&url, &options, ours).is_ok());
}

// Who stands by looks, and writes nothing.
#[tokio::test]
async fn only_an_active_process_leaves_something_to_try_the_key_with() {
    let (url, name) = database();
    let count = || Cluster::shared().sql(&name, "SELECT count(*) FROM runner.key_check");
    let active = open(&url);
    assert_eq!(count(), "1");
    Cluster::shared().sql(&name, "DELETE FROM runner.key_check");
    let standby = open(&url);
    assert_eq!(count(), "0");
    drop(active);
    eventually("the next process is active", async || {
        (count() == "1").then_some(())
    })
    .await;
    drop(standby);
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_refused() {
    let (url, name) = database();
    let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only TO on");
    Cluster::shared().sql("postgres", &sql);
    let refusal = refusal(&url);
    assert!(
        matches!(refusal, PostgresError::Unreachable(_)),
        "{refusal:?}"
    );
}

#[test]
fn a_url_that_cannot_be_used_is_refused() {
    for url in [
        "postgres://host:port/database",
        "postgres://host/database?colour=red",
    ] {
        let refusal = refusal(url);
        assert!(matches!(refusal, PostgresError::Url(_)), "{refusal:?}");
    }
    let nobody = refusal("postgres://user@127.0.0.1:1/database");
    assert!(
        matches!(nobody, PostgresError::Unreachable(_)),
        "{nobody:?}"
    );
}
