//! Serves one connection: reads each request, has it handled, writes the answer.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::body::{self, Body};
use super::gate::{Gate, Report};
use super::handler::{Handler, Peer};
use super::limits::Limits;
use super::phase::{Phase, reached};
use super::refusal::Refusal;

/// Room that hyper's buffers have beyond one head.
const BUFFER_BYTES: usize = 64 * 1024;

/// Time to see a request that is already in its socket before the gate shuts: the runtime looks at its sockets before its timers.
const NOTICE: Duration = Duration::from_millis(5);

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// What the requests of one connection share.
#[derive(Debug)]
pub(super) struct Connection<H> {
    pub(super) peer: SocketAddr,
    pub(super) handler: H,
    pub(super) limits: Arc<Limits>,
    pub(super) phase: watch::Receiver<Phase>,
}

impl<H: Handler> Connection<H> {
    /// Serves the connection until it ends or is cut.
    pub(super) async fn run(self, stream: TcpStream) {
        let over = reached(Phase::Over, self.phase.clone());
        tokio::select! {
            () = self.converse(stream) => {}
            () = over => {}
        }
    }

    async fn converse(self, stream: TcpStream) {
        // Answers are written whole, so waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let report = Arc::new(Report::default());
        let gate = Gate::new(stream, Arc::clone(&self.limits), Arc::clone(&report));
        let closing = reached(Phase::Closing, self.phase.clone());
        let noticed = async {
            closing.await;
            sleep(NOTICE).await;
        };
        let mut builder = http1::Builder::new();
        builder
            .half_close(true)
            .max_headers(self.limits.header_count)
            .max_buf_size(self.limits.header_bytes + BUFFER_BYTES)
            // The gate has this limit, and another for idle connections.
            .header_read_timeout(None);
        let shared = Arc::new((self, Arc::clone(&report)));
        let service = service_fn(move |request| -> Answer {
            let shared = Arc::clone(&shared);
            Box::pin(async move { Ok(shared.0.answer(request, &shared.1).await) })
        });
        let mut served = builder.serve_connection(TokioIo::new(gate), service);
        let result = tokio::select! {
            result = poll_fn(|context| served.poll_without_shutdown(context)) => result,
            () = noticed => {
                report.close();
                poll_fn(|context| served.poll_without_shutdown(context)).await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "connection broke off");
        }
        served.into_parts().io.into_inner().hang_up().await;
    }

    async fn answer(&self, request: Request<Incoming>, report: &Report) -> Response<Body> {
        let mut response = match report.take_refusal() {
            Some(refusal) => refusal.into_response(),
            None => tokio::select! {
                response = self.exchange(request, report) => response,
                () = reached(Phase::Cutting, self.phase.clone()) => {
                    Refusal::Stopped.into_response()
                }
            },
        };
        if *self.phase.borrow() != Phase::Serving {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    async fn exchange(&self, request: Request<Incoming>, report: &Report) -> Response<Body> {
        match self.read(request).await {
            // hyper found an end where the gate knows of none: who is right decides what is a
            // request of its own behind it.
            Ok(_) if report.is_mid_request() => Refusal::BODY_BROKEN.into_response(),
            Ok(request) => self.handle(request).await,
            Err(refusal) => refusal.into_response(),
        }
    }

    async fn read(&self, request: Request<Incoming>) -> Result<Request<Bytes>, Refusal> {
        let (mut head, incoming) = request.into_parts();
        let limit = self.handler.body_limit(&head);
        let limit = limit.unwrap_or(self.limits.body_bytes);
        let body = body::read(incoming, limit, &self.limits).await?;
        head.extensions.insert(Peer(self.peer));
        Ok(Request::from_parts(head, body))
    }

    /// Has the request handled in a task of its own, which outlives the connection.
    async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let handler = self.handler.clone();
        let cut = reached(Phase::Cutting, self.phase.clone());
        let task = spawn(async move {
            tokio::select! {
                response = handler.handle(request) => Ok(response),
                () = cut => Err(Refusal::Stopped),
            }
        });
        match task.await {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => refusal.into_response(),
            Err(_panic) => {
                // The text of a panic may hold what no log should; the panic hook decides.
                tracing::error!(peer = %self.peer, "a request handler panicked");
                Refusal::Panicked.into_response()
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "sockets are real: the listener runs on tokio alone, nothing of it is simulated"
)]
pub(super) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(task)
}
