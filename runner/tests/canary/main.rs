//! G10: secrets that were planted everywhere are searched for in everything that leaves the process or stays on the disk.
//!
//! Without the harness of cargo, because the server is this binary too.
#![cfg(feature = "server")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test, although it has no harness"
)]

mod flows;
mod provider;
mod search;
mod server;
mod wire;

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::server::Server;

/// In config values and API keys.
const SIGNING: &str = "canary-signing-secret-0001";
const KEY: &str = "canary-connection-key-0002";
const USER: &str = "canary-connection-user-0003";
const PASSWORD: &str = "canary-connection-word-0004";
const API_KEY: &str = "canary-api-key-given-0005";
const CRM_SECRET: &str = "canary-client-secret-0014";
const BANK_SECRET: &str = "canary-client-secret-0015";
/// In what callers send.
const AUTHORIZATION: &str = "canary-authorization-0006";
const COOKIE: &str = "canary-cookie-of-caller-0007";
const VENDOR: &str = "canary-vendor-token-0008";
const QUERY: &str = "canary-query-parameter-0009";
const FIELD: &str = "canary-password-field-0010";
const FORGED: &str = "canary-forged-signature-0011";
const WRONG: &str = "canary-wrong-api-key-0012";
const STRANGER: &str = "canary-of-a-stranger-0013";
const CODE: &str = "canary-code-of-return-0018";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return runner::main(flows::integration());
    }
    // What asks for a list of the tests before it runs any.
    if std::env::args().any(|argument| argument == "--list") {
        if !std::env::args().any(|argument| argument == "--ignored") {
            println!("g10_no_canary_is_found_in_anything_that_leaves_or_stays: test");
        }
        return ExitCode::SUCCESS;
    }
    g10_no_canary_is_found_in_anything_that_leaves_or_stays();
    println!("test g10_no_canary_is_found_in_anything_that_leaves_or_stays ... ok");
    ExitCode::SUCCESS
}

fn g10_no_canary_is_found_in_anything_that_leaves_or_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut canaries: Vec<String> = [
        SIGNING,
        KEY,
        USER,
        PASSWORD,
        API_KEY,
        CRM_SECRET,
        BANK_SECRET,
        provider::ACCESS,
        provider::REFRESH,
        CODE,
        AUTHORIZATION,
        COOKIE,
        VENDOR,
        QUERY,
        FIELD,
        FORGED,
        WRONG,
        STRANGER,
    ]
    .map(str::to_owned)
    .to_vec();

    let mut server = Server::start(folder.path());
    canaries.push(server.token.clone());
    let tail = wire::open(
        &server.admin,
        "GET /api/logs/stream",
        &[server.authorization()],
        "",
    );
    let instance = deploy(&mut server, &provider::start());
    authorize(&mut server, &instance);
    // A new key is shown in this one answer, and nowhere else.
    let made = server.api(
        &format!("POST /api/instances/{instance}/flows/keyed/keys"),
        &Value::Null,
    );
    canaries.push(made["key"].as_str().unwrap().to_owned());
    server.answers.pop();

    let endpoints = endpoints(&mut server, &instance);
    leak(&mut server, &endpoints);
    refused(&mut server, &endpoints);
    server.until_idle();
    read_everything(&mut server);
    let mut leaks = search::found_in_files(&canaries, &folder.path().join("data"));
    // After a restart everything comes from the disk.
    let (mut answers, _) = server.stop();
    let mut server = Server::start(folder.path());
    canaries.push(server.token.clone());
    read_everything(&mut server);
    let (more, log) = server.stop();
    answers.extend(more);
    answers.push(read(tail));

    let shown = answers.concat();
    for evidence in [
        "[signing]",
        "[key.key]",
        "[account.password]",
        "[api_key]",
        "[authorization]",
        "[crm.access_token]",
        "[crm.client_secret]",
        "gives no token: it answered `status 400`",
    ] {
        assert!(shown.contains(evidence), "the flows do leak: {evidence}");
    }
    assert!(log.contains("a signature was refused"), "{log}");
    assert!(log.contains("a trigger refused a request"), "{log}");
    for answer in &answers {
        let first = answer.lines().next().unwrap_or_default();
        leaks.extend(search::found(
            &canaries,
            &format!("the answer {first}\n{answer}"),
            answer.as_bytes(),
        ));
    }
    leaks.extend(search::found(
        &canaries,
        &format!("the log\n{log}"),
        log.as_bytes(),
    ));
    let data = folder.path().join("data");
    leaks.extend(search::found_in_files(&canaries, &data));
    leaks.extend(search::found_in_database(
        &canaries,
        &data.join("runner.db"),
    ));
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert_search_finds(&canaries, &data);
}

