//! State and ticks: versions, preconditions, erasure.

use sdk::id::InstanceId;
use sdk::state::StateScope;
use serde_json::{Value, json};

use super::fixture::{accept, accept_write, at, commit, done};
use crate::record::{StateEntry, StateKey};
use crate::store::{ClearState, Committed, StateChange, Store, TickClaim, Write};

fn key(instance: &str, scope: StateScope, owner: &str, key: &str) -> StateKey {
    StateKey {
        instance: instance.into(),
        scope,
        owner: owner.into(),
        key: key.to_owned(),
    }
}

fn plain(name: &str) -> StateKey {
    key("instance-1", StateScope::Instance, "receive-order", name)
}

fn set(key: StateKey, value: impl Into<Option<Value>>, expected: Option<u64>) -> Write {
    Write::State(StateChange {
        key,
        value: value.into(),
        expected,
    })
}

pub(super) async fn a_value_of_the_state_has_a_version_that_grows(store: &dyn Store) {
    assert_eq!(store.state(&plain("k")).await.unwrap(), (None, 0));
    for (value, version) in [
        (json!(null), 1),
        (json!("a\u{0}b"), 2),
        (json!([1.5, {"x": 1}]), 3),
    ] {
        done(store, vec![set(plain("k"), value.clone(), None)]).await;
        assert_eq!(
            store.state(&plain("k")).await.unwrap(),
            (Some(value), version)
        );
    }
    for other in [
        key("instance-2", StateScope::Instance, "receive-order", "k"),
        key("instance-1", StateScope::CrossFlow, "receive-order", "k"),
        key("instance-1", StateScope::Instance, "other", "k"),
        plain("K"),
    ] {
        assert_eq!(store.state(&other).await.unwrap(), (None, 0), "{other:?}");
    }
}

// E41.
pub(super) async fn an_expected_version_that_is_not_there_refuses_the_commit(store: &dyn Store) {
    done(store, vec![set(plain("k"), json!(1), Some(0))]).await;
    for wrong in [0, 2] {
        let writes = vec![
            accept_write("a", 1),
            set(plain("other"), json!(1), None),
            set(plain("k"), json!(2), Some(wrong)),
        ];
        let committed = commit(store, writes).await.unwrap();
        assert_eq!(committed, Committed::StateChanged);
    }
    assert_eq!(store.state(&plain("k")).await.unwrap(), (Some(json!(1)), 1));
    assert_eq!(store.state(&plain("other")).await.unwrap(), (None, 0));
    assert_eq!(store.execution(&"a".into()).await.unwrap(), None);
    done(store, vec![set(plain("k"), json!(2), Some(1))]).await;
    assert_eq!(store.state(&plain("k")).await.unwrap(), (Some(json!(2)), 2));
}

pub(super) async fn a_removed_key_begins_anew_above_its_last_version(store: &dyn Store) {
    done(store, vec![set(plain("k"), json!(1), None)]).await;
    done(store, vec![set(plain("k"), None, Some(1))]).await;
    assert_eq!(store.state(&plain("k")).await.unwrap(), (None, 2));
    let stale = vec![set(plain("k"), json!(2), Some(1))];
    assert_eq!(commit(store, stale).await.unwrap(), Committed::StateChanged);
    done(store, vec![set(plain("k"), json!(2), Some(2))]).await;
    assert_eq!(store.state(&plain("k")).await.unwrap(), (Some(json!(2)), 3));
}

async fn names(store: &dyn Store, instance: &str) -> Vec<String> {
    let states = store.states(&instance.into()).await.unwrap();
    states.into_iter().map(|(key, _)| key.key).collect()
}

