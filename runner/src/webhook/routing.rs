//! At an endpoint that several flows share: which one is meant (W2, W3).

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use sdk::endpoint::{Field, Layout, Route, RoutedBy};
use sdk::id::{ExecutionId, FlowKey};
use sdk::integration::FlowParts;
use sdk::trigger::TriggerKind;
use sdk::{Body, Error};

use super::Ingress;
use super::answer::{self, Answer};
use super::received::{Received, check_method, check_open, into_payload, read_request_body};
use crate::decode::{JsonAs, read_query};
use crate::engine::Unrouted;
use crate::execution::{self, Dispatch, Routed, Run};
use crate::instance::{Instance, Listener, SHARED};
use crate::record::{Function, InvokedBy};
use crate::redaction::{LONGEST_ERROR, Redactor, shorten};
use crate::store::Write;

/// What was done of a request before its flow was known.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// The id of the execution that it will be.
    pub(super) id: Option<ExecutionId>,
    /// Its body, if it was read.
    pub(super) body: Option<Body>,
    /// What a routing flow logged.
    pub(super) lines: Option<Write>,
}

/// A request at an endpoint that several flows share.
struct Asking {
    /// The instance, or what stands for none.
    place: Arc<Instance>,
    endpoint: String,
    fragment: String,
    request: Request<Bytes>,
}

/// Why a request found no flow.
struct Lost {
    status: StatusCode,
    /// What the caller reads.
    text: String,
    /// What the log says: also what exists.
    log: String,
    /// The instance, if that was found.
    instance: Option<Arc<Instance>>,
}

/// The flow under which requests are recorded that found none; no flow can have this key.
const UNROUTED: &str = "(unrouted)";

impl Ingress {
    /// Finds who a request is for. `Err` is its answer.
    pub(super) async fn find(
        &self,
        endpoint: String,
        fragment: String,
        request: Request<Bytes>,
    ) -> Result<Received, Box<Answer>> {
        let Some(listener) = self.engine.instances.at_endpoint(&endpoint) else {
            return Err(no_endpoint());
        };
        let integration = &self.ports().integration;
        let (place, routed_by) = match (listener, &integration.layout) {
            (Listener::Flow(instance, flow), _) => {
                let flow = integration.flow(flow.as_str()).map(Arc::clone);
                let flow = flow.ok_or_else(no_endpoint)?;
                self.check_rate(&endpoint)?;
                return Ok(Received {
                    instance,
                    flow,
                    endpoint,
                    fragment,
                    request,
                    begun: Begun::default(),
                    certificate: None,
                });
            }
            (Listener::Instance(place), Layout::PerInstance(routed_by))
            | (Listener::Shared(place), Layout::Shared(routed_by)) => (place, routed_by),
            _ => return Err(no_endpoint()),
        };
        self.check_rate(&endpoint)?;
        let asking = Asking {
            place,
            endpoint,
            fragment,
            request,
        };
        match routed_by {
            // On the heap: a webhook to an endpoint of its own flow does not carry what it never waits for.
            RoutedBy::Flow(router) => Box::pin(self.ask(asking, router)).await,
            RoutedBy::Fields { customer, flow } => {
                Box::pin(self.look(asking, customer.as_ref(), flow.as_ref())).await
            }
            _ => Err(no_endpoint()),
        }
    }

    /// Routes by fields of the request.
    async fn look(
        &self,
        asking: Asking,
        customer: Option<&Field>,
        flow: Option<&Field>,
    ) -> Result<Received, Box<Answer>> {
        check_open(&asking.place)?;
        check_method(&asking.request)?;
        let fields = || [customer, flow].into_iter().flatten();
        let body = if fields().any(Field::is_in_body) {
            Some(read_request_body(
                &asking.request,
                &self.engine.body_limits(),
                JsonAs::Value,
            )?)
        } else {
            None
        };
        let query = read_query(asking.request.uri().query());
        let read = |field: &Field| {
            field.read(
                asking.request.headers(),
                &query,
                body.as_ref().unwrap_or(&Body::Empty),
            )
        };
        let route = Route {
            customer: customer.and_then(read),
            flow: flow.and_then(read),
        };
        let found = self.resolve(&asking.place, &route, |missing| {
            let field = if missing == Missing::Customer {
                customer
            } else {
                flow
            };
            field.map_or_else(String::new, |field| format!(" in {field}"))
        });
        let begun = Begun {
            body,
            ..Begun::default()
        };
        self.arrive(asking, UNROUTED, found, begun).await
    }

