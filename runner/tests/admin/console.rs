//! The console: the same as pages, for people. The caller of these tests searches every page for the canary (G10).

use std::collections::{BTreeSet, VecDeque};

use http::{HeaderValue, Method};
use http_body_util::BodyExt as _;
use runner::server::Handler as _;
use serde_json::json;

use crate::browser::{Browser, goes_to, submit};
use crate::caller::{Server, TOKEN, bare, text};
use crate::executions::dead_letter;
use crate::flows::CANARY;

/// Returns what the links and forms of a page lead to.
fn links(page: &str) -> Vec<String> {
    let attributes = ["href=\"", "action=\""]
        .into_iter()
        .flat_map(|name| page.split(name).skip(1));
    let paths = attributes.filter_map(|rest| rest.split('"').next());
    paths.map(|path| path.replace("&amp;", "&")).collect()
}

/// Deploys an instance with something of everything to be seen; returns its id and that of a dead letter of `fails`.
async fn furnish(server: &Server) -> (String, String) {
    let id = server.deploy().await;
    let body = json!({"body": {"who": "<b>Ada</b>"}});
    server.run(&id, "greet", body).await;
    let leaks = json!({"body": {"id": 1, "echo": CANARY}, "query": {"fail": "1"}});
    let path = format!("/api/instances/{id}/flows/leaks/test");
    let leaked = server.post(&path, leaks).await.expect(202);
    server.ended(&text(&leaked["execution_id"])).await;
    let dead = dead_letter(server, &id).await;
    let path = format!("/api/instances/{id}/flows/greet/keys");
    server.post(&path, json!({})).await.expect(201);
    (id, dead)
}

#[tokio::test]
async fn whoever_has_not_shown_the_token_is_led_to_the_entry_and_back() {
    let server = Server::start().await;
    let root = server.send(bare(Method::GET, "/")).await;
    assert_eq!(goes_to(&root), "/console");
    for (path, entry) in [
        ("/console", "/console/enter"),
        (
            "/console/executions?flow=a",
            "/console/enter?back=%2Fconsole%2Fexecutions%3Fflow%3Da",
        ),
        (
            "/console/nothing",
            "/console/enter?back=%2Fconsole%2Fnothing",
        ),
    ] {
        assert_eq!(goes_to(&server.send(bare(Method::GET, path)).await), entry);
    }
    let unseen = submit(&server, "/console/instances/x/pause", &[], None).await;
    assert_eq!(goes_to(&unseen), "/console/enter");
    let fields = [("token", TOKEN), ("back", "/console/executions?flow=a")];
    let entered = submit(&server, "/console/enter", &fields, None).await;
    assert_eq!(goes_to(&entered), "/console/executions?flow=a");
    let fields = [("token", TOKEN), ("back", "https://evil.example/")];
    assert_eq!(
        goes_to(&submit(&server, "/console/enter", &fields, None).await),
        "/console"
    );
}

#[tokio::test]
async fn wrong_tokens_are_counted_with_those_of_the_api() {
    let server = Server::start().await;
    for _ in 0..5 {
        let refused = submit(&server, "/console/enter", &[("token", "wrong")], None).await;
        assert_eq!(refused.status, 401);
        assert!(
            refused
                .text
                .contains("the token is not the one of this server"),
            "{}",
            refused.text
        );
        assert!(!refused.headers.contains_key("set-cookie"));
    }
    let waits = submit(&server, "/console/enter", &[("token", TOKEN)], None).await;
    assert_eq!(waits.status, 429);
    assert_eq!(server.get("/api/integration").await.status, 429);
}

#[tokio::test]
async fn a_session_opens_pages_and_not_the_api_and_ends() {
    let server = Server::start().await;
    let browser = Browser::enter(&server).await;
    browser.page("/console").await;
    assert_eq!(browser.get("/api/integration").await.status, 401);
    let left = browser.submit("/console/leave", &[]).await;
    assert_eq!(goes_to(&left), "/console/enter");
    assert_eq!(browser.get("/console").await.status, 303);
    let again = Browser::enter(&server).await;
    server.advance(sdk::time::hours(12));
    assert_eq!(again.get("/console").await.status, 303);
}

