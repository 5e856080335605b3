//! Secrets at rest (E56): sealed with a key that lies in a file of its own. And signatures for URLs that nobody may guess.

#[cfg(feature = "server")]
mod keyed;

use std::fmt;
#[cfg(feature = "server")]
use std::path::Path;
use std::path::PathBuf;
#[cfg(feature = "server")]
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

#[cfg(feature = "server")]
use self::keyed::Keyed;

/// The first byte of what was not encrypted.
const CLEAR: u8 = 0;

/// With which key a vault without a key file signs: what it signs is protected from mistakes only.
const CLEAR_SIGNING_KEY: [u8; 32] = *b"for simulations, not for secrets";

/// Why something cannot be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The key file cannot be read or made.
    #[error("the key file `{}` cannot be read or made; change its owner or its permissions, or choose another data folder", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
    /// The key file holds no key.
    #[error("the key file `{}` does not hold a key; put the original back, without it no stored secret can be read", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// It was sealed with another key.
    #[error(
        "the secret was sealed with another key; put back the key file that was in the data folder when it was stored"
    )]
    WrongKey,
    /// Its end is missing.
    #[error("the secret is incomplete; store it again, or restore a backup")]
    Truncated,
    /// It was changed after it was sealed.
    #[error("the secret was changed since it was sealed; store it again, or restore a backup")]
    Tampered,
    /// It was sealed in a way that this version does not know.
    #[error(
        "the secret is sealed in a way that this version does not know: {0}; run the newer version again"
    )]
    Unknown(u8),
}

/// Seals what must not be readable on the disk, and signs what must not be forged. Clones share the key.
#[derive(Clone)]
pub struct Vault(Kind);

#[derive(Clone)]
enum Kind {
    Clear,
    #[cfg(feature = "server")]
    Keyed(Arc<Keyed>),
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Clear => "Vault(clear)",
            #[cfg(feature = "server")]
            Kind::Keyed(_) => "Vault(keyed)",
        })
    }
}

impl Vault {
    /// Makes a vault that encrypts nothing: for a store in memory, whose secrets go with the process.
    pub const fn clear() -> Self {
        Self(Kind::Clear)
    }

    /// Says whether nothing is encrypted.
    #[cfg(feature = "server")]
    pub(crate) fn is_clear(&self) -> bool {
        matches!(self.0, Kind::Clear)
    }

    /// Reads the key from the file `vault.key` in the data folder, or makes both (the file with mode 0600).
    ///
    /// The file is as worth keeping as the secrets themselves: without it none of them can be read. Call it while the store of the
    /// folder is open: its lock keeps two processes from making two keys.
    ///
    /// # Errors
    ///
    /// The file cannot be read or made, or does not hold a key.
    #[cfg(feature = "server")]
    pub fn open(data: &Path) -> Result<Self, VaultError> {
        let keyed = Keyed::open(data)?;
        Ok(Self(Kind::Keyed(Arc::new(keyed))))
    }

    /// Seals something: AES-256-GCM under a random nonce, with the version of the form and the id of the key in front, both
    /// protected too. One key may seal 2³² times.
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        match &self.0 {
            Kind::Clear => [&[CLEAR], plain].concat(),
            #[cfg(feature = "server")]
            Kind::Keyed(keyed) => keyed.seal(plain),
        }
    }

    /// Returns what was sealed.
    ///
    /// # Errors
    ///
    /// It was sealed with another key or by a newer version, it is incomplete, or it was changed.
    pub fn unseal(&self, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (form, rest) = sealed.split_first().ok_or(VaultError::Truncated)?;
        match &self.0 {
            Kind::Clear if *form == CLEAR => Ok(rest.to_vec()),
            // What was sealed is not to be read without the key, nor is a clear text to pass for a sealed one.
            Kind::Clear => Err(VaultError::WrongKey),
            #[cfg(feature = "server")]
            Kind::Keyed(keyed) => keyed.unseal(sealed),
        }
    }

    /// Signs a text with HMAC-SHA256; the signature can stand in a URL as it is.
    pub fn sign(&self, text: &str) -> String {
        let signature = self.mac(text).finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    }

    /// Says whether a signature is that of the text; takes as long for a wrong one as for a right one.
    pub fn verify(&self, text: &str, signature: &str) -> bool {
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature);
        signature.is_ok_and(|signature| self.mac(text).verify_slice(&signature).is_ok())
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let key = match &self.0 {
            Kind::Clear => &CLEAR_SIGNING_KEY,
            #[cfg(feature = "server")]
            Kind::Keyed(keyed) => keyed.signing_key(),
        };
        mac(key, text)
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(key: &[u8; 32], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac
}
