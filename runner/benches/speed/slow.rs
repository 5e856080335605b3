//! What slow callers cost the others: half heads, bodies that come drop by drop, connections that say nothing.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use http::Uri;

use crate::load::{Call, burst};
use crate::server::{Home, Server};
use crate::table::{Row, Target, in_millis};
use crate::{Result, Scale, orders};

/// So many callers behave well meanwhile.
const OTHERS: usize = 16;

/// How often each slow caller sends a byte: far below every limit of time between two of them.
const DRIP: Duration = Duration::from_millis(250);

/// How a caller is slow.
#[derive(Clone, Copy, Debug)]
enum Slowness {
    Head,
    Body,
    Silence,
}

/// Measures how long others wait with slow callers and without, in turns.
pub(crate) fn measure(scale: &Scale, rows: &mut Vec<Row>) -> Result<()> {
    let home = Home::new()?;
    let server = home.serve()?;
    let url = server.url("count")?;
    let call = Call::post(&url, &orders::order())?;
    for (slowness, name) in [
        (Slowness::Head, "half heads"),
        (Slowness::Body, "bodies drop by drop"),
        (Slowness::Silence, "silent connections"),
    ] {
        let count = scale.slow;
        let name = format!("accept, c={OTHERS}, p99 among {count} {name}");
        scale.say(&name);
        let mut rounds = Vec::new();
        for _ in 0..scale.rounds {
            let alone = p99(&server, &call, scale)?;
            let crowd = Crowd::gather(slowness, &url, count)?;
            let among = p99(&server, &call, scale)?;
            drop(crowd);
            rounds.push((among, alone));
        }
        let row = Row::compared(name, &rounds, Target::AtMost(2.0), in_millis);
        rows.push(row.against("without them"));
    }
    Ok(())
}

fn p99(server: &Server, call: &Call, scale: &Scale) -> Result<f64> {
    let burst = burst(call, OTHERS, scale.burst)?;
    if burst.failed > 0 {
        return Err(format!("{} requests were refused", burst.failed).into());
    }
    server.settle()?;
    Ok(burst.percentile(0.99))
}

/// Slow callers, until this is dropped.
struct Crowd {
    /// Nothing is ever sent: its end is the end of the crowd.
    stay: Option<Sender<()>>,
    callers: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Connects so many callers; each has sent its beginning when this returns.
    fn gather(slowness: Slowness, url: &str, count: usize) -> Result<Self> {
        let uri: Uri = url.parse()?;
        let host = uri.authority().ok_or("a URL needs a host and a port")?;
        let head = format!("POST {} HTTP/1.1\r\nhost: {host}\r\n", uri.path());
        let (beginning, drop) = match slowness {
            Slowness::Head => (head + "x-slow: ", "y"),
            Slowness::Body => (head + "content-length: 100000\r\n\r\n", "y"),
            Slowness::Silence => (String::new(), ""),
        };
        let mut streams = Vec::with_capacity(count);
        for _ in 0..count {
            let mut stream = TcpStream::connect(host.as_str())?;
            stream.write_all(beginning.as_bytes())?;
            streams.push(stream);
        }
        let (stay, stays) = channel::<()>();
        let callers = std::thread::spawn(move || {
            while stays.recv_timeout(DRIP) == Err(RecvTimeoutError::Timeout) {
                for stream in &mut streams {
                    // Whoever is sent away in the meantime is no longer slow.
                    let _ = stream.write_all(drop.as_bytes());
                }
            }
        });
        Ok(Self {
            stay: Some(stay),
            callers: Some(callers),
        })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stay = None;
        if let Some(callers) = self.callers.take() {
            let _ = callers.join();
        }
    }
}