#[tokio::test]
async fn a_foreign_page_or_name_gets_nothing() {
    let server = Server::start().await;
    let browser = Browser::enter(&server).await;
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("host", "evil.example", 421),
    ] {
        for path in [
            "/",
            "/console",
            "/console/enter",
            "/console/leave",
            "/console/style.css",
        ] {
            let mut asked = bare(Method::POST, path);
            let headers = asked.headers_mut();
            headers.insert("cookie", HeaderValue::try_from(&browser.cookie).unwrap());
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(server.send(asked).await.status, status, "{name} at {path}");
        }
    }
    browser.page("/console").await;
}

// G10, E56: the caller finds the canary on no page.
#[tokio::test]
async fn every_link_leads_to_a_page_without_scripts_and_secrets() {
    let server = Server::start().await;
    let (id, failed) = furnish(&server).await;
    let browser = Browser::enter(&server).await;
    let mut wanted = VecDeque::from(["/console".to_owned()]);
    let mut seen = BTreeSet::new();
    while let Some(path) = wanted.pop_front() {
        // The live log does not end, and what is only submitted is no page.
        let submitted = [
            "/pause",
            "/leave",
            "/redeploy",
            "/clear",
            "/invoke",
            "/keys",
            "/keys/delete",
            "/replay",
            "/cancel",
            "/dismiss",
        ];
        let is_page = path.starts_with("/console")
            && !path.starts_with("/console/log")
            && !submitted.iter().any(|end| path.ends_with(end));
        if !is_page || !seen.insert(path.clone()) {
            continue;
        }
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("script"),
            "{policy}"
        );
        if path == "/console/style.css" {
            continue;
        }
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
        for script in ["<script", "javascript:", " onclick", " style=", "<b>"] {
            assert!(!answer.text.contains(script), "{path}: {script}");
        }
        wanted.extend(links(&answer.text));
    }
    for page in [
        format!("/console/instances/{id}"),
        format!("/console/instances/{id}/state"),
        format!("/console/instances/{id}/deploy"),
        format!("/console/instances/{id}/remove"),
        format!("/console/instances/{id}/flows/leaks"),
        format!("/console/executions/{failed}"),
        format!("/console/executions?instance={id}&dead_letters=true"),
        "/console/style.css".to_owned(),
        "/console/deploy".to_owned(),
    ] {
        assert!(seen.contains(&page), "no link leads to {page}: {seen:?}");
    }
}

