//! `logs`.

use serde_json::{Value, json};

use super::shop::{Screen, Shop};

#[tokio::test]
async fn the_log_of_an_execution_is_shown_line_by_line() {
    let (shop, _) = Shop::with_instance("local").await;
    let id = shop.greet("trouble").await;
    let told = shop.run(&format!("logs {id}")).await;
    let lines: Vec<Vec<&str>> = told
        .text()
        .lines()
        .map(|line| line.split('\t').skip(1).collect())
        .collect();
    assert_eq!(lines[0], ["INFO ", "somebody came"]);
    assert!(
        lines
            .iter()
            .any(|line| line[..] == ["ERROR", "it goes wrong"]),
        "{lines:?}"
    );
    let list = shop.run(&format!("logs {id} --json")).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), lines.len());
    assert_eq!(list["next_cursor"], Value::Null);
    // An execution that has ended is not followed for ever.
    let followed = shop.run(&format!("logs {id} --follow")).await;
    assert_eq!(followed.text(), told.text());

    let told = shop.run("logs nothing").await;
    assert_eq!(told.failure(), "there is no execution `nothing`");
    for line in ["logs", "logs x --level warn", "logs --flow greet"] {
        assert!(shop.run(line).await.failure().contains("Usage"), "{line}");
    }
}

#[tokio::test]
async fn an_execution_is_followed_until_it_ends() {
    let (shop, _) = Shop::with_instance("local").await;
    let id = shop.run("invoke wait --json").await.json()["execution_id"].clone();
    let id = id.as_str().unwrap();
    let line = format!("logs {id} --follow --json");
    let (told, ()) = tokio::join!(shop.run(&line), async {
        shop.followers(1).await;
        shop.run(&format!("cancel {id}")).await.text();
    });
    let lines: Vec<Value> = told
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["text"], "waiting", "{lines:?}");
    assert!(lines.iter().all(|line| line["execution"] == id));
    let mut numbers: Vec<_> = lines.iter().map(|line| line["number"].as_u64()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), lines.len(), "{lines:?}");
}

#[tokio::test]
async fn all_executions_are_followed_until_the_server_stops() {
    let (shop, _) = Shop::with_instance("local").await;
    let (people, machines) = (Screen::default(), Screen::default());
    let (told, for_machines, ()) = tokio::join!(
        shop.run_on(&people, "logs --follow --flow greet --level info"),
        shop.run_on(
            &machines,
            "logs --follow --instance local --level error --json"
        ),
        async {
            shop.followers(2).await;
            shop.greet("trouble").await;
            people.until("it goes wrong").await;
            machines.until("it goes wrong").await;
            shop.stop.send(true).unwrap();
        }
    );
    for told in [&told, &for_machines] {
        assert_eq!(
            told.failure(),
            "the server has ended the stream: it is stopping"
        );
    }
    assert_eq!(told.notes, "following all executions; stop with ctrl-c\n");
    assert_eq!(for_machines.notes, "");
    let first: Vec<&str> = told.output.lines().next().unwrap().split('\t').collect();
    assert_eq!(
        (first[1], first[2], first[4]),
        ("INFO ", "greet", "somebody came")
    );
    let line = for_machines.output.lines().next().unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["level"], &line["flow"]),
        (&json!("error"), &json!("greet"))
    );
}
