//! A request through the front door, and what it brought about.

use bytes::Bytes;
use http::Request;
use runner::clock::Clock as _;
use runner::instance::Listener;
use sdk::Timestamp;
use sdk::id::{ExecutionId, InstanceId};

use crate::outbound::RequestReport;
use crate::report::{ExecutionReport, Report, ResponseReport};
use crate::script::Target;
use crate::world::World;

/// What there was at a moment, of an instance or of all.
pub(crate) struct Mark {
    at: Timestamp,
    /// The executions that were accepted at that very moment before.
    known: Vec<ExecutionId>,
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
        let mark = self.mark(of).await;
        let response = self
            .receive(request)
            .await
            .expect("an answer to the simulated webhook");
        let prefix = &self.runner.engine.ports.settings.header_prefix;
        let named = response.headers().get(format!("{prefix}-executionid"));
        if let Some(location) = response.headers().get(http::header::LOCATION)
            && let Ok(location) = location.to_str()
        {
            self.points_to(number, location.to_owned());
        }
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
        }
    }

    /// Remembers what there is, so that [`since`](Self::since) can tell what is new.
    pub(crate) async fn mark(&self, of: Option<&InstanceId>) -> Mark {
        let now = self.clock.now();
        Mark {
            at: now,
            known: self.accepted(of, Some(now)).await,
            requests: self.outbound.count(),
        }
    }

    /// Returns what is new since a moment.
    pub(crate) async fn since(
        &self,
        of: Option<&InstanceId>,
        mark: Mark,
    ) -> (Vec<ExecutionReport>, Vec<RequestReport>) {
        let mut new = self.accepted(of, Some(mark.at)).await;
        new.retain(|id| !mark.known.contains(id));
        let requests = match of {
            Some(instance) => self.outbound.sent_by(instance, mark.requests),
            None => self.outbound.sent_from(mark.requests),
        };
        (self.reports(new).await, requests)
    }

    /// Remembers a request for the crash sweep, with who listens there: endpoints have other ids in it. Returns its number.
    fn remember(&self, request: &Request<Bytes>) -> usize {
        if let Some(number) = self.pointed_at_by(&request.uri().to_string()) {
            return self.sends(Target::Location(number), request);
        }
        let endpoint = request
            .uri()
            .path()
            .strip_prefix("/trigger/")
            .and_then(|rest| rest.split('/').next());
        let listener =
            endpoint.and_then(|endpoint| self.runner.engine.instances.at_endpoint(endpoint));
        let to = match listener {
            Some(Listener::Flow(instance, flow)) => {
                Target::Flow(self.number_of(&instance.id), flow.to_string())
            }
            Some(Listener::Instance(instance)) => Target::Instance(self.number_of(&instance.id)),
            Some(Listener::Shared(_)) => Target::Shared,
            None => Target::AsItSays,
        };
        self.sends(to, request)
    }
}
