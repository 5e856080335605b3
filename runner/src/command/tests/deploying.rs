//! `instances`, `deploy`, `remove`, `pause`, `resume`, `schedules`, `state`, `keys`.

use serde_json::{Value, json};

use super::shop::Shop;

#[tokio::test]
async fn an_instance_is_deployed_from_a_file_from_input_and_from_what_was_typed() {
    let shop = Shop::open().await;
    let file = shop.folder.path().join("values.json");
    std::fs::write(&file, "{\"greeting\": \"from a file\"}").unwrap();
    let line = format!(
        "deploy --name one --customer acme --config '{}'",
        file.display()
    );
    let told = shop.run(&line).await;
    let text = told.text();
    assert!(text.contains("status\tACTIVE\n"), "{text}");
    assert!(text.contains("customer\tacme\n"), "{text}");
    assert!(
        text.contains("\nEndpoints\nFLOW\tURL\ngreet\thttps://hooks.example/"),
        "{text}"
    );
    assert!(
        text.contains("\nFunctions\nFLOW\tFUNCTION\tATTEMPT\tRESULT\tEXECUTION\tERROR\nreport\ton_instance_deploy\t1\tCOMPLETED\t"),
        "{text}"
    );

    let mut input: &[u8] = b"{\"greeting\": \"from input\"}";
    let told = shop.run_with("deploy --name two --config - --json", &mut input, None);
    let deployed = told.await.json();
    assert_eq!(deployed["config"]["greeting"], "from input");
    assert_eq!(deployed["functions"][0]["result"], "COMPLETED");

    let line = "deploy --instance two --config '{\"greeting\": \"typed\"}' --json";
    let again = shop.run(line).await.json();
    assert_eq!(
        (&again["id"], &again["name"]),
        (&deployed["id"], &json!("two"))
    );
    assert_eq!(again["config"]["greeting"], "typed");
}

#[tokio::test]
async fn a_deploy_function_that_fails_is_told_with_the_instance_it_left() {
    let shop = Shop::open().await;
    let line = "deploy --config '{\"greeting\": \"x\", \"fails\": true}'";
    let told = shop.run(line).await;
    assert!(
        told.output
            .contains("report\ton_instance_deploy\t1\tERROR\t"),
        "{told:?}"
    );
    assert!(told.output.contains("nobody to subscribe to"), "{told:?}");
    assert!(told.failure().starts_with("a deploy function failed; "));
    let listed = shop.run("instances --json").await.json();
    let id = listed["items"][0]["id"].as_str().unwrap();
    assert!(told.failure().ends_with(&format!("(instance `{id}`)")));

    let told = shop.run(&format!("{line} --json")).await;
    let answer: Value = serde_json::from_str(&told.output).unwrap();
    assert_eq!(answer["functions"][0]["result"], "ERROR");
    assert!(told.failure.is_some());
}

#[tokio::test]
async fn values_that_do_not_fit_are_named() {
    let shop = Shop::open().await;
    let told = shop.run("deploy --config '{\"greting\": \"x\"}'").await;
    assert!(told.failure().contains("`greeting` is missing"), "{told:?}");
    let told = shop.run("deploy --config '{\"greeting\": s3cret}'").await;
    assert_eq!(
        told.failure(),
        "what was given is not JSON: it goes wrong in line 1, column 14"
    );
    let mut list: &[u8] = b"[1]";
    let told = shop.run_with("deploy --config -", &mut list, None).await;
    assert_eq!(
        told.failure(),
        "standard input is no JSON object of config values"
    );
    let told = shop.run("deploy --config no-such-file.json").await;
    assert!(
        told.failure()
            .contains("`no-such-file.json` cannot be read")
    );
}

