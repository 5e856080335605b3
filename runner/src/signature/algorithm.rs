//! Computes and compares.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sdk::signature::{Algorithm, Hash};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

use super::Refusal;
use super::candidate::Candidates;
use super::text::SignedText;

/// Whether one candidate (or every one, if that is asked for) fits one of the texts under one of the keys: `signed` holds each key with
/// the texts that may have been signed with it.
///
/// Every candidate is compared with every text under every key, whether or not one has already fitted.
pub(super) fn is_proven(
    algorithm: Algorithm,
    signed: &[(&[u8], Vec<SignedText<'_>>)],
    candidates: &Candidates,
) -> Result<bool, Refusal> {
    let mut fitting = vec![Choice::from(0); candidates.values.len()];
    for (key, texts) in signed {
        for text in texts {
            let fits = comparison(algorithm, key, text)?;
            for (candidate, fitting) in candidates.values.iter().zip(&mut fitting) {
                *fitting |= fits(candidate);
            }
        }
    }
    let proven = fitting.into_iter().map(bool::from);
    Ok(if candidates.must_all_fit {
        proven.fold(true, |all, fits| all & fits)
    } else {
        proven.fold(false, |any, fits| any | fits)
    })
}

type Comparison<'a> = Box<dyn Fn(&[u8]) -> Choice + 'a>;

/// The test that a candidate must pass under one key and for one text.
fn comparison<'a>(
    algorithm: Algorithm,
    key: &'a [u8],
    text: &'a SignedText<'_>,
) -> Result<Comparison<'a>, Refusal> {
    let expected = match algorithm {
        Algorithm::Hmac(hash) => hmac(hash, key, text)?,
        Algorithm::SecretThenText(hash) => digest(hash, key, text),
        Algorithm::Token => key.to_vec(),
        Algorithm::Ed25519 | Algorithm::EcdsaP256 => return asymmetric(algorithm, key, text),
        _ => {
            return Err(Refusal::Malformed {
                what: "the algorithm".to_owned(),
                reason: "is one that this runner does not know",
            });
        }
    };
    // Slices of different lengths are never equal.
    Ok(Box::new(move |candidate| expected.ct_eq(candidate)))
}

#[cfg(feature = "asymmetric-signatures")]
fn asymmetric<'a>(
    algorithm: Algorithm,
    key: &'a [u8],
    text: &'a SignedText<'_>,
) -> Result<Comparison<'a>, Refusal> {
    match algorithm {
        Algorithm::Ed25519 => super::asymmetric::ed25519(key, text),
        _ => super::asymmetric::ecdsa_p256(key, text),
    }
}

#[cfg(not(feature = "asymmetric-signatures"))]
fn asymmetric<'a>(
    _algorithm: Algorithm,
    _key: &'a [u8],
    _text: &'a SignedText<'_>,
) -> Result<Comparison<'a>, Refusal> {
    Err(Refusal::NotBuiltIn)
}

/// HMAC of a text.
pub(super) fn hmac(hash: Hash, key: &[u8], text: &SignedText<'_>) -> Result<Vec<u8>, Refusal> {
    let made = match hash {
        Hash::Md5 => keyed::<Hmac<Md5>>(key, text),
        Hash::Sha1 => keyed::<Hmac<Sha1>>(key, text),
        Hash::Sha256 => keyed::<Hmac<Sha256>>(key, text),
        Hash::Sha512 => keyed::<Hmac<Sha512>>(key, text),
    };
    made.ok_or(Refusal::UnusableSecret {
        reason: "has a length that HMAC does not take",
    })
}

fn keyed<M: Mac + KeyInit>(key: &[u8], text: &SignedText<'_>) -> Option<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    for piece in &text.0 {
        mac.update(piece);
    }
    Some(mac.finalize().into_bytes().to_vec())
}

/// Plain hash of a key and then a text.
pub(super) fn digest(hash: Hash, key: &[u8], text: &SignedText<'_>) -> Vec<u8> {
    match hash {
        Hash::Md5 => hashed::<Md5>(key, text),
        Hash::Sha1 => hashed::<Sha1>(key, text),
        Hash::Sha256 => hashed::<Sha256>(key, text),
        Hash::Sha512 => hashed::<Sha512>(key, text),
    }
}

fn hashed<D: Digest>(key: &[u8], text: &SignedText<'_>) -> Vec<u8> {
    let mut digest = D::new_with_prefix(key);
    for piece in &text.0 {
        digest.update(piece);
    }
    digest.finalize().to_vec()
}