    /// Lets a routing flow decide, once its own checks are passed.
    async fn ask(&self, asking: Asking, router: &Arc<FlowParts>) -> Result<Received, Box<Answer>> {
        let mut asked = Received {
            instance: Arc::clone(&asking.place),
            flow: Arc::clone(router),
            endpoint: asking.endpoint.clone(),
            fragment: asking.fragment.clone(),
            request: asking.request.clone(),
            begun: Begun::default(),
            certificate: None,
        };
        if let Some(answer) = self.check(&mut asked).await? {
            return Err(Box::new(answer));
        }
        let body = read_request_body(&asking.request, &self.engine.body_limits(), JsonAs::Value)?;
        let now = self.ports().clock.now();
        let id = self.ports().entropy.execution_id(now);
        let invoke_url = asked.url(&self.ports().public_url);
        let (parts, raw_body) = asked.request.into_parts();
        let run = Run {
            id: id.clone(),
            journal: id.clone(),
            instance: asked.instance,
            flow: asked.flow,
            function: Function::OnExecution,
            attempt: 1,
            invoked_by: InvokedBy::Webhook,
            accepted_at: now,
            invoke_url: Some(invoke_url),
            payload: into_payload(parts, raw_body, asked.fragment, body.clone()),
            triggered: None,
            trigger_state: Vec::new(),
            steps: Vec::new(),
            log_lines: 0,
            time_limit: self.ports().settings.synchronous_limit(),
        };
        let dispatch = Arc::clone(&self.engine) as Arc<dyn Dispatch>;
        let Routed { route, lines } =
            execution::run_routing(&self.ports_handle(), &dispatch, &run).await;
        let found = match route {
            Ok(route) => self.resolve(&asking.place, &route, |_| " by the routing flow".to_owned()),
            Err(error) => Err(failed(router, &error)),
        };
        let begun = Begun {
            id: Some(id),
            body: Some(body),
            lines,
        };
        self.arrive(asking, router.options.key, found, begun).await
    }

    /// Finds what a route names. `place` is the instance, or what stands for none.
    fn resolve(
        &self,
        place: &Arc<Instance>,
        route: &Route,
        how: impl Fn(Missing) -> String,
    ) -> Result<(Arc<Instance>, Arc<FlowParts>), Lost> {
        let instance = match &self.ports().integration.layout {
            Layout::Shared(_) => self.find_customer(route.customer.as_deref(), &how)?,
            _ => Arc::clone(place),
        };
        let flows = &self.ports().integration.flows;
        let mut webhooks = flows
            .iter()
            .filter(|flow| matches!(flow.options.trigger, TriggerKind::Webhook(_)));
        let named = |named: &str| {
            let by_key = webhooks.clone().find(|flow| flow.options.key == named);
            by_key.or_else(|| webhooks.clone().find(|flow| flow.options.name == named))
        };
        let found = match route.flow.as_deref() {
            Some(asked) => named(asked),
            None if webhooks.clone().count() == 1 => webhooks.next(),
            None => None,
        };
        if let Some(flow) = found {
            return Ok((instance, Arc::clone(flow)));
        }
        let known = list(webhooks.map(|flow| flow.options.key));
        let asked = asked("flow", route.flow.as_deref(), &how(Missing::Flow));
        Err(Lost {
            status: StatusCode::NOT_FOUND,
            log: format!("{asked}; the integration has {known}"),
            text: asked,
            instance: Some(instance),
        })
    }

    fn find_customer(
        &self,
        customer: Option<&str>,
        how: &impl Fn(Missing) -> String,
    ) -> Result<Arc<Instance>, Lost> {
        let instances = &self.engine.instances;
        let of_customer = customer.map(|customer| instances.of_customer(customer));
        let asked = match of_customer.as_deref() {
            Some([only]) => return Ok(Arc::clone(only)),
            Some([_, _, ..]) => "the customer has several instances, and a shared endpoint cannot tell them apart; remove all but one".to_owned(),
            _ => asked("customer", customer, &how(Missing::Customer)),
        };
        let customers = instances.customers();
        let known = list(customers.iter().map(sdk::id::CustomerId::as_str));
        Err(Lost {
            status: StatusCode::NOT_FOUND,
            log: format!("{asked}; instances exist for {known}"),
            text: asked,
            instance: None,
        })
    }