#[tokio::test]
async fn an_instance_is_shown_with_what_matters_to_it() {
    let server = Server::start().await;
    let (id, _) = furnish(&server).await;
    let browser = Browser::enter(&server).await;
    let home = browser.page("/console").await;
    for words in [
        "managed",
        "1.2.3",
        "Acme",
        "ACTIVE",
        "degraded",
        "order_by /id",
        "up to 1, after 120 s",
    ] {
        assert!(home.contains(words), "{words}: {home}");
    }
    let page = browser.page(&format!("/console/instances/{id}")).await;
    let detail = server
        .get(&format!("/api/instances/{id}"))
        .await
        .expect(200);
    for words in [
        detail["webhook_urls"]["greet"].as_str().unwrap(),
        detail["schedules"][0]["next"][4]["due"].as_str().unwrap(),
        "Europe/Paris",
        "********",
        "Pause",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test]
async fn an_instance_is_paused_resumed_deployed_again_and_removed() {
    let server = Server::start().await;
    let (id, _) = furnish(&server).await;
    let browser = Browser::enter(&server).await;
    let here = format!("/console/instances/{id}");
    for (action, status) in [("pause", "PAUSED"), ("resume", "ACTIVE")] {
        let done = browser.submit(&format!("{here}/{action}"), &[]).await;
        assert_eq!(goes_to(&done), here);
        assert!(browser.page(&here).await.contains(status));
    }
    let again = browser.submit(&format!("{here}/redeploy"), &[]).await;
    assert!(
        again.text.contains("on_instance_deploy") && again.text.contains("COMPLETED"),
        "{}",
        again.text
    );
    let values = [("config.account", "other"), ("config.api_secret", CANARY)];
    let changed = browser.submit(&format!("{here}/deploy"), &values).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert!(browser.page(&here).await.contains("other"));
    let breaking = [("config.breaks", "deploy"), ("config.api_secret", CANARY)];
    let broken = browser.submit(&format!("{here}/deploy"), &breaking).await;
    assert_eq!(broken.status, 422);
    assert!(
        broken.text.contains("cannot deploy with [api_secret]"),
        "{}",
        broken.text
    );
    let removed = browser
        .submit(&format!("{here}/remove"), &[("keep_seconds", "60")])
        .await;
    assert!(
        removed.text.contains("2026-03-27T16:53:00Z"),
        "{}",
        removed.text
    );
    let gone = browser
        .submit(&format!("{here}/remove"), &[("keep_seconds", "0")])
        .await;
    assert!(gone.text.contains("are erased."), "{}", gone.text);
    assert_eq!(browser.get(&here).await.status, 404);
}

#[tokio::test]
async fn an_instance_is_deployed_for_a_new_customer() {
    let server = Server::start().await;
    let browser = Browser::enter(&server).await;
    let form = browser.page("/console/deploy").await;
    assert!(
        form.contains("<textarea class=\"secret\" name=\"config.api_secret\""),
        "{form}"
    );
    assert!(
        form.contains("name=\"config.account\" value=\"main\""),
        "{form}"
    );
    let refused = browser
        .submit("/console/deploy", &[("customer", "acme")])
        .await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("api_secret"), "{}", refused.text);
    let fields = [
        ("customer", "acme"),
        ("customer_name", "Acme"),
        ("name", "acme eu"),
        ("config.api_secret", CANARY),
    ];
    let deployed = browser.submit("/console/deploy", &fields).await;
    assert_eq!(deployed.status, 200, "{}", deployed.text);
    let all = server.get("/api/instances").await.expect(200);
    assert_eq!(all["items"][0]["name"], "acme eu");
    assert_eq!(
        all["items"][0]["customer"],
        json!({"id": "acme", "name": "Acme"})
    );
}

#[tokio::test]
async fn a_flow_is_run_by_hand_and_its_execution_shown() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let browser = Browser::enter(&server).await;
    let path = format!("/console/instances/{id}/flows/greet/invoke");
    let body = r#"{"who": "<script>alert(1)</script>"}"#;
    let run = browser
        .submit(&path, &[("body", body), ("wait", "true")])
        .await;
    let page = browser.page(goes_to(&run)).await;
    for words in [
        "SUCCESS",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "still greeting",
        "application/json",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("http-equiv=\"refresh\""), "it has ended");
    let wrong = browser.submit(&path, &[("body", "Ada")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("the body is no JSON"), "{}", wrong.text);
}

#[tokio::test]
async fn an_execution_that_goes_on_is_looked_at_again_until_it_is_canceled() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let slow = server.begin(&id, "slow").await;
    let browser = Browser::enter(&server).await;
    let here = format!("/console/executions/{slow}");
    assert!(
        browser
            .page(&here)
            .await
            .contains("http-equiv=\"refresh\" content=\"2\"")
    );
    assert_eq!(
        goes_to(&browser.submit(&format!("{here}/cancel"), &[]).await),
        here
    );
    server.ended(&slow).await;
    let page = browser.page(&here).await;
    assert!(
        page.contains("CANCELED") && !page.contains("http-equiv=\"refresh\""),
        "{page}"
    );
    let late = browser.submit(&format!("{here}/cancel"), &[]).await;
    assert_eq!(late.status, 409);
}

