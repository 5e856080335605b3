//! HTTP requests to other systems.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sdk::host::BoxFuture;

/// Sends requests to other systems.
pub trait Outbound: Send + Sync + 'static {
    /// Sends a request and reads the whole answer.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>>;
}

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
}

/// Why a request to another system got no answer. It names the host, never the path, the query or a header: they may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer from `{host}`: {reason}")]
pub struct OutboundError {
    /// The host.
    pub host: String,
    /// What happened.
    pub reason: String,
}

#[cfg(feature = "server")]
pub(crate) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "server"))]
type Connector = HttpConnector;

/// Sends requests over the network: `http`, and with the feature `server` also `https`.
#[derive(Clone)]
pub struct HttpOutbound {
    client: Client<Connector, Full<Bytes>>,
    time_limit: Duration,
    answer_limit: usize,
}

impl HttpOutbound {
    /// Makes a client that gives up on an answer after `time_limit` or beyond `answer_limit` bytes.
    pub fn new(time_limit: Duration, answer_limit: usize) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector());
        Self {
            client,
            time_limit,
            answer_limit,
        }
    }
}

#[cfg(feature = "server")]
pub(crate) fn connector() -> Connector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(Duration::from_secs(10)));
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(http)
}

#[cfg(not(feature = "server"))]
fn connector() -> Connector {
    let mut http = HttpConnector::new();
    http.set_connect_timeout(Some(Duration::from_secs(10)));
    http
}

impl Outbound for HttpOutbound {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let failed = move |reason: String| OutboundError {
            host: host.clone(),
            reason,
        };
        let (client, time_limit, answer_limit) =
            (self.client.clone(), self.time_limit, self.answer_limit);
        Box::pin(async move {
            let exchange = async {
                let response = client
                    .request(request.map(Full::new))
                    .await
                    .map_err(|fault| failed(reason(&fault)))?;
                let (head, body) = response.into_parts();
                let body = Limited::new(body, answer_limit).collect().await;
                let body = body.map_err(|fault| failed(reason(&*fault)))?.to_bytes();
                Ok(Response::from_parts(head, body))
            };
            let too_late = || failed(format!("it took longer than {} s", time_limit.as_secs()));
            tokio::time::timeout(time_limit, exchange)
                .await
                .unwrap_or_else(|_| Err(too_late()))
        })
    }
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
