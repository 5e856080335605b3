//! Another system, scripted: wiremock underneath.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use sdk::Url;
use serde::Serialize;
use serde_json::Value;
use wiremock::matchers::{any, method, path, query_param};
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

use crate::body::body_value;

/// Another system that a flow talks to: a real HTTP server on this machine that answers from a script.
///
/// When it goes out of scope, the test fails if an answer of the script was never asked for, or if a request came that is not in the
/// script (it is answered 404); the text says which, and lists every request received. [`verify`](Self::verify) does this earlier.
pub struct Upstream {
    server: MockServer,
    log: Arc<Mutex<Log>>,
}

/// A request that an [`Upstream`] received, as it came: secrets stand in it.
#[derive(Clone, PartialEq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// The headers; of repeated ones the last.
    pub headers: BTreeMap<String, String>,
    /// The body: parsed if it is JSON, a string if it is text, `{"base64": …}` otherwise, null if it is empty.
    pub body: Value,
    /// The status that it was answered with.
    pub status: u16,
}

#[derive(Default)]
struct Log {
    scripts: Vec<Script>,
    received: Vec<Received>,
    /// How many requests were not in the script.
    unknown: usize,
    verified: bool,
}

struct Script {
    verb: String,
    at: String,
    answers: Vec<Reply>,
    asked: usize,
    demanded: bool,
}

impl Upstream {
    /// Starts a system that knows no request yet.
    pub async fn start() -> Self {
        let upstream = Self {
            server: MockServer::start().await,
            log: Arc::default(),
        };
        let unknown = Answers {
            log: Arc::clone(&upstream.log),
            script: None,
        };
        let last = Mock::given(any()).respond_with(unknown).with_priority(255);
        last.mount(&upstream.server).await;
        upstream
    }

    /// Returns its address.
    ///
    /// # Panics
    ///
    /// Never: the address of a started server is one.
    #[expect(clippy::expect_used, reason = "wiremock gives an address")]
    pub fn url(&self) -> Url {
        Url::parse(&self.server.uri()).expect("the address of a server on this machine")
    }

    /// Answers each request with this method and path with the next of these answers, and with the last one for ever. Each answer must be
    /// asked for. Said again for the same method and path, it goes on with more answers. A path with a query, `/orders?page=2`, is for
    /// requests with these parameters.
    pub async fn on(&self, verb: &str, at: &str, answers: impl IntoIterator<Item = Reply>) {
        self.script(verb, at, answers, true).await;
    }

    /// As [`on`](Self::on), for requests that may come and need not.
    pub async fn allow(&self, verb: &str, at: &str, answers: impl IntoIterator<Item = Reply>) {
        self.script(verb, at, answers, false).await;
    }

    async fn script(
        &self,
        verb: &str,
        at: &str,
        answers: impl IntoIterator<Item = Reply>,
        demanded: bool,
    ) {
        let number = {
            let mut log = lock(&self.log);
            log.verified = false;
            let mut known = log.scripts.iter_mut();
            if let Some(script) = known.find(|script| script.verb == verb && script.at == at) {
                script.answers.extend(answers);
                script.demanded |= demanded;
                return;
            }
            log.scripts.push(Script {
                verb: verb.to_owned(),
                at: at.to_owned(),
                answers: answers.into_iter().collect(),
                asked: 0,
                demanded,
            });
            log.scripts.len() - 1
        };
        let answers = Answers {
            log: Arc::clone(&self.log),
            script: Some(number),
        };
        let (plain, query) = at.split_once('?').unwrap_or((at, ""));
        let mut mock = Mock::given(method(verb)).and(path(plain));
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            mock = mock.and(query_param(name, value));
        }
        // What names parameters is told before what does not.
        let priority = if query.is_empty() { 5 } else { 4 };
        mock.respond_with(answers)
            .with_priority(priority)
            .mount(&self.server)
            .await;
    }

    /// Returns every request received so far, in order; those that a mock of your own on [`server`](Self::server) answered are not among
    /// them.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.log).received.clone()
    }

    /// Demands that every answer of the script was asked for, and nothing else.
    ///
    /// # Panics
    ///
    /// It was not so; the text says what is missing, and lists every request received.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test says what it expected by panicking")]
    pub fn verify(&self) {
        let faults = {
            let mut log = lock(&self.log);
            log.verified = true;
            log.faults()
        };
        if let Some(faults) = faults {
            panic!("the upstream was not used as its script says:{faults}");
        }
    }

    /// Returns the mock server, for matchers and expectations of wiremock's own.
    pub fn server(&self) -> &MockServer {
        &self.server
    }
}

