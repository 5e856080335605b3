//! Answers the questions by which senders find out whether an endpoint is there.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use sdk::signature::{Guard, Handshake, JsonValue, Mark, Provider, Reply};
use sdk::{Secret, Timestamp};
use serde_json::{Map, Value};
use subtle::{Choice, ConstantTimeEq as _};

use super::reading::Reading;
use super::text::{SignedText, is_form};
use super::{Certificate, SignedRequest, VerifyKeys, algorithm, allowed_url, key, verify};

/// What is needed to answer handshakes.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandshakeKeys<'a> {
    /// The signing secrets.
    pub signing: &'a [Secret],
    /// The verify tokens that the customer chose (Meta). They travel in URLs, so a signing secret must not be one.
    pub tokens: &'a [Secret],
    /// The certificate that the request names, for schemes that have one.
    pub certificate: Option<&'a Certificate>,
}

/// The answer to a handshake. No execution starts, and nothing is queued.
#[derive(Debug)]
#[non_exhaustive]
pub struct HandshakeAnswer {
    /// What goes back to the sender.
    pub response: Response<Bytes>,
    /// The handshake by name, for example `Slack url_verification`.
    pub handshake: String,
    /// The sender by name, for "endpoint verified by Slack".
    pub provider: String,
    /// How it ended.
    pub outcome: HandshakeOutcome,
}

/// How a handshake ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeOutcome {
    /// The endpoint is verified.
    Verified,
    /// The endpoint is verified, and the sender brought the secret by which it will sign. Keep it before the response is sent.
    ///
    /// Whoever asks first can bring it; so accept it only where the customer expects it.
    SecretBrought(Secret),
    /// The endpoint is verified once this URL has been called by GET and has answered well; until then the sender must be told to ask
    /// again. A token stands in the URL.
    Call(Secret),
    /// The sender says that it will send no more.
    Ended,
    /// The guard did not let it pass; the response says no more than that.
    Refused,
}

/// Answers a request if it is one of the sender's handshakes (W41).
///
/// `None` means that it is none, or one that must be signed and is not: go on as with a delivery, which will be refused in the second case.
pub fn answer_handshake(
    provider: &Provider,
    keys: HandshakeKeys<'_>,
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Option<HandshakeAnswer> {
    let reading = Reading::new(&provider.scheme, request);
    let handshake = provider
        .handshakes
        .iter()
        .find(|handshake| is_asked(handshake, &reading))?;
    let (response, outcome) = match pass(handshake, provider, keys, &reading, now)? {
        Passage::Free => {
            let response = respond(handshake, &reading, None)?;
            (response, passed(handshake, &reading))
        }
        Passage::SignedWith(secret) => {
            let response = respond(handshake, &reading, Some(secret))?;
            (response, passed(handshake, &reading))
        }
        Passage::Brought(secret) => {
            let response = respond(handshake, &reading, None)?;
            (response, HandshakeOutcome::SecretBrought(secret))
        }
        Passage::Refused(status) => (empty(status), HandshakeOutcome::Refused),
    };
    let response = match outcome {
        HandshakeOutcome::Refused if response.status().is_success() => {
            empty(StatusCode::UNAUTHORIZED)
        }
        _ => response,
    };
    Some(HandshakeAnswer {
        response,
        handshake: handshake.name.clone(),
        provider: provider.name.clone(),
        outcome,
    })
}

/// What a handshake comes to that its guard let pass.
fn passed(handshake: &Handshake, reading: &Reading<'_>) -> HandshakeOutcome {
    if handshake.ends {
        return HandshakeOutcome::Ended;
    }
    let Reply::Call { url, allowed } = &handshake.reply else {
        return HandshakeOutcome::Verified;
    };
    let written = reading.value(url).ok().flatten().unwrap_or_default();
    let is_safe = handshake.guard == Guard::Signature && allowed_url(allowed, &written).is_some();
    if is_safe {
        HandshakeOutcome::Call(Secret::new(written))
    } else {
        HandshakeOutcome::Refused
    }
}

/// What became of a handshake at its guard.
enum Passage<'a> {
    Free,
    SignedWith(&'a Secret),
    Brought(Secret),
    Refused(StatusCode),
}

fn pass<'a>(
    handshake: &Handshake,
    provider: &Provider,
    keys: HandshakeKeys<'a>,
    reading: &Reading<'_>,
    now: Timestamp,
) -> Option<Passage<'a>> {
    match &handshake.guard {
        Guard::Open => Some(Passage::Free),
        Guard::Signature => {
            let signs = |secret: &&Secret| {
                let keys = VerifyKeys {
                    secrets: std::slice::from_ref(*secret),
                    certificate: keys.certificate,
                };
                verify(&provider.scheme, keys, reading.request, now).is_ok()
            };
            keys.signing.iter().find(signs).map(Passage::SignedWith)
        }
        Guard::VerifyToken(source) => {
            let token = reading.value(source).ok().flatten().unwrap_or_default();
            Some(if is_one_of(keys.tokens, &token) {
                Passage::Free
            } else {
                Passage::Refused(StatusCode::FORBIDDEN)
            })
        }
        Guard::FirstSecret(source) => {
            let brought = Secret::new(reading.value(source).ok().flatten()?);
            Some(if brought.is_blank() {
                Passage::Refused(StatusCode::UNAUTHORIZED)
            } else if keys.signing.iter().all(Secret::is_blank) {
                Passage::Brought(brought)
            } else if is_one_of(keys.signing, brought.expose()) {
                Passage::Free
            } else {
                Passage::Refused(StatusCode::UNAUTHORIZED)
            })
        }
        _ => None,
    }
}

