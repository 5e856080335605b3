//! Payloads are sealed at rest (G10, E56).

use std::sync::Arc;

use super::*;
use crate::record::{HeaderBytes, StoredPayload};
use crate::vault::Vault;

const CANARY: &str = "canary-in-a-request";

fn telling() -> StoredPayload {
    StoredPayload {
        headers: vec![(
            "authorization".to_owned(),
            HeaderBytes::Text(CANARY.to_owned()),
        )],
        query: vec![("token".to_owned(), CANARY.to_owned())],
        invoke_url: Some(format!("https://hooks.example/trigger/x?token={CANARY}")),
        raw_body: CANARY.into(),
        ..payload()
    }
}

/// Says whether a text stands anywhere in the files of the store.
fn stands_on_disk(home: &Home, text: &str) -> bool {
    let files = std::fs::read_dir(home.path().parent().unwrap()).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default())
        .any(|bytes| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
}

async fn accept_telling(store: &SqliteStore, id: &str, position: u64) {
    let mut write = accept_write(id, position);
    if let Write::Accept(accept) = &mut write {
        accept.payload = Some(Arc::new(telling()));
    }
    store.commit(committed(vec![write])).await.unwrap();
}

#[tokio::test]
async fn nothing_of_a_payload_stands_on_the_disk_in_the_clear() {
    let clear = Home::new();
    accept_telling(&clear.open(), "clear", 1).await;
    assert!(
        stands_on_disk(&clear, CANARY),
        "the search finds what is there"
    );

    let home = Home::new();
    let keys = tempfile::tempdir().unwrap();
    let vault = Vault::open(keys.path()).unwrap();
    let store = home.open().sealing_with(vault.clone());
    accept_telling(&store, "sealed", 1).await;
    assert!(!stands_on_disk(&home, CANARY));
    drop(store);
    assert!(!stands_on_disk(&home, CANARY));
    let store = home.open().sealing_with(vault);
    let found = store.payload(&"sealed".into()).await.unwrap();
    assert_eq!(*found.unwrap(), telling());
}

#[tokio::test]
async fn what_was_stored_before_payloads_were_sealed_is_read_as_it_is() {
    let home = Home::new();
    accept_telling(&home.open(), "a", 1).await;
    let keys = tempfile::tempdir().unwrap();
    let store = home.open().sealing_with(Vault::open(keys.path()).unwrap());
    let found = store.payload(&"a".into()).await.unwrap();
    assert_eq!(*found.unwrap(), telling());
}

#[tokio::test]
async fn with_another_key_a_payload_is_damaged_and_nothing_else_is() {
    let home = Home::new();
    let vault = || Vault::open(tempfile::tempdir().unwrap().path()).unwrap();
    accept_telling(&home.open().sealing_with(vault()), "a", 1).await;
    for other in [vault(), Vault::clear()] {
        let store = home.open().sealing_with(other);
        let refusal = store.payload(&"a".into()).await.unwrap_err();
        assert!(matches!(refusal, StoreError::Damaged(_)), "{refusal}");
        assert!(store.execution(&"a".into()).await.unwrap().is_some());
    }
}
