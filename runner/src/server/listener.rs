//! Accepts connections until told to stop.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::connection::{Connection, spawn};
use super::handler::Handler;
use super::limits::Limits;
use super::phase::Phase;

/// First and longest pause after the operating system refused a connection for want of means.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Time to tell callers that their request was broken off, and again for tasks to notice that
/// all is over. A task that blocks its thread never does.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// How a listener came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every request that was read has been answered, and every handler has come to its end.
    Drained,
    /// The grace was over first; what was left has been broken off.
    Cut {
        /// Connections that were still open. A handler whose caller had left is not counted.
        connections: usize,
    },
}

/// Serves HTTP/1.1 on `listener` until `stop` is done, then closes within `grace` (G8).
///
/// What goes against `limits`, and what is no proper HTTP, is answered here with
/// `{"error":"…"}`; `handler` sees only whole requests, and its futures run to their end
/// whether or not the caller is still there. When all connections are taken, further callers
/// wait in the backlog of the operating system; [`listen`](super::listen) makes room for many.
///
/// After `stop` no connection is accepted; what has been read, and what is already in a socket,
/// is answered with `connection: close`; idle connections are closed, and whoever still waits for one of `limits.connections` is turned
/// away unread. After `grace` the
/// handlers that are left are dropped and their callers get 503; what is then still open a second
/// later is broken off. Streams without an end, such as server-sent events, last until then
/// unless their handler ends them. Dropping the future breaks everything off at once.
///
/// ```
/// use std::time::Duration;
///
/// use runner::server::{Limits, Stopped, listen, serve};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::from_std(listen("127.0.0.1:0")?)?;
/// let router = axum::Router::new();
/// let stop = async { /* until the process is told to end */ };
/// let stopped = serve(listener, router, Limits::default(), stop, Duration::from_secs(10)).await;
/// assert_eq!(stopped, Stopped::Drained);
/// # Ok(())
/// # }
/// ```
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: H,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
    grace: Duration,
) -> Stopped {
    let (phase, watcher) = watch::channel(Phase::Serving);
    let seat_count = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
    let seats = Arc::new(Semaphore::new(seat_count));
    let acceptor = Acceptor {
        listener,
        opening: Opening {
            handler,
            limits: Arc::new(limits),
            seats: Arc::clone(&seats),
            phase: watcher,
        },
    };
    tokio::select! {
        never = acceptor.run() => match never {},
        () = stop => {}
    }
    acceptor.accept_waiting();
    phase.send_replace(Phase::Closing);
    if timeout(grace, phase.closed()).await.is_ok() {
        return Stopped::Drained;
    }
    let connections = seat_count - seats.available_permits();
    for last in [Phase::Cutting, Phase::Over] {
        phase.send_replace(last);
        if timeout(CUT_GRACE, phase.closed()).await.is_ok() {
            break;
        }
    }
    Stopped::Cut { connections }
}

struct Acceptor<H> {
    listener: TcpListener,
    opening: Opening<H>,
}

/// What each connection begins with.
struct Opening<H> {
    handler: H,
    limits: Arc<Limits>,
    seats: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
}

impl<H: Handler> Acceptor<H> {
    async fn run(&self) -> Infallible {
        let mut pause = Duration::ZERO;
        loop {
            let seat = Arc::clone(&self.opening.seats).acquire_owned().await;
            match (self.listener.accept().await, seat) {
                (Ok((stream, peer)), Ok(seat)) => {
                    pause = Duration::ZERO;
                    self.opening.start(stream, peer, seat);
                }
                (Ok(_), Err(_closed)) => {}
                (Err(error), _) => {
                    pause = pause_after(&error, pause);
                    if pause > Duration::ZERO {
                        tracing::warn!(%error, ?pause, "cannot accept connections; waiting");
                        sleep(pause).await;
                    }
                }
            }
        }
    }

    /// Takes the connections that were made before the stop, so that closing the listener resets none. The operating system is asked
    /// itself: the runtime does not know yet of those that came just now.
    fn accept_waiting(self) {
        let Ok(listener) = self.listener.into_std() else {
            return;
        };
        while let Ok(seat) = Arc::clone(&self.opening.seats).try_acquire_owned() {
            match listener.accept().and_then(taken_over) {
                Ok((stream, peer)) => self.opening.start(stream, peer, seat),
                // That one has hung up again.
                Err(error) if pause_after(&error, Duration::ZERO).is_zero() => {}
                Err(_) => return,
            }
        }
    }
}

impl<H: Handler> Opening<H> {
    fn start(&self, stream: TcpStream, peer: SocketAddr, seat: OwnedSemaphorePermit) {
        let connection = Connection {
            peer,
            handler: self.handler.clone(),
            limits: Arc::clone(&self.limits),
            phase: self.phase.clone(),
        };
        spawn(async move {
            connection.run(stream).await;
            drop(seat);
        });
    }
}

/// Hands a connection that was accepted past the runtime over to it.
fn taken_over(
    (stream, peer): (std::net::TcpStream, SocketAddr),
) -> io::Result<(TcpStream, SocketAddr)> {
    stream.set_nonblocking(true)?;
    Ok((TcpStream::from_std(stream)?, peer))
}

/// How long to wait before accepting again: not at all if only that one connection failed,
/// longer each time if the process or the machine lacks file descriptors or memory.
fn pause_after(error: &io::Error, last: Duration) -> Duration {
    match error.kind() {
        io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::Interrupted => Duration::ZERO,
        _ => (last * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::pause_after;

    #[test]
    fn a_lack_of_file_descriptors_is_waited_out_longer_each_time() {
        let too_many_open_files = io::Error::from_raw_os_error(24);
        let mut pauses = Vec::new();
        let mut pause = Duration::ZERO;
        for _ in 0..9 {
            pause = pause_after(&too_many_open_files, pause);
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn a_connection_that_failed_alone_is_not_waited_for() {
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(
            pause_after(&aborted, Duration::from_secs(1)),
            Duration::ZERO
        );
    }
}
