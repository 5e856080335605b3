//! `invoke`, `executions`, `cancel`, `replay`.

use serde_json::{Value, json};

use super::shop::Shop;

fn ids(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_flow_is_invoked_and_its_end_shown() {
    let (shop, _) = Shop::with_instance("local").await;
    let told = shop.run("invoke greet --data '\"ann\"' --wait").await;
    assert!(told.text().contains("\nstatus\tSUCCESS\n"), "{told:?}");
    assert!(told.text().contains("\npayload\tann\n"), "{told:?}");
    assert!(told.text().contains("\"greeting\":\"hello from local\""));
    assert!(told.text().contains("\nSteps\nSTEP\t"), "{told:?}");

    let mut input: &[u8] = b"plain words";
    let line = "invoke greet --data @- --header 'content-type: text/plain' --header 'x-caller: me' --wait --json";
    let told = shop.run_with(line, &mut input, None).await.json();
    let output = &told["execution"]["output"]["data"];
    assert_eq!(
        (&output["text"], &output["caller"]),
        (&json!("plain words"), &json!(true))
    );

    let told = shop.run("invoke greet").await;
    let id = told.text().strip_prefix("id\t").unwrap().trim_end();
    let shown = shop.run(&format!("executions {id} --json")).await.json();
    assert_eq!(
        (&shown["id"], &shown["flow"]),
        (&json!(id), &json!("greet"))
    );
}

#[tokio::test]
async fn a_flow_that_fails_is_told_and_fails_the_command_that_waits() {
    let (shop, _) = Shop::with_instance("local").await;
    let told = shop.run("invoke greet --data '\"trouble\"' --wait").await;
    assert!(told.output.contains("\nstatus\tERROR\n"), "{told:?}");
    assert!(told.failure().starts_with("execution `"));
    assert!(told.failure().ends_with("` failed: no trouble here"));
    let told = shop
        .run("invoke greet --data '\"trouble\"' --wait --json")
        .await;
    let answer: Value = serde_json::from_str(&told.output).unwrap();
    assert_eq!(answer["execution"]["status"], "ERROR");
    assert!(told.failure.is_some());
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_runs() {
    let (shop, _) = Shop::with_instance("local").await;
    let told = shop.run("invoke greet --data nonsense").await;
    assert_eq!(
        told.failure(),
        "what was given is not JSON: it goes wrong in line 1, column 2; to send another type, say which with `--header 'content-type: …'`"
    );
    let told = shop.run("invoke nowhere").await;
    assert_eq!(told.failure(), "the integration has no flow `nowhere`");
    assert!(
        shop.run("invoke greet --header x")
            .await
            .failure()
            .contains("--header")
    );
    assert!(shop.run("invoke").await.failure().contains("<FLOW>"));
    assert_eq!(
        ids(&shop.run("executions --json --flow greet").await.json()),
        [""; 0]
    );
}

#[tokio::test]
async fn executions_are_listed_newest_first_and_chosen() {
    let (shop, instance) = Shop::with_instance("local").await;
    let first = shop.greet("ann").await;
    let second = shop.greet("trouble").await;
    let list = shop.run("executions --flow greet --json").await.json();
    assert_eq!(ids(&list), [&second, &first]);
    for (line, wanted) in [
        ("executions --status error --json", &second),
        ("executions --result COMPLETED --flow greet --json", &first),
        ("executions --flow greet --limit 1 --json", &second),
        (
            "executions --status ERROR --since 1h --instance local --json",
            &second,
        ),
    ] {
        assert_eq!(ids(&shop.run(line).await.json()), [wanted], "{line}");
    }
    for line in [
        "executions --until 1h --json",
        "executions --since 2999-01-01T00:00:00Z --json",
        "executions --instance nobody --json",
        // Nobody waits for a dead letter.
        "executions --dead-letters --json",
    ] {
        assert_eq!(ids(&shop.run(line).await.json()), [""; 0], "{line}");
    }
    let told = shop.run("executions --instance nobody").await;
    assert!(
        told.notes
            .starts_with("there is no instance `nobody` now; ")
    );
    let told = shop.run("executions --status ERROR").await;
    let row = told.text().lines().nth(1).unwrap();
    assert!(
        row.starts_with(&format!("{second}\tgreet\tERROR\tERROR\tTEST\t1\t")),
        "{row}"
    );
    assert!(
        row.ends_with(&format!("\t{instance}\tno trouble here")),
        "{row}"
    );
}

#[tokio::test]
async fn a_long_list_goes_over_pages_and_can_be_gone_on_with() {
    let (shop, _) = Shop::with_instance("local").await;
    for _ in 0..103 {
        shop.greet_directly("ann").await;
    }
    let list = shop
        .run("executions --flow greet --limit 102 --json")
        .await
        .json();
    assert_eq!(ids(&list).len(), 102);
    let cursor = list["next_cursor"].as_str().unwrap();
    let rest = shop
        .run(&format!(
            "executions --flow greet --limit 102 --cursor {cursor} --json"
        ))
        .await
        .json();
    assert_eq!((ids(&rest).len(), &rest["next_cursor"]), (1, &Value::Null));
    let told = shop.run("executions --flow greet").await;
    assert_eq!(told.text().lines().count(), 51);
    assert!(told.notes.starts_with("there are more: "), "{told:?}");
}

#[tokio::test]
async fn an_execution_that_runs_is_cancelled_once() {
    let (shop, _) = Shop::with_instance("local").await;
    let id = shop.run("invoke wait --json").await.json()["execution_id"].clone();
    let id = id.as_str().unwrap();
    let told = shop.run(&format!("cancel {id}")).await;
    assert!(told.text().contains(&format!("\n{id}\twait\t")), "{told:?}");
    let shown = shop.until_ended(id).await;
    assert_eq!(shown["result"], "CANCELED");
    let told = shop.run(&format!("cancel {id}")).await;
    assert!(told.failure().contains(id), "{told:?}");
    let told = shop.run("cancel nothing").await;
    assert_eq!(told.failure(), "there is no execution `nothing`");
}

/// E28: a dead letter is listed until somebody replays or dismisses it.
#[tokio::test]
async fn a_dead_letter_is_dismissed_once() {
    let (shop, _) = Shop::with_instance("local").await;
    let invoked = shop
        .run("invoke greet --json --data '\"trouble\"'")
        .await
        .json();
    let id = invoked["execution_id"].as_str().unwrap().to_owned();
    shop.until_ended(&id).await;
    let listed = async || {
        shop.run("executions --dead-letters")
            .await
            .text()
            .contains(&id)
    };
    assert!(listed().await);
    let told = shop.run(&format!("cancel {id} --dismiss")).await;
    assert!(told.text().contains(&id), "{told:?}");
    assert!(!listed().await);
    let told = shop.run(&format!("cancel {id} --dismiss")).await;
    assert!(told.failure().contains("is no dead letter"), "{told:?}");
}

#[tokio::test]
async fn an_execution_is_replayed_from_the_start_or_from_the_failed_step() {
    let (shop, _) = Shop::with_instance("local").await;
    let id = shop.greet("trouble").await;
    let told = shop.run(&format!("replay {id}")).await;
    let replay = told
        .text()
        .lines()
        .nth(1)
        .unwrap()
        .split_once('\t')
        .unwrap();
    assert_eq!(replay.1, id);
    assert_eq!(shop.until_ended(replay.0).await["first"], id);
    let line = format!("replay {id} --from failed-step --json");
    let replayed = shop.run(&line).await.json();
    assert_eq!(replayed["id"], id);
    let shown = shop
        .until_ended(replayed["execution_id"].as_str().unwrap())
        .await;
    // The step was taken over: the execution that ran it is the first one.
    assert_eq!(shown["steps"][0]["execution"], id);

    let told = shop.run("replay nothing").await;
    assert_eq!(told.failure(), "there is no execution `nothing`");
    for (line, wanted) in [
        ("replay", "<EXECUTION>"),
        ("replay x --status ERROR", "cannot be used with"),
        ("replay x --from the-middle", "failed-step"),
    ] {
        let told = shop.run(line).await;
        assert!(told.failure().contains(wanted), "{told:?}");
    }
}

#[tokio::test]
async fn many_are_replayed_oldest_first_and_none_twice() {
    let (shop, _) = Shop::with_instance("local").await;
    let mut failed = Vec::new();
    for _ in 0..103 {
        failed.push(shop.greet_directly("trouble").await);
    }
    shop.greet("ann").await;
    let told = shop.run("replay --status ERROR --json").await.json();
    // Within a millisecond they have no order.
    let milliseconds: Vec<&str> = ids(&told).iter().map(|id| &id[..13]).collect();
    assert!(milliseconds.is_sorted(), "{milliseconds:?}");
    let mut replayed = ids(&told);
    replayed.sort_unstable();
    failed.sort_unstable();
    assert_eq!(replayed, failed);
    assert_eq!(
        (&told["replayed"], &told["next_cursor"]),
        (&json!(103), &Value::Null)
    );
    let told = shop
        .run("replay --result ERROR --flow greet --limit 2")
        .await;
    assert_eq!(told.text().lines().count(), 3);
    assert!(told.text().starts_with("EXECUTION\tREPLAYS\tERROR\n"));
    let id = shop
        .run("invoke greet --json --data '\"trouble\"'")
        .await
        .json()["execution_id"]
        .clone();
    shop.until_ended(id.as_str().unwrap()).await;
    let dead = shop.run("replay --dead-letters --json").await.json();
    assert!(ids(&dead).contains(&id.as_str().unwrap()), "{dead}");
    let told = shop
        .run("replay --status ERROR --since 2999-01-01T00:00:00Z")
        .await;
    assert_eq!(told.text(), "EXECUTION\tREPLAYS\tERROR\n");
    assert_eq!(told.notes, "0 of 0 executions are replayed\n");
}
