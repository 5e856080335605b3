//! HTTP requests to other systems: to what may be reached, with bounded redirects, as part of a trace.

mod guard;
mod reach;
mod redirect;
mod trace;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sdk::host::{BoxFuture, RedirectsAreAnswers};

use self::guard::GuardedConnector;
pub use self::reach::{Reach, ReachError, Refusal};
use self::redirect::Hop;
pub use self::trace::Trace;

/// Sends requests to other systems.
pub trait Outbound: Send + Sync + 'static {
    /// Sends a request and reads the whole answer.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>>;

    /// Returns the authorities, PEM or DER, that are trusted beside the public ones when a certificate is checked: none in production, its
    /// own in a simulation.
    fn authorities(&self) -> Vec<Bytes> {
        Vec::new()
    }
}

/// How many bytes the answer to a request may have, if that is less than the client's own limit: an extension of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLimit(pub usize);

/// Which execution sends a request, and whether from inside a step: an extension of every request that a flow sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentBy {
    /// The execution.
    pub execution: sdk::id::ExecutionId,
    /// Its instance.
    pub instance: sdk::id::InstanceId,
    /// Its flow.
    pub flow: sdk::id::FlowKey,
    /// The step that is open, if one is; the last that was begun if there are several.
    pub step: Option<String>,
    /// The trace to which the execution belongs.
    pub trace: Trace,
    /// What tells this request from every other one of the trace.
    pub span: String,
}

/// Why a request to another system got no answer. It names the host, never the path, the query or a header: they may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// It was sent, or was to be.
    #[error("no answer from `{host}`: {reason}")]
    NoAnswer {
        /// The host.
        host: String,
        /// What happened.
        reason: String,
    },
    /// It was not sent: the host stands where author code may not call.
    #[error("`{host}` was not called: {refusal}")]
    Refused {
        /// The host.
        host: String,
        /// Why.
        refusal: Refusal,
    },
}

impl OutboundError {
    /// Returns the error for author code. What may not be called is not tried again, and no caller hears which addresses there are.
    pub fn into_error(self) -> sdk::Error {
        match &self {
            Self::NoAnswer { .. } => sdk::Error::from(self),
            Self::Refused { host, .. } => {
                let text = format!("`{host}` may not be called from here");
                sdk::Error::from(self).permanent().for_caller(text)
            }
        }
    }
}

#[cfg(feature = "server")]
pub(crate) type Connector = hyper_rustls::HttpsConnector<GuardedConnector>;
#[cfg(not(feature = "server"))]
type Connector = GuardedConnector;

/// Sends requests over the network: `http`, and with the feature `server` also `https`. Calls public addresses only, unless it is given
/// another [`Reach`]; follows up to ten redirects, each under the same rule, without credentials to another origin.
#[derive(Clone)]
pub struct HttpOutbound {
    client: Client<Connector, Full<Bytes>>,
    time_limit: Duration,
    answer_limit: usize,
}

impl HttpOutbound {
    /// Makes a client that gives up on an answer after `time_limit` or beyond `answer_limit` bytes.
    pub fn new(time_limit: Duration, answer_limit: usize) -> Self {
        Self {
            client: client(Reach::public()),
            time_limit,
            answer_limit,
        }
    }

    /// Calls what this reaches, and nothing else.
    #[must_use]
    pub fn reaching(mut self, reach: Reach) -> Self {
        self.client = client(reach);
        self
    }

    /// Sends a request, and on to where the answer leads.
    async fn exchange(
        &self,
        mut hop: Hop,
        follows: bool,
        answer_limit: usize,
    ) -> Result<Response<Bytes>, OutboundError> {
        for _ in 0..=redirect::MOST {
            let host = hop.uri.host().unwrap_or_default().to_owned();
            let failed = |reason: String| OutboundError::NoAnswer {
                host: host.clone(),
                reason,
            };
            let answer = self.client.request(hop.to_request().map(Full::new)).await;
            let answer = answer.map_err(|fault| match refusal(&fault) {
                Some(refusal) => OutboundError::Refused {
                    host: host.clone(),
                    refusal,
                },
                None => failed(reason(&fault)),
            })?;
            if follows
                && hop
                    .follow(&answer)
                    .map_err(|reason| failed(reason.to_owned()))?
            {
                continue;
            }
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, answer_limit).collect().await;
            let body = body.map_err(|fault| failed(reason(&*fault)))?.to_bytes();
            return Ok(Response::from_parts(head, body));
        }
        Err(OutboundError::NoAnswer {
            host: hop.uri.host().unwrap_or_default().to_owned(),
            reason: format!("it redirects more than {} times", redirect::MOST),
        })
    }
}

fn client(reach: Reach) -> Client<Connector, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .build(connector(reach))
}

#[cfg(feature = "server")]
pub(crate) fn connector(reach: Reach) -> Connector {
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(GuardedConnector::new(&Arc::new(reach)))
}

#[cfg(not(feature = "server"))]
fn connector(reach: Reach) -> Connector {
    GuardedConnector::new(&Arc::new(reach))
}

impl Outbound for HttpOutbound {
    fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
        if let Some(sent_by) = request.extensions_mut().remove::<SentBy>() {
            sent_by.trace.name(request.headers_mut(), &sent_by.span);
        }
        let follows = request.extensions().get::<RedirectsAreAnswers>().is_none();
        let asked = request.extensions().get::<AnswerLimit>();
        let answer_limit = asked.map_or(self.answer_limit, |asked| asked.0.min(self.answer_limit));
        let too_late = OutboundError::NoAnswer {
            host: request.uri().host().unwrap_or_default().to_owned(),
            reason: format!("it took longer than {} s", self.time_limit.as_secs()),
        };
        let sender = self.clone();
        Box::pin(async move {
            let exchange = sender.exchange(Hop::of(request), follows, answer_limit);
            tokio::time::timeout(sender.time_limit, exchange)
                .await
                .unwrap_or(Err(too_late))
        })
    }
}

/// Returns the refusal to connect, if that is what a failure goes back to.
fn refusal(fault: &(dyn StdError + 'static)) -> Option<Refusal> {
    let mut next = Some(fault);
    while let Some(fault) = next {
        if let Some(refusal) = fault.downcast_ref::<Refusal>() {
            return Some(*refusal);
        }
        next = fault.source();
    }
    None
}

/// Returns the innermost cause: the outer ones of the HTTP stack say nothing to an operator.
pub(crate) fn reason(fault: &(dyn StdError + 'static)) -> String {
    let mut innermost = fault;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

impl fmt::Debug for HttpOutbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOutbound")
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
