//! HTTP request → invocation → HTTP response: the only room that knows both.
//!
//! The order of the checks is the contract: endpoint, rate, pause, API key, handshake, signature over the raw bytes, body, trigger,
//! accept. Whatever is refused before the trigger leaves nothing but a count (G6).

mod answer;
mod callback;
mod certificates;
mod cors;
mod handshake;
mod received;
mod results;
mod routing;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use sdk::host::BoxFuture;
use sdk::id::ExecutionId;
use sdk::options::Respond;
use sdk::time::{minutes, seconds};

pub use self::answer::Answer;
use self::certificates::Certificates;
use self::received::{Received, check_method, check_open};
use crate::decode::read_path;
use crate::engine::{AcceptError, Accepted, Engine, Invocation, Outcome};
use crate::envelope::{identity, json_as};
use crate::execution::{self, Dispatch, Run};
use crate::ports::Ports;
use crate::rate::RateLimit;
use crate::record::{CallerError, Function, InvokedBy, ResultType, Status, StoredOutput};
use crate::redaction::shorten;
use crate::store::{DedupeClaim, StoreResult, Write};

/// The methods that start a flow (W4).
const METHODS: &str = "POST, PUT, PATCH, DELETE, GET";

/// As much of the text of a refusal is logged and answered: an error may quote what a sender sent.
const LONGEST_REFUSAL: usize = 4096;

/// The front door: every webhook comes in here, from a socket or from a test.
pub struct Ingress {
    engine: Arc<Engine>,
    rate: RateLimit,
    customer_rate: RateLimit,
    /// How many requests that found no flow are recorded, for each endpoint.
    unrouted: RateLimit,
    certificates: Certificates,
}

