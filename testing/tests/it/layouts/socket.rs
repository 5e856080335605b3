//! A shared endpoint on a real socket: the same answers and the same records as in the simulation.

use http::Method;
use sdk::Flow as _;
use serde_json::json;
use testing::report::ResponseReport;
use testing::{Result, Settings, SimulatedInstance, Simulation, Timeline, Webhook};

use super::{Config, Orders, Returns, config, of_all, order_of};
use crate::one_path::over_a_socket;

type Instances = [SimulatedInstance<Config>; 2];

async fn deploy() -> Result<(Simulation<Config>, Instances)> {
    let settings = Settings {
        cors_origins: vec!["https://app.example.com".to_owned()],
        ..Settings::default()
    };
    let lab = of_all().with_settings(settings);
    let acme = lab.deploy_for("acme", config("a")).await?;
    let globex = lab.deploy_for("globex", config("g")).await?;
    Ok((lab, [acme, globex]))
}

fn script<'a>(
    lab: &'a Simulation<Config>,
    [acme, globex]: &'a Instances,
) -> Vec<Webhook<'a, Config>> {
    let shared = || lab.shared_webhook();
    let to = |event: &'static str| shared().header("x-event", event);
    vec![
        to(Orders::KEY).path("a/b").json(order_of("acme")),
        to("Take orders").json(order_of("globex")),
        to(Returns::KEY)
            .json(order_of("globex"))
            .signed_for::<Returns>(globex),
        to(Returns::KEY)
            .json(order_of("acme"))
            .signed_for::<Returns>(globex),
        to("refunds").json(order_of("acme")),
        to(Orders::KEY).json(order_of("initech")),
        to(Orders::KEY).body("application/json", "{oops"),
        to(Orders::KEY).form([("account", "acme")]),
        shared().json(json!({})),
        shared().method(Method::OPTIONS),
        shared()
            .method(Method::OPTIONS)
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "POST"),
        acme.webhook::<Orders>()
            .header("origin", "https://app.example.com")
            .json(order_of("acme")),
    ]
}

/// Everything that is kept: what each customer has, and what found none.
async fn kept(lab: &Simulation<Config>, instances: &Instances) -> Result<(Vec<Timeline>, String)> {
    let mut timelines = Vec::new();
    for instance in instances {
        timelines.push(instance.timeline().await);
    }
    let filter = runner::store::ExecutionFilter {
        instance: Some(runner::instance::SHARED.into()),
        ..runner::store::ExecutionFilter::default()
    };
    let store = &lab.runner().await?.engine.ports.store;
    let lost = store.executions(&filter, None, 100).await?;
    Ok((timelines, format!("{lost:#?}")))
}

#[tokio::test]
async fn a_shared_endpoint_answers_and_records_the_same_on_a_real_socket() -> Result {
    let (lab, instances) = deploy().await?;
    let mut simulated: Vec<ResponseReport> = Vec::new();
    for webhook in script(&lab, &instances) {
        simulated.push(webhook.send().await.response);
    }
    let statuses: Vec<u16> = simulated.iter().map(|answer| answer.status).collect();
    assert_eq!(
        statuses,
        [200, 200, 200, 401, 404, 404, 400, 404, 404, 405, 204, 200]
    );
    let simulated_kept = kept(&lab, &instances).await?;

    let (lab, instances) = deploy().await?;
    let script = script(&lab, &instances);
    let requests = script.iter().map(Webhook::request);
    let real = over_a_socket(&lab, requests).await?;
    for (number, (simulated, real)) in simulated.iter().zip(&real).enumerate() {
        assert_eq!(simulated, real, "request {number} of the script");
    }
    assert_eq!(simulated.len(), real.len());
    assert_eq!(simulated_kept, kept(&lab, &instances).await?);
    Ok(())
}
