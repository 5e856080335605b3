//! Webhooks, sent to the front door of the runner.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use runner::clock::Clock as _;
use runner::instance::endpoint_url;
use runner::signature::{Signed, SignedRequest, SigningKeys, sign};
use sdk::Secret;
use sdk::endpoint::{Field, FieldPlace, Layout, RoutedBy};
use sdk::flow::Flow;
use sdk::signature::SignatureScheme;
use sdk::trigger::{TriggerKind, WebhookTrigger};
use serde::Serialize;
use serde_json::Value;

use crate::certified;
use crate::fixtures::Fixture;
use crate::instance::SimulatedInstance;
use crate::multipart::Multipart;
use crate::report::Report;
use crate::world::{PUBLIC_URL, World};

/// A webhook that is about to be sent. What cannot be made is a panic at [`send`](Self::send), with the reason.
#[must_use = "a webhook goes out by `send`"]
pub struct Webhook<'a, C> {
    world: &'a World,
    to: To<'a, C>,
    /// Whose sender signs: an instance and a flow.
    signer: Option<(&'a SimulatedInstance<C>, &'static str)>,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    raw_query: Option<String>,
    headers: Vec<(String, String)>,
    raw_headers: HeaderMap,
    body: Bytes,
    signing: Signing,
}

/// Where a webhook goes.
enum To<'a, C> {
    /// A flow of an instance. What names it in headers and query is added where the test leaves it out.
    Flow(&'a SimulatedInstance<C>, &'static str),
    /// The endpoint of an instance, whatever the request says.
    Instance(&'a SimulatedInstance<C>),
    /// The endpoint of all customers, whatever the request says.
    Shared,
}

enum Signing {
    Unsigned,
    Right,
    With(Secret),
}

impl<'a, C> Webhook<'a, C> {
    pub(crate) fn to_flow(instance: &'a SimulatedInstance<C>, flow: &'static str) -> Self {
        let to = To::Flow(instance, flow);
        Self::new(instance.world(), to, Some((instance, flow)))
    }

    pub(crate) fn to_instance(instance: &'a SimulatedInstance<C>) -> Self {
        Self::new(instance.world(), To::Instance(instance), None)
    }

    pub(crate) fn to_all(world: &'a World) -> Self {
        Self::new(world, To::Shared, None)
    }

    fn new(
        world: &'a World,
        to: To<'a, C>,
        signer: Option<(&'a SimulatedInstance<C>, &'static str)>,
    ) -> Self {
        Self {
            world,
            to,
            signer,
            method: Method::POST,
            path: String::new(),
            query: Vec::new(),
            raw_query: None,
            headers: Vec::new(),
            raw_headers: HeaderMap::new(),
            body: Bytes::new(),
            signing: Signing::Unsigned,
        }
    }

    /// Sets the method; POST if it is not set.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets what follows the endpoint id, as it stands in a URL.
    pub fn path(mut self, fragment: impl Into<String>) -> Self {
        self.path = fragment.into();
        self
    }