impl Ingress {
    /// Opens the front door of an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            rate: RateLimit::within(seconds(1)),
            customer_rate: RateLimit::within(seconds(1)),
            unrouted: RateLimit::within(minutes(1)),
            certificates: Certificates::new(),
        }
    }

    /// Answers a request. The returned future must be driven to its end also when the caller goes away: what was accepted runs.
    pub fn receive(self: &Arc<Self>, request: Request<Bytes>) -> BoxFuture<'static, Answer> {
        let ingress = Arc::clone(self);
        Box::pin(async move {
            let page = cors::page(&ingress.ports().settings.cors_origins, &request);
            let preflight = page.as_ref().and_then(|_| cors::preflight(&request));
            let mut answer = if let Some(answer) = preflight {
                answer
            } else if request.uri().path().starts_with(results::PATH) {
                Box::pin(results::serve(ingress.ports(), &request)).await
            } else if request.uri().path() == callback::PATH {
                Box::pin(callback::serve(&ingress.engine.connections, &request)).await
            } else {
                ingress
                    .trigger(request)
                    .await
                    .unwrap_or_else(|refusal| *refusal)
            };
            if let Some(page) = page {
                page.admit(&mut answer, &ingress.ports().settings.header_prefix);
            }
            ingress.engine.counts.answered(answer.status().as_u16());
            answer
        })
    }

    async fn trigger(&self, request: Request<Bytes>) -> Result<Answer, Box<Answer>> {
        let path = read_path(request.uri().path())
            .map_err(|fault| Box::new(answer::error(fault.status(), &fault.to_string())))?;
        let mut received = self.find(path.endpoint, path.fragment, request).await?;
        if let Some(answer) = self.check(&mut received).await? {
            return Ok(answer);
        }
        self.check_customer_rate(&received)?;
        self.invoke(received).await
    }

    /// The checks of a flow and its instance, in the order of the contract; `Some` is the answer to a handshake.
    async fn check(&self, received: &mut Received) -> Result<Option<Answer>, Box<Answer>> {
        let (now, public_url) = (self.ports().clock.now(), &self.ports().public_url);
        check_open(&received.instance)?;
        received.check_key()?;
        if received.names_certificate() {
            Box::pin(self.find_certificate(received)).await?;
        }
        if let Some(answer) = self.handshake(received).await {
            return Ok(Some(answer));
        }
        check_method(&received.request)?;
        received.check_signature(now, public_url)?;
        Ok(None)
    }

    /// Keeps an endpoint to its rate (W31).
    fn check_rate(&self, endpoint: &str) -> Result<(), Box<Answer>> {
        let most = self.ports().settings.rate_per_second;
        if self.rate.take(endpoint, most, self.ports().clock.now()) {
            Ok(())
        } else {
            Err(too_many(endpoint, most))
        }
    }

    /// Keeps a customer to its rate (E50), once the sender is known: what a stranger sends does not use it up.
    fn check_customer_rate(&self, received: &Received) -> Result<(), Box<Answer>> {
        let facts = &received.instance.facts;
        let usual = self.ports().settings.customer_rate_per_second;
        let most = facts.rate_per_second.unwrap_or(usual);
        let customer = facts.customer_id.as_str();
        let now = self.ports().clock.now();
        if self.customer_rate.take(customer, most, now) {
            Ok(())
        } else {
            Err(too_many(&received.endpoint, most))
        }
    }

    /// Refuses a request whose result could not be waited for, before `#[on_trigger]` runs for it (E50). What is free now may be taken
    /// by the time it has run: then it is refused behind it. So is one of a flow that finds its delivery in what the trigger makes of it:
    /// only then it is known whether it came before, and is answered as it was (E25).
    fn check_limit(&self, invocation: &Invocation) -> Result<(), Box<Answer>> {
        let full = self.engine.full_at(&invocation.instance.id);
        let refuses_now = invocation.synchronous && invocation.flow.options.dedupe.is_none();
        match full.filter(|_| refuses_now) {
            Some(limit) => Err(Box::new(refused(&AcceptError::Concurrency(limit)))),
            None => Ok(()),
        }
    }

    /// From a request that has passed every check to the answer.
    async fn invoke(&self, mut received: Received) -> Result<Answer, Box<Answer>> {
        let prefix = self.ports().settings.header_prefix.clone();
        let wishes = received.wishes(&prefix);
        let invoke_url = received.url(&self.ports().public_url);
        let idempotency = received.idempotency_key();
        let (instance, flow) = (Arc::clone(&received.instance), Arc::clone(&received.flow));
        let begun = (received.begun.id.take(), received.begun.lines.take());
        let layout = &self.ports().integration.layout;
        let json = json_as(layout, &flow, Function::OnExecution);
        let payload = received.into_payload(&self.engine.body_limits(), json)?;
        let make_id = || self.ports().entropy.execution_id(self.ports().clock.now());
        let id = begun.0.unwrap_or_else(make_id);

        let synchronous = wishes
            .synchronous
            .unwrap_or(flow.options.respond != Respond::Accepted);
        let mut invocation = Invocation::new(instance, flow, InvokedBy::Webhook, payload);
        invocation.invoke_url = Some(invoke_url);
        invocation.synchronous = synchronous;
        invocation.id = Some(id);
        invocation.begun = begun.1;
        let direct = wishes.direct || invocation.flow.options.respond == Respond::Directly;
        let claim = idempotency.map(|key| self.idempotency_claim(&invocation, &key));
        if let Some(first) = self.came_before(&invocation, claim.as_ref()).await? {
            // On the heap, as everything rare that a request may wait for: what all of them wait for stays small.
            Box::pin(self.engine.note_duplicate(invocation, &first)).await;
            let mut answer = Box::pin(self.answer_again(&first, synchronous, direct)).await;
            answer::name_execution(&mut answer, &prefix, &first);
            return Ok(answer);
        }
        if invocation.flow.functions.on_trigger.is_some() {
            self.check_limit(&invocation)?;
            Box::pin(self.run_trigger(&mut invocation)).await?;
        }
        invocation.claims.extend(claim);
        invocation.claims.extend(self.dedupe_claim(&invocation));

        let answer = invocation.answer.clone();
        let mut response = match self.engine.accept(invocation).await {
            Err(refusal) => return Err(Box::new(refused(&refusal))),
            Ok(Accepted::TickTaken) => return Err(Box::new(answer::unavailable("Try again.", 1))),
            Ok(Accepted::New { id, outcome: None }) => {
                let response = answer.map_or_else(
                    || answer::accepted(&id),
                    |chosen| answer::chosen(&chosen, &id),
                );
                (id, response)
            }
            Ok(Accepted::New {
                id,
                outcome: Some(outcome),
            }) => {
                let response = self
                    .answer_with_result(&id, direct, async move { outcome.await.ok() })
                    .await;
                (id, response)
            }
            Ok(Accepted::Duplicate(first)) => {
                let response = Box::pin(self.answer_again(&first, synchronous, direct)).await;
                (first, response)
            }
        };
        answer::name_execution(&mut response.1, &prefix, &response.0);
        Ok(response.1)
    }

    /// Runs `#[on_trigger]` before anything is promised: it may refuse the request, answer it and change the payload (W21, W32).
    async fn run_trigger(&self, invocation: &mut Invocation) -> Result<(), Box<Answer>> {
        let now = self.ports().clock.now();
        let id = invocation
            .id
            .clone()
            .unwrap_or_else(|| self.ports().entropy.execution_id(now));
        let run = Run {
            journal: id.clone(),
            id,
            instance: Arc::clone(&invocation.instance),
            flow: Arc::clone(&invocation.flow),
            function: Function::OnExecution,
            attempt: 1,
            invoked_by: invocation.invoked_by,
            accepted_at: now,
            invoke_url: invocation.invoke_url.clone(),
            payload: invocation.payload.clone(),
            triggered: None,
            trigger_state: Vec::new(),
            steps: Vec::new(),
            log_lines: lines_of(invocation.begun.as_ref()),
            time_limit: self.ports().settings.synchronous_limit(),
        };
        let dispatch = Arc::clone(&self.engine) as Arc<dyn Dispatch>;
        let triggered = execution::run_trigger(&self.ports_handle(), &dispatch, &run)
            .await
            .map_err(|error| {
                let redactor = run.redactor();
                let chain = redactor.text(&error.chain());
                let clean = shorten(&chain, LONGEST_REFUSAL);
                tracing::warn!(
                    flow = invocation.flow.options.key,
                    error = %clean,
                    "a trigger refused a request"
                );
                let status = error
                    .status()
                    .and_then(|code| StatusCode::from_u16(code).ok())
                    .unwrap_or(StatusCode::BAD_REQUEST);
                Box::new(answer::error(status, &redactor.error(error.caller_text())))
            })?;
        invocation.answer = triggered.response.as_ref().map(answer::keep);
        invocation.triggered = Some(triggered);
        Ok(())
    }

    /// The delivery that the sender names, which must not be repeated (W34).
    fn idempotency_claim(&self, invocation: &Invocation, key: &str) -> DedupeClaim {
        let settings = &self.ports().settings;
        let window = std::time::Duration::from_secs(settings.idempotency_seconds);
        DedupeClaim {
            value: format!("{}/idempotency/{key}", place(invocation)),
            until: self.ports().clock.now() + window,
        }
    }

    /// The delivery that the flow finds in the payload, which must not be repeated (E25).
    fn dedupe_claim(&self, invocation: &Invocation) -> Option<DedupeClaim> {
        let dedupe = invocation.flow.options.dedupe.as_ref()?;
        let changed = invocation
            .triggered
            .as_ref()
            .and_then(|triggered| triggered.payload.as_ref());
        let body = &changed.unwrap_or(&invocation.payload).body;
        let value = identity(body, dedupe.pointer())?;
        Some(DedupeClaim {
            value: format!("{}/dedupe/{value}", place(invocation)),
            until: self.ports().clock.now() + dedupe.window(),
        })
    }

    /// Returns the execution of a delivery that came before, so that `#[on_trigger]` does not run for it again. Of two that come at the
    /// same moment both run it; only one is accepted.
    async fn came_before(
        &self,
        invocation: &Invocation,
        claim: Option<&DedupeClaim>,
    ) -> Result<Option<ExecutionId>, Box<Answer>> {
        let Some(claim) = claim.filter(|_| invocation.flow.functions.on_trigger.is_some()) else {
            return Ok(None);
        };
        let ports = self.ports();
        let found = ports.store.claimant(&claim.value, ports.clock.now()).await;
        found.map_err(|fault| Box::new(refused(&AcceptError::Store(fault))))
    }

    /// Holds the request open until the run ends, but no longer than the limit (W22 to W30).
    async fn answer_with_result(
        &self,
        id: &ExecutionId,
        direct: bool,
        outcome: impl Future<Output = Option<Outcome>>,
    ) -> Answer {
        let limit = self.ports().settings.synchronous_limit();
        let deadline = self.ports().clock.now() + limit;
        match crate::clock::until(&*self.ports().clock, deadline, outcome).await {
            Ok(Some(outcome)) => self.answer_outcome(&outcome, direct),
            Ok(None) => answer::unavailable(
                "The runner is stopping; the run goes on at its next start.",
                5,
            ),
            Err(_) => {
                let text = format!(
                    "The run takes longer than {} seconds. It goes on; its result can be fetched by its execution id {id}.",
                    limit.as_secs()
                );
                answer::error(StatusCode::GATEWAY_TIMEOUT, &text)
            }
        }
    }

    fn answer_outcome(&self, outcome: &Outcome, direct: bool) -> Answer {
        if !outcome.recorded {
            return answer::unavailable("The result cannot be stored now; try again later.", 5);
        }
        if let Some(error) = &outcome.error {
            let status = error
                .status
                .and_then(|code| StatusCode::from_u16(code).ok())
                .unwrap_or(StatusCode::BAD_REQUEST);
            return answer::error(status, &error.text);
        }
        match &outcome.output {
            Some(output) => self.answer_output(&outcome.id, output, direct),
            None => answer::result(&nothing()),
        }
    }

    fn answer_output(&self, id: &ExecutionId, output: &StoredOutput, direct: bool) -> Answer {
        let fits = output.text_like && output.data.len() < self.ports().settings.direct_bytes;
        if output.status.is_some() || (direct && fits) {
            answer::result(output)
        } else {
            answer::see_result(&results::url(self.ports(), id), output)
        }
    }

    /// Answers a delivery that came before as the first one was (W34).
    async fn answer_again(&self, first: &ExecutionId, synchronous: bool, direct: bool) -> Answer {
        if !synchronous {
            return match self.ports().store.answer(first).await {
                Ok(Some(chosen)) => answer::chosen(&chosen, first),
                Ok(None) => answer::accepted(first),
                Err(_) => {
                    answer::unavailable("The first answer cannot be read now; try again later.", 5)
                }
            };
        }
        // The waiter is there before the store is asked: whichever way the first one ends, its end is seen.
        let outcome = self.engine.wait_for(first);
        match self.ended(first).await {
            Ok(First::Ended(ended)) => {
                drop(outcome);
                self.engine.tidy_waiters(first);
                self.answer_outcome(&ended, direct)
            }
            Ok(First::Gone) => {
                drop(outcome);
                self.engine.tidy_waiters(first);
                let text =
                    "This delivery came before; the result of its first run is no longer kept.";
                answer::error(StatusCode::GONE, text)
            }
            Ok(First::Unfinished) => {
                let answer = self
                    .answer_with_result(first, direct, async move { outcome.await.ok() })
                    .await;
                self.engine.tidy_waiters(first);
                answer
            }
            Err(_) => {
                drop(outcome);
                self.engine.tidy_waiters(first);
                answer::unavailable("The first answer cannot be read now; try again later.", 5)
            }
        }
    }

    /// Returns what has become of the first run of a delivery.
    async fn ended(&self, id: &ExecutionId) -> StoreResult<First> {
        let store = &self.ports().store;
        let Some(execution) = store.execution(id).await? else {
            return Ok(First::Gone);
        };
        if !execution.status.is_final() {
            return Ok(First::Unfinished);
        }
        let output = store.output(id).await?.map(Arc::new);
        let failed = execution.status == Status::Error;
        Ok(First::Ended(Box::new(Outcome {
            id: id.clone(),
            result: execution.result.unwrap_or(ResultType::Completed),
            output,
            error: execution
                .caller_error
                .or_else(|| failed.then(unknown_error)),
            recorded: true,
        })))
    }

    fn ports(&self) -> &Ports {
        &self.engine.ports
    }

    fn ports_handle(&self) -> Arc<Ports> {
        Arc::clone(&self.engine.ports)
    }
}

