//! Cassettes: what another system really answered, recorded once into a file and replayed from then on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Request, Response};
use runner::outbound::{HttpOutbound, Outbound as _, OutboundError};
use sdk::host::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::witness::Witness;

/// What another system really answered: a file that is recorded once and replayed from then on.
///
/// Give it to [`Simulation::with_cassette`](crate::Simulation::with_cassette): every request of a flow is then answered from it, whatever
/// host it is for. It is a JSON file to read, review and commit, one for each test. Headers of requests are not kept. Secrets of the
/// instances show as the names of their config variables, tokens in answers (`access_token` …) as the names of their fields.
///
/// A replayed request is known by method, URL and body, and each recorded answer is given once, in the order of the recording. The test
/// fails when a request is not known, and when a recorded one does not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cassette {
    path: PathBuf,
    recording: bool,
}

impl Cassette {
    /// Names a file, relative to the crate: `tests/cassettes/an_order_is_filed.json`. It is recorded when the environment variable
    /// `RECORD` is `1`, else replayed.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "whoever runs a test says by its environment whether it may talk to the world"
        )]
        let wanted = std::env::var("RECORD").is_ok_and(|wanted| wanted == "1");
        Self {
            path: path.into(),
            recording: wanted,
        }
    }

    /// Records, or replays, whatever the environment says.
    #[must_use]
    pub fn recording(mut self, recording: bool) -> Self {
        self.recording = recording;
        self
    }

    /// Opens the file; with `repeats` its answers are given as often as they are asked for. What cannot be read is a panic with the
    /// reason.
    #[expect(
        clippy::panic,
        reason = "a test whose cassette cannot be read fails with the reason"
    )]
    pub(crate) fn open(&self, repeats: bool) -> Deck {
        let tape = if self.recording {
            Tape::default()
        } else {
            match read(&self.path) {
                Ok(tape) => tape,
                Err(fault) => panic!(
                    "the cassette `{}` cannot be read: {fault}; record it with RECORD=1",
                    self.path.display()
                ),
            }
        };
        Deck {
            cassette: self.clone(),
            repeats,
            state: Arc::new(Mutex::new(DeckState {
                played: vec![false; tape.exchanges.len()],
                tape,
                fault: None,
            })),
        }
    }
}

fn read(path: &Path) -> Result<Tape, String> {
    let text = std::fs::read_to_string(path).map_err(|fault| fault.to_string())?;
    serde_json::from_str(&text).map_err(|fault| fault.to_string())
}

/// What stands in the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tape {
    exchanges: Vec<Exchange>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Exchange {
    request: RecordedRequest,
    answer: RecordedAnswer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RecordedRequest {
    method: String,
    url: String,
    #[serde(default, skip_serializing_if = "RecordedBody::is_empty")]
    body: RecordedBody,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RecordedAnswer {
    status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "RecordedBody::is_empty")]
    body: RecordedBody,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordedBody {
    #[default]
    Empty,
    Json(Value),
    Text(String),
    Base64(String),
}

impl RecordedBody {
    fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    fn of(headers: &HeaderMap, body: &Bytes, witness: &Witness) -> Self {
        if body.is_empty() {
            return Self::Empty;
        }
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        if content_type.is_some_and(|text| text.contains("json"))
            && let Ok(value) = serde_json::from_slice(body)
        {
            return Self::Json(witness.value(value));
        }
        match std::str::from_utf8(body) {
            Ok(text) => Self::Text(witness.text(text)),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(body)),
        }
    }

    fn to_bytes(&self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Json(value) => value.to_string().into(),
            Self::Text(text) => text.clone().into(),
            Self::Base64(text) => BASE64_STANDARD.decode(text).unwrap_or_default().into(),
        }
    }
}

/// Headers that belong to the moment or to the connection, and cookies.
const NOT_KEPT: [HeaderName; 4] = [CONTENT_LENGTH, DATE, SET_COOKIE, TRANSFER_ENCODING];

/// Fields of answers that hold what no config variable does and is secret all the same.
const TOKENS: [&str; 5] = [
    "access_token",
    "client_secret",
    "id_token",
    "password",
    "refresh_token",
];

impl RecordedAnswer {
    fn of(answer: &Response<Bytes>, witness: &Witness) -> Self {
        let headers = answer
            .headers()
            .iter()
            .filter(|(name, _)| !NOT_KEPT.contains(name));
        let kept = headers.map(|(name, value)| {
            let text = witness.text(&String::from_utf8_lossy(value.as_bytes()));
            (name.to_string(), text)
        });
        let mut body = RecordedBody::of(answer.headers(), answer.body(), witness);
        if let RecordedBody::Json(value) = &mut body {
            hide_tokens(value);
        }
        Self {
            status: answer.status().as_u16(),
            headers: kept.collect(),
            body,
        }
    }

