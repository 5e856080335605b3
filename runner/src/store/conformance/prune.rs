//! Retention (E30).

use sdk::Timestamp;
use sdk::host::{LogLevel, StepId};
use sdk::state::StateScope;
use serde_json::{Value, json};

use super::fixture::{
    accept, accepting, at, commit, done, finish, finish_write, output, pruned, queued,
};
use crate::record::{Execution, LogRecord, StateKey, StepRecord};
use crate::store::{Accept, Committed, DedupeClaim, Prune, StateChange, Store, Write};

const NEVER: Timestamp = Timestamp::from_millis(0);

fn nothing() -> Prune {
    Prune {
        executions_before: NEVER,
        logs_before: NEVER,
        results_before: NEVER,
        claims_before: NEVER,
        at_most: 100,
    }
}

fn step(id: &str) -> Write {
    Write::Step(Box::new(StepRecord {
        journal: id.into(),
        step: StepId {
            name: "one".to_owned(),
            count: 0,
        },
        execution: id.into(),
        began_at: at(1),
        ended_at: at(2),
        attempts: 1,
        end: Ok(json!(1)),
    }))
}

fn line(id: &str, number: u32, millis: i64) -> LogRecord {
    LogRecord {
        execution: id.into(),
        number,
        at: at(millis),
        level: LogLevel::Info,
        step: None,
        text: "line".to_owned(),
        fields: Value::Null,
    }
}

fn state(scope: StateScope, owner: &str) -> StateKey {
    StateKey {
        instance: "instance-1".into(),
        scope,
        owner: owner.into(),
        key: "k".to_owned(),
    }
}

fn set(key: StateKey) -> Write {
    Write::State(StateChange {
        key,
        value: Some(json!(1)),
        expected: None,
    })
}

async fn kept(store: &dyn Store) -> Vec<String> {
    let all = store.executions(&<_>::default(), None, 100).await.unwrap();
    all.into_iter().map(|it| it.id.to_string()).rev().collect()
}

pub(super) async fn pruning_takes_what_is_old_and_nothing_else(store: &dyn Store) {
    for (id, position) in [("old", 1), ("waiting", 2), ("slow", 3), ("new", 4)] {
        accept(store, id, position).await;
        let own = [StateScope::Execution, StateScope::Instance].map(|scope| set(state(scope, id)));
        let log = Write::Log(vec![line(id, 0, 90)]);
        done(store, [step(id), log].into_iter().chain(own).collect()).await;
    }
    for (id, ended) in [("old", 9), ("slow", 50), ("new", 60)] {
        done(store, vec![finish_write(id, at(ended), Some(output(1000)))]).await;
    }
    let prune = Prune {
        executions_before: at(50),
        results_before: at(50),
        ..nothing()
    };
    pruned(store, prune).await;
    assert_eq!(kept(store).await, ["waiting", "slow", "new"]);
    for id in ["old", "waiting", "slow", "new"] {
        let (there, key) = (id != "old", id.into());
        assert_eq!(store.payload(&key).await.unwrap().is_some(), there, "{id}");
        assert_eq!(
            store.output(&key).await.unwrap().is_some(),
            there && id != "waiting",
            "{id}"
        );
        assert_eq!(
            store.steps(&key).await.unwrap().len(),
            usize::from(there),
            "{id}"
        );
        assert_eq!(
            store.logs(&key, 0, 9).await.unwrap().len(),
            usize::from(there),
            "{id}"
        );
        let own = store
            .state(&state(StateScope::Execution, id))
            .await
            .unwrap();
        assert_eq!(own.0.is_some(), there, "{id}");
        let lasting = store.state(&state(StateScope::Instance, id)).await.unwrap();
        assert!(lasting.0.is_some(), "{id}");
    }
}

pub(super) async fn pruning_takes_the_oldest_first_and_no_more_than_asked(store: &dyn Store) {
    for (id, position) in [("c", 3), ("a", 1), ("d", 4), ("b", 2)] {
        accept(store, id, position).await;
        finish(store, id, at(9)).await;
    }
    let prune = Prune {
        executions_before: at(100),
        at_most: 2,
        ..nothing()
    };
    assert_eq!(pruned(store, prune).await, 2);
    assert_eq!(kept(store).await, ["c", "d"]);
    assert_eq!(pruned(store, prune).await, 2);
    assert_eq!(kept(store).await, [""; 0]);
    assert_eq!(pruned(store, prune).await, 0);
}

