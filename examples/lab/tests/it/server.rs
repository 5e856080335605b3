//! The wire contract over a real socket, where a socket makes a difference.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::caller::{Answer, Wire, call, get, post, request, spawn};
use crate::ledger::read_stored;
use crate::process::{Home, PATIENCE, Server, eventually};

const DIRECT: &str = "prismatic-prefer-direct-sync-response=true";

/// A picture of one pixel.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";

async fn start(settings: &str) -> (Home, Server) {
    let home = Home::new(settings).await;
    let server = home.start().await;
    (home, server)
}

/// Sends to `echo-sync` and returns what the flow saw.
async fn echoed(home: &Home, server: &Server, rest: &str, mut sent: Request<Bytes>) -> Value {
    let joint = if rest.contains('?') { '&' } else { '?' };
    let path = format!("{}{rest}{joint}{DIRECT}", home.endpoint("echo-sync"));
    *sent.uri_mut() = path.parse().unwrap();
    let answer = call(server.ingress, sent).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

/// TP-23: input from body, headers, path and query at once.
#[tokio::test]
async fn a_request_with_everything_in_it_arrives_whole() {
    let (home, server) = start("").await;
    let body = json!({"Payload Key 1": "a", "Do Thing?": true, "n": 123});
    let mut sent = post("/", &body);
    for (name, value) in [
        ("X-Custom-Header", "one"),
        ("x-custom-header", "two"),
        ("user-agent", "test"),
    ] {
        sent.headers_mut().append(name, value.parse().unwrap());
    }
    let rest = "/my/custom/path?foo=bar&baz=a%20b&foo=2";
    let seen = echoed(&home, &server, rest, sent).await;
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["path_fragment"], "my/custom/path");
    assert_eq!(seen["query_parameters"]["foo"], json!(["bar", "2"]));
    assert_eq!(seen["query_parameters"]["baz"], json!(["a b"]));
    assert_eq!(seen["headers"]["x-custom-header"], json!(["one", "two"]));
    assert_eq!(seen["headers"]["user-agent"], json!(["test"]));
    assert_eq!(seen["content_type"], "application/json");
    assert_eq!(seen["body"], body);
    assert_eq!(seen["raw_body_base64"], base64(body.to_string().as_bytes()));
    assert_eq!(seen["flow"]["key"], "echo-sync");
    let url = format!("http://{}{}", server.ingress, home.endpoint("echo-sync"));
    assert!(seen["invoke_url"].as_str().unwrap().starts_with(&url));
    let own = &seen["webhook_urls"]["echo-sync"];
    assert_eq!(*own, json!(url));
}

/// TP-29, TP-30, W13, W15.
#[tokio::test]
async fn a_picture_and_a_form_with_files_arrive_byte_for_byte() {
    let (home, server) = start("").await;
    let picture = request(Method::POST, "/", "image/png", Bytes::from_static(PICTURE));
    let seen = echoed(&home, &server, "", picture).await;
    assert_eq!(seen["raw_body_base64"], base64(PICTURE));
    assert_eq!(seen["body"], json!({"base64": base64(PICTURE)}));

    let mut form = b"--limit\r\ncontent-disposition: form-data; name=\"person\"\r\ncontent-type: application/json\r\n\r\n\
        {\"firstname\":\"Ada\"}\r\n--limit\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"p.png\"\r\n\
        content-type: image/png\r\n\r\n"
        .to_vec();
    form.extend_from_slice(PICTURE);
    form.extend_from_slice(b"\r\n--limit--\r\n");
    let whole = base64(&form);
    let form = request(
        Method::POST,
        "/",
        "multipart/form-data; boundary=limit",
        form.into(),
    );
    let seen = echoed(&home, &server, "", form).await;
    assert_eq!(seen["raw_body_base64"], whole);
    assert_eq!(seen["body"]["person"]["data"]["firstname"], "Ada");
    assert_eq!(seen["body"]["photo"]["file_name"], "p.png");
    assert_eq!(seen["body"]["photo"]["data"]["base64"], base64(PICTURE));
}

/// Runs `bytes` synchronously and returns the path of the result.
async fn result_path(home: &Home, server: &Server, query: &str) -> String {
    let path = format!("{}?{query}", home.endpoint("bytes"));
    let answer = call(server.ingress, get(&path)).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(answer.header("content-length"), Some("0"));
    let location = answer.header("location").unwrap();
    let origin = format!("http://{}", server.ingress);
    location.strip_prefix(&origin).unwrap().to_owned()
}

/// W24, W25.
#[tokio::test]
async fn a_result_is_read_whole_in_ranges_and_not_again_if_it_is_known() {
    let (home, server) = start("").await;
    let path = result_path(&home, &server, "n=1000").await;
    let read = |name: &'static str, value: String| {
        let mut request = get(&path);
        if !name.is_empty() {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        call(server.ingress, request)
    };
    let whole = read("", String::new()).await;
    assert_eq!((whole.status, whole.body.len()), (200, 1000), "{whole:?}");
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("content-length"), Some("1000"));
    let part = read("range", "bytes=10-19".to_owned()).await;
    assert_eq!((part.status, part.body.len()), (206, 10), "{part:?}");
    assert_eq!(part.header("content-range"), Some("bytes 10-19/1000"));
    let end = read("range", "bytes=-1".to_owned()).await;
    assert_eq!(end.header("content-range"), Some("bytes 999-999/1000"));
    let beyond = read("range", "bytes=1000-".to_owned()).await;
    assert_eq!(beyond.status, 416, "{beyond:?}");
    assert_eq!(beyond.header("content-range"), Some("bytes */1000"));
    let etag = whole.header("etag").unwrap().to_owned();
    let known = read("if-none-match", etag).await;
    assert_eq!((known.status, known.body.len()), (304, 0), "{known:?}");

    let binary = result_path(&home, &server, "n=100&kind=binary").await;
    let picture = call(server.ingress, get(&binary)).await;
    assert_eq!(picture.header("content-type"), Some("image/png"));
    assert_eq!(picture.body.len(), 100);
    let again = home.start_again(server).await;
    let kept = call(again.ingress, get(&binary)).await;
    assert_eq!(kept.body, picture.body, "its URL outlives a restart");
}