    /// Adds a query parameter.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a number or a text stands at the call without a sign before it"
    )]
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sends a JSON body.
    pub fn json(self, body: impl Serialize) -> Self {
        let document = serde_json::to_value(body)
            .unwrap_or(Value::Null)
            .to_string();
        self.body("application/json", document)
    }

    /// Sends an XML body.
    pub fn xml(self, document: impl Into<String>) -> Self {
        self.body("application/xml", document.into())
    }

    /// Sends plain text.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.body("text/plain; charset=utf-8", text.into())
    }

    /// Sends a form of type `application/x-www-form-urlencoded`.
    pub fn form<N, V>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sends a form with files.
    pub fn multipart(self, form: Multipart) -> Self {
        self.body(&form.content_type(), form.into_bytes())
    }

    /// Sends bytes that say of themselves that they are no more than that.
    pub fn bytes(self, bytes: impl Into<Bytes>) -> Self {
        self.body("application/octet-stream", bytes)
    }

    /// Sends a body of any type.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.without("content-type")
            .header("content-type", content_type)
    }

    /// Sends what a known sender sends: headers and body, by POST. [`signed`](Self::signed) adds the signature.
    pub fn fixture(mut self, fixture: Fixture) -> Self {
        let (content_type, body) = fixture.body();
        self.method = Method::POST;
        for (name, value) in fixture.into_headers() {
            self = self.without(&name).header(&name, value);
        }
        self.body(content_type, body)
    }

    /// Takes over a whole request: its method, headers, query and body, and its path as what follows the endpoint id.
    pub fn raw<B: Into<Bytes>>(mut self, request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        self.method = head.method;
        head.uri
            .path()
            .trim_start_matches('/')
            .clone_into(&mut self.path);
        self.raw_query = head.uri.query().map(str::to_owned);
        self.raw_headers = head.headers;
        self.body = body.into();
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Signs the request as the sender does, from the same table that verifies it (W42), with the secret of the instance. A flow that
    /// checks no signature is a panic at [`send`](Self::send).
    ///
    /// For a sender that signs under a certificate (AWS SNS, `PayPal`) the simulation has one, which the runner fetches from where the
    /// sender would keep it, as in production. The secret then says for whom the message is: a topic, the id of a webhook.
    pub fn signed(mut self) -> Self {
        self.signing = Signing::Right;
        self
    }

    /// Signs the request with another secret.
    pub fn signed_with(mut self, secret: impl Into<Secret>) -> Self {
        self.signing = Signing::With(secret.into());
        self
    }

    /// Signs as the sender of a flow of an instance does: for a webhook to an endpoint that flows share, which names neither.
    pub fn signed_for<F: Flow<Config = C>>(mut self, instance: &'a SimulatedInstance<C>) -> Self {
        self.signer = Some((instance, F::KEY));
        self.signed()
    }

    /// Shows an API key (W6).
    pub fn api_key(self, key: impl Into<String>) -> Self {
        self.header("api-key", key)
    }

    /// Asks for the result, or for no result, whatever the flow does by itself (W23).
    pub fn synchronous(self, wanted: bool) -> Self {
        let name = format!("{}-synchronous", self.header_prefix());
        self.header(&name, wanted.to_string())
    }

    /// Asks for the result itself instead of a redirect (W25).
    pub fn direct(self) -> Self {
        let name = format!("{}-prefer-direct-sync-response", self.header_prefix());
        self.header(&name, "true")
    }

    fn header_prefix(&self) -> &str {
        &self.world.settings().header_prefix
    }

    /// Returns the request as it goes out.
    ///
    /// # Panics
    ///
    /// The instance has no such flow, a header cannot be sent, or the request cannot be signed; the text says which.
    #[expect(
        clippy::expect_used,
        reason = "a test that cannot be set up fails with the reason"
    )]
    pub fn request(&self) -> Request<Bytes> {
        let mut url = self.url();
        let mut body = self.body.clone();
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.raw_headers.clone();
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name.as_str())
                .expect("the name of a header of the simulated webhook");
            let value = HeaderValue::try_from(value.as_str())
                .expect("the value of a header of the simulated webhook");
            request.headers_mut().append(name, value);
        }
        for (name, value) in self.named_in_headers() {
            let value = HeaderValue::try_from(value).expect("a flow and a customer in headers");
            request.headers_mut().entry(name).or_insert(value);
        }
        if let Some(signed) = self.sign(&url, request.headers()) {
            for (name, value) in signed.headers {
                request.headers_mut().insert(name, value);
            }
            url = signed.url.unwrap_or(url);
            body = signed.body.map_or(body, Bytes::from);
        }
        let target: http::Uri = url.parse().expect("the URL of the simulated webhook");
        let host = target
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        *request.uri_mut() = target
            .path_and_query()
            .map_or_else(http::Uri::default, |target| target.clone().into());
        let headers = request.headers_mut();
        headers.insert(
            HOST,
            HeaderValue::try_from(host).expect("the host of the simulated webhook"),
        );
        if !body.is_empty() || headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        *request.body_mut() = body;
        request
    }

    /// Returns what names the flow and the customer of the webhook, as far as the integration reads it from headers.
    fn named_in_headers(&self) -> Vec<(HeaderName, String)> {
        let To::Flow(instance, key) = &self.to else {
            return Vec::new();
        };
        let layout = &self.world.runner().engine.ports.integration.layout;
        let (Layout::PerInstance(routed_by) | Layout::Shared(routed_by)) = layout else {
            return Vec::new();
        };
        let RoutedBy::Fields { customer, flow } = routed_by else {
            return Vec::new();
        };
        let instance = instance.instance();
        let named = [
            (customer, instance.facts.customer_id.as_str()),
            (flow, *key),
        ];
        let header = |field: &Field| match field.place() {
            FieldPlace::Header(name) => HeaderName::try_from(name.as_str()).ok(),
            _ => None,
        };
        let named = named.into_iter();
        named
            .filter_map(|(field, value)| Some((header(field.as_ref()?)?, value.to_owned())))
            .collect()
    }

    /// Returns the URL of whom the webhook goes to.
    #[expect(
        clippy::expect_used,
        reason = "a test that cannot be set up fails with the reason"
    )]
    fn target(&self) -> String {
        let endpoint = match &self.to {
            To::Flow(instance, flow) => return instance.url(flow),
            To::Instance(instance) => instance.instance().facts.endpoint.clone(),
            To::Shared => self.world.runner().engine.instances.shared_endpoint(),
        };
        let endpoint = endpoint.expect(
            "an endpoint that flows share: the integration declares one, and an instance was deployed",
        );
        endpoint_url(PUBLIC_URL, &endpoint)
    }

    fn url(&self) -> String {
        let target = self.target();
        let (mut url, named) = match target.split_once('?') {
            Some((url, query)) => (url.to_owned(), Some(query.to_owned())),
            None => (target, None),
        };
        if !self.path.is_empty() {
            url = format!("{url}/{}", self.path.trim_start_matches('/'));
        }
        let pairs = self
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let query: Vec<String> = self
            .raw_query
            .clone()
            .into_iter()
            .chain(pairs)
            .chain(named)
            .collect();
        if query.is_empty() {
            url
        } else {
            format!("{url}?{}", query.join("&"))
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "a test that cannot be set up fails with the reason"
    )]
    fn sign(&self, url: &str, headers: &HeaderMap) -> Option<Signed> {
        let (scheme, secret) = self.scheme_and_secret()?;
        let unsigned = SignedRequest {
            method: &self.method,
            url,
            headers,
            body: &self.body,
        };
        let delivery_id = self.world.next_delivery_id();
        let url = certified::certificate_url(&scheme);
        let keys = SigningKeys {
            secret: &secret,
            certified: url.as_deref().map(certified::key),
        };
        let signed = sign(
            &scheme,
            keys,
            &unsigned,
            self.world.clock.now(),
            &delivery_id,
        );
        Some(signed.expect("a signature for the simulated webhook"))
    }

    #[expect(
        clippy::expect_used,
        clippy::panic,
        reason = "a test that cannot be set up fails with the reason"
    )]
    fn scheme_and_secret(&self) -> Option<(SignatureScheme, Secret)> {
        if matches!(self.signing, Signing::Unsigned) {
            return None;
        }
        let Some((instance, flow)) = self.signer else {
            panic!("the webhook names no flow; say with `signed_for` whose sender signs");
        };
        let options = instance.flow_options(flow);
        let TriggerKind::Webhook(WebhookTrigger::Signed {
            provider, secrets, ..
        }) = options.trigger
        else {
            panic!(
                "flow `{flow}` checks no signature; take `signed` away, or give it `Webhook::signed_by`"
            );
        };
        let secret = match &self.signing {
            Signing::With(secret) => secret.clone(),
            Signing::Unsigned | Signing::Right => secrets
                .read(&*instance.config())
                .into_iter()
                .chain(instance.brought_secret(flow))
                .next()
                .expect("a signing secret among the config values, or brought by the sender"),
        };
        Some((provider.scheme, secret))
    }

    /// Sends the webhook through the front door, and returns what it brought about once nothing more can happen without time moving
    /// on. While the caller waits for a result, time moves on by itself.
    pub async fn send(self) -> Report {
        let request = self.request();
        let of = match &self.to {
            To::Flow(instance, _) | To::Instance(instance) => Some(instance.id()),
            To::Shared => None,
        };
        self.world.exchange(of, request).await
    }
}

/// Everything but letters, digits and `-_.~`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

impl<C> fmt::Debug for Webhook<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("flow", &self.signer.map(|(_, flow)| flow))
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
