//! Says whether a request comes from the sender that it claims to come from, and answers handshakes.
//!
//! Everything is decided from data ([`SignatureScheme`], [`Handshake`](sdk::signature::Handshake)), over the raw bytes of the request,
//! before anything of it is believed. [`sign`] goes the other way with the same data (W42), so that a test can be a sender.
//!
//! The rules, whatever the scheme (W40, W43):
//!
//! - no secret, or only blank ones: refused;
//! - one signature that fits one of the secrets is enough, so that a secret can be changed without a gap; all are compared, in constant
//!   time, and only at full length;
//! - a header that is there twice with different values: refused;
//! - a timestamp may be at most the tolerance away, in the past and in the future; exactly the tolerance is accepted.
//!
//! A [`Refusal`] is for our own log. The caller is told 401 and nothing of which check failed.

mod algorithm;
#[cfg(feature = "asymmetric-signatures")]
mod asymmetric;
mod candidate;
mod draft;
mod handshake;
mod key;
mod reading;
mod refusal;
mod signing;
mod text;
mod window;

#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod provider_tests;
#[cfg(test)]
mod published_tests;
#[cfg(test)]
mod sender;
#[cfg(test)]
mod tests;

use std::fmt;

use http::{HeaderMap, Method};
use sdk::signature::SignatureScheme;
use sdk::{Secret, Timestamp};

use self::reading::Reading;

pub use self::handshake::{HandshakeAnswer, HandshakeKeys, HandshakeOutcome, answer_handshake};
pub use self::refusal::Refusal;
pub use self::signing::{CannotSign, Signed, public_secret, sign};

/// What of a request can be signed.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The public URL of the request with its query, made from the configured public URL and never from `Host` or `X-Forwarded-*`.
    pub url: &'a str,
    /// The headers as received.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte as received.
    pub body: &'a [u8],
}

/// Prints neither URL, headers nor body: all of them can hold secrets.
impl fmt::Debug for SignedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("method", self.method)
            .field("body_length", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A request that was signed by one who knows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// What is the same in every delivery of this event, if the sender gives it. It may itself be unsigned: use it to tell a second
    /// delivery, and only after verification, never as a proof.
    pub delivery_id: Option<String>,
}

/// Verifies that a request was signed by one who knows one of the secrets (W40, W41).
///
/// # Errors
///
/// [`Refusal`] says which check failed; see there.
pub fn verify(
    scheme: &SignatureScheme,
    secrets: &[Secret],
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    if let Some(fault) = scheme.faults().into_iter().next() {
        return Err(Refusal::UnusableScheme { fault });
    }
    let keys = key::keys(&scheme.secret_form, secrets)?;
    let reading = Reading::new(scheme, request);
    for (name, value) in &scheme.demands {
        let found = reading.header(name)?;
        if found != Some(value.as_bytes()) {
            return Err(Refusal::WrongHeader {
                header: name.clone(),
                expected: value.clone(),
            });
        }
    }
    let candidates = candidate::candidates(&reading)?;
    let texts = text::texts(&reading)?;
    if !algorithm::is_proven(scheme.algorithm, &keys, &texts, &candidates)? {
        return Err(Refusal::Mismatch);
    }
    if let Some(timestamp) = &scheme.timestamp {
        window::check(timestamp, &reading.timestamp()?, now)?;
    }
    let delivery_id = match &scheme.id {
        Some(source) => reading.value(source)?,
        None => None,
    };
    Ok(Verified { delivery_id })
}
