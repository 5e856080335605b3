//! The lock on "one path": the same script through the simulation and through a real socket gives the same reports.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use lab::{
    Bytes as BytesFlow, Caller, Challenge, Config, Counter, Echo, EchoSync, Fail, Flaky, Ordered,
    Panic, PerKey, Signed, Slow, Status, Steps, Xml,
};
use runner::server::{Front, Limits, serve};
use sdk::ConfigVars;
use sdk::flow::Flow;
use serde_json::json;
use testing::report::ResponseReport;
use testing::{Result, SimulatedInstance, Simulation, Timeline, Webhook};
use tokio::net::{TcpListener, TcpStream};

/// One request of the script.
type Step = fn(&SimulatedInstance<Config>) -> Webhook<'_, Config>;

fn to<F: Flow<Config = Config>>(instance: &SimulatedInstance<Config>) -> Webhook<'_, Config> {
    instance.webhook::<F>()
}

/// Every webhook flow of the lab, and every kind of refusal before a flow.
const SCRIPT: &[Step] = &[
    |lab| {
        to::<Echo>(lab)
            .path("my/custom/path")
            .query("page", 2)
            .query("tag", "a b")
            .header("x-first", "1")
            .header("x-second", "zwei")
            .json(json!({"Payload Key 1": "abc", "Do Thing?": true, "big": 9_007_199_254_740_993_u64}))
    },
    |lab| to::<Echo>(lab).body("image/png", Bytes::from_static(b"\x89PNG\r\n\x1a\n\0\xff")),
    |lab| {
        to::<Echo>(lab).body(
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n",
        )
    },
    |lab| to::<Echo>(lab).method(Method::GET),
    |lab| to::<EchoSync>(lab).text("plain"),
    |lab| to::<EchoSync>(lab).direct().json(json!([1, 2.5, null])),
    |lab| to::<Echo>(lab).synchronous(true).direct().json(json!({})),
    |lab| to::<EchoSync>(lab).synchronous(false).json(json!({})),
    |lab| to::<Echo>(lab).body("application/json", "{oops"),
    |lab| {
        to::<Echo>(lab)
            .method(Method::PATCH)
            .body("application/json", "")
    },
    |lab| to::<Echo>(lab).method(Method::OPTIONS),
    |lab| to::<Challenge>(lab).xml("<notification><challenge>abc</challenge></notification>"),
    |lab| to::<Challenge>(lab).xml("<other/>"),
    |lab| to::<Status>(lab).query("code", 415),
    |lab| {
        to::<Status>(lab)
            .query("code", 303)
            .query("location", "https://example.com/there")
    },
    |lab| to::<Xml>(lab).direct(),
    |lab| {
        to::<BytesFlow>(lab)
            .query("n", 10)
            .query("kind", "binary")
            .direct()
    },
    |lab| to::<Fail>(lab),
    |lab| to::<Panic>(lab).query("text", "boom"),
    |lab| to::<Slow>(lab).query("ms", 5).direct(),
    |lab| to::<Counter>(lab).direct(),
    |lab| to::<Counter>(lab).direct(),
    |lab| to::<Caller>(lab).json(json!({"a": 1})).direct(),
    |lab| to::<Signed>(lab).json(json!({"item": "widget"})).signed(),
    |lab| {
        to::<Signed>(lab)
            .json(json!({"item": "widget"}))
            .signed_with("another secret")
    },
    |lab| to::<Signed>(lab).json(json!({"item": "widget"})),
    |lab| to::<Steps>(lab).query("ms", 1).json(json!({})),
    |lab| to::<Flaky>(lab).query("succeed_on", 3).json(json!({})),
    |lab| to::<Ordered>(lab).json(json!({"id": 7})),
    |lab| to::<Ordered>(lab).json(json!({"id": 7})),
    |lab| to::<PerKey>(lab).json(json!({"key": "k", "n": 1})),
];

fn config() -> Config {
    Config {
        hmac_secret: "AC49CB66-511F-4085-9119-360B1B142F4B".into(),
    }
}

async fn simulate() -> Result<(Simulation<Config>, SimulatedInstance<Config>)> {
    let lab = Simulation::of(lab::integration()).at("2026-03-27T16:50:00Z");
    let instance = lab.deploy(config()).await?;
    Ok((lab, instance))
}

/// Sends a request to a socket as it stands, and reads the whole answer.
async fn exchange(
    address: std::net::SocketAddr,
    request: Request<Bytes>,
) -> Result<Response<Bytes>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    #[expect(clippy::disallowed_methods, reason = "a real socket runs in real time")]
    let driver = tokio::task::spawn(connection);
    let response = sender.send_request(request.map(Full::new)).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    driver.await??;
    Ok(Response::from_parts(head, body))
}

async fn through_the_front_door() -> Result<(Vec<ResponseReport>, Timeline)> {
    let (lab, instance) = simulate().await?;
    let mut answers = Vec::new();
    for step in SCRIPT {
        answers.push(step(&instance).send().await.response);
    }
    lab.advance(Duration::from_mins(1)).await?;
    Ok((answers, instance.timeline().await))
}

async fn through_a_socket() -> Result<(Vec<ResponseReport>, Timeline)> {
    let (lab, instance) = simulate().await?;
    let requests = SCRIPT.iter().map(|step| step(&instance).request());
    let answers = over_a_socket(&lab, requests).await?;
    lab.advance(Duration::from_mins(1)).await?;
    Ok((answers, instance.timeline().await))
}

/// Puts the front door of a simulation on a real socket, and sends it requests one after another.
pub(super) async fn over_a_socket<C: ConfigVars>(
    lab: &Simulation<C>,
    requests: impl Iterator<Item = Request<Bytes>>,
) -> Result<Vec<ResponseReport>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let front = Front::new(lab.runner().await?);
    #[expect(clippy::disallowed_methods, reason = "a real socket runs in real time")]
    let server = tokio::task::spawn(serve(
        listener,
        front,
        Limits::default(),
        async {
            let _ = stopped.await;
        },
        Duration::from_secs(5),
    ));
    let mut answers = Vec::new();
    for request in requests {
        // The handler waits for the clock, which only the simulation moves.
        let response = lab.while_time_passes(exchange(address, request)).await??;
        let mut answer = ResponseReport::of(&response);
        // What a socket says of itself.
        answer.headers.remove("connection");
        answers.push(answer);
    }
    stop.send(()).map_err(|()| "the server is gone")?;
    server.await?;
    Ok(answers)
}

#[tokio::test]
async fn the_simulation_and_a_real_socket_give_the_same_reports_for_every_flow_of_the_lab() -> Result
{
    let (simulated, simulated_timeline) = through_the_front_door().await?;
    let (real, real_timeline) = through_a_socket().await?;
    for (number, (simulated, real)) in simulated.iter().zip(&real).enumerate() {
        assert_eq!(simulated, real, "request {number} of the script");
    }
    assert_eq!(simulated.len(), SCRIPT.len());
    assert_eq!(simulated_timeline, real_timeline);
    Ok(())
}

#[tokio::test]
async fn a_script_gives_the_same_reports_in_every_run() -> Result {
    let (first, first_timeline) = through_the_front_door().await?;
    let (second, second_timeline) = through_the_front_door().await?;
    assert_eq!((first, first_timeline), (second, second_timeline));
    Ok(())
}
