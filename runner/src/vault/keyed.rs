//! The vault with a key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use hmac::Mac as _;

use super::{VaultError, mac};

/// The name of the key file: 64 hexadecimal digits.
const FILE: &str = "vault.key";

/// The first byte of what is sealed: AES-256-GCM, 4 bytes of key id, 12 of nonce, the cipher text, 16 of tag.
const FORM: u8 = 1;

const HEAD: usize = 5;
const NONCE: usize = 12;
const TAG: usize = 16;

/// A key and what is derived from it: one for each use, so that none tells anything about another.
pub(super) struct Keyed {
    cipher: Aes256Gcm,
    signing: [u8; 32],
    head: [u8; HEAD],
}

impl Keyed {
    pub(super) fn open(data: &Path) -> Result<Self, VaultError> {
        let path = data.join(FILE);
        let unreadable = |cause| VaultError::Unreadable {
            path: path.clone(),
            cause,
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == ErrorKind::NotFound => {
                make(data, &path).map_err(unreadable)?
            }
            Err(fault) if fault.kind() == ErrorKind::InvalidData => String::new(),
            Err(fault) => return Err(unreadable(fault)),
        };
        warn_if_open(&path);
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim_end(), &mut key)
            .map_err(|_| VaultError::NoKey { path: path.clone() })?;
        Ok(Self::new(&key))
    }

    fn new(key: &[u8; 32]) -> Self {
        let derive = |purpose| -> [u8; 32] { mac(key, purpose).finalize().into_bytes().into() };
        let [a, b, c, d, ..] = derive("runner vault 1: id");
        Self {
            cipher: Aes256Gcm::new(&derive("runner vault 1: seal").into()),
            signing: derive("runner vault 1: sign"),
            head: [FORM, a, b, c, d],
        }
    }

    pub(super) fn signing_key(&self) -> &[u8; 32] {
        &self.signing
    }

    #[expect(
        clippy::expect_used,
        reason = "a system without randomness cannot keep secrets, and nobody seals 64 GiB"
    )]
    pub(super) fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).expect("the system has randomness");
        let message = Payload {
            msg: plain,
            aad: &self.head,
        };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), message);
        let sealed = sealed.expect("the text is below 64 GiB");
        [&self.head[..], &nonce, &sealed].concat()
    }

    pub(super) fn unseal(&self, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (head, rest) = sealed
            .split_first_chunk::<HEAD>()
            .ok_or(VaultError::Truncated)?;
        match head {
            [FORM, ..] if *head == self.head => {}
            // What was not sealed does not pass for what was.
            [FORM | super::CLEAR, ..] => return Err(VaultError::WrongKey),
            [form, ..] => return Err(VaultError::Unknown(*form)),
        }
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE>()
            .ok_or(VaultError::Truncated)?;
        if sealed.len() < TAG {
            return Err(VaultError::Truncated);
        }
        let message = Payload {
            msg: sealed,
            aad: head,
        };
        let plain = self.cipher.decrypt(&Nonce::from(*nonce), message);
        plain.map_err(|_| VaultError::Tampered)
    }
}

/// Makes a key and keeps it: complete and synced before it has its name, so that a crash leaves a key or none.
fn make(data: &Path, path: &Path) -> io::Result<String> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data)?;

    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let text = hex::encode(key);
    let new = path.with_extension("key.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(data)?.sync_all()?;
    Ok(text)
}

#[cfg(unix)]
fn warn_if_open(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
        tracing::warn!(file = %path.display(), "others can read the key of the stored secrets; `chmod 600` it");
    }
}