fn is_asked(handshake: &Handshake, reading: &Reading<'_>) -> bool {
    handshake.method == *reading.request.method
        && handshake.marks.iter().all(|mark| holds(mark, reading))
}

fn holds(mark: &Mark, reading: &Reading<'_>) -> bool {
    match mark {
        Mark::Has(source) => matches!(reading.value(source), Ok(Some(_))),
        Mark::NoHeader(name) => !reading.request.headers.contains_key(name),
        Mark::Query { name, value } => {
            matches!(reading.query(name), Ok(Some(found)) if found == *value)
        }
        Mark::Body { pointer, value } => {
            let found = reading.json().and_then(|body| body.pointer(pointer));
            found == Some(value)
        }
        Mark::NumberForm(name) => is_number_form(reading, name),
        _ => false,
    }
}

fn is_number_form(reading: &Reading<'_>, name: &str) -> bool {
    let mut pairs = form_urlencoded::parse(reading.request.body);
    let is_number = pairs.next().is_some_and(|(found, value)| {
        let is_whole = value.bytes().all(|digit| digit.is_ascii_digit());
        found == name && is_whole && !value.is_empty()
    });
    is_number && pairs.next().is_none() && is_form(reading).unwrap_or(false)
}

/// Compares with every secret that is not blank, in constant time.
fn is_one_of(secrets: &[Secret], text: &str) -> bool {
    let usable = secrets.iter().filter(|secret| !secret.is_blank());
    let fits = usable.fold(Choice::from(0), |fits, secret| {
        fits | secret.expose().as_bytes().ct_eq(text.as_bytes())
    });
    fits.into()
}

fn respond(
    handshake: &Handshake,
    reading: &Reading<'_>,
    signer: Option<&Secret>,
) -> Option<Response<Bytes>> {
    let mut response = empty(StatusCode::OK);
    match &handshake.reply {
        Reply::Status(status) => *response.status_mut() = *status,
        Reply::Call { .. } => {}
        Reply::Text(source) => {
            let value = reading.value(source).ok().flatten()?;
            let headers = response.headers_mut();
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            headers.insert(CONTENT_TYPE, text);
            let nosniff = HeaderValue::from_static("nosniff");
            headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
            *response.body_mut() = Bytes::from(value);
        }
        Reply::Json(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                object.insert(name.clone(), member(value, reading, signer)?);
            }
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            *response.body_mut() = Bytes::from(Value::Object(object).to_string());
        }
        Reply::Header { name, value } => {
            let name = HeaderName::try_from(name).ok()?;
            let value = reading.value(value).ok().flatten()?;
            let mut value = HeaderValue::try_from(value).ok()?;
            // It may be a secret, which `Debug` must not print.
            value.set_sensitive(true);
            response.headers_mut().insert(name, value);
        }
        _ => return None,
    }
    Some(response)
}

fn member(value: &JsonValue, reading: &Reading<'_>, signer: Option<&Secret>) -> Option<Value> {
    match value {
        JsonValue::Fixed(value) => Some(value.clone()),
        JsonValue::Echo(source) => reading.value(source).ok().flatten().map(Value::String),
        JsonValue::Hmac { value, hash } => {
            let text = reading.value(value).ok().flatten()?;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if !text.bytes().all(is_plain) {
                return None;
            }
            let key = key::key(&reading.scheme.secret_form, signer?).ok()?;
            let text = SignedText(vec![text.as_bytes().into()]);
            let mac = algorithm::hmac(*hash, &key, &text).ok()?;
            Some(hex::encode(mac).into())
        }
        _ => None,
    }
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
