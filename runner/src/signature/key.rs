//! Makes keys of secrets.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sdk::Secret;
use sdk::signature::SecretForm;

use super::Refusal;

/// Secrets are copied by people, who lose the padding; signatures are read strictly.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys of those secrets that are not blank.
///
/// A blank secret beside others is left out: it is a second one that has not been filled in. One that cannot be a key is left out if
/// another can.
pub(super) fn keys(form: &SecretForm, secrets: &[Secret]) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut keys = Vec::new();
    let mut refusal = Refusal::NoSecret;
    for secret in secrets.iter().filter(|secret| !secret.is_blank()) {
        match key(form, secret) {
            Ok(key) => keys.push(key),
            Err(reason) => refusal = Refusal::UnusableSecret { reason },
        }
    }
    if keys.is_empty() {
        return Err(refusal);
    }
    Ok(keys)
}

/// The key of one secret. A key of nothing but zeros would let anybody sign, as an empty one would.
pub(super) fn key(form: &SecretForm, secret: &Secret) -> Result<Vec<u8>, &'static str> {
    let text = secret.expose();
    let key = match form {
        SecretForm::Text => text.as_bytes().to_vec(),
        SecretForm::Base64 { prefixes } => {
            let mut endings = prefixes
                .iter()
                .filter_map(|prefix| text.strip_prefix(prefix));
            let ending = endings.next().unwrap_or(text);
            LENIENT
                .decode(ending)
                .map_err(|_| "is not base64 after its prefix; copy it whole")?
        }
        SecretForm::Hex => hex::decode(text).map_err(|_| "is not hexadecimal; copy it whole")?,
        _ => return Err("is of a form that this runner does not know"),
    };
    if key.iter().all(|byte| *byte == 0) {
        return Err("is blank after its prefix; copy it whole");
    }
    Ok(key)
}