// W24, E30: the URL of a result holds longer than its execution is kept.
pub(super) async fn a_result_outlives_its_execution_until_its_own_time_comes(store: &dyn Store) {
    for (id, position, bytes) in [("small", 1, 32), ("large", 2, 1000)] {
        accept(store, id, position).await;
        done(store, vec![finish_write(id, at(9), Some(output(bytes)))]).await;
    }
    accept(store, "empty", 3).await;
    done(store, vec![finish_write("empty", at(9), None)]).await;
    let mut prune = Prune {
        executions_before: at(100),
        ..nothing()
    };
    assert_eq!(pruned(store, prune).await, 3);
    assert_eq!(kept(store).await, [""; 0]);
    // What comes after it takes the place of nothing that is kept.
    accept(store, "next", 4).await;
    done(store, vec![finish_write("next", at(200), Some(output(70)))]).await;
    for (id, bytes) in [("small", 32), ("large", 1000), ("next", 70)] {
        let kept = store.output(&id.into()).await.unwrap();
        assert_eq!(kept, Some(output(bytes)), "{id}");
    }
    assert_eq!(store.output(&"empty".into()).await.unwrap(), None);
    prune.results_before = at(100);
    assert_eq!(pruned(store, prune).await, 2);
    for (id, there) in [("small", false), ("large", false), ("next", true)] {
        let kept = store.output(&id.into()).await.unwrap();
        assert_eq!(kept.is_some(), there, "{id}");
    }
    assert_eq!(pruned(store, prune).await, 0);
}

// G2: a finished step never runs again.
pub(super) async fn pruning_keeps_the_journal_of_an_unfinished_retry(store: &dyn Store) {
    accept(store, "first", 1).await;
    done(store, vec![step("first")]).await;
    finish(store, "first", at(5)).await;
    let retry = Execution {
        journal: "first".into(),
        accepted_at: at(6),
        ..queued("retry", 1)
    };
    done(store, vec![accepting(retry)]).await;
    let prune = Prune {
        executions_before: at(100),
        ..nothing()
    };
    pruned(store, prune).await;
    assert_eq!(kept(store).await, ["first", "retry"]);
    assert_eq!(store.steps(&"first".into()).await.unwrap().len(), 1);
    finish(store, "retry", at(7)).await;
    pruned(store, prune).await;
    assert_eq!(kept(store).await, [""; 0]);
}

pub(super) async fn pruning_keeps_a_dead_letter_and_its_journal_until_it_is_none(
    store: &dyn Store,
) {
    accept(store, "first", 1).await;
    done(store, vec![step("first")]).await;
    finish(store, "first", at(5)).await;
    let retry = Execution {
        journal: "first".into(),
        first: Some("first".into()),
        accepted_at: at(6),
        ..queued("retry", 1)
    };
    done(store, vec![accepting(retry)]).await;
    finish(store, "retry", at(7)).await;
    let dead = |dead| Write::DeadLetter {
        id: "retry".into(),
        dead,
    };
    let prune = Prune {
        executions_before: at(100),
        ..nothing()
    };
    done(store, vec![dead(true)]).await;
    // Nothing is gone: retention does not ask for more at once because of what must stay.
    assert_eq!(pruned(store, prune).await, 0);
    assert_eq!(kept(store).await, ["first", "retry"]);
    assert_eq!(store.steps(&"first".into()).await.unwrap().len(), 1);
    done(store, vec![dead(false)]).await;
    pruned(store, prune).await;
    assert_eq!(kept(store).await, [""; 0]);
}

fn claiming(id: &str, position: u64, value: &str, until: i64) -> Write {
    Write::Accept(Box::new(Accept {
        execution: queued(id, position),
        payload: None,
        answer: None,
        claims: vec![DedupeClaim {
            value: value.to_owned(),
            until: at(until),
        }],
    }))
}

pub(super) async fn pruning_takes_old_results_logs_and_claims(store: &dyn Store) {
    for (id, position) in [("a", 1), ("b", 2), ("c", 3)] {
        let claim = claiming(id, position, id, 1000);
        done(store, vec![claim]).await;
        let ended = at(i64::try_from(position).unwrap() * 10);
        done(store, vec![finish_write(id, ended, Some(output(1000)))]).await;
    }
    done(
        store,
        vec![Write::Log(vec![
            line("a", 0, 10),
            line("a", 1, 20),
            line("a", 2, 30),
        ])],
    )
    .await;
    let prune = Prune {
        logs_before: at(30),
        results_before: at(30),
        claims_before: at(1001),
        at_most: 1,
        ..nothing()
    };
    let left = async || {
        let mut left = (0, store.logs(&"a".into(), 0, 9).await.unwrap().len());
        for id in ["a", "b", "c"] {
            left.0 += usize::from(store.output(&id.into()).await.unwrap().is_some());
        }
        left
    };
    for (expected, gone) in [((2, 2), 3), ((1, 1), 3), ((1, 1), 1)] {
        assert_eq!(pruned(store, prune).await, gone);
        assert_eq!(left().await, expected);
    }
    assert!(store.output(&"c".into()).await.unwrap().is_some());
    assert_eq!(
        store.logs(&"a".into(), 0, 9).await.unwrap(),
        [line("a", 2, 30)]
    );
    assert_eq!(kept(store).await, ["a", "b", "c"]);
    // The claims had not run out; only that they are gone lets the delivery in again.
    let again = commit(store, vec![claiming("d", 4, "a", 1000)])
        .await
        .unwrap();
    assert_eq!(again, Committed::Done);
}
