//! What machines ask: is it alive, does it take work, how much has it done.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric as _};
use prometheus_client::registry::Registry;
use schemars::JsonSchema;
use serde::Serialize;

use super::Admin;
use super::failure::Failure;
use super::words::RESULTS;
use crate::NotReady;
use crate::engine::Engine;
use crate::record::ResultType;

/// Whether the server does its work.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Probe {
    /// In a word.
    status: &'static str,
}

/// Says that the process is alive.
pub(super) async fn healthz() -> Json<Probe> {
    Json(Probe { status: "alive" })
}

/// Says whether the runner takes work: the store can be written and nobody asked it to stop.
pub(super) async fn readyz(State(admin): State<Arc<Admin>>) -> Result<Json<Probe>, Failure> {
    let ready = if *admin.stop.borrow() {
        Err(NotReady::Stopping)
    } else {
        admin.runner.check_ready().await
    };
    match ready {
        Ok(()) => Ok(Json(Probe { status: "ready" })),
        Err(not_ready) => Err(Failure::unavailable(not_ready.to_string())),
    }
}

/// Gives the counters in the text format of OpenMetrics, which Prometheus reads. It needs the token: what a customer's flows do is not
/// for everybody; a scraper reads it with `authorization: { credentials_file: … }`.
pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> Result<Response, Failure> {
    let mut registry = Registry::with_prefix("runner");
    registry.register_collector(Box::new(Counted(Arc::clone(&admin.runner.engine))));
    let mut written = String::new();
    text::encode(&mut written, &registry)
        .map_err(|_| Failure::unavailable("the counters cannot be written"))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], written).into_response())
}

/// What the engine has counted, read at each scrape. Labels are keys of flows, words of the contract and status codes: their number is
/// bounded, and none is made of what a sender sent.
#[derive(Debug)]
struct Counted(Arc<Engine>);

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let engine = &self.0;
        let (waiting, running) = engine.load();
        gauge(
            &mut encoder,
            "executions_waiting",
            "Executions that wait for their turn",
            waiting,
        )?;
        gauge(
            &mut encoder,
            "executions_running",
            "Executions that run",
            running,
        )?;
        let help = "Instances of which as many executions run as may run at once";
        gauge(&mut encoder, "instances_at_limit", help, engine.at_limit())?;
        let all = engine.instances.all();
        let instances = all.iter().filter(|instance| !instance.is_removed()).count();
        gauge(&mut encoder, "instances", "Instances", instances)?;

        let flows = engine.ports.integration.flows.iter();
        let keys: Vec<&str> = flows.map(|flow| flow.options.key).collect();
        let accepted = keys.iter().map(|key| {
            (
                vec![("flow", (*key).to_owned())],
                engine.counts.accepted_of(key),
            )
        });
        let help = "Executions that were accepted";
        counters(&mut encoder, "executions_accepted", help, accepted)?;
        let ended = keys.iter().flat_map(|key| {
            RESULTS.into_iter().map(move |result| {
                let labels = vec![("flow", (*key).to_owned()), ("result", word(result))];
                (labels, engine.counts.ended_of(key, result))
            })
        });
        counters(
            &mut encoder,
            "executions_ended",
            "Executions that ended",
            ended,
        )?;
        let answers = engine.counts.answers();
        let answered = answers
            .into_iter()
            .map(|(status, count)| (vec![("status", status.to_string())], count));
        let help = "Requests at endpoints and result URLs that were answered";
        counters(&mut encoder, "requests_answered", help, answered)
    }
}

type Labels = Vec<(&'static str, String)>;

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: usize,
) -> Result<(), fmt::Error> {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    counted: impl Iterator<Item = (Labels, u64)>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?;
    for (labels, count) in counted {
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn word(result: ResultType) -> String {
    let word = serde_json::to_value(result).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}