pub(super) async fn states_come_in_the_order_of_their_keys(store: &dyn Store) {
    let keys = [
        key("i", StateScope::Integration, "", "a"),
        key("i", StateScope::Instance, "flow-b", "a"),
        key("i", StateScope::Instance, "flow-a", "z"),
        key("i", StateScope::Instance, "flow-a", "é"),
        key("i", StateScope::Instance, "flow-a", "Z"),
        key("i", StateScope::Execution, "x", "a"),
        key("i", StateScope::CrossFlow, "", "a"),
    ];
    for key in &keys {
        done(store, vec![set(key.clone(), json!(key.key), None)]).await;
    }
    done(
        store,
        vec![set(key("i", StateScope::CrossFlow, "", "gone"), None, None)],
    )
    .await;
    done(
        store,
        vec![set(
            key("j", StateScope::CrossFlow, "", "other"),
            json!(1),
            None,
        )],
    )
    .await;
    let mut expected: Vec<(StateKey, StateEntry)> = keys
        .into_iter()
        .map(|key| {
            let value = json!(key.key);
            (key, StateEntry { value, version: 1 })
        })
        .collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(store.states(&"i".into()).await.unwrap(), expected);
}

// E42.
pub(super) async fn the_size_of_the_state_counts_keys_and_values_but_no_executions(
    store: &dyn Store,
) {
    let instance: InstanceId = "i".into();
    assert_eq!(store.state_size(&instance).await.unwrap(), 0);
    let writes = vec![
        set(
            key("i", StateScope::Instance, "f", "é\u{0}k"),
            json!("ü\u{0}"),
            None,
        ),
        set(
            key("i", StateScope::CrossFlow, "", "ab"),
            json!({"x": 1}),
            None,
        ),
        set(
            key("i", StateScope::Execution, "x", "much"),
            json!("more"),
            None,
        ),
        set(key("i", StateScope::Integration, "", "removed"), None, None),
        set(
            key("j", StateScope::Integration, "", "other"),
            json!(1),
            None,
        ),
    ];
    done(store, writes).await;
    let (first, second) = (4 + r#""ü\u0000""#.len(), 2 + r#"{"x":1}"#.len());
    assert_eq!(
        store.state_size(&instance).await.unwrap(),
        (first + second) as u64
    );
}

/// E42: the limit is kept by the commit, so that what commits at once cannot outgrow it together.
pub(super) async fn a_commit_beyond_the_limit_of_the_state_is_refused(store: &dyn Store) {
    let of = |scope, name: &str| key("i", scope, "", name);
    let lasting = |name: &str| of(StateScope::CrossFlow, name);
    let text = |length: usize| json!("x".repeat(length));
    let within = async |limit: u64, mut writes: Vec<Write>| {
        let instance = "i".into();
        writes.push(Write::StateLimit {
            instance,
            bytes: limit,
        });
        commit(store, writes).await.unwrap()
    };
    let size = async || store.state_size(&"i".into()).await.unwrap();
    // A key of one letter, and a text in quotes.
    let first = vec![set(lasting("a"), text(37), None)];
    assert_eq!(within(40, first).await, Committed::Done);
    let second = vec![
        set(lasting("b"), text(0), None),
        set(lasting("a"), text(37), None),
        set(of(StateScope::Execution, "much"), text(900), None),
    ];
    assert_eq!(within(42, second.clone()).await, Committed::StateFull);
    assert_eq!(names(store, "i").await, ["a"], "nothing of it was done");
    assert_eq!(within(43, second).await, Committed::Done);
    assert_eq!(size().await, 43);
    // What was larger before may grow smaller, and no larger.
    let smaller = vec![set(lasting("a"), text(36), None)];
    assert_eq!(within(10, smaller.clone()).await, Committed::Done);
    let same = vec![set(lasting("a"), text(36), None)];
    assert_eq!(within(10, same).await, Committed::Done);
    let larger = vec![set(lasting("a"), text(37), None)];
    assert_eq!(within(10, larger).await, Committed::StateFull);
    let other = vec![set(
        key("j", StateScope::CrossFlow, "", "a"),
        text(99),
        None,
    )];
    assert_eq!(
        within(10, other).await,
        Committed::Done,
        "of another instance"
    );
    assert_eq!(size().await, 42);
    // Whatever takes state away counts.
    done(store, vec![set(lasting("b"), None, None)]).await;
    assert_eq!(size().await, 39);
    done(store, vec![set(lasting("b"), text(1), None)]).await;
    assert_eq!(size().await, 43);
    let only = Some((StateScope::CrossFlow, "".into()));
    let instance: InstanceId = "i".into();
    let clear = ClearState {
        instance: instance.clone(),
        only,
    };
    done(store, vec![Write::ClearState(clear)]).await;
    assert_eq!(size().await, 0);
    done(store, vec![set(lasting("b"), text(1), None)]).await;
    done(store, vec![Write::EraseInstance(instance)]).await;
    assert_eq!(size().await, 0);
}

pub(super) async fn clearing_takes_one_owner_or_all(store: &dyn Store) {
    let keys = [
        key("i", StateScope::Instance, "a", "1"),
        key("i", StateScope::Instance, "b", "2"),
        key("i", StateScope::CrossFlow, "a", "3"),
        key("j", StateScope::Instance, "a", "4"),
    ];
    done(
        store,
        keys.iter()
            .map(|key| set(key.clone(), json!(1), None))
            .collect(),
    )
    .await;
    let clear = |only| ClearState {
        instance: "i".into(),
        only,
    };
    let one = clear(Some((StateScope::Instance, "a".into())));
    done(store, vec![Write::ClearState(one)]).await;
    assert_eq!(names(store, "i").await, ["2", "3"]);
    assert_eq!(store.state(&keys[0]).await.unwrap(), (None, 2));
    done(store, vec![Write::ClearState(clear(None))]).await;
    assert_eq!(names(store, "i").await, [""; 0]);
    assert_eq!(names(store, "j").await, ["4"]);
    // What was gone before is not removed again.
    assert_eq!(store.state(&keys[0]).await.unwrap(), (None, 2));
}

fn tick(instance: &str, flow: &str, millis: i64) -> Write {
    Write::Tick(TickClaim {
        instance: instance.into(),
        flow: flow.into(),
        nominal: at(millis),
    })
}

// E52.
pub(super) async fn erasing_an_instance_takes_state_and_ticks_but_no_executions(store: &dyn Store) {
    accept(store, "a", 1).await;
    done(
        store,
        vec![set(plain("k"), json!(1), None), tick("instance-1", "f", 1)],
    )
    .await;
    let other = key("instance-2", StateScope::Instance, "f", "k");
    done(
        store,
        vec![
            set(other.clone(), json!(1), None),
            tick("instance-2", "f", 1),
        ],
    )
    .await;
    done(store, vec![Write::EraseInstance("instance-1".into())]).await;
    assert_eq!(store.state(&plain("k")).await.unwrap(), (None, 0));
    assert_eq!(store.last_ticks(&"instance-1".into()).await.unwrap(), []);
    assert_eq!(store.state(&other).await.unwrap(), (Some(json!(1)), 1));
    assert_eq!(
        store.last_ticks(&"instance-2".into()).await.unwrap().len(),
        1
    );
    assert!(store.execution(&"a".into()).await.unwrap().is_some());
}

// E17, G4.
pub(super) async fn a_tick_is_claimed_once_and_in_order(store: &dyn Store) {
    done(store, vec![tick("i", "f", 10)]).await;
    for late in [10, 9] {
        let writes = vec![accept_write("a", 1), tick("i", "f", late)];
        assert_eq!(commit(store, writes).await.unwrap(), Committed::TickTaken);
    }
    assert_eq!(store.execution(&"a".into()).await.unwrap(), None);
    done(
        store,
        vec![tick("i", "f", 11), tick("i", "e", 3), tick("j", "f", 1)],
    )
    .await;
    let expected = [("e".into(), at(3)), ("f".into(), at(11))];
    assert_eq!(store.last_ticks(&"i".into()).await.unwrap(), expected);
}
