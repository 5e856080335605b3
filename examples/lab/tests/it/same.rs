//! The same script through the simulation and through the lab as a process: every flow of the lab gives the same answers, and the same
//! executions with their steps, logs and results. What differs by nature (ids, times, addresses) stands as a word in both.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use lab::{
    Bytes as BytesFlow, Caller, Challenge, Config, Counter, Echo, EchoSync, Fail, Flaky, Ordered,
    Panic, PerKey, Signed, Slow, Status, Steps, Xml,
};
use sdk::flow::Flow;
use sdk::time::minutes;
use serde_json::{Value, json};
use testing::report::ResponseReport;
use testing::{Multipart, SimulatedInstance, Simulation, Webhook};

use crate::caller::{Caller as Client, get};
use crate::process::{Home, Server, eventually};

type Instance = SimulatedInstance<Config>;

/// One request of the script, with the flow that it is for.
type Step = fn(&Instance) -> (&'static str, Webhook<'_, Config>);

fn to<'a, F: Flow<Config = Config>>(
    lab: &'a Instance,
    with: impl FnOnce(Webhook<'a, Config>) -> Webhook<'a, Config>,
) -> (&'static str, Webhook<'a, Config>) {
    (F::KEY, with(lab.webhook::<F>()))
}

const SCRIPT: &[Step] = &[
    |lab| {
        to::<Echo>(lab, |it| {
            let it = it
                .path("my/custom/path")
                .query("page", 2)
                .query("tag", "a b");
            let it = it.header("x-first", "1").header("x-first", "one");
            it.json(json!({"Payload Key 1": "abc", "Do Thing?": true, "big": 9_007_199_254_740_993_u64}))
        })
    },
    |lab| {
        to::<Echo>(lab, |it| {
            it.body("image/png", Bytes::from_static(b"\x89PNG\r\n\x1a\n\0\xff"))
        })
    },
    |lab| to::<Echo>(lab, |it| it.form([("Body", "Grüße"), ("From", "+33 6")])),
    |lab| {
        to::<Echo>(lab, |it| {
            let form = Multipart::new().text("note", "fragile");
            it.multipart(form.file("photo", "box.png", "image/png", vec![0x89, b'P', 0, 0xff]))
        })
    },
    |lab| to::<Echo>(lab, |it| it.method(Method::GET)),
    |lab| to::<Echo>(lab, |it| it.body("application/json", "{oops")),
    |lab| to::<Echo>(lab, |it| it.method(Method::OPTIONS)),
    |lab| to::<EchoSync>(lab, |it| it.text("plain")),
    |lab| to::<EchoSync>(lab, |it| it.direct().json(json!([1, 2.5, null]))),
    |lab| to::<EchoSync>(lab, |it| it.synchronous(false).json(json!({}))),
    |lab| {
        to::<Challenge>(lab, |it| {
            it.xml("<notification><challenge>abc</challenge></notification>")
        })
    },
    |lab| to::<Challenge>(lab, |it| it.xml("<other/>")),
    |lab| to::<Status>(lab, |it| it.query("code", 415).query("text", "not this")),
    |lab| {
        to::<Status>(lab, |it| {
            it.query("code", 303)
                .query("location", "https://example.com/there")
        })
    },
    |lab| to::<Xml>(lab, Webhook::direct),
    |lab| to::<BytesFlow>(lab, |it| it.query("n", 10).direct()),
    |lab| to::<BytesFlow>(lab, |it| it.query("n", 10).query("kind", "binary").direct()),
    |lab| to::<Fail>(lab, |it| it),
    |lab| to::<Panic>(lab, |it| it.query("text", "boom")),
    |lab| to::<Slow>(lab, |it| it.query("ms", 5).direct()),
    |lab| to::<Slow>(lab, |it| it.query("ms", 5).query("blocking", true).direct()),
    |lab| to::<Counter>(lab, Webhook::direct),
    |lab| to::<Counter>(lab, Webhook::direct),
    |lab| to::<Caller>(lab, |it| it.json(json!({"a": 1})).direct()),
    |lab| to::<Signed>(lab, |it| it.json(json!({"item": "widget"})).signed()),
    |lab| {
        to::<Signed>(lab, |it| {
            it.json(json!({"item": "widget"})).signed_with("a guess")
        })
    },
    |lab| to::<Signed>(lab, |it| it.json(json!({"item": "widget"}))),
    |lab| to::<Steps>(lab, |it| it.query("ms", 1).json(json!({}))),
    |lab| to::<Flaky>(lab, |it| it.query("succeed_on", 3).json(json!({}))),
    |lab| to::<Ordered>(lab, |it| it.json(json!({"id": 7}))),
    |lab| to::<Ordered>(lab, |it| it.json(json!({"id": 7}))),
    |lab| to::<Ordered>(lab, |it| it.json(json!({"id": 8}))),
    |lab| to::<PerKey>(lab, |it| it.json(json!({"key": "k", "n": 1}))),
    |lab| to::<PerKey>(lab, |it| it.json(json!({"key": "k"}))),
];

