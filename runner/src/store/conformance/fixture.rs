//! Records to try a store with.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sdk::Timestamp;
use serde_json::json;

use crate::record::{
    Base64, Execution, HandedOn, HeaderBytes, ResultType, Status, StoredBody, StoredOutput,
    StoredPart, StoredPayload, TriggerEnd,
};
use crate::store::{Accept, Commit, Committed, Finish, Point, Prune, Store, StoreResult, Write};

/// A moment, so many milliseconds after an arbitrary one.
pub(in crate::store) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_774_630_200_000 + millis)
}

/// An execution that waits for its turn, with nothing out of the ordinary about it.
pub(super) fn queued(id: &str, position: u64) -> Execution {
    let accepted_at = at(i64::try_from(position).unwrap());
    Execution {
        position,
        ..Execution::queued(
            id.into(),
            "instance-1".into(),
            "receive-order".into(),
            accepted_at,
        )
    }
}

/// A payload with everything that is hard to keep: a body that is no text, a header that is none, a NUL in JSON.
pub(in crate::store) fn payload() -> StoredPayload {
    StoredPayload {
        method: "POST".to_owned(),
        headers: vec![
            (
                "x-text".to_owned(),
                HeaderBytes::Text("café \\ \"".to_owned()),
            ),
            (
                "x-bytes".to_owned(),
                HeaderBytes::Bytes(vec![0xff, 0x00, 0x80]),
            ),
            ("x-text".to_owned(), HeaderBytes::Text(String::new())),
        ],
        path_fragment: "a/b c".to_owned(),
        query: vec![
            ("q".to_owned(), "1".to_owned()),
            ("q".to_owned(), String::new()),
        ],
        invoke_url: Some("http://127.0.0.1:3000/trigger/abc".to_owned()),
        content_type: Some("application/json".to_owned()),
        tick: None,
        cursor: Some(json!({"page": 2})),
        body: Some(StoredBody::Json(
            json!({"nul": "a\u{0}b", "big": 9_007_199_254_740_993_u64}).to_string(),
        )),
        handed_on: Some(Box::new(handed_on())),
        triggered: Some(TriggerEnd::PassedOn),
        trigger_state: Vec::new(),
        sealed: None,
        raw_body: Bytes::from_static(b"{\"nul\":\"a\\u0000b\"}\0\xff\xfe"),
    }
}

/// A payload that a trigger handed on: other bytes, and a body of every kind.
fn handed_on() -> HandedOn {
    let part = |data| StoredPart {
        data,
        content_type: Some("image/png".to_owned()),
        file_name: None,
    };
    let parts = vec![
        part(StoredBody::Bytes(Base64(Bytes::from_static(
            b"\x89PNG\0\xff",
        )))),
        part(StoredBody::Form(vec![("a".to_owned(), "1".to_owned())])),
        part(StoredBody::Text("text".to_owned())),
        part(StoredBody::Empty),
    ];
    HandedOn {
        payload: StoredPayload {
            method: "PUT".to_owned(),
            headers: Vec::new(),
            path_fragment: String::new(),
            query: Vec::new(),
            invoke_url: None,
            content_type: None,
            tick: None,
            cursor: None,
            body: Some(StoredBody::Multipart(BTreeMap::from([(
                "files".to_owned(),
                parts,
            )]))),
            handed_on: None,
            triggered: None,
            trigger_state: Vec::new(),
            sealed: None,
            raw_body: Bytes::new(),
        },
        raw_body: Some(Base64(Bytes::from_static(b"\0\xff"))),
    }
}

/// An output of so many bytes.
pub(in crate::store) fn output(bytes: usize) -> StoredOutput {
    StoredOutput {
        content_type: "application/octet-stream".to_owned(),
        status: Some(201),
        headers: vec![("x-bytes".to_owned(), HeaderBytes::Bytes(vec![0xff]))],
        text_like: false,
        data: (0..bytes)
            .map(|byte| u8::try_from(byte % 251).unwrap())
            .collect(),
    }
}

pub(super) fn accepting(execution: Execution) -> Write {
    Write::Accept(Box::new(Accept {
        execution,
        payload: Some(Arc::new(payload())),
        answer: None,
        claims: Vec::new(),
    }))
}

pub(in crate::store) fn accept_write(id: &str, position: u64) -> Write {
    accepting(queued(id, position))
}

pub(in crate::store) fn finish_write(
    id: &str,
    when: Timestamp,
    output: Option<StoredOutput>,
) -> Write {
    Write::Finish(Box::new(Finish {
        id: id.into(),
        status: Status::Success,
        result: ResultType::Completed,
        at: when,
        error: None,
        caller_error: None,
        output,
        dead_letter: false,
        canceled_by: None,
    }))
}

/// Commits some writes.
pub(super) async fn commit(store: &dyn Store, writes: Vec<Write>) -> StoreResult<Committed> {
    store.commit(Commit::new(Point::Accept, writes)).await
}

/// Commits some writes, all of which must be done.
#[track_caller]
pub(super) fn done(store: &dyn Store, writes: Vec<Write>) -> impl Future<Output = ()> + '_ {
    let caller = std::panic::Location::caller();
    async move {
        let committed = commit(store, writes).await.unwrap();
        assert_eq!(committed, Committed::Done, "at {caller}");
    }
}

/// Takes away what is old; returns how much it was.
pub(super) async fn pruned(store: &dyn Store, prune: Prune) -> u64 {
    match commit(store, vec![Write::Prune(prune)]).await.unwrap() {
        Committed::Pruned(rows) => rows,
        other => panic!("{other:?}"),
    }
}

/// Accepts an execution.
pub(in crate::store) async fn accept(store: &dyn Store, id: &str, position: u64) {
    done(store, vec![accept_write(id, position)]).await;
}

/// Ends an execution well.
pub(in crate::store) async fn finish(store: &dyn Store, id: &str, when: Timestamp) {
    done(store, vec![finish_write(id, when, Some(output(32)))]).await;
}
