//! Another system, scripted: wiremock underneath.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use sdk::Url;
use serde_json::Value;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

/// Another system that a flow talks to: a real HTTP server on this machine that answers from a script.
///
/// What is not scripted is answered 404. Requests are seen in the report of the simulation.
pub struct Upstream(MockServer);

impl Upstream {
    /// Starts a system that answers nothing yet.
    pub async fn start() -> Self {
        Self(MockServer::start().await)
    }

    /// Returns its address.
    ///
    /// # Panics
    ///
    /// Never: the address of a started server is one.
    #[expect(clippy::expect_used, reason = "wiremock gives an address")]
    pub fn url(&self) -> Url {
        Url::parse(&self.0.uri()).expect("the address of a server on this machine")
    }

    /// Answers each request with this method and path with the next of these answers, and with the last one for ever.
    pub async fn on(&self, verb: &str, at: &str, answers: impl IntoIterator<Item = Reply>) {
        let script = Script(Mutex::new(answers.into_iter().collect()));
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(script)
            .mount(&self.0)
            .await;
    }

    /// Returns the mock server, for matchers and expectations of wiremock's own.
    pub fn server(&self) -> &MockServer {
        &self.0
    }
}

/// One answer of an [`Upstream`].
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Reply {
    /// Answers with a status and no body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Value::Null,
        }
    }

    /// Answers with a status and a JSON body.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            body,
            ..Self::status(status)
        }
    }

    /// Adds a header, for example `retry-after`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

struct Script(Mutex<Vec<Reply>>);

impl Respond for Script {
    fn respond(&self, _request: &wiremock::Request) -> ResponseTemplate {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = if left.len() > 1 {
            left.remove(0)
        } else {
            left.first().cloned().unwrap_or_else(|| Reply::status(404))
        };
        let mut template = ResponseTemplate::new(reply.status);
        if !reply.body.is_null() {
            template = template.set_body_json(&reply.body);
        }
        for (name, value) in &reply.headers {
            template = template.insert_header(name.as_str(), value.as_str());
        }
        template
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({})", self.0.uri())
    }
}
