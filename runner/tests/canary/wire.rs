//! HTTP as it goes over the wire: what is searched is every byte of an answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Head and body.
    pub(crate) whole: String,
    pub(crate) json: Value,
}

/// Sends a request; each header stands on a line of its own.
pub(crate) fn call(address: &str, line: &str, headers: &[String], body: &str) -> Answer {
    let mut stream = open(address, line, headers, body);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let whole = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        json: serde_json::from_str(body).unwrap_or_default(),
        whole,
    }
}

/// Sends a request and leaves the answer to be read.
pub(crate) fn open(address: &str, line: &str, headers: &[String], body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut headers = headers.join("\r\n");
    if !headers.is_empty() {
        headers.push_str("\r\n");
    }
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream
}
