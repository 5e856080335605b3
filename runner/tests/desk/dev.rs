//! `dev` replaces the server and refuses nobody meanwhile (operation.md, section 1).

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::server::{Limits, inherited_listeners, serve};
use tokio::signal::unix::{SignalKind, signal};

use crate::fixture::Fixture;

/// Far beyond what anything here takes: whoever waits so long has found a fault.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tells the server below which answer it gives.
const ANSWER: &str = "DESK_TEST_ANSWER";

/// A binary that becomes the server below: the fixture has no dependencies, so it cannot be one itself.
fn integration(answer: &str) -> String {
    let itself = std::env::current_exe().unwrap();
    format!(
        r#"
use std::os::unix::process::CommandExt;

fn main() {{
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let error = std::process::Command::new({itself:?})
        .args(["--exact", "dev::without_a_desk_nothing_is_inherited", "--nocapture"])
        .env("{ANSWER}", format!("{answer} {{}}", arguments.join(" ")))
        .exec();
    panic!("{{error}}");
}}
"#
    )
}

/// Run by itself a test; run by `dev`, with an answer to give, a server on the sockets that it inherits.
#[tokio::test]
async fn without_a_desk_nothing_is_inherited() {
    let inherited = inherited_listeners().unwrap();
    #[expect(clippy::disallowed_methods, reason = "what the integration above sets")]
    let answer = std::env::var(ANSWER);
    let Ok(answer) = answer else {
        assert!(inherited.is_none());
        return;
    };
    let inherited = inherited.expect("`dev` hands sockets on");
    assert!(inherited_listeners().unwrap().is_none());
    let addresses = [&inherited.public, &inherited.admin].map(|one| one.local_addr().unwrap());
    let mut stop = signal(SignalKind::terminate()).unwrap();
    writeln!(
        io::stdout(),
        "\nready {} {} {answer}",
        addresses[0],
        addresses[1]
    )
    .unwrap();
    let router = axum::Router::new().fallback(move || async move { answer.clone() });
    let listener = tokio::net::TcpListener::from_std(inherited.public).unwrap();
    let stop = async move {
        stop.recv().await;
    };
    serve(listener, router, Limits::default(), stop, PATIENCE).await;
}

/// A running `dev`.
struct Dev {
    process: Child,
    output: Receiver<String>,
    errors: Receiver<String>,
}

impl Dev {
    fn start(fixture: &Fixture, line: &str) -> Self {
        let mut desk = fixture.desk(line);
        let mut process = desk
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = lines_of(process.stdout.take().unwrap());
        let errors = lines_of(process.stderr.take().unwrap());
        Self {
            process,
            output,
            errors,
        }
    }

    /// Waits until a server is ready, and returns the address for webhooks.
    #[track_caller]
    fn ready(&self, answer: &str) -> SocketAddr {
        let line = wait_for(&self.output, "ready ");
        let words: Vec<_> = line.splitn(4, ' ').collect();
        assert_eq!(words[3], answer);
        assert_ne!(words[1], words[2]);
        words[1].parse().unwrap()
    }

    fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.process.wait().unwrap()
    }

    fn terminate(&self) {
        let id = Pid::from_raw(self.process.id().try_into().unwrap());
        let _ = kill(id, Signal::SIGTERM);
    }
}

impl Drop for Dev {
    /// Of a test that failed nothing is left: the desk ends its server.
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.terminate();
            let _ = self.process.wait();
        }
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

#[track_caller]
fn wait_for(lines: &Receiver<String>, wanted: &str) -> String {
    let mut seen = Vec::new();
    loop {
        let Ok(line) = lines.recv_timeout(PATIENCE) else {
            panic!("no line with `{wanted}` in {seen:#?}");
        };
        if line.contains(wanted) {
            return line;
        }
        seen.push(line);
    }
}

/// Returns the body of the answer to a request on a connection of its own.
fn get(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(body.to_owned())
}

/// Asks one request after another until told to stop; returns the different answers in their order.
fn ask_on(
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
) -> thread::JoinHandle<io::Result<Vec<String>>> {
    thread::spawn(move || {
        let mut answers = vec![get(address)?];
        while !is_over.load(Ordering::Acquire) {
            answers.push(get(address)?);
            answers.dedup();
        }
        Ok(answers)
    })
}

#[test]
fn a_changed_source_replaces_the_server_and_no_request_is_refused() {
    let fixture = Fixture::new("dev");
    fixture.write("shop/src/main.rs", &integration("one"));
    let dev = Dev::start(
        &fixture,
        "dev -p shop --listen 127.0.0.1:0 --admin 127.0.0.1:0 --json",
    );
    let arguments = "serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --json";
    let address = dev.ready(&format!("one {arguments}"));

    let is_over = Arc::new(AtomicBool::new(false));
    let callers = [(); 4].map(|()| ask_on(address, Arc::clone(&is_over)));
    fixture.write("shop/src/main.rs", &integration("two"));
    assert_eq!(dev.ready(&format!("two {arguments}")), address);
    assert_eq!(get(address).unwrap(), format!("two {arguments}"));
    is_over.store(true, Ordering::Release);
    for caller in callers {
        let answers = caller.join().unwrap().expect("no request is refused");
        let wanted = ["one", "two"].map(|answer| format!("{answer} {arguments}"));
        assert!(
            wanted.starts_with(&answers) || wanted[1..] == answers,
            "{answers:?}"
        );
    }

    // A build that fails leaves the server running, and the next one that succeeds replaces it.
    fixture.write("shop/src/main.rs", "fn main() { missing() }");
    wait_for(&dev.errors, "cannot find function `missing`");
    wait_for(
        &dev.errors,
        "dev: cannot build `shop`; cargo says above what is wrong; waiting for a change",
    );
    assert_eq!(get(address).unwrap(), format!("two {arguments}"));
    fixture.write("shop/src/main.rs", &integration("three"));
    dev.ready(&format!("three {arguments}"));

    // So does a change in a crate of the workspace that it is built from.
    fixture.write("runner/src/lib.rs", "pub fn added() {}\n");
    dev.ready(&format!("three {arguments}"));

    assert!(dev.stop().success());
    assert_eq!(
        get(address).unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
}

#[test]
fn a_server_that_ends_by_itself_is_started_again_after_a_change() {
    let fixture = Fixture::new("dev_ended");
    let dev = Dev::start(
        &fixture,
        "dev -p shop --listen 127.0.0.1:0 --admin 127.0.0.1:0",
    );
    wait_for(&dev.output, "shop ");
    wait_for(
        &dev.errors,
        "dev: the server has ended (exit status: 7); waiting for a change",
    );
    fixture.write("shop/src/main.rs", &integration("one"));
    dev.ready("one serve --listen 127.0.0.1:0 --admin 127.0.0.1:0");
    assert!(dev.stop().success());
}
