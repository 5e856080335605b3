//! A host that has nothing to give: for functions that ask for nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sdk::context::{CustomerFacts, ExecutionFacts, FlowFacts, InstanceFacts, IntegrationFacts};
use sdk::host::{BoxFuture, Called, Host, LogLine, StepEnd, StepId, StepStart};
use sdk::id::FlowKey;
use sdk::state::{StateScope, StateWrite};
use sdk::{Error, Payload, Result, Secret, Timestamp};
use serde_json::Value;

/// Refuses whatever it is asked for.
pub(crate) struct Silence;

fn refuse<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T>> {
    Box::pin(async { Err(Error::new("nothing is to be asked for here")) })
}

impl Host for Silence {
    fn now(&self) -> Timestamp {
        "2026-03-27T16:50:00Z".parse().unwrap()
    }

    fn sleep(&self, _length: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn log(&self, _line: LogLine) {}

    fn read_state<'a>(
        &'a self,
        _scope: StateScope,
        _key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>>> {
        refuse()
    }

    fn write_state<'a>(
        &'a self,
        _scope: StateScope,
        _key: &'a str,
        _write: StateWrite,
    ) -> BoxFuture<'a, Result<()>> {
        refuse()
    }

    fn begin_step<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<StepStart>> {
        refuse()
    }

    fn end_step(&self, _step: StepId, _end: StepEnd) -> BoxFuture<'_, Result<()>> {
        refuse()
    }

    fn send(&self, _request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>>> {
        refuse()
    }

    fn access_token<'a>(
        &'a self,
        _variable: &'a str,
        _refused: Option<&'a Secret>,
    ) -> BoxFuture<'a, Result<Secret>> {
        refuse()
    }

    fn call(
        &self,
        _flow: FlowKey,
        _payload: Payload,
        _wait: bool,
    ) -> BoxFuture<'_, Result<Called>> {
        refuse()
    }
}

/// The facts of an execution.
pub(crate) fn facts() -> Arc<ExecutionFacts> {
    Arc::new(ExecutionFacts {
        execution_id: "execution-1".into(),
        attempt: 1,
        started_at: "2026-03-27T16:50:00Z".parse().unwrap(),
        invoked_by: "WEBHOOK",
        integration: IntegrationFacts {
            name: "acme-orders".to_owned(),
            version: "0.0.0".to_owned(),
        },
        flow: FlowFacts {
            key: "receive-order".into(),
            name: "Receive order".to_owned(),
        },
        instance: InstanceFacts {
            id: "instance-1".into(),
            name: "Ada's".to_owned(),
        },
        customer: CustomerFacts {
            id: "customer-1".into(),
            name: "Ada".to_owned(),
        },
        webhook_urls: Arc::default(),
        webhook_api_keys: Arc::default(),
        invoke_url: "https://runner.example/trigger/1".to_owned(),
    })
}
