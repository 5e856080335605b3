//! Stands between a socket and hyper, and lets only heads through that are in order.
//!
//! hyper gets each head whole and judged, and never a byte behind its request. In place of a head
//! that is refused it gets a harmless one, whose answer is then the refusal: so refusals are
//! written in their turn, behind the answers to earlier requests.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::deadline::Deadline;
use super::framing::Framing;
use super::head::{self, Head};
use super::limits::Limits;
use super::refusal::Refusal;

/// Bytes asked of the socket at once.
const PIECE: usize = 16 * 1024;

/// What hyper gets in place of a head that is refused; a `HEAD` is answered without a body.
const REFUSED: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
const REFUSED_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// What the gate and the service of one connection tell each other.
#[derive(Debug, Default)]
pub(super) struct Report {
    // Held for a move in or out, never over an await.
    refusal: Mutex<Option<Refusal>>,
    is_mid_request: AtomicBool,
    is_closing: AtomicBool,
}

impl Report {
    /// The refusal that the request just received stands for.
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Whether bytes of the current request are still to come, or its end is not known.
    pub(super) fn is_mid_request(&self) -> bool {
        self.is_mid_request.load(Ordering::Acquire)
    }

    /// Tells the gate to wait for no further request.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }
}

/// The place in the stream of requests.
#[derive(Debug)]
enum Place {
    /// Before or inside a head. `scanned` bytes hold no end of it; at `look_at` bytes it is
    /// judged even so, because what is no HTTP may have no such end.
    Head { scanned: usize, look_at: usize },
    /// A head of which `head` bytes are still to hand on, then its body.
    Request { head: usize, framing: Framing },
    /// A head in place of the refused one, of which so many bytes are still to hand on.
    Refused(usize),
}

const NEXT_HEAD: Place = Place::Head {
    scanned: 0,
    look_at: 1,
};

/// The reading and writing of one connection, with its limits.
#[derive(Debug)]
pub(super) struct Gate {
    stream: TcpStream,
    limits: Arc<Limits>,
    report: Arc<Report>,
    received: BytesMut,
    place: Place,
    head_due: Deadline,
    write_due: Deadline,
    is_used: bool,
    is_stalled: bool,
}

impl Gate {
    pub(super) fn new(stream: TcpStream, limits: Arc<Limits>, report: Arc<Report>) -> Self {
        Self {
            stream,
            limits,
            report,
            received: BytesMut::new(),
            place: NEXT_HEAD,
            head_due: Deadline::default(),
            write_due: Deadline::default(),
            is_used: false,
            is_stalled: false,
        }
    }