    fn to_response(&self) -> Result<Response<Bytes>, http::Error> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        response.body(self.body.to_bytes())
    }
}

fn hide_tokens(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide_tokens),
        Value::Object(fields) => {
            for (name, field) in fields {
                if TOKENS.contains(&name.as_str()) && field.is_string() {
                    *field = Value::from(format!("[{name}]"));
                } else {
                    hide_tokens(field);
                }
            }
        }
        _ => {}
    }
}

/// A cassette that is being played or recorded.
pub(crate) struct Deck {
    cassette: Cassette,
    /// Whether an answer is given more than once.
    repeats: bool,
    state: Arc<Mutex<DeckState>>,
}

struct DeckState {
    tape: Tape,
    /// Which of the exchanges have been played.
    played: Vec<bool>,
    /// The first request that is not known.
    fault: Option<String>,
}

impl Deck {
    /// Answers a request: from the tape, or from the network and onto the tape.
    pub(crate) fn answer(
        &self,
        request: Request<Bytes>,
        network: &HttpOutbound,
        witness: &Witness,
    ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
        let wanted = RecordedRequest {
            method: request.method().to_string(),
            url: witness.text(&request.uri().to_string()),
            body: RecordedBody::of(request.headers(), request.body(), witness),
        };
        let host = request.uri().host().unwrap_or_default().to_owned();
        if !self.cassette.recording {
            let answer = self.play(&wanted).and_then(|answer| {
                let made = answer.to_response();
                made.map_err(|fault| format!("the recorded answer cannot be given: {fault}"))
            });
            let answer = answer.map_err(|reason| OutboundError::NoAnswer { host, reason });
            return Box::pin(std::future::ready(answer));
        }
        let (exchange, witness) = (network.send(request), witness.clone());
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            let answer = exchange.await?;
            let exchange = Exchange {
                request: wanted,
                answer: RecordedAnswer::of(&answer, &witness),
            };
            lock(&state).tape.exchanges.push(exchange);
            Ok(answer)
        })
    }

    /// Returns the first answer to this request that has not been given yet.
    fn play(&self, wanted: &RecordedRequest) -> Result<RecordedAnswer, String> {
        let mut state = lock(&self.state);
        let DeckState {
            tape,
            played,
            fault,
        } = &mut *state;
        let known = tape.exchanges.iter().zip(played);
        let alike = known.filter(|(exchange, _)| exchange.request == *wanted);
        let mut last = None;
        for (exchange, played) in alike {
            if !std::mem::replace(played, true) {
                return Ok(exchange.answer.clone());
            }
            last = Some(&exchange.answer);
        }
        if let Some(answer) = last.filter(|_| self.repeats) {
            return Ok(answer.clone());
        }
        let text = format!(
            "the cassette `{}` holds no answer for\n  {}\nit holds{}\nif the request is right, record again with RECORD=1",
            self.cassette.path.display(),
            show(wanted),
            list(tape.exchanges.iter().map(|exchange| &exchange.request)),
        );
        fault.get_or_insert(text);
        Err("the cassette holds no answer for this request".to_owned())
    }

    /// Returns the text for the first request that was not known.
    pub(crate) fn fault(&self) -> Option<String> {
        lock(&self.state).fault.clone()
    }

    /// Writes the file, or says what is on it and was not asked for.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let state = lock(&self.state);
        if self.cassette.recording {
            return write(&self.cassette.path, &state.tape).map_err(|fault| {
                let path = self.cassette.path.display();
                format!("the cassette `{path}` cannot be written: {fault}")
            });
        }
        if state.played.iter().all(|played| *played) {
            return Ok(());
        }
        let exchanges = state.tape.exchanges.iter().zip(&state.played);
        let left = exchanges.filter(|(_, played)| !**played);
        Err(format!(
            "the cassette `{}` holds what was not asked for:{}\nif that is right, record again with RECORD=1",
            self.cassette.path.display(),
            list(left.map(|(exchange, _)| &exchange.request)),
        ))
    }
}

fn write(path: &Path, tape: &Tape) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(tape)?;
    std::fs::write(path, text + "\n")
}

fn show(request: &RecordedRequest) -> String {
    let RecordedRequest { method, url, body } = request;
    let body = match body {
        RecordedBody::Empty => String::new(),
        RecordedBody::Json(value) => format!(" {value}"),
        RecordedBody::Text(text) | RecordedBody::Base64(text) => format!(" {text}"),
    };
    format!("{method} {url}{body}")
}

fn list<'a>(requests: impl Iterator<Item = &'a RecordedRequest>) -> String {
    let lines: Vec<String> = requests.map(show).collect();
    if lines.is_empty() {
        " nothing".to_owned()
    } else {
        format!("\n  {}", lines.join("\n  "))
    }
}

fn lock(state: &Mutex<DeckState>) -> MutexGuard<'_, DeckState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Deck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deck").field(&self.cassette).finish()
    }
}