#[tokio::test]
async fn dead_letters_are_replayed_one_by_one_or_all_and_dismissed() {
    let server = Server::start().await;
    let (id, failed) = furnish(&server).await;
    let browser = Browser::enter(&server).await;
    let here = format!("/console/executions/{failed}");
    let page = browser.page(&here).await;
    assert!(
        page.contains("dead letter") && page.contains("no luck") && page.contains("first"),
        "{page}"
    );
    let replayed = browser
        .submit(&format!("{here}/replay"), &[("from", "failed_step")])
        .await;
    let replay = goes_to(&replayed).to_owned();
    assert!(
        browser.page(&replay).await.contains(&failed),
        "it names what it repeats"
    );
    assert!(!browser.page(&here).await.contains("dead letter"));

    let all = [
        ("instance", id.as_str()),
        ("flow", "leaks"),
        ("dead_letters", "true"),
        ("from", "start"),
    ];
    let many = browser.submit("/console/executions/replay", &all).await;
    assert!(many.text.contains("1 of 1 run again"), "{}", many.text);
    let nothing = browser
        .submit("/console/executions/replay", &[("from", "start")])
        .await;
    assert_eq!(nothing.status, 400);

    let again = dead_letter(&server, &id).await;
    let again = format!("/console/executions/{again}");
    assert_eq!(
        goes_to(&browser.submit(&format!("{again}/dismiss"), &[]).await),
        again
    );
    assert!(!browser.page(&again).await.contains("dead letter"));
}

#[tokio::test]
async fn keys_are_made_shown_once_and_deleted_and_state_is_erased() {
    let server = Server::start().await;
    let (id, _) = furnish(&server).await;
    let browser = Browser::enter(&server).await;
    let flow = format!("/console/instances/{id}/flows/greet");
    let before = server
        .get(&format!("/api/instances/{id}/flows/greet/keys"))
        .await
        .expect(200);
    let old = text(&before["items"][0]["id"]);
    let made = browser.submit(&format!("{flow}/keys"), &[]).await;
    let key = made
        .text
        .split("<pre>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    assert!(key.len() >= 24, "{key}");
    assert!(!browser.page(&flow).await.contains(key));
    let deleted = browser
        .submit(&format!("{flow}/keys/delete"), &[("id", &old)])
        .await;
    assert_eq!(goes_to(&deleted), flow);
    assert!(!browser.page(&flow).await.contains(&old));

    let state = format!("/console/instances/{id}/state");
    let page = browser.page(&state).await;
    assert!(page.contains("count") && page.contains("last"), "{page}");
    let part = [("scope", "cross_flow"), ("owner", "")];
    assert_eq!(
        goes_to(&browser.submit(&format!("{state}/clear"), &part).await),
        state
    );
    let page = browser.page(&state).await;
    assert!(page.contains("count") && !page.contains("last"), "{page}");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_that_says_so() {
    let server = Server::start().await;
    let browser = Browser::enter(&server).await;
    for (path, status, words) in [
        ("/console/nothing", 404, "there is no such page"),
        ("/console/executions/nothing", 404, "there is no execution"),
        ("/console/instances/..%2Fx", 404, "there is no instance"),
        ("/console/executions?status=LOUD", 400, "LOUD"),
        ("/console/executions?cursor=x", 400, "cursor"),
        ("/console/log?level=loud", 400, "loud"),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text.contains(words), "{path}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    }
}

// E29: the live tail, as a page.
#[tokio::test]
async fn the_live_log_is_a_page_that_grows_until_the_runner_stops() {
    let server = Server::start().await;
    let id = server.deploy().await;
    let browser = Browser::enter(&server).await;
    let mut asked = bare(Method::GET, "/console/log?flow=leaks");
    asked
        .headers_mut()
        .insert("cookie", HeaderValue::try_from(&browser.cookie).unwrap());
    let mut body = server.router.handle(asked).await.into_body();
    let mut page = String::new();
    while !page.contains("class=\"log live\"") {
        page.push_str(&piece(&mut body).await.unwrap());
    }
    server.run(&id, "leaks", json!({"body": {"id": 1}})).await;
    while !page.contains("the secret is [api_secret]") {
        page.push_str(&piece(&mut body).await.unwrap());
    }
    assert!(!page.contains(CANARY), "{page}");
    server.stop.send_replace(true);
    while let Some(more) = piece(&mut body).await {
        page.push_str(&more);
    }
    assert!(page.ends_with("</html>"), "{page}");
}

async fn piece(body: &mut runner::server::Body) -> Option<String> {
    let data = body.frame().await?.unwrap().into_data().unwrap();
    Some(String::from_utf8(data.to_vec()).unwrap())
}