/// What has become of the first run of a delivery that came again.
enum First {
    Ended(Box<Outcome>),
    Unfinished,
    /// It is no longer kept.
    Gone,
}

/// What is told of a failure that was recorded before its text for callers was.
fn unknown_error() -> CallerError {
    CallerError {
        text: "The run failed.".to_owned(),
        status: None,
    }
}

/// The flow to which the names of deliveries belong.
fn place(invocation: &Invocation) -> String {
    format!("{}/{}", invocation.instance.id, invocation.flow.options.key)
}

fn refused(refusal: &AcceptError) -> Answer {
    match refusal {
        AcceptError::Concurrency(limit) => answer::come_later(&format!(
            "As many runs as the customer may have at once ({limit}) are going on; try again when one has ended."
        )),
        AcceptError::Backlog => {
            answer::unavailable("The runner has too much work waiting; try again later.", 5)
        }
        AcceptError::Stopping => answer::unavailable("The runner is stopping; try again.", 5),
        AcceptError::Store(_) => {
            answer::unavailable("The request cannot be stored now; try again later.", 5)
        }
    }
}

/// Refuses what comes too often; nothing is recorded of it (W31).
fn too_many(endpoint: &str, most: u32) -> Box<Answer> {
    let text = format!(
        "Endpoint with id: {endpoint} has exceeded maximum allowed throughput of {most} requests/second. Please throttle your requests."
    );
    Box::new(answer::come_later(&text))
}

/// Returns how many lines of the log are there already.
fn lines_of(begun: Option<&Write>) -> u32 {
    match begun {
        Some(Write::Log(lines)) => u32::try_from(lines.len()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

fn nothing() -> StoredOutput {
    StoredOutput {
        content_type: "application/json".to_owned(),
        status: None,
        headers: Vec::new(),
        text_like: true,
        data: Bytes::new(),
    }
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ingress")
    }
}
