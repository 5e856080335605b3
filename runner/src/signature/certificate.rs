//! Which certificate a request names, and whether it may be fetched.

use sdk::signature::{CertificateHash, CertificateSource, Hash, SignatureScheme, UrlRule};
use sdk::{Secret, Timestamp};
use subtle::{Choice, ConstantTimeEq as _};
use url::Url;

use super::candidate::{self, Candidates};
use super::reading::{Reading, describe};
use super::text::{self, SignedText};
use super::{Refusal, SignedRequest, check_demands, usable_keys, window};

/// No sender writes a longer one.
const LONGEST_URL: usize = 2048;

/// What a request claims: everything of it is right but, perhaps, the signature.
pub(super) struct Claim<'a> {
    pub(super) url: String,
    pub(super) hash: Hash,
    pub(super) candidates: Candidates,
    pub(super) texts: Vec<SignedText<'a>>,
}

/// Returns the URL of the certificate by which a request is to be verified; `None` for schemes without one.
///
/// It is safe to fetch: the scheme allows it, and the request is complete, for one of the secrets, and of this time. So whoever does not
/// know for whom the sender signs cannot have anything fetched.
///
/// # Errors
///
/// [`Refusal`] says what is wrong with the request; [`verify`](super::verify) refuses it for the same reason.
pub fn certificate_url(
    scheme: &SignatureScheme,
    secrets: &[Secret],
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<Option<String>, Refusal> {
    let Some(source) = &scheme.certificate else {
        return Ok(None);
    };
    let keys = usable_keys(scheme, secrets)?;
    let reading = Reading::new(scheme, request);
    check_demands(&reading)?;
    claim(source, &reading, &keys, now).map(|claim| Some(claim.url))
}

/// Checks everything that can be checked without the certificate.
pub(super) fn claim<'a>(
    source: &CertificateSource,
    reading: &Reading<'a>,
    keys: &[Vec<u8>],
    now: Timestamp,
) -> Result<Claim<'a>, Refusal> {
    if cfg!(not(feature = "asymmetric-signatures")) {
        return Err(Refusal::NotBuiltIn);
    }
    if let Some(recipient) = &source.recipient {
        let named = reading.required(recipient)?;
        let is_ours = keys.iter().fold(Choice::from(0), |is_ours, key| {
            is_ours | key.ct_eq(named.as_bytes())
        });
        if !bool::from(is_ours) {
            let what = describe(recipient);
            return Err(Refusal::WrongRecipient { what });
        }
    }
    let candidates = candidate::candidates(reading)?;
    let mut texts = Vec::new();
    for key in keys {
        texts.extend(text::texts(reading, key)?);
    }
    if let Some(timestamp) = &reading.scheme.timestamp {
        window::check(timestamp, &reading.timestamp()?, now)?;
    }
    let written = reading.required(&source.url)?;
    let Some(url) = allowed_url(&source.allowed, &written) else {
        let what = describe(&source.url);
        return Err(Refusal::UrlNotAllowed { what });
    };
    Ok(Claim {
        url: url.into(),
        hash: hash(&source.hash, reading)?,
        candidates,
        texts,
    })
}

fn hash(hash: &CertificateHash, reading: &Reading<'_>) -> Result<Hash, Refusal> {
    match hash {
        CertificateHash::Fixed(hash) => Ok(*hash),
        CertificateHash::Named { source, names } => {
            let written = reading.required(source)?;
            let known = names.iter().find(|(name, _)| *name == written);
            known
                .map(|(_, hash)| *hash)
                .ok_or_else(|| Refusal::Malformed {
                    what: describe(source),
                    reason: "stands for no hash that the scheme knows",
                })
        }
        _ => Err(Refusal::Malformed {
            what: "the hash".to_owned(),
            reason: "is chosen in a way that this runner does not know",
        }),
    }
}

/// Reads a URL that a rule allows. It must be written as it is read: what could be read in two ways (a port, a user, capitals, a
/// backslash, a tab) is not allowed.
pub fn allowed_url(rule: &UrlRule, written: &str) -> Option<Url> {
    if written.len() > LONGEST_URL || !written.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let url = Url::parse(written).ok()?;
    let is_usual = url.as_str() == written
        && (url.scheme() == "https" || (rule.plain && url.scheme() == "http"))
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && (rule.query || url.query().is_none());
    let path = url.path();
    // An escape could be a slash to whoever answers.
    let is_there = path.starts_with(&rule.path_start)
        && path.ends_with(&rule.path_end)
        && path.len() >= rule.path_start.len() + rule.path_end.len()
        && !path.contains('%')
        && UrlRule::is_host(&rule.hosts, url.host_str()?);
    (is_usual && is_there).then_some(url)
}
