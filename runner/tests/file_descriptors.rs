//! A process without file descriptors: alone in its own, because nothing else works meanwhile.
#![cfg(feature = "server")]

use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use runner::server::{Limits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Hands each line of the log to the test.
struct Lines(mpsc::UnboundedSender<String>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn accepting_goes_on_once_there_are_file_descriptors_again() {
    let (sender, mut lines) = mpsc::unbounded_channel();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(Mutex::new(Lines(sender)))
        .init();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    let null = File::open("/dev/null").unwrap();
    let taken: Vec<File> = std::iter::from_fn(|| null.try_clone().ok()).collect();
    let call = async {
        let mut stream = socket.connect(address).await.unwrap();
        let warning = lines.recv().await.unwrap();
        assert!(warning.contains("cannot accept connections"), "{warning}");
        assert!(
            lines.recv().await.unwrap().contains("20ms"),
            "waits longer each time"
        );
        drop(taken);
        let request = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    };
    let served = serve(
        listener,
        axum::Router::new(),
        Limits::default(),
        call,
        Duration::from_secs(10),
    );
    timeout(Duration::from_secs(20), served).await.unwrap();
}