/// What a script left: the answers in their order, and the executions of each flow in the order in which they were accepted.
#[derive(Debug, Default)]
struct Left {
    answers: Vec<Value>,
    executions: BTreeMap<String, Vec<Value>>,
}

impl Left {
    fn add(&mut self, mut execution: Value) {
        let fields = execution.as_object_mut().unwrap();
        for time in ["accepted_at", "started_at", "ended_at", "run_at"] {
            fields.remove(time);
        }
        let flow = fields["flow"].as_str().unwrap().to_owned();
        self.executions.entry(flow).or_default().push(execution);
    }

    /// Puts words in the place of what differs by nature.
    fn in_words(self, addresses: &[(String, String)]) -> Self {
        let mut words = Words {
            addresses,
            ids: Vec::new(),
        };
        let executions = self.executions.into_iter();
        Self {
            answers: self.answers.into_iter().map(|it| words.of(it)).collect(),
            executions: executions
                .map(|(flow, all)| (flow, all.into_iter().map(|it| words.of(it)).collect()))
                .collect(),
        }
    }
}

/// What stands for ids, times and addresses: an id is named by the place at which it comes up first.
struct Words<'a> {
    addresses: &'a [(String, String)],
    ids: Vec<String>,
}

impl Words<'_> {
    fn of(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(all) => all.into_iter().map(|it| self.of(it)).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                fields.map(|(name, it)| (name, self.of(it))).collect()
            }
            other => other,
        }
    }

    fn text(&mut self, text: &str) -> String {
        if text.parse::<sdk::Timestamp>().is_ok() {
            return "<time>".to_owned();
        }
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        if lengths == [2, 32, 16, 2] {
            return "<traceparent>".to_owned();
        }
        let mut text = text.to_owned();
        if let Some((result, _)) = text.split_once('?').filter(|(url, _)| is_result(url)) {
            text = format!("{result}?<signature>");
        }
        for (address, word) in self.addresses {
            text = text.replace(address, word);
        }
        let parts = text.split_inclusive(|letter: char| !is_of_id(letter));
        parts.map(|part| self.part(part)).collect()
    }

    fn part(&mut self, part: &str) -> String {
        let id = part.trim_end_matches(|letter| !is_of_id(letter));
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        if lengths != [8, 4, 4, 4, 12] {
            return part.to_owned();
        }
        let known = self.ids.iter().position(|known| known == id);
        let number = known.unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        });
        part.replace(id, &format!("<id {number}>"))
    }
}

fn is_of_id(letter: char) -> bool {
    letter.is_ascii_hexdigit() || letter == '-'
}

fn without_chance(mut report: ResponseReport) -> Value {
    // They follow from ids, times and addresses; that the length is right is tested elsewhere.
    for name in ["connection", "content-length", "etag"] {
        report.headers.remove(name);
    }
    json!(report)
}

fn config() -> Config {
    Config {
        hmac_secret: "AC49CB66-511F-4085-9119-360B1B142F4B".into(),
    }
}

/// The path of a request behind the endpoint id, with the query.
fn behind_endpoint(request: &Request<Bytes>) -> String {
    let target = request.uri().path_and_query().unwrap().as_str();
    let rest = target.strip_prefix("/trigger/").unwrap();
    rest.find(['/', '?'])
        .map_or_else(String::new, |at| rest[at..].to_owned())
}

