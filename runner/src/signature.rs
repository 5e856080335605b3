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
//! Nothing here does IO. Where the key stands in a certificate that the request names, [`certificate_url`] says which URL that is, once
//! everything but the signature is right, and whoever may fetch hands the [`Certificate`] over.
//!
//! A [`Refusal`] is for our own log. The caller is told 401 and nothing of which check failed.

mod algorithm;
#[cfg(feature = "asymmetric-signatures")]
mod asymmetric;
mod candidate;
mod certificate;
#[cfg(feature = "asymmetric-signatures")]
mod certified;
mod draft;
mod handshake;
mod key;
mod reading;
mod refusal;
mod signing;
mod text;
#[cfg(not(feature = "asymmetric-signatures"))]
mod uncertified;
mod window;

#[cfg(test)]
#[cfg(feature = "asymmetric-signatures")]
mod certificate_tests;
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
#[cfg(not(feature = "asymmetric-signatures"))]
use self::uncertified as certified;

pub use self::certificate::{allowed_url, certificate_url};
pub use self::certified::Certificate;
pub use self::handshake::{HandshakeAnswer, HandshakeKeys, HandshakeOutcome, answer_handshake};
pub use self::refusal::Refusal;
pub use self::signing::{CannotSign, CertifiedKey, Signed, SigningKeys, public_secret, sign};

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

/// By what a request is verified.
#[derive(Clone, Copy, Debug)]
pub struct VerifyKeys<'a> {
    /// The secrets, of which one is enough.
    pub secrets: &'a [Secret],
    /// The certificate that the request names, for schemes that have one; [`certificate_url`] says where it is to be had.
    pub certificate: Option<&'a Certificate>,
}

impl<'a> From<&'a [Secret]> for VerifyKeys<'a> {
    fn from(secrets: &'a [Secret]) -> Self {
        Self {
            secrets,
            certificate: None,
        }
    }
}

impl<'a, const N: usize> From<&'a [Secret; N]> for VerifyKeys<'a> {
    fn from(secrets: &'a [Secret; N]) -> Self {
        secrets.as_slice().into()
    }
}

/// Verifies that a request was signed by one who knows one of the secrets; with a certificate, by its holder and for one of the secrets
/// (W40, W41).
///
/// # Errors
///
/// [`Refusal`] says which check failed; see there.
pub fn verify<'a>(
    scheme: &SignatureScheme,
    keys: impl Into<VerifyKeys<'a>>,
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    let given = keys.into();
    let keys = usable_keys(scheme, given.secrets)?;
    let reading = Reading::new(scheme, request);
    check_demands(&reading)?;
    if let Some(source) = &scheme.certificate {
        let claim = certificate::claim(source, &reading, &keys, now)?;
        let certificate = given.certificate.ok_or(Refusal::NoCertificate)?;
        certificate.check(source, &claim.url, now)?;
        certificate.prove(claim.hash, &claim.texts, &claim.candidates)?;
    } else {
        let candidates = candidate::candidates(&reading)?;
        let signed = keys.iter().map(|key| {
            let texts = text::texts(&reading, key)?;
            Ok((key.as_slice(), texts))
        });
        let signed: Vec<_> = signed.collect::<Result<_, Refusal>>()?;
        if !algorithm::is_proven(scheme.algorithm, &signed, &candidates)? {
            return Err(Refusal::Mismatch);
        }
        if let Some(timestamp) = &scheme.timestamp {
            window::check(timestamp, &reading.timestamp()?, now)?;
        }
    }
    let delivery_id = match &scheme.id {
        Some(source) => reading.value(source)?,
        None => None,
    };
    Ok(Verified { delivery_id })
}

fn usable_keys(scheme: &SignatureScheme, secrets: &[Secret]) -> Result<Vec<Vec<u8>>, Refusal> {
    if let Some(fault) = scheme.faults().into_iter().next() {
        return Err(Refusal::UnusableScheme { fault });
    }
    key::keys(&scheme.secret_form, secrets)
}

fn check_demands(reading: &Reading<'_>) -> Result<(), Refusal> {
    for (name, value) in &reading.scheme.demands {
        let found = reading.header(name)?;
        if found != Some(value.as_bytes()) {
            return Err(Refusal::WrongHeader {
                header: name.clone(),
                expected: value.clone(),
            });
        }
    }
    Ok(())
}
