//! What a listener hands whole requests to.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, request};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::body::Body;

/// The address of the socket at the other end: the caller, or the proxy before it.
///
/// An extension of every request that a [`Handler`] gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Answers requests that have been read to their end, within the limits.
///
/// An [`axum::Router`] is one.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers a request.
    ///
    /// The future runs to its end even if the caller goes away meanwhile; only the end of the
    /// grace of [`serve`](super::serve) drops it. A panic becomes a 500.
    fn handle(&self, request: Request<Bytes>) -> impl Future<Output = Response<Body>> + Send;

    /// The bytes that the body of this request may have; `None` for
    /// [`Limits::body_bytes`](super::Limits::body_bytes).
    fn body_limit(&self, head: &request::Parts) -> Option<usize> {
        let _ = head;
        None
    }
}

/// The body limit of axum's own extractors, 2 MB by default, holds beside the listener's.
impl Handler for axum::Router {
    async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        let service = TowerToHyperService::new(self.clone());
        match service.call(request.map(axum::body::Body::from)).await {
            Ok(response) => response.map(Body::wrap),
            Err(never) => match never as Infallible {},
        }
    }
}