/// W24: another method, another signature, another time.
#[tokio::test]
async fn a_result_url_cannot_be_used_in_any_other_way() {
    let (home, server) = start("").await;
    let path = result_path(&home, &server, "n=10").await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::HEAD] {
        let body = Bytes::new();
        let refusal = call(server.ingress, request(method.clone(), &path, "", body)).await;
        assert_eq!(refusal.status, 405, "{method} {refusal:?}");
        assert_eq!(refusal.header("allow"), Some("GET"));
        if method != Method::HEAD {
            let text = refusal.json()["error"].as_str().unwrap().to_owned();
            assert!(text.contains("GET"), "{text}");
        }
    }
    let other = result_path(&home, &server, "n=20").await;
    let signature = |path: &str| path.split("signature=").nth(1).unwrap().to_owned();
    let forged = path.replace(&signature(&path), &signature(&other));
    assert_eq!(call(server.ingress, get(&forged)).await.status, 403);
    let unsigned = path.split('?').next().unwrap();
    assert_eq!(call(server.ingress, get(unsigned)).await.status, 403);
    let longer = path.replace("expires=", "expires=9");
    assert_eq!(call(server.ingress, get(&longer)).await.status, 403);

    home.set("result_url_seconds = 0\n");
    let server = home.start_again(server).await;
    let expired = result_path(&home, &server, "n=10").await;
    let gone = call(server.ingress, get(&expired)).await;
    assert_eq!(gone.status, 410, "{gone:?}");
}

#[tokio::test]
async fn a_caller_that_says_it_has_no_more_to_send_gets_its_answer() {
    let (home, server) = start("").await;
    let mut caller = Wire::connect(server.ingress).await;
    let path = home.endpoint("slow");
    let head = "host: lab\r\ncontent-length: 2\r\nconnection: close";
    let target = format!("{path}?ms=300&{DIRECT}");
    caller
        .send(&format!("POST {target} HTTP/1.1\r\n{head}\r\n\r\n{{}}"))
        .await;
    caller.half_close().await;
    let answer = caller.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.ends_with(r#"{"blocking":false,"ms":300}"#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_caller_that_leaves_after_sending_still_has_its_execution_run() {
    let (home, server) = start("").await;
    let path = home.endpoint("steps");
    let mut caller = Wire::connect(server.ingress).await;
    let head = "host: lab\r\ncontent-length: 2\r\nprismatic-synchronous: true";
    caller
        .send(&format!(
            "POST {path}?ms=100 HTTP/1.1\r\n{head}\r\n\r\n{{}}"
        ))
        .await;
    drop(caller);
    let list = "/api/executions?flow=steps&status=SUCCESS";
    eventually(PATIENCE, "the execution of a caller that left", || async {
        let list = server.api(list).await.json();
        (list["items"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
    let effects = home.effects();
    let steps: Vec<_> = effects
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(steps, ["one", "two", "three"]);
}

/// W30.
#[tokio::test]
async fn a_run_over_the_synchronous_limit_is_answered_504_and_goes_on() {
    let (home, server) = start("synchronous_seconds = 1\n").await;
    let path = format!("{}?ms=1500", home.endpoint("slow"));
    let answer: Answer = call(server.ingress, post(&path, &json!({}))).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    let id = answer.execution().unwrap();
    let text = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(text.contains("1 second"), "{text}");
    let execution = server.outcome(id).await;
    assert_eq!(execution["status"], "SUCCESS", "{execution}");
}

/// W20, W23, W29, W31 and G6.
#[tokio::test]
async fn beyond_fifty_a_second_an_endpoint_refuses_and_records_nothing() {
    let (home, server) = start("").await;
    let path = home.endpoint("echo");
    let send = || {
        let (address, request) = (server.ingress, post(&path, &json!({})));
        spawn(async move { call(address, request).await })
    };
    let all: Vec<_> = (0..200).map(|_| send()).collect();
    let (mut accepted, mut refused) = (0, Vec::new());
    for answer in all {
        let answer = answer.await.unwrap();
        match answer.status {
            200 => accepted += 1,
            _ => refused.push(answer),
        }
    }
    let refused = refused.first().expect("a refusal");
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    let id = path.strip_prefix("/trigger/").unwrap();
    let text = format!(
        "Endpoint with id: {id} has exceeded maximum allowed throughput of 50 requests/second. Please throttle your requests."
    );
    assert_eq!(refused.json(), json!({ "error": text }));
    assert_eq!(refused.execution(), None);
    assert!(accepted >= 50, "{accepted}");
    server.until_idle().await;
    assert!(server.stop().await.success());
    let stored = read_stored(&*home.store().await).await;
    let echoed = stored
        .iter()
        .filter(|stored| stored.execution.flow.as_str() == "echo");
    assert_eq!(echoed.count(), accepted);
}
