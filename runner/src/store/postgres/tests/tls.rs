//! Encrypted connections to a database.

use std::fs;
use std::net::TcpListener;

use super::*;
use crate::store::postgres::PostgresError;

const ROOT: &str = include_str!("certificates/root.pem");
const CERTIFICATE: &str = include_str!("certificates/server.pem");
/// Of no use to anybody: the certificate is for `localhost`, and the key of its root is gone.
const KEY: &str = include_str!("certificates/server.key");

/// Says whether the connections of a store are encrypted.
async fn is_encrypted(url: &str) -> Result<bool, PostgresError> {
    let store = PostgresStore::connect(url, &PostgresOptions::default(), Vault::clear())?;
    accept(&store, "a", 1).await;
    let session = store.0.quick.session().await.unwrap();
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'runner'";
    let row = session.client.query_one(sql, &[]).await.unwrap();
    let is_encrypted = row.get(0);
    session
        .client
        .batch_execute("TRUNCATE execution, payload")
        .await
        .unwrap();
    Ok(is_encrypted)
}

#[tokio::test]
async fn a_database_is_spoken_to_as_the_url_says() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let files = [("server.crt", CERTIFICATE), ("server.key", KEY)];
    let _cluster = Cluster::own_with(&files, "-c ssl=on -c listen_addresses=127.0.0.1", port);
    let url =
        |host: &str, query: &str| format!("postgres://postgres@{host}:{port}/postgres{query}");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    fs::write(&root, ROOT).unwrap();
    let trusting = format!("?sslrootcert={}", root.display());

    assert!(
        !is_encrypted(&url("localhost", "?sslmode=disable"))
            .await
            .unwrap()
    );
    for query in ["", "?sslmode=require", &trusting] {
        assert!(
            is_encrypted(&url("localhost", query)).await.unwrap(),
            "{query}"
        );
    }
    // No public authority knows this root, and it is not the certificate of that address.
    for (host, query) in [
        ("localhost", "?sslmode=verify-full"),
        ("127.0.0.1", &trusting),
    ] {
        let refusal = is_encrypted(&url(host, query)).await.unwrap_err();
        assert!(
            matches!(refusal, PostgresError::Unreachable(_)),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_database_that_cannot_encrypt_is_refused_where_the_url_asks_for_it() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let _cluster = Cluster::own_with(&[], "-c listen_addresses=127.0.0.1", port);
    let url = format!("postgres://postgres@localhost:{port}/postgres");
    assert!(!is_encrypted(&url).await.unwrap());
    let refusal = is_encrypted(&format!("{url}?sslmode=require"))
        .await
        .unwrap_err();
    assert!(
        matches!(refusal, PostgresError::Unreachable(_)),
        "{refusal:?}"
    );
}