impl Drop for Upstream {
    /// A test that fails anyway says beside it what the script lacks: that is often the reason.
    #[expect(
        clippy::print_stderr,
        reason = "a failing test says why on standard error"
    )]
    fn drop(&mut self) {
        if lock(&self.log).verified {
            return;
        }
        if !std::thread::panicking() {
            self.verify();
        } else if let Some(faults) = lock(&self.log).faults() {
            eprintln!("\nthe upstream was not used as its script says:{faults}");
        }
    }
}

impl Log {
    fn faults(&self) -> Option<String> {
        let mut text = String::new();
        for script in self.scripts.iter().filter(|script| script.demanded) {
            let Script {
                verb,
                at,
                answers,
                asked,
                ..
            } = script;
            if *asked < answers.len() {
                let all = answers.len();
                // Writing to a string never fails.
                let _ = write!(
                    text,
                    "\n  {verb} {at}: {asked} of {all} answers were asked for"
                );
            }
        }
        if self.unknown > 0 {
            let _ = write!(
                text,
                "\n  requests that are not in the script: {}",
                self.unknown
            );
        }
        if text.is_empty() {
            return None;
        }
        text.push_str("\nit received");
        if self.received.is_empty() {
            text.push_str(" nothing");
        }
        for received in &self.received {
            let Received {
                method,
                path,
                body,
                status,
                ..
            } = received;
            let body = if body.is_null() {
                String::new()
            } else {
                format!(" {body}")
            };
            let _ = write!(text, "\n  {method} {path}{body} -> {status}");
        }
        Some(text)
    }
}

/// One answer of an [`Upstream`].
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Option<(String, Bytes)>,
}

impl Reply {
    /// Answers with a status and no body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
        }
    }

    /// Answers with a status and a JSON body.
    pub fn json(status: u16, body: impl Serialize) -> Self {
        let document = serde_json::to_value(body).unwrap_or_default().to_string();
        Self::status(status).body("application/json", document)
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = Some((content_type.to_owned(), body.into()));
        self
    }

    /// Adds a header, for example `retry-after`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn template(&self) -> ResponseTemplate {
        let mut template = ResponseTemplate::new(self.status);
        if let Some((content_type, body)) = &self.body {
            template = template.set_body_raw(body.to_vec(), content_type);
        }
        for (name, value) in &self.headers {
            template = template.append_header(name.as_str(), value.as_str());
        }
        template
    }
}

/// Answers from a script, or says that there is none.
struct Answers {
    log: Arc<Mutex<Log>>,
    script: Option<usize>,
}

impl Respond for Answers {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let mut log = lock(&self.log);
        let script = self.script.and_then(|number| log.scripts.get_mut(number));
        let reply = script.and_then(|script| {
            script.asked += 1;
            let last = script.answers.len().checked_sub(1)?;
            script.answers.get(last.min(script.asked - 1)).cloned()
        });
        let reply = reply.unwrap_or_else(|| {
            log.unknown += 1;
            Reply::json(
                404,
                serde_json::json!({"error": "not in the script of the test"}),
            )
        });
        log.received.push(received(request, reply.status));
        reply.template()
    }
}

fn received(request: &wiremock::Request, status: u16) -> Received {
    let query = request
        .url
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let headers = request.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    });
    let mut content = http::HeaderMap::new();
    if let Some(content_type) = request.headers.get(CONTENT_TYPE) {
        content.insert(CONTENT_TYPE, content_type.clone());
    }
    Received {
        method: request.method.to_string(),
        path: format!("{}{query}", request.url.path()),
        headers: headers.collect(),
        body: body_value(&content, &Bytes::from(request.body.clone())),
        status,
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows no header: secrets stand in them.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("body", &self.body)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({})", self.server.uri())
    }
}
