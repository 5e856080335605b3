//! A request through the front door, and what it brought about.

use bytes::Bytes;
use http::Request;
use runner::instance::Listener;
use sdk::id::{ExecutionId, InstanceId};

use crate::outbound::RequestReport;
use crate::report::{ExecutionReport, Report, ResponseReport};
use crate::script::Address;
use crate::world::World;

/// What there was at a moment.
pub(crate) struct Mark {
    /// How many executions had been accepted, of all instances.
    accepted: usize,
    /// How many requests had been sent, by all instances.
    requests: usize,
}

impl World {
    /// Sends a request through the front door; the report tells what it brought about, in an instance or in all.
    #[expect(
        clippy::expect_used,
        reason = "a simulation that is stuck fails the test"
    )]
    pub(crate) async fn exchange(
        &self,
        of: Option<&InstanceId>,
        request: Request<Bytes>,
    ) -> Report {
        let number = self.remember(&request);
        let mark = self.mark();
        let response = self
            .receive(request)
            .await
            .expect("an answer to the simulated webhook");
        if let Some(location) = response.headers().get(http::header::LOCATION)
            && let Ok(location) = location.to_str()
        {
            self.points_to(number, location.to_owned());
        }
        let prefix = &self.settings().header_prefix;
        let named = response.headers().get(format!("{prefix}-executionid"));
        let id = named
            .and_then(|value| value.to_str().ok())
            .map(ExecutionId::from);
        let execution = match &id {
            Some(id) => self.execution(id).await,
            None => None,
        };
        let (mut further, requests) = self.since(of, mark).await;
        further.retain(|execution| id.as_ref() != Some(&execution.id));
        Report {
            response: ResponseReport::of(&response).redacted(&self.witness),
            execution,
            further,
            requests,
            told: self.witness.told().clone(),
        }
    }

    /// Remembers what there is, so that [`since`](Self::since) can tell what is new.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            accepted: self.witness.accepted(),
            requests: self.outbound.count(),
        }
    }

    /// Returns what is new since a moment, in an instance or in all.
    pub(crate) async fn since(
        &self,
        of: Option<&InstanceId>,
        mark: Mark,
    ) -> (Vec<ExecutionReport>, Vec<RequestReport>) {
        let new = self.witness.accepted_after(of, mark.accepted);
        let requests = match of {
            Some(instance) => self.outbound.sent_by(instance, mark.requests),
            None => self.outbound.sent_from(mark.requests),
        };
        (self.reports(new).await, requests)
    }

    /// Remembers a request for the crash sweep, with who listens there: endpoints have other ids in it. Returns its number.
    fn remember(&self, request: &Request<Bytes>) -> usize {
        if let Some(number) = self.pointed_at_by(request.uri()) {
            return self.sends(Address::Location(number), request);
        }
        let endpoint = request
            .uri()
            .path()
            .strip_prefix("/trigger/")
            .and_then(|rest| rest.split('/').next());
        let listener =
            endpoint.and_then(|endpoint| self.runner().engine.instances.at_endpoint(endpoint));
        let to = match listener {
            Some(Listener::Flow(instance, flow)) => {
                Address::Flow(self.number_of(&instance.id), flow.to_string())
            }
            Some(Listener::Instance(instance)) => Address::Instance(self.number_of(&instance.id)),
            Some(Listener::Shared(_)) => Address::Shared,
            None => Address::AsItSays,
        };
        self.sends(to, request)
    }
}