#[tokio::test]
async fn instances_are_listed_and_one_is_shown_without_its_secrets() {
    let (shop, id) = Shop::with_instance("local").await;
    let other = shop.deploy("other").await;
    let list = shop.run("instances --json").await.json();
    let ids: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, [&json!(id), &json!(other)]);
    assert_eq!(list["next_cursor"], Value::Null);

    let told = shop.run("instances").await;
    let lines: Vec<&str> = told.text().lines().collect();
    assert_eq!(lines[0], "ID\tNAME\tCUSTOMER\tSTATUS\tVERSION\tDEPLOYED AT");
    assert!(lines[1].starts_with(&format!("{id}\tlocal\t")), "{lines:?}");

    let told = shop.run("instances local").await;
    assert!(told.text().contains("health\thealthy: "), "{told:?}");
    assert!(told.text().contains("greeting\thello from local\n"));
    assert!(told.text().contains("password\t********\n"));
    let drawn = shop.run_on_terminal("instances").await;
    assert!(drawn.text().starts_with('┌') && drawn.text().contains(&id));
}

#[tokio::test]
async fn more_instances_than_fit_on_a_page_are_all_listed() {
    let shop = Shop::open().await;
    for count in 0..101 {
        shop.deploy(&format!("i{count}")).await;
    }
    let list = shop.run("instances --json").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 101);
    let told = shop.run("pause i100").await;
    assert!(told.text().contains("PAUSED"));
}

#[tokio::test]
async fn an_instance_is_paused_resumed_and_removed() {
    let (shop, id) = Shop::with_instance("local").await;
    // The only instance need not be named.
    let told = shop.run("pause").await;
    assert!(told.text().contains("\tPAUSED\t"), "{told:?}");
    assert!(
        shop.run("pause --json")
            .await
            .failure()
            .contains("is not active")
    );
    let resumed = shop.run("resume local --json").await.json();
    assert_eq!(
        (&resumed["id"], &resumed["status"]),
        (&json!(id), &json!("ACTIVE"))
    );

    let told = shop.run("remove").await;
    assert!(told.failure().contains("<INSTANCE>"), "{told:?}");
    let removed = shop.run(&format!("remove {id}")).await;
    let header = "FLOW\tFUNCTION\tATTEMPT\tRESULT\tEXECUTION\tERROR\n";
    assert_eq!(removed.text(), header);
    assert_eq!(
        removed.notes,
        format!("instance `local` ({id}) is removed\n")
    );
    let told = shop.run("pause").await;
    assert_eq!(
        told.failure(),
        "no instance is deployed; deploy one with `deploy`"
    );
}

/// E52: who removes an instance is told until when it can be brought back, and so is who lists it.
#[tokio::test]
async fn a_removed_instance_is_listed_with_its_time_and_brought_back() {
    let (shop, id) = Shop::with_instance("local").await;
    let told = shop.run("remove local --keep-seconds 3600").await;
    let until = format!("until then `deploy --instance {id}` brings it back\n");
    assert!(told.notes.ends_with(&until), "{told:?}");
    let told = shop.run("instances").await;
    let lines: Vec<&str> = told.text().lines().collect();
    assert!(lines[0].ends_with("\tDEPLOYED AT\tERASED AT"), "{told:?}");
    assert!(lines[1].contains("\tREMOVED\t"), "{told:?}");
    let told = shop.run("instances local").await;
    assert!(told.notes.starts_with("it is removed; "), "{told:?}");
    let told = shop.run("invoke greet").await;
    let none = "no instance is deployed; deploy one with `deploy`";
    assert_eq!(told.failure(), none);
    let told = shop.run("remove local").await;
    assert!(told.failure().contains("will be erased at"), "{told:?}");

    let back = shop.run(&format!("deploy --instance {id} --json")).await;
    assert_eq!(back.json()["status"], "ACTIVE");
    shop.greet("ann").await;
    shop.run("remove local --keep-seconds 3600").await.text();
    let told = shop.run("remove local --keep-seconds 0").await;
    assert_eq!(told.notes, format!("instance `local` ({id}) is removed\n"));
}