/// A search that finds nothing proves nothing, unless it finds what is there.
fn assert_search_finds(canaries: &[String], data: &Path) {
    let db = rusqlite::Connection::open(data.join("runner.db")).unwrap();
    let hidden = format!("x{}", hex::encode(SIGNING));
    db.execute(
        "UPDATE counter SET name = ?1 WHERE name = 'probe'",
        [hidden],
    )
    .unwrap();
    drop(db);
    assert_eq!(
        search::found_in_database(canaries, &data.join("runner.db")).len(),
        1
    );
    assert!(!search::found_in_files(canaries, data).is_empty());
}

/// Deploys one instance that works and one that does not; returns the one that works.
fn deploy(server: &mut Server, provider: &str) -> String {
    let body = |customer: &str, breaks: bool| {
        json!({
            "customer": {"id": customer},
            "config": {
                "signing": SIGNING,
                "key": {"key": KEY},
                "account": {"username": USER, "password": PASSWORD},
                "crm": {
                    "client_id": "client-of-crm",
                    "client_secret": CRM_SECRET,
                    "token_url": format!("{provider}/token"),
                },
                "bank": {
                    "client_id": "client-of-bank",
                    "client_secret": BANK_SECRET,
                    "token_url": format!("{provider}/echo"),
                },
                "breaks": breaks,
            },
            "api_keys": {"keyed": [API_KEY]},
        })
    };
    server.api("POST /api/instances", &body("broken", true));
    let mut wrong = body("wrong", false);
    wrong["config"]["signing"] = json!([SIGNING]);
    server.api("POST /api/instances", &wrong);
    let deployed = server.api("POST /api/instances", &body("acme", false));
    deployed["id"].as_str().expect("an instance").to_owned()
}

