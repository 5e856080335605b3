//! The file in the data folder that says where the management API of a running server is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Address {
    admin_url: String,
}

/// The file of a server that runs; it goes when the server is put down.
#[derive(Debug)]
pub(super) struct AddressFile {
    path: PathBuf,
    address: Address,
}

/// Returns the file in a data folder.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("admin.json")
}

/// Reads where the management API is; `None` if no server runs on this data folder.
///
/// # Errors
///
/// The file cannot be read, or somebody wrote something else into it.
pub(super) fn read(data: &Path) -> io::Result<Option<String>> {
    match fs::read(path(data)) {
        Ok(bytes) => {
            let address: Address = serde_json::from_slice(&bytes)?;
            Ok(Some(address.admin_url))
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

impl AddressFile {
    /// Writes where the management API is, for its owner only (mode 0600). The file is there whole or not at all.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(super) fn write(data: &Path, admin_url: &str) -> io::Result<Self> {
        let path = path(data);
        let address = Address {
            admin_url: admin_url.to_owned(),
        };
        let new = path.with_extension("json.new");
        match fs::remove_file(&new) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        writeln!(file, "{}", serde_json::to_string(&address)?)?;
        fs::rename(&new, &path)?;
        Ok(Self { path, address })
    }

    /// Takes the file away, unless another server has written its own address meanwhile.
    pub(super) fn remove(self) {
        let written = fs::read(&self.path).ok();
        let written = written.and_then(|bytes| serde_json::from_slice::<Address>(&bytes).ok());
        if written.is_some_and(|written| written == self.address) {
            // A file that stays behind misleads nobody for long: the command says that nothing answers there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_address_is_there_while_the_server_runs_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let file = AddressFile::write(folder.path(), "http://127.0.0.1:3001").unwrap();
        assert_eq!(
            read(folder.path()).unwrap().as_deref(),
            Some("http://127.0.0.1:3001")
        );
        let mode = fs::metadata(path(folder.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        file.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_server_that_stops_leaves_the_address_of_its_successor() {
        let folder = tempfile::tempdir().unwrap();
        let old = AddressFile::write(folder.path(), "http://127.0.0.1:1").unwrap();
        let new = AddressFile::write(folder.path(), "http://127.0.0.1:2").unwrap();
        old.remove();
        assert_eq!(
            read(folder.path()).unwrap().as_deref(),
            Some("http://127.0.0.1:2")
        );
        new.remove();
    }

    #[test]
    fn a_file_with_something_else_in_it_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(path(folder.path()), "{}").unwrap();
        assert!(read(folder.path()).is_err());
    }
}
