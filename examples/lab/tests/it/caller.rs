//! Callers that tell an answer from every way of getting none.

use std::error::Error as _;
use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::{PATIENCE, in_time, within};

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nobody listens.
    Refused,
    /// The connection ended in order before the answer, or before the request could be sent.
    Closed,
    /// The connection was reset.
    Reset,
}

/// A caller with one connection at most.
#[derive(Debug)]
pub(crate) struct Caller {
    keeps: bool,
    connection: Option<(SocketAddr, SendRequest<Full<Bytes>>)>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|fault| panic!("{fault} in the body of {self:?}"))
    }

    /// Returns the execution that the answer belongs to.
    pub(crate) fn execution(&self) -> Option<&str> {
        self.header("prismatic-executionid")
    }
}

impl Caller {
    /// Makes a caller that keeps its connection open for the next request.
    pub(crate) fn that_stays() -> Self {
        Self {
            keeps: true,
            connection: None,
        }
    }

    /// Makes a caller that opens a connection for each request.
    pub(crate) fn that_hangs_up() -> Self {
        Self {
            keeps: false,
            connection: None,
        }
    }

    /// Sends a request, once.
    pub(crate) async fn send(
        &mut self,
        address: SocketAddr,
        mut request: Request<Bytes>,
    ) -> Result<Answer, Broken> {
        let kept = self.connection.take();
        let reusable =
            kept.filter(|(peer, sender)| self.keeps && *peer == address && sender.is_ready());
        let mut sender = match reusable {
            Some((_, sender)) => sender,
            None => connect(address).await?,
        };
        let host = address.to_string().try_into().unwrap();
        request.headers_mut().entry("host").or_insert(host);
        if !self.keeps {
            let close = "close".try_into().unwrap();
            request.headers_mut().insert("connection", close);
        }
        let asked = format!(
            "an answer of {address} to {} {}",
            request.method(),
            request.uri()
        );
        let answer = within(PATIENCE, &asked, exchange(&mut sender, request))
            .await
            .map_err(|fault| Broken::from(&fault))?;
        self.connection = Some((address, sender));
        Ok(answer)
    }
}

/// Sends one request on a connection of its own; there must be an answer.
pub(crate) async fn call(address: SocketAddr, request: Request<Bytes>) -> Answer {
    let mut caller = Caller::that_hangs_up();
    caller.send(address, request).await.unwrap()
}

/// A caller that writes what it likes.
#[derive(Debug)]
pub(crate) struct Wire(TcpStream);

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(in_time(TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        in_time(self.0.write_all(bytes.as_bytes())).await.unwrap();
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn half_close(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Reads until the server hangs up, which must not be by a reset.
    pub(crate) async fn rest(&mut self) -> String {
        let mut received = Vec::new();
        in_time(self.0.read_to_end(&mut received)).await.unwrap();
        String::from_utf8(received).unwrap()
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Broken> {
    let connecting = TcpStream::connect(address);
    let stream = within(PATIENCE, &format!("a connection to {address}"), connecting)
        .await
        .map_err(|fault| match fault.kind() {
            ErrorKind::ConnectionReset => Broken::Reset,
            _ => Broken::Refused,
        })?;
    stream.set_nodelay(true).map_err(|_| Broken::Reset)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    spawn(async move {
        // The sender hears of it.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Bytes>,
) -> hyper::Result<Answer> {
    sender.ready().await?;
    let answer = sender.send_request(request.map(Full::new)).await?;
    let (head, body) = answer.into_parts();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    })
}

impl From<&hyper::Error> for Broken {
    fn from(fault: &hyper::Error) -> Self {
        let system = fault
            .source()
            .and_then(|cause| cause.downcast_ref::<std::io::Error>());
        match system.map(std::io::Error::kind) {
            Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Self::Reset,
            _ => Self::Closed,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests of a real server")]
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

pub(crate) fn get(path: &str) -> Request<Bytes> {
    request(Method::GET, path, "", Bytes::new())
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Bytes> {
    request(
        Method::POST,
        path,
        "application/json",
        body.to_string().into(),
    )
}

/// Puts a request together; an empty content type sends none.
pub(crate) fn request(
    method: Method,
    path: &str,
    content_type: &str,
    body: Bytes,
) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    if !content_type.is_empty() {
        let content_type = content_type.try_into().unwrap();
        request.headers_mut().insert("content-type", content_type);
    }
    request
}
