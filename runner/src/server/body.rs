//! Bodies: what is answered, and how a request's is read.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::timeout;

use super::limits::Limits;
use super::refusal::Refusal;

/// Why a streamed body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: bytes at hand, or a stream of them.
///
/// A stream that fails breaks the connection off, so that the caller cannot take the part for the whole.
pub struct Body(UnsyncBoxBody<Bytes, BodyError>);

impl Body {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// Bytes that come one by one: server-sent events, a large file.
    ///
    /// The stream is read only as fast as the caller takes it, and dropped when the caller is gone.
    pub fn stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BodyError>,
    {
        Self::wrap(StreamBody::new(stream.map_ok(Frame::data)))
    }

    /// Takes over the body of another library, for instance axum's.
    pub fn wrap<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self(body.map_err(Into::into).boxed_unsync())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Body")
            .field("size", &self.0.size_hint().exact())
            .finish_non_exhaustive()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::wrap(Full::new(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Reads a request's body within its limits (W17).
///
/// A declared length over the limit is refused before the body is asked for, hence before
/// `100 Continue`; an undeclared one as soon as it is passed.
pub(super) async fn read(
    incoming: Incoming,
    limit: usize,
    limits: &Limits,
) -> Result<Bytes, Refusal> {
    if incoming.is_end_stream() {
        return Ok(Bytes::new());
    }
    let declared = incoming.size_hint().lower();
    if usize::try_from(declared).map_or(true, |length| length > limit) {
        return Err(Refusal::BodyTooLarge { limit });
    }
    timeout(limits.body_total, collect(incoming, limit, limits))
        .await
        .unwrap_or(Err(Refusal::BodyTooSlow))
}

async fn collect(mut incoming: Incoming, limit: usize, limits: &Limits) -> Result<Bytes, Refusal> {
    let mut collected = BytesMut::new();
    loop {
        let frame = match timeout(limits.body_idle, incoming.frame()).await {
            Err(_elapsed) => return Err(Refusal::BodyTooSlow),
            Ok(None) => return Ok(collected.freeze()),
            Ok(Some(Err(_broken))) => return Err(Refusal::BODY_BROKEN),
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers are not part of the payload.
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if piece.len() > limit - collected.len() {
            return Err(Refusal::BodyTooLarge { limit });
        }
        if collected.is_empty() && incoming.is_end_stream() {
            return Ok(piece);
        }
        collected.extend_from_slice(&piece);
    }
}
