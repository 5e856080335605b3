//! Signatures by a private key, which only the sender has.

use ed25519_dalek as ed25519;
use ed25519_dalek::Signer as _;
use p256::ecdsa;
use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use sdk::signature::{Algorithm, Hash};
use subtle::Choice;

use super::algorithm::digest;
use super::refusal::Refusal;
use super::text::SignedText;

type Comparison<'a> = Box<dyn Fn(&[u8]) -> Choice + 'a>;

const NO_PUBLIC_KEY: Refusal = Refusal::UnusableSecret {
    reason: "is not the public key that the sender shows; copy it whole",
};

/// Ed25519, strictly: weak keys and signatures that fit more than one text are refused.
pub(super) fn ed25519<'a>(key: &[u8], text: &SignedText<'_>) -> Result<Comparison<'a>, Refusal> {
    let key = <&[u8; 32]>::try_from(key).map_err(|_| NO_PUBLIC_KEY)?;
    let key = ed25519::VerifyingKey::from_bytes(key).map_err(|_| NO_PUBLIC_KEY)?;
    if key.is_weak() {
        return Err(NO_PUBLIC_KEY);
    }
    let message = text.0.concat();
    Ok(Box::new(move |candidate| {
        let fits = ed25519::Signature::from_slice(candidate)
            .is_ok_and(|signature| key.verify_strict(&message, &signature).is_ok());
        Choice::from(u8::from(fits))
    }))
}

/// ECDSA on P-256 over SHA-256, in DER.
pub(super) fn ecdsa_p256<'a>(key: &[u8], text: &SignedText<'_>) -> Result<Comparison<'a>, Refusal> {
    let key = ecdsa::VerifyingKey::from_public_key_der(key).map_err(|_| NO_PUBLIC_KEY)?;
    let hash = digest(Hash::Sha256, &[], text);
    Ok(Box::new(move |candidate| {
        let fits = ecdsa::Signature::from_der(candidate)
            .is_ok_and(|signature| key.verify_prehash(&hash, &signature).is_ok());
        Choice::from(u8::from(fits))
    }))
}

/// Signs with a private key: Ed25519 a seed of 32 bytes, alone or with the public key behind it; P-256 PKCS #8 in DER.
pub(super) fn sign(algorithm: Algorithm, key: &[u8], text: &SignedText<'_>) -> Option<Vec<u8>> {
    if algorithm == Algorithm::Ed25519 {
        let signature = ed25519_key(key)?.sign(&text.0.concat());
        return Some(signature.to_bytes().to_vec());
    }
    let key = ecdsa::SigningKey::from_pkcs8_der(key).ok()?;
    let hash = digest(Hash::Sha256, &[], text);
    let signature: ecdsa::Signature = key.sign_prehash(&hash).ok()?;
    Some(signature.to_der().as_bytes().to_vec())
}

/// The public key of a private key, in the form in which it verifies.
pub(super) fn public_key(algorithm: Algorithm, key: &[u8]) -> Option<Vec<u8>> {
    if algorithm == Algorithm::Ed25519 {
        return Some(ed25519_key(key)?.verifying_key().to_bytes().to_vec());
    }
    let key = ecdsa::SigningKey::from_pkcs8_der(key).ok()?;
    let document = key.verifying_key().to_public_key_der().ok()?;
    Some(document.as_bytes().to_vec())
}

fn ed25519_key(key: &[u8]) -> Option<ed25519::SigningKey> {
    match key.len() {
        32 => Some(ed25519::SigningKey::from_bytes(key.try_into().ok()?)),
        64 => ed25519::SigningKey::from_keypair_bytes(key.try_into().ok()?).ok(),
        _ => None,
    }
}