    /// Goes on with the flow that was found, or records that none was (W3). So much is recorded and no more: a stranger can send these.
    async fn arrive(
        &self,
        asking: Asking,
        by: &str,
        found: Result<(Arc<Instance>, Arc<FlowParts>), Lost>,
        begun: Begun,
    ) -> Result<Received, Box<Answer>> {
        let lost = match found {
            Ok((instance, flow)) => {
                let begun = Begun {
                    lines: (begun.lines)
                        .map(|lines| clean(lines, std::slice::from_ref(&instance.redactor))),
                    ..begun
                };
                if let Some(Write::Log(lines)) = &begun.lines {
                    self.ports().show(lines);
                }
                return Ok(Received {
                    instance,
                    flow,
                    endpoint: asking.endpoint,
                    fragment: asking.fragment,
                    request: asking.request,
                    begun,
                    certificate: None,
                });
            }
            Err(lost) => lost,
        };
        let ports = self.ports();
        let (instance, now) = (lost.instance.unwrap_or(asking.place), ports.clock.now());
        let mut refusal = answer::error(lost.status, &instance.redactor.error(&lost.text));
        let most = ports.settings.unrouted_per_minute;
        if most > 0 && self.unrouted.take(&asking.endpoint, most, now) {
            let redactors = self.redactors(&instance, &asking.request);
            let unrouted = Unrouted {
                id: begun.id.unwrap_or_else(|| ports.entropy.execution_id(now)),
                instance: instance.id.clone(),
                flow: FlowKey::new(by),
                error: shorten(&clean_text(&lost.log, &redactors), LONGEST_ERROR).into_owned(),
                begun: begun.lines.map(|lines| clean(lines, &redactors)),
            };
            let id = unrouted.id.clone();
            if let Err(fault) = self.engine.record_unrouted(unrouted).await {
                tracing::warn!(%fault, "a request that found no flow cannot be recorded");
                let text = "The request cannot be stored now; try again later.";
                return Err(Box::new(answer::unavailable(text, 5)));
            }
            answer::name_execution(&mut refusal, &ports.settings.header_prefix, &id);
        }
        Err(Box::new(refusal))
    }
}

impl Ingress {
    /// Returns what takes the credentials of a request out of a text, and the secrets of an instance; those of every one if it is not
    /// known whose the text is.
    fn redactors(&self, instance: &Instance, request: &Request<Bytes>) -> Vec<Redactor> {
        let query = read_query(request.uri().query());
        let mut redactors = vec![instance.redactor.and_request(request.headers(), &query)];
        if instance.id.as_str() == SHARED {
            let all = self.engine.instances.all();
            redactors.extend(all.iter().map(|instance| instance.redactor.clone()));
        }
        redactors
    }
}

/// What a route does not name, or names wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Customer,
    Flow,
}

fn no_endpoint() -> Box<Answer> {
    let text = "There is no endpoint at this URL.";
    Box::new(answer::error(StatusCode::NOT_FOUND, text))
}

/// What a routing flow that failed leaves: its error for the log, and what the caller may read of it (W32).
fn failed(router: &FlowParts, error: &Error) -> Lost {
    let status = error
        .status()
        .and_then(|code| StatusCode::from_u16(code).ok());
    Lost {
        status: status.unwrap_or(StatusCode::BAD_REQUEST),
        text: error.caller_text().to_owned(),
        log: format!(
            "routing flow `{}` failed: {}",
            router.options.key,
            error.chain()
        ),
        instance: None,
    }
}

/// Takes secrets out of what a routing flow logged before it was known whose they are.
fn clean(lines: Write, redactors: &[Redactor]) -> Write {
    let Write::Log(mut lines) = lines else {
        return lines;
    };
    for line in &mut lines {
        line.text = clean_text(&line.text, redactors);
        let fields = std::mem::take(&mut line.fields);
        let clean = |fields, redactor: &Redactor| redactor.value(fields);
        line.fields = redactors.iter().fold(fields, clean);
    }
    Write::Log(lines)
}

fn clean_text(text: &str, redactors: &[Redactor]) -> String {
    let clean = |text: String, redactor: &Redactor| redactor.text(&text);
    redactors.iter().fold(text.to_owned(), clean)
}

/// So many letters of what a request asks for are repeated.
const LETTERS: usize = 100;

fn asked(what: &str, asked: Option<&str>, how: &str) -> String {
    match asked {
        None => format!("the request names no {what}{how}"),
        Some(asked) => {
            let shown: String = asked
                .chars()
                .filter(|letter| !letter.is_control())
                .take(LETTERS)
                .collect();
            format!("there is no {what} `{shown}`, which the request names{how}")
        }
    }
}

/// So many names of a list are shown.
const NAMES: usize = 20;

fn list<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let shown: Vec<String> = names
        .clone()
        .take(NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.count().checked_sub(NAMES) {
        None if shown.is_empty() => "none".to_owned(),
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}
