//! Speaks to the management API of a running server.

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioExecutor;
use sdk::Secret;
use serde_json::{Value, json};

use super::Failure;
use super::events::{Event, Reader};
use super::resource::Resource;
use crate::outbound::{Connector, Reach, connector, reason};

/// So many bytes of an answer are read: it is one of ours or a mistake.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// So many items the management API puts on a page.
pub(super) const PAGE: usize = 100;

/// Speaks to one server.
pub(super) struct Client {
    http: hyper_util::client::legacy::Client<Connector, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
    /// How the server is started.
    hint: String,
}

/// Why a command did not get what it asked for.
#[derive(Debug)]
pub(super) struct Refusal {
    /// One sentence.
    pub(super) text: String,
    /// What the server answered, if it did.
    pub(super) answer: Option<Value>,
}

impl Refusal {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            answer: None,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::new(failure.0)
    }
}

impl Client {
    /// Speaks to the server at this URL; `hint` says how it is started.
    pub(super) fn new(url: &str, token: &Secret, hint: String) -> Result<Self, Failure> {
        let base = url.trim().trim_end_matches('/').to_owned();
        let parsed: Option<Uri> = base.parse().ok();
        let fits = parsed.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some()
                && uri.query().is_none()
        });
        if !fits {
            return Err(Failure(format!(
                "`{base}` is no URL of a management API; write it like `http://127.0.0.1:3001`"
            )));
        }
        let bearer = format!("Bearer {}", token.expose());
        let mut authorization = HeaderValue::try_from(bearer).map_err(|_| {
            Failure("there is no token in the token file; restart the server to get one".to_owned())
        })?;
        authorization.set_sensitive(true);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        Ok(Self {
            http: http.build(connector(Reach::anywhere())),
            base,
            authorization,
            hint,
        })
    }

    pub(super) async fn get(&self, resource: &Resource) -> Result<Value, Refusal> {
        self.send(Method::GET, resource, None).await
    }

    pub(super) async fn post(&self, resource: &Resource) -> Result<Value, Refusal> {
        self.send(Method::POST, resource, None).await
    }

    pub(super) async fn delete(&self, resource: &Resource) -> Result<Value, Refusal> {
        self.send(Method::DELETE, resource, None).await
    }

    /// Sends a request; returns the JSON of the answer, null if it has none.
    pub(super) async fn send(
        &self,
        method: Method,
        resource: &Resource,
        body: Option<&Value>,
    ) -> Result<Value, Refusal> {
        let response = self.exchange(&method, resource, body).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER);
        let bytes = body
            .collect()
            .await
            .map_err(|fault| self.broken_off(&method, &reason(&*fault)))?
            .to_bytes();
        if status.is_success() && bytes.is_empty() {
            return Ok(Value::Null);
        }
        match serde_json::from_slice(&bytes) {
            Ok(answer) if status.is_success() => Ok(answer),
            Ok(answer) => Err(self.refused(status, answer)),
            Err(_) => Err(self.stranger(status)),
        }
    }

    /// Returns a list from a cursor on: the items of all its pages, or `most` of them, as one page. A page has `per_page` items.
    pub(super) async fn list(
        &self,
        resource: &Resource,
        cursor: Option<String>,
        per_page: usize,
        most: Option<usize>,
    ) -> Result<Value, Refusal> {
        let mut items = Vec::new();
        let mut cursor = Value::from(cursor);
        loop {
            let left = most.map_or(per_page, |most| most - items.len());
            let page = resource
                .clone()
                .with("limit", left.min(per_page).to_string())
                .with_some("cursor", cursor.as_str());
            let mut page = self.get(&page).await?;
            let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) else {
                return Err(self.stranger(StatusCode::OK));
            };
            items.extend(found);
            cursor = page.get_mut("next_cursor").map_or(Value::Null, Value::take);
            if cursor.is_null() || most.is_some_and(|most| items.len() >= most) {
                return Ok(json!({"items": items, "next_cursor": cursor}));
            }
        }
    }

    /// Opens a stream of events.
    pub(super) async fn stream(&self, resource: &Resource) -> Result<Events<'_>, Refusal> {
        let response = self.exchange(&Method::GET, resource, None).await?;
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if status.is_success() && is_stream {
            return Ok(Events {
                client: self,
                body: response.into_body(),
                reader: Reader::default(),
            });
        }
        let body = Limited::new(response.into_body(), LARGEST_ANSWER);
        let bytes = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let answer = bytes
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Err(match answer {
            Some(answer) if !status.is_success() => self.refused(status, answer),
            _ => self.stranger(status),
        })
    }

    async fn exchange(
        &self,
        method: &Method,
        resource: &Resource,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, Refusal> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{resource}", self.base))
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json, text/event-stream");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request
            .body(Full::new(body))
            .map_err(|fault| Refusal::new(format!("the request cannot be sent: {fault}")))?;
        let sent = self.http.request(request).await;
        sent.map_err(|fault| {
            if fault.is_connect() {
                Refusal::new(format!(
                    "no server answers at {}: {}; {}",
                    self.base,
                    reason(&fault),
                    self.hint
                ))
            } else {
                self.broken_off(method, &reason(&fault))
            }
        })
    }

    fn broken_off(&self, method: &Method, reason: &str) -> Refusal {
        let advice = if method.is_safe() {
            "try again"
        } else {
            "whether the server did it is not known, so look before you repeat it"
        };
        Refusal::new(format!(
            "the connection to {} broke off: {reason}; {advice}",
            self.base
        ))
    }

    fn refused(&self, status: StatusCode, answer: Value) -> Refusal {
        match answer.get("error").and_then(Value::as_str) {
            Some(text) => Refusal {
                text: text.to_owned(),
                answer: Some(answer),
            },
            None => self.stranger(status),
        }
    }

    fn stranger(&self, status: StatusCode) -> Refusal {
        Refusal::new(format!(
            "what answers at {} is no management API (status {}); say where it is with `--admin URL`",
            self.base,
            status.as_u16()
        ))
    }
}

/// A stream of events.
pub(super) struct Events<'a> {
    client: &'a Client,
    body: Incoming,
    reader: Reader,
}

impl Events<'_> {
    /// Returns the next event; `None` when the server has ended the stream. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Refusal> {
        loop {
            if let Some(event) = self.reader.next() {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.reader.feed(&piece);
                    }
                }
                Some(Err(fault)) => {
                    return Err(self.client.broken_off(&Method::GET, &reason(&fault)));
                }
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}