    /// Ends the connection so that the last answer arrives: says that no more is to come, then
    /// reads and forgets until the caller hangs up or [`Limits::linger`] has passed.
    pub(super) async fn hang_up(mut self) {
        if self.is_stalled || self.stream.shutdown().await.is_err() {
            return;
        }
        let forget = async {
            while self.stream.readable().await.is_ok() {
                self.received.clear();
                self.received.reserve(PIECE);
                match self.stream.try_read_buf(&mut self.received) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
        };
        let _ = timeout(self.limits.linger, forget).await;
    }

    /// Reads what the socket has; 0 at its end. It is read to a place on the stack first: so a connection holds as much memory as it has
    /// received, and a socket that is found empty is not asked again.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        self.received.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Waits for a head, judged; false if none will come.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            self.skip_empty_lines();
            if self.received.is_empty() {
                self.await_first_byte();
            } else if self.judge() {
                return Poll::Ready(Ok(true));
            }
            match self.poll_receive(context) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(false)),
                Poll::Ready(result) => drop(result?),
                Poll::Pending => {
                    let is_idle = self.received.is_empty();
                    if is_idle && self.report.is_closing.load(Ordering::Acquire) {
                        return Poll::Ready(Ok(false));
                    }
                    ready!(self.head_due.poll(context));
                    if is_idle {
                        return Poll::Ready(Ok(false));
                    }
                    self.refuse(Refusal::HeadTooSlow);
                    return Poll::Ready(Ok(true));
                }
            }
        }
    }

    /// Some callers end a body with a line end too many.
    fn skip_empty_lines(&mut self) {
        if let Place::Head { scanned: 0, .. } = self.place {
            let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let count = self.received.iter().take_while(is_line_end).count();
            self.received.advance(count);
        }
    }

    fn await_first_byte(&mut self) {
        if !self.head_due.is_set() {
            self.head_due.set(if self.is_used {
                self.limits.idle
            } else {
                self.limits.header_read
            });
            // An idle connection holds no memory here.
            self.received = BytesMut::new();
        }
    }

    /// Judges what has been received of a head; false if more must come first.
    fn judge(&mut self) -> bool {
        let Place::Head { scanned, look_at } = self.place else {
            return true;
        };
        let length = self.received.len();
        if scanned == 0 {
            self.head_due.set(self.limits.header_read);
        }
        if length < look_at && !has_end(&self.received, scanned) {
            self.place = Place::Head {
                scanned: length,
                look_at,
            };
            return false;
        }
        match head::examine(&self.received, &self.limits) {
            Ok(Head::Partial) => {
                // Doubling keeps a head that comes byte by byte from being judged as often.
                let look_at = (length * 2).min(self.limits.header_bytes).max(length + 1);
                self.place = Place::Head {
                    scanned: length,
                    look_at,
                };
                return false;
            }
            Ok(Head::Whole { length, framing }) => {
                self.place = Place::Request {
                    head: length,
                    framing,
                };
                self.report.is_mid_request.store(true, Ordering::Release);
            }
            Err(refusal) => self.refuse(refusal),
        }
        self.head_due.clear();
        self.is_used = true;
        true
    }

    fn refuse(&mut self, refusal: Refusal) {
        let substitute = if self.received.starts_with(b"HEAD ") {
            REFUSED_HEAD
        } else {
            REFUSED
        };
        self.received = BytesMut::from(substitute);
        self.place = Place::Refused(substitute.len());
        *self
            .report
            .refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    /// Hands on what belongs to the current request and fits into `target`.
    fn hand_on(&mut self, target: &mut ReadBuf<'_>) {
        let room = self.received.len().min(target.remaining());
        let offered = self.received.get(..room).unwrap_or_default();
        let taken = match &mut self.place {
            Place::Request { head: 0, framing } => framing.advance(offered),
            Place::Request { head: left, .. } | Place::Refused(left) => {
                let taken = room.min(*left);
                *left -= taken;
                taken
            }
            Place::Head { .. } => 0,
        };
        target.put_slice(offered.get(..taken).unwrap_or_default());
        self.received.advance(taken);
        if let Place::Request { head: 0, framing } = &self.place
            && framing.is_over()
        {
            self.place = NEXT_HEAD;
            self.report.is_mid_request.store(false, Ordering::Release);
        }
    }

    /// Cuts a caller that takes nothing for [`Limits::write_stall`].
    fn guard_write(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if progress.is_ready() {
            self.write_due.clear();
            return progress;
        }
        if !self.write_due.is_set() {
            self.write_due.set(self.limits.write_stall);
        }
        ready!(self.write_due.poll(context));
        self.is_stalled = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whether a head ends behind the `scanned` bytes that hold no end.
fn has_end(bytes: &[u8], scanned: usize) -> bool {
    let unseen = bytes.get(scanned.saturating_sub(2)..).unwrap_or_default();
    unseen.windows(2).any(|pair| pair == b"\n\n")
        || unseen.windows(3).any(|three| three == b"\n\r\n")
}

impl AsyncRead for Gate {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        let goes_on = match &gate.place {
            Place::Head { .. } => ready!(gate.poll_head(context))?,
            Place::Request { head: 0, .. } if gate.received.is_empty() => {
                ready!(gate.poll_receive(context))? > 0
            }
            Place::Request { .. } | Place::Refused(_) => true,
        };
        if goes_on {
            gate.hand_on(target);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let progress = Pin::new(&mut gate.stream).poll_write(context, bytes);
        gate.guard_write(context, progress)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let progress = Pin::new(&mut gate.stream).poll_write_vectored(context, slices);
        gate.guard_write(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