#[cfg(not(unix))]
fn warn_if_open(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::super::{Vault, VaultError};
    use super::FILE;

    fn vault() -> (tempfile::TempDir, Vault) {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(&folder.path().join("data")).unwrap();
        (folder, vault)
    }

    // E56: encrypted at rest.
    #[test]
    fn what_was_sealed_is_unsealed_with_the_same_key_file_only() {
        let (folder, vault) = vault();
        let sealed = vault.seal(b"canary-secret");
        let text = String::from_utf8_lossy(&sealed);
        assert!(!text.contains("canary"), "{text}");
        assert_ne!(
            sealed,
            vault.seal(b"canary-secret"),
            "each has a nonce of its own"
        );
        let again = Vault::open(&folder.path().join("data")).unwrap();
        assert_eq!(again.unseal(&sealed).unwrap(), b"canary-secret");
        assert_eq!(again.unseal(&again.seal(b"")).unwrap(), b"");
        let (_other, other) = self::vault();
        assert!(matches!(other.unseal(&sealed), Err(VaultError::WrongKey)));
        assert!(matches!(
            Vault::clear().unseal(&sealed),
            Err(VaultError::WrongKey)
        ));
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_found() {
        let (_folder, vault) = vault();
        let sealed = vault.seal(b"secret");
        for length in 0..sealed.len() {
            let cut = vault.unseal(&sealed[..length]).unwrap_err();
            let expected = matches!(cut, VaultError::Truncated)
                || (length >= 33 && matches!(cut, VaultError::Tampered));
            assert!(expected, "{length}: {cut:?}");
        }
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            let refusal = vault.unseal(&changed).unwrap_err();
            let expected = match place {
                0..5 => matches!(refusal, VaultError::WrongKey),
                _ => matches!(refusal, VaultError::Tampered),
            };
            assert!(expected, "{place}: {refusal:?}");
        }
        let mut newer = sealed;
        newer[0] = 9;
        assert!(matches!(vault.unseal(&newer), Err(VaultError::Unknown(9))));
    }

    #[test]
    fn a_clear_text_does_not_pass_for_a_sealed_one() {
        let (_folder, vault) = vault();
        let clear = Vault::clear().seal(b"not sealed at all, and long enough to be");
        assert!(matches!(vault.unseal(&clear), Err(VaultError::WrongKey)));
        assert_eq!(Vault::clear().unseal(&clear).unwrap(), clear[1..]);
    }

    #[test]
    fn a_signature_holds_for_its_text_and_its_key() {
        let (_folder, vault) = vault();
        let signature = vault.sign("result/1?until=2");
        assert_eq!(signature.len(), 43);
        assert!(vault.verify("result/1?until=2", &signature));
        assert!(!vault.verify("result/1?until=3", &signature));
        for wrong in ["", &signature[..42], &format!("{signature}A"), "é"] {
            assert!(!vault.verify("result/1?until=2", wrong), "{wrong}");
        }
        let (_other, other) = self::vault();
        assert!(!other.verify("result/1?until=2", &signature));
        assert!(!Vault::clear().verify("result/1?until=2", &signature));
        assert!(Vault::clear().verify("a", &Vault::clear().sign("a")));
    }

    #[test]
    fn a_key_file_without_a_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "abc", &"0".repeat(63), &"0".repeat(66), &"x".repeat(64)] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let refusal = Vault::open(folder.path()).unwrap_err();
            assert!(matches!(refusal, VaultError::NoKey { .. }), "{refusal:?}");
            let left = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
            assert_eq!(left, text);
        }
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        std::fs::create_dir(folder.path().join(FILE)).unwrap();
        let refusal = Vault::open(folder.path()).unwrap_err();
        assert!(
            matches!(refusal, VaultError::Unreadable { .. }),
            "{refusal:?}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, _vault) = vault();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path().join("data")), 0o700);
        assert_eq!(mode(folder.path().join("data").join(FILE)), 0o600);
    }

    #[test]
    fn a_vault_shows_no_key() {
        let (folder, vault) = vault();
        let key = std::fs::read_to_string(folder.path().join("data").join(FILE)).unwrap();
        assert!(!format!("{vault:?}").contains(key.trim()));
        assert_eq!(format!("{vault:?}"), "Vault(keyed)");
    }
}