#[tokio::test]
async fn one_of_several_instances_must_be_named() {
    let (shop, id) = Shop::with_instance("local").await;
    let other = shop.deploy("other").await;
    for line in ["pause", "resume", "state", "keys", "invoke greet"] {
        assert_eq!(
            shop.run(line).await.failure(),
            format!("say which instance: `local` ({id}), `other` ({other})"),
            "{line}"
        );
    }
    for line in [
        "pause x",
        "remove x",
        "instances x",
        "schedules x",
        "keys --instance x",
    ] {
        let told = shop.run(line).await;
        assert!(
            told.failure().starts_with("there is no instance `x`; "),
            "{line}"
        );
    }
}

#[tokio::test]
async fn schedules_show_their_next_five_times() {
    let (shop, id) = Shop::with_instance("local").await;
    shop.deploy("other").await;
    let all = shop.run("schedules --json").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let one = shop.run("schedules local --json").await.json();
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
    assert_eq!(one["items"][0]["instance"], id);
    assert_eq!(one["items"][0]["next"].as_array().unwrap().len(), 5);
    let told = shop.run("schedules local").await;
    let (header, row) = told.text().split_once('\n').unwrap();
    assert_eq!(header, "FLOW\tINSTANCE\tSCHEDULE\tTIME ZONE\tNEXT");
    let cells: Vec<&str> = row.trim_end().split('\t').collect();
    assert_eq!(&cells[..2], ["report", &id]);
    assert_eq!(cells[4].split(' ').count(), 5, "{row}");
}

#[tokio::test]
async fn state_is_listed_and_erased() {
    let (shop, _) = Shop::with_instance("local").await;
    shop.greet("ann").await;
    let told = shop.run("state").await;
    assert_eq!(
        told.text(),
        "KEY\tSCOPE\tOWNER\tVERSION\tVALUE\nlast\tinstance\tgreet\t1\tann\n"
    );
    for line in [
        "state --clear",
        "state local --scope instance --owner greet",
        "state local --clear --scope instance",
        "state local --clear --scope everything --owner greet",
    ] {
        assert!(shop.run(line).await.failure.is_some(), "{line}");
    }
    let other = "state local --clear --scope instance --owner wait --json";
    assert_eq!(shop.run(other).await.text(), "");
    let list = shop.run("state --json").await.json();
    assert_eq!(list["items"][0]["key"], "last");
    let told = shop.run("state local --clear").await;
    assert_eq!(told.text(), "");
    assert_eq!(told.notes, "the state of instance `local` is erased\n");
    let list = shop.run("state --json").await.json();
    assert_eq!(list, json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn keys_are_made_listed_masked_and_revoked() {
    let (shop, _) = Shop::with_instance("local").await;
    let made = shop.run("keys wait --make --json").await.json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let told = shop.run("keys wait --make").await;
    assert!(told.text().starts_with("ID\tFLOW\tKEY\tMADE AT\n"));
    assert_eq!(told.notes, "this key is not shown again\n");

    let of_flow = shop.run("keys wait --json").await.json();
    assert_eq!(of_flow["items"].as_array().unwrap().len(), 2);
    let all = shop.run("keys --instance local").await;
    assert_eq!(all.text().lines().count(), 3);
    assert!(all.text().contains(&format!("{id}\twait\t********")));
    assert!(!all.text().contains(key));

    let told = shop.run(&format!("keys wait --revoke {id}")).await;
    assert_eq!(told.notes, format!("key `{id}` is revoked\n"));
    let told = shop.run(&format!("keys wait --revoke {id}")).await;
    assert_eq!(told.failure(), format!("flow `wait` has no key `{id}`"));
    assert!(shop.run("keys --make").await.failure().contains("<FLOW>"));
    let told = shop.run("keys nowhere --make").await;
    assert_eq!(told.failure(), "the integration has no flow `nowhere`");
}
