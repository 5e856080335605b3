//! A listener to test, and a caller that writes what it likes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use runner::server::{Body, Handler, Limits, Stopped, listen, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far beyond every limit in these tests: whoever waits so long has found a fault.
const PATIENCE: Duration = Duration::from_secs(20);

/// A handler made of a closure.
#[derive(Clone)]
pub(crate) struct By<F>(pub(crate) F);

impl<F, A> Handler for By<F>
where
    F: Fn(Request<Bytes>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send,
{
    fn handle(&self, request: Request<Bytes>) -> impl Future<Output = Response<Body>> + Send {
        (self.0)(request)
    }
}

/// Answers with method, path and body.
pub(crate) fn echo() -> impl Handler {
    By(|request: Request<Bytes>| async move { text(describe(&request)) })
}

pub(crate) fn describe(request: &Request<Bytes>) -> String {
    let body = String::from_utf8_lossy(request.body());
    format!("{} {} {body}", request.method(), request.uri())
}

pub(crate) fn text(text: impl Into<String>) -> Response<Body> {
    Response::new(Body::from(text.into()))
}

/// More than the standard library lets wait; not more than every system allows.
pub(crate) const CROWD: usize = if cfg!(target_os = "linux") { 300 } else { 100 };

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

impl Server {
    pub(crate) fn start(handler: impl Handler, limits: Limits) -> Self {
        Self::start_with_grace(handler, limits, PATIENCE)
    }

    pub(crate) fn start_with_grace(handler: impl Handler, limits: Limits, grace: Duration) -> Self {
        let listener = TcpListener::from_std(listen("127.0.0.1:0").unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            if stopped.await.is_err() {
                // The test needs the address only; the server lasts as long as the test.
                std::future::pending::<()>().await;
            }
        };
        let task = spawn(serve(listener, handler, limits, stopped, grace));
        Self {
            address,
            stop,
            task,
        }
    }

    pub(crate) async fn call(&self) -> Caller {
        Caller::connect(self.address).await.unwrap()
    }

    /// Tells the server to stop; await what comes back for its end.
    pub(crate) fn stop(self) -> impl Future<Output = Stopped> {
        self.stop.send(()).unwrap();
        async { in_time(self.task).await.unwrap() }
    }
}

pub(crate) struct Caller {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Checks that this is one of the listener's own answers.
    #[track_caller]
    pub(crate) fn assert_refusal(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            self.head.contains("content-type: application/json\r\n"),
            "{self:?}"
        );
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1, "{self:?}");
        assert!(!body["error"].as_str().unwrap().is_empty(), "{self:?}");
    }

    pub(crate) fn closes(&self) -> bool {
        self.head.contains("connection: close\r\n")
    }
}

impl Caller {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// Connects and sends before any other task can do anything.
    pub(crate) fn send_at_once(address: SocketAddr, bytes: &str) -> io::Result<Self> {
        let mut stream = std::net::TcpStream::connect_timeout(&address, PATIENCE)?;
        io::Write::write_all(&mut stream, bytes.as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream)?,
            received: Vec::new(),
        })
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        in_time(self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap();
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.unwrap().expect("an answer")
    }

    /// The next answer; none if the connection ends in order before it.
    pub(crate) async fn try_answer(&mut self) -> io::Result<Option<Answer>> {
        let Some(head) = self.until("\r\n\r\n").await? else {
            return Ok(None);
        };
        let status = head[9..12].parse().unwrap();
        let body = if head.contains("transfer-encoding: chunked") {
            self.until("0\r\n\r\n").await?.expect("a last chunk")
        } else {
            let length = head.split("content-length: ").nth(1).map_or(0, |rest| {
                rest.split("\r\n").next().unwrap().parse().unwrap()
            });
            while self.received.len() < length {
                assert!(self.receive().await? > 0, "a body cut short");
            }
            self.take(length)
        };
        Ok(Some(Answer { status, head, body }))
    }

    /// Asserts that the connection ends here: in order, not by a reset.
    pub(crate) async fn assert_end(&mut self) {
        let received = self.receive().await;
        assert_eq!(received.expect("no reset"), 0, "{:?}", self.received);
        assert!(self.received.is_empty(), "{:?}", self.received);
    }

    /// What comes up to `end`; none if the connection ends in order before it.
    pub(crate) async fn until(&mut self, end: &str) -> io::Result<Option<String>> {
        loop {
            let found = self
                .received
                .windows(end.len())
                .position(|part| part == end.as_bytes());
            if let Some(start) = found {
                return Ok(Some(self.take(start + end.len())));
            }
            if self.receive().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn receive(&mut self) -> io::Result<usize> {
        in_time(self.stream.read_buf(&mut self.received)).await
    }

    fn take(&mut self, length: usize) -> String {
        String::from_utf8(self.received.drain(..length).collect()).unwrap()
    }
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .expect("this does not take for ever")
}

#[expect(clippy::disallowed_methods, reason = "tests of real sockets")]
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(task)
}

pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: here\r\ncontent-length: {length}\r\n\r\n{body}")
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")
}
