//! Signs as a sender would, for tests.

use std::fmt;

use http::{HeaderName, HeaderValue};
use sdk::signature::{Algorithm, Encoding, Place, SecretForm, SignatureScheme};
use sdk::{Secret, Timestamp};

use super::candidate::encode;
use super::draft::Draft;
use super::{Refusal, SignedRequest, key};

/// What a sender adds to a request when it signs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// Headers to set: signature, timestamp, id, and those that the scheme demands.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The URL to use in place of the request's, if the scheme puts something in it.
    pub url: Option<String>,
    /// The body to use in place of the request's, if the scheme puts something in it.
    pub body: Option<Vec<u8>>,
}

/// By what a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct SigningKeys<'a> {
    /// The secret; for schemes that sign with a private key, that key.
    pub secret: &'a Secret,
    /// The key of a certificate, for schemes that have one. The secret then says for whom the sender signs.
    pub certified: Option<CertifiedKey<'a>>,
}

impl<'a> From<&'a Secret> for SigningKeys<'a> {
    fn from(secret: &'a Secret) -> Self {
        Self {
            secret,
            certified: None,
        }
    }
}

/// The key of a certificate.
#[derive(Clone, Copy)]
pub struct CertifiedKey<'a> {
    /// Where the certificate can be fetched.
    pub url: &'a str,
    /// The private key, PKCS #8, PEM or DER.
    pub private_key: &'a [u8],
}

/// Prints no key.
impl fmt::Debug for CertifiedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertifiedKey")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why a request cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotSign {
    /// The scheme puts something in the body, which must be JSON of the right form for it.
    #[error(
        "the scheme writes to `{pointer}` of a JSON body; send a JSON object that has a place for it"
    )]
    NoPlaceInBody {
        /// JSON pointer to the place.
        pointer: String,
    },
    /// The secret is not a key with which one can sign.
    #[error(
        "the secret is not a private key; give an Ed25519 seed or a P-256 key in PKCS #8, written as the scheme writes keys"
    )]
    NoPrivateKey,
    /// The key of the certificate is missing, or none.
    #[error("the scheme signs under a certificate; give its URL and its RSA key, PKCS #8")]
    NoCertificate,
    /// A value cannot stand in a header.
    #[error("the {what} cannot stand in a header; use visible ASCII letters")]
    NoHeader {
        /// Which value.
        what: &'static str,
    },
    /// What also keeps a request from being verified.
    #[error(transparent)]
    Refusal(#[from] Refusal),
}

/// Signs a request as its sender would, with the same data by which it is verified (W42).
///
/// The timestamp becomes `now`. The delivery id is written where the scheme has one; one that is in the body already stays. For schemes
/// that sign with a private key the secret is that key, and [`public_secret`] gives what verifies it. For schemes with a certificate the
/// [`SigningKeys`] hold its key; the hash is SHA-256.
///
/// # Errors
///
/// [`CannotSign`] says what is in the way: a body in which the scheme has no place for its values, or a secret that is not a key.
pub fn sign<'a>(
    scheme: &SignatureScheme,
    keys: impl Into<SigningKeys<'a>>,
    request: &SignedRequest<'_>,
    now: Timestamp,
    delivery_id: &str,
) -> Result<Signed, CannotSign> {
    if let Some(fault) = scheme.faults().into_iter().next() {
        return Err(Refusal::UnusableScheme { fault }.into());
    }
    let SigningKeys { secret, certified } = keys.into();
    let keys = key::keys(&scheme.secret_form, std::slice::from_ref(secret))?;
    let key = keys.first().ok_or(Refusal::NoSecret)?;
    let mut draft = Draft::new(scheme, request);
    if let Some(source) = &scheme.certificate {
        let url = certified.ok_or(CannotSign::NoCertificate)?.url;
        draft.write_claim(source, secret.expose(), url)?;
    }
    draft.write_around(now, delivery_id)?;
    if let Place::EachElement { list, value } = &scheme.place {
        draft.write_in_each(list, value, secret.expose())?;
        return Ok(draft.finish(request));
    }
    let signature = draft.signature(key, certified.as_ref())?;
    draft.write_signature(&signature)?;
    Ok(draft.finish(request))
}

/// The secret by which a request is verified that was signed with this one.
///
/// It is the same, except for schemes that sign with a private key: then it is the public key, written as the scheme writes keys.
///
/// # Errors
///
/// The secret is not a private key, or the feature `asymmetric-signatures` is off.
pub fn public_secret(scheme: &SignatureScheme, secret: &Secret) -> Result<Secret, CannotSign> {
    if !matches!(scheme.algorithm, Algorithm::Ed25519 | Algorithm::EcdsaP256) {
        return Ok(secret.clone());
    }
    let key = key::key(&scheme.secret_form, secret).map_err(|_| CannotSign::NoPrivateKey)?;
    let public = public_key(scheme.algorithm, &key)?;
    Ok(Secret::new(match &scheme.secret_form {
        SecretForm::Base64 { prefixes } => {
            let prefix = prefixes.first().map_or("", String::as_str);
            format!("{prefix}{}", encode(Encoding::Base64, &public))
        }
        _ => encode(Encoding::Hex, &public),
    }))
}

#[cfg(feature = "asymmetric-signatures")]
fn public_key(algorithm: Algorithm, key: &[u8]) -> Result<Vec<u8>, CannotSign> {
    super::asymmetric::public_key(algorithm, key).ok_or(CannotSign::NoPrivateKey)
}

#[cfg(not(feature = "asymmetric-signatures"))]
fn public_key(_algorithm: Algorithm, _key: &[u8]) -> Result<Vec<u8>, CannotSign> {
    Err(Refusal::NotBuiltIn.into())
}