/// Has the connection authorised, as somebody does who comes back from the provider.
fn authorize(server: &mut Server, instance: &str) {
    let line = format!("POST /api/instances/{instance}/connections/crm/authorize");
    let url = server.api(&line, &Value::Null)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let (_, state) = url.split_once("state=").unwrap();
    let state = state.split('&').next().unwrap();
    for (query, status) in [
        (format!("code={CODE}&state={STRANGER}"), 400),
        (format!("code={CODE}&state={state}"), 200),
        (format!("code={CODE}&state={state}"), 400),
    ] {
        let answer = server.webhook(&format!("GET /oauth/callback?{query}"), &[], "");
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

/// Returns the path of the endpoint of each flow.
fn endpoints(server: &mut Server, instance: &str) -> Value {
    let shown = server.get(&format!("/api/instances/{instance}"));
    let origin = format!("http://{}", server.ingress);
    let urls = shown["webhook_urls"].as_object().unwrap().iter();
    urls.map(|(flow, url)| {
        (
            flow.clone(),
            json!(url.as_str().unwrap().replace(&origin, "")),
        )
    })
    .collect::<serde_json::Map<_, _>>()
    .into()
}

/// What a caller with credentials of its own sends along.
fn credentials() -> Vec<String> {
    vec![
        format!("authorization: Bearer {AUTHORIZATION}"),
        format!("cookie: id={COOKIE}; theme=dark"),
        format!("x-vendor-token: {VENDOR}"),
        "content-type: application/json".to_owned(),
    ]
}

fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Has every flow let everything slip, in every way.
fn leak(server: &mut Server, endpoints: &Value) {
    let body = json!({"password": FIELD, "fine": 1}).to_string();
    for way in ["log", "error", "panic", "step", "call", "token", "url"] {
        for synchronous in [true, false] {
            for (flow, own) in [
                ("signed", format!("x-hmac-sha256: {}", signature(&body))),
                ("keyed", format!("api-key: {API_KEY}")),
                ("refuses", "x-session: 1".to_owned()),
            ] {
                let path = endpoints[flow].as_str().unwrap();
                let line = format!(
                    "POST {path}/{way}?token={QUERY}&prismatic-prefer-direct-sync-response=true"
                );
                let mut headers = credentials();
                headers.push(own);
                headers.push(format!("prismatic-synchronous: {synchronous}"));
                let answer = server.webhook(&line, &headers, &body);
                assert!(
                    matches!(answer.status, 200 | 400),
                    "{flow} {way}: {answer:?}"
                );
            }
        }
    }
}

/// What is refused before anybody is believed.
fn refused(server: &mut Server, endpoints: &Value) {
    let path = |flow: &str| endpoints[flow].as_str().unwrap().to_owned();
    let forged = [format!("x-hmac-sha256: {FORGED}")];
    let wrong = [format!("api-key: {WRONG}")];
    let stranger = [
        format!("authorization: {STRANGER}"),
        format!("x-{STRANGER}: 1"),
    ];
    let json = ["content-type: application/json".to_owned()];
    let body = format!("{{\"{STRANGER}");
    for (line, headers, body, status) in [
        (
            format!("POST {}?key={STRANGER}", path("signed")),
            &forged[..],
            STRANGER,
            401,
        ),
        (format!("POST {}", path("keyed")), &wrong[..], STRANGER, 401),
        (
            format!("POST /trigger/{STRANGER}"),
            &stranger[..],
            STRANGER,
            404,
        ),
        (format!("POST {}", path("refuses")), &json[..], &body, 400),
        (format!("TRACE /trigger/{STRANGER}"), &stranger[..], "", 404),
        (
            format!("GET /api/instances?token={STRANGER}"),
            &stranger[..],
            "",
            404,
        ),
    ] {
        let answer = server.webhook(&line, headers, body);
        assert_eq!(answer.status, status, "{line}: {answer:?}");
    }
    let strange = [format!("authorization: Bearer {STRANGER}")];
    let answer = wire::call(&server.admin, "GET /api/instances", &strange, "");
    assert_eq!(answer.status, 401, "{answer:?}");
    server.answers.push(answer.whole);
}

/// Reads every GET route of the management API, for every instance, flow and execution that there is.
fn read_everything(server: &mut Server) {
    let document = server.get("/api/openapi.json");
    let ids = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let instances = ids(&server.get("/api/instances"));
    let mut executions = Vec::new();
    let mut next = "/api/executions".to_owned();
    loop {
        let page = server.get(&next);
        executions.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("/api/executions?cursor={cursor}"),
            None => break,
        }
    }
    assert!(
        instances.len() >= 2 && executions.len() >= 24,
        "{} executions",
        executions.len()
    );
    let mut read = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        // A stream does not end; it is read beside all this.
        if methods["get"].is_null() || path == "/api/logs/stream" {
            continue;
        }
        let ids = if path.starts_with("/api/executions/") {
            &executions
        } else {
            &instances
        };
        for id in ids {
            for flow in ["signed", "keyed", "refuses", "deploys"] {
                server.get(&path.replace("{id}", id).replace("{key}", flow));
                read += 1;
                if !path.contains("{key}") {
                    break;
                }
            }
        }
    }
    assert!(read > 60, "the document lists the routes: {read}");
}

fn read(mut stream: std::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    // The server ends the stream when it stops; how, is not the question here.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
