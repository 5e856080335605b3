//! The load generator: so many connections, each sending one request after the answer to the one before (a closed loop), or all of
//! them together so many a second (an open one).

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use http::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;

/// A request that is sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    address: SocketAddr,
    request: Vec<u8>,
}

impl Call {
    /// A POST of JSON to `http://ADDRESS:PORT/PATH`.
    pub(crate) fn post(url: &str, body: &[u8]) -> Result<Self> {
        Self::post_with(url, "", body)
    }

    /// A POST of JSON with these further header lines, each with its line end.
    pub(crate) fn post_with(url: &str, lines: &str, body: &[u8]) -> Result<Self> {
        let head = format!(
            "content-type: application/json\r\ncontent-length: {}\r\n{lines}",
            body.len()
        );
        Self::new("POST", url, &head, body)
    }

    /// A GET with these further header lines, each with its line end.
    pub(crate) fn get(url: &str, lines: &str) -> Result<Self> {
        Self::new("GET", url, lines, b"")
    }

    fn new(method: &str, url: &str, lines: &str, body: &[u8]) -> Result<Self> {
        let uri: Uri = url.parse()?;
        let authority = uri.authority().ok_or("a URL needs a host and a port")?;
        let address = authority.as_str().replace("localhost", "127.0.0.1");
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\n{lines}\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        Ok(Self {
            address: address.parse()?,
            request,
        })
    }

    /// Sends it once and returns status and body.
    pub(crate) fn once(&self) -> Result<(u16, Vec<u8>)> {
        let call = self.clone();
        quiet_runtime()?.block_on(async move {
            let mut wire = Wire::connect(&call).await?;
            let status = wire.exchange(&call).await?;
            Ok((status, wire.body))
        })
    }
}

/// What came of a burst.
#[derive(Debug)]
pub(crate) struct Burst {
    /// How long each answered request took, the shortest first.
    pub(crate) times: Vec<Duration>,
    /// How long it lasted.
    pub(crate) length: Duration,
    /// How many requests were answered with anything but a 2xx.
    pub(crate) failed: usize,
}

impl Burst {
    /// Returns the answers per second.
    pub(crate) fn rate(&self) -> f64 {
        crate::table::float(self.times.len()) / self.length.as_secs_f64()
    }

    /// Returns the time within which this part of the answers came, in milliseconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        crate::table::percentile(&self.times, part).as_secs_f64() * 1000.0
    }
}

/// Sends for `length` over so many connections, each as fast as it is answered; all of them are open before the first request.
pub(crate) fn burst(call: &Call, connections: usize, length: Duration) -> Result<Burst> {
    send(call, connections, length, None)
}

/// As [`burst`], but so many requests a second in all, however fast the answers come. A request that could not be sent when it was due
/// is counted from when it was due.
pub(crate) fn steady(
    call: &Call,
    connections: usize,
    length: Duration,
    rate: f64,
) -> Result<Burst> {
    let pace = Duration::from_secs_f64(crate::table::float(connections) / rate);
    send(call, connections, length, Some(pace))
}

fn send(
    call: &Call,
    connections: usize,
    length: Duration,
    pace: Option<Duration>,
) -> Result<Burst> {
    let call = call.clone();
    // One thread, as wrk has by default: on a small machine a second one would only take from the server.
    let run = async move {
        let mut wires = Vec::with_capacity(connections);
        for _ in 0..connections {
            wires.push(Wire::connect(&call).await?);
        }
        let begun = Instant::now();
        let until = begun + length;
        let mut callers = JoinSet::new();
        let share = u32::try_from(connections.max(1))?;
        for (number, wire) in (0..).zip(wires) {
            // Those that keep a pace begin one after the other.
            let first = begun + pace.unwrap_or_default() / share * number;
            callers.spawn(converse(wire, call.clone(), first..until, pace));
        }
        let (mut times, mut failed) = (Vec::new(), 0);
        while let Some(caller) = callers.join_next().await {
            let (took, refused) = caller??;
            times.extend(took);
            failed += refused;
        }
        let length = begun.elapsed();
        times.sort_unstable();
        Ok(Burst {
            times,
            length,
            failed,
        })
    };
    quiet_runtime()?.block_on(run)
}

async fn converse(
    mut wire: Wire,
    call: Call,
    time: Range<Instant>,
    pace: Option<Duration>,
) -> Result<(Vec<Duration>, usize)> {
    let (mut times, mut failed) = (Vec::new(), 0);
    let (mut due, mut sent) = (time.start, 0);
    while due < time.end {
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
            // What the timer of this process is late is no fault of the server.
            due = Instant::now();
        }
        let status = wire.exchange(&call).await?;
        let now = Instant::now();
        if (200..300).contains(&status) {
            times.push(now - due);
        } else {
            failed += 1;
        }
        sent += 1;
        due = pace.map_or(now, |pace| time.start + pace * sent);
    }
    Ok((times, failed))
}

fn quiet_runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

/// One connection that is kept.
struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
    body: Vec<u8>,
}

impl Wire {
    async fn connect(call: &Call) -> Result<Self> {
        let stream = TcpStream::connect(call.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
            body: Vec::new(),
        })
    }

    async fn exchange(&mut self, call: &Call) -> Result<u16> {
        self.stream.write_all(&call.request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the server hung up in the middle of an answer".into());
            }
            if let Some((status, head, body)) = read_head(&self.received)?
                && self.received.len() >= head + body
            {
                self.body.clear();
                self.body
                    .extend_from_slice(self.received.get(head..).unwrap_or_default());
                return Ok(status);
            }
        }
    }
}

/// Returns the status of an answer, the length of its head and that of its body, once the head is whole.
fn read_head(received: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(received)? else {
        return Ok(None);
    };
    let length = answer
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.ok_or("an answer without `content-length` cannot be measured")?;
    let body = std::str::from_utf8(length.value)?.parse()?;
    Ok(Some((answer.code.unwrap_or_default(), head, body)))
}
