//! The file that holds the token of the management API.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sdk::Secret;

use crate::entropy::Entropy;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The file cannot be read or written.
    #[error(
        "the token of the management API cannot be kept in `{}`; change its owner or its permissions, or delete it to get a new token",
        file.display()
    )]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner can read the file.
    #[error(
        "`{}` holds the token of the management API and can be read by others; delete it to get a new token, or run `chmod 600` on it",
        .0.display()
    )]
    Readable(PathBuf),
    /// There is no token in the file.
    #[error("`{}` holds no token; delete it to get a new one", .0.display())]
    Empty(PathBuf),
}

/// Shorter texts are no token of ours: somebody may have cut the file.
const SHORTEST: usize = 32;

/// Returns the file in a data folder.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("admin-token")
}

/// Reads the token, or makes it if there is no file.
pub(super) fn read_or_make(file: &Path) -> Result<Secret, AccessError> {
    let unusable = |source| AccessError::Unusable {
        file: file.to_owned(),
        source,
    };
    match fs::metadata(file) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            Err(AccessError::Readable(file.to_owned()))
        }
        Ok(_) => {
            let text = fs::read_to_string(file).map_err(unusable)?;
            if text.trim().len() < SHORTEST {
                return Err(AccessError::Empty(file.to_owned()));
            }
            Ok(Secret::new(text.trim()))
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => make(file).map_err(unusable),
        Err(fault) => Err(unusable(fault)),
    }
}

/// The file is there whole or not at all: a crash leaves no empty token behind.
fn make(file: &Path) -> io::Result<Secret> {
    let entropy = Entropy::system();
    // Twice 144 bits.
    let token = format!("{}{}", entropy.unguessable(), entropy.unguessable());
    let new = file.with_extension("new");
    match fs::remove_file(&new) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let mut written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    writeln!(written, "{token}")?;
    written.sync_all()?;
    fs::rename(&new, file)?;
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(folder.path());
        let made = read_or_make(&file).unwrap();
        assert_eq!(made.expose().len(), 48);
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(read_or_make(&file).unwrap(), made);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_cut_off_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(folder.path());
        read_or_make(&file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_or_make(&file), Err(AccessError::Readable(_))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "short\n").unwrap();
        let refusal = read_or_make(&file).unwrap_err().to_string();
        assert!(refusal.ends_with("holds no token; delete it to get a new one"));
    }
}
