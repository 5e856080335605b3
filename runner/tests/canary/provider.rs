//! A provider of OAuth 2.0 that gives always the same tokens, and, where it refuses, tells everything that it was sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

pub(crate) const ACCESS: &str = "canary-access-token-0016";
pub(crate) const REFRESH: &str = "canary-refresh-token-0017";

/// Starts it; returns its address, by a name.
pub(crate) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap());
        }
    });
    format!("http://localhost:{port}")
}

fn answer(mut stream: TcpStream) {
    let mut asked = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&asked) {
        let length = stream.read(&mut piece).unwrap();
        asked.extend_from_slice(&piece[..length]);
        if length == 0 {
            return;
        }
    }
    let asked = String::from_utf8_lossy(&asked).into_owned();
    let (status, body) = if asked.starts_with("POST /token ") {
        let tokens = serde_json::json!({"access_token": ACCESS, "refresh_token": REFRESH});
        ("200 OK", tokens)
    } else {
        let echo = serde_json::json!({"error": asked, "error_description": asked});
        ("400 Bad Request", echo)
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.unwrap().parse().unwrap()
}