async fn simulated() -> testing::Result<(Left, Vec<(&'static str, Request<Bytes>)>)> {
    let lab = Simulation::of(lab::integration()).at("2026-03-27T16:50:30Z");
    let instance = lab.deploy(config()).await?;
    let mut requests = Vec::new();
    let mut left = Left::default();
    for step in SCRIPT {
        let (flow, webhook) = step(&instance);
        let mut request = webhook.request();
        let report = instance.send(request.clone()).await;
        left.answers.push(without_chance(report.response));
        request.headers_mut().remove("host");
        requests.push((flow, request));
    }
    lab.advance(minutes(1)).await?;
    let redirect = left.answers.iter().find_map(redirect_to_result);
    let follow = get(&redirect.expect("a result that is fetched"));
    let result = instance.send(follow).await;
    left.answers.push(without_chance(result.response));
    let addresses = instance_words(
        "https://hooks.example.test",
        &json!(lab.runner().await?.engine.instances.all()[0].webhook_urls),
    );
    instance.remove().await?;
    for execution in instance.timeline().await.executions {
        let mut execution = json!(execution);
        // The management API has no place for them; the counter shows its own.
        execution.as_object_mut().unwrap().remove("state");
        left.add(execution);
    }
    Ok((left.in_words(&addresses), requests))
}

/// Where an answer points, if it is to the result of an execution.
fn redirect_to_result(answer: &Value) -> Option<String> {
    let location = answer["headers"]["location"].as_str()?;
    let (_, path) = location.split_once("://")?.1.split_once('/')?;
    is_result(location).then(|| format!("/{path}"))
}

fn is_result(url: &str) -> bool {
    url.contains("/results/")
}

/// The word for each address, the longer ones first.
fn instance_words(origin: &str, urls: &Value) -> Vec<(String, String)> {
    let endpoint = |(flow, url): (&String, &Value)| {
        let endpoint = url.as_str().unwrap().rsplit('/').next().unwrap();
        (endpoint.to_owned(), format!("<endpoint of {flow}>"))
    };
    let mut words: Vec<_> = urls.as_object().unwrap().iter().map(endpoint).collect();
    let host = origin.split_once("://").unwrap().1;
    words.push((origin.to_owned(), "<origin>".to_owned()));
    words.push((host.to_owned(), "<host>".to_owned()));
    words
}

async fn served(requests: Vec<(&'static str, Request<Bytes>)>) -> Left {
    let home = Home::new("").await;
    let server = home.start().await;
    let deploy = json!({
        "name": "acme",
        "customer": {"id": "acme"},
        "config": {"hmac_secret": "AC49CB66-511F-4085-9119-360B1B142F4B"},
    });
    let deployed = server.change(Method::POST, "/api/instances", &deploy).await;
    assert!(deployed.status < 300, "{deployed:?}");
    let listed = server.api("/api/instances").await.json();
    let found = listed["items"].as_array().unwrap().iter();
    let acme = found.clone().find(|it| it["name"] == "acme").unwrap();
    let id = acme["id"].as_str().unwrap();
    let instance = format!("/api/instances/{id}");
    let urls = server.api(&instance).await.json()["webhook_urls"].clone();

    let mut left = Left::default();
    let mut client = Client::that_stays();
    for (flow, mut request) in requests {
        let url = urls[flow].as_str().unwrap();
        let path = &url[url.find("/trigger/").unwrap()..];
        let target = format!("{path}{}", behind_endpoint(&request));
        *request.uri_mut() = target.parse().unwrap();
        left.answers.push(sent(&mut client, &server, request).await);
    }
    settled(&server, &format!("/api/executions?instance={id}")).await;
    let redirect = left.answers.iter().find_map(redirect_to_result).unwrap();
    left.answers
        .push(sent(&mut client, &server, get(&redirect)).await);
    let mut all = executions(&server, id).await;
    let removed = server.change(Method::DELETE, &instance, &Value::Null).await;
    assert!(removed.status < 300, "{removed:?}");
    // The results of a removed instance are not shown: its secrets, which might stand in them, are erased.
    let after = executions(&server, id).await.into_iter();
    all.extend(after.filter(|it| it["flow"] == "on-remove"));
    for execution in all {
        left.add(execution);
    }
    let origin = format!("http://{}", server.ingress);
    assert!(server.stop().await.success());
    left.in_words(&instance_words(&origin, &urls))
}

async fn sent(client: &mut Client, server: &Server, request: Request<Bytes>) -> Value {
    let got = client.send(server.ingress, request).await.unwrap();
    let mut response = Response::new(got.body);
    *response.status_mut() = got.status.try_into().unwrap();
    *response.headers_mut() = got.headers;
    without_chance(ResponseReport::of(&response))
}

/// Waits until a minute has struck, its tick has run, and nothing waits any more.
async fn settled(server: &Server, list: &str) {
    let limit = Duration::from_secs(90);
    eventually(limit, "a tick, and nothing that waits", || async {
        let all = server.api(&format!("{list}&limit=100")).await.json();
        let all = all["items"].as_array().unwrap();
        let waits = |it: &Value| !matches!(it["status"].as_str(), Some("SUCCESS" | "ERROR"));
        let ticked = all.iter().any(|it| it["flow"] == "tick");
        (ticked && !all.iter().any(waits)).then_some(())
    })
    .await;
}

/// Returns the executions of an instance in the order in which they were accepted, as reports of the simulation show them.
async fn executions(server: &Server, instance: &str) -> Vec<Value> {
    let list = format!("/api/executions?instance={instance}&limit=100");
    let mut all = server.api(&list).await.json()["items"].take();
    let mut shown = Vec::new();
    for execution in all.as_array_mut().unwrap().iter_mut().rev() {
        let path = format!("/api/executions/{}", execution["id"].as_str().unwrap());
        let detail = server.api(&path).await.json();
        let log = server.api(&format!("{path}/logs?limit=100")).await.json();
        shown.push(report(&detail, &log["items"]));
    }
    shown
}

/// Shows an execution of the management API as reports of the simulation do.
fn report(detail: &Value, log: &Value) -> Value {
    let mut shown = json!({});
    for name in [
        "id",
        "flow",
        "invoked_by",
        "attempt",
        "status",
        "result",
        "error",
    ] {
        shown[name] = detail[name].clone();
    }
    shown["called_by"] = detail["parent"].clone();
    shown["repeats"] = detail["first"].clone();
    if detail["function"] != "on_execution" {
        shown["function"] = detail["function"].clone();
    }
    shown["output"] = match detail["output"]["encoding"].as_str() {
        // Reports show what is empty as nothing.
        _ if detail["output"]["bytes"] == 0 => Value::Null,
        Some("base64") => json!({"base64": detail["output"]["data"]}),
        _ => detail["output"]["data"].clone(),
    };
    let steps = detail["steps"].as_array().unwrap().iter();
    let own = steps.filter(|step| step["execution"] == detail["id"]);
    shown["steps"] = own
        .map(|step| {
            let mut shown = json!({"name": step["name"], "result": step["result"]});
            if step["count"] != 0 {
                shown["count"] = step["count"].clone();
            }
            shown
        })
        .collect();
    let lines = log.as_array().unwrap().iter();
    shown["log"] = lines
        .map(|line| json!({"level": line["level"], "text": line["text"]}))
        .collect();
    let fields = shown.as_object_mut().unwrap();
    fields.retain(|_, it| !it.is_null() && it.as_array().is_none_or(|all| !all.is_empty()));
    shown
}

/// Every flow of the lab: webhooks by the script, `tick` by the clock, `on-deploy` and `on-remove` by the life of the instance.
#[tokio::test]
async fn the_simulation_and_the_process_give_the_same_report_for_every_flow() {
    let (simulated, requests) = simulated().await.unwrap();
    let mut served = served(requests).await;
    // A slow machine may see a second minute strike.
    served.executions.get_mut("tick").unwrap().truncate(1);

    let built = lab::integration().build().unwrap();
    let mut flows: Vec<_> = built.flows.iter().map(|flow| flow.options.key).collect();
    flows.sort_unstable();
    assert_eq!(simulated.executions.keys().collect::<Vec<_>>(), flows);
    let mut differences = Vec::new();
    let mut compare = |what: String, simulated: Option<&Value>, served: Option<&Value>| {
        if simulated != served {
            let shown =
                |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            let (simulated, served) = (shown(simulated), shown(served));
            differences.push(format!("{what}:\n  {simulated}\n  {served}"));
        }
    };
    let most = |one: &[Value], other: &[Value]| one.len().max(other.len());
    for number in 0..most(&simulated.answers, &served.answers) {
        let what = format!("answer {number}");
        let answers = (&simulated.answers, &served.answers);
        compare(what, answers.0.get(number), answers.1.get(number));
    }
    assert!(simulated.executions.keys().eq(served.executions.keys()));
    for (flow, expected) in &simulated.executions {
        let seen = &served.executions[flow];
        for number in 0..most(expected, seen) {
            let what = format!("execution {number} of flow {flow}");
            compare(what, expected.get(number), seen.get(number));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
