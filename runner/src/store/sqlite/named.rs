//! Whether the files that are written are still the ones at their names: what is committed to a file that was moved away, replaced or
//! deleted is on no disk that the next start looks at (G1, G7).

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Error, ffi};

use super::open::Place;

/// The database and its log, as they were when the store was opened.
#[derive(Debug)]
pub(super) struct NamedFiles {
    database: NamedFile,
    log: NamedFile,
}

/// What became of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost<'a> {
    /// The database, and with it everything.
    Database(&'a Path),
    /// Only the log.
    Log(&'a Path),
}

#[derive(Debug)]
struct NamedFile {
    path: PathBuf,
    /// Which file it is; `None` where the system does not say.
    identity: Option<Identity>,
}

/// The device and the number of a file.
type Identity = (u64, u64);

impl NamedFiles {
    /// Remembers which files these are; the writer must have them open.
    pub(super) fn of(place: &Place) -> Self {
        let named = |path: PathBuf| NamedFile {
            identity: identity(&path),
            path,
        };
        Self {
            database: named(place.database.clone()),
            log: named(place.beside("-wal")),
        }
    }

    /// Returns what is no longer at its name.
    pub(super) fn lost(&self) -> Option<Lost<'_>> {
        if self.database.is_lost() {
            return Some(Lost::Database(&self.database.path));
        }
        self.log.is_lost().then_some(Lost::Log(&self.log.path))
    }
}

impl NamedFile {
    fn is_lost(&self) -> bool {
        self.identity.is_some() && identity(&self.path) != self.identity
    }
}

impl Lost<'_> {
    /// Says so in the way in which SQLite says that a write failed.
    pub(super) fn fault(self) -> Error {
        let (Self::Database(path) | Self::Log(path)) = self;
        let text = format!(
            "`{}` was moved, replaced or deleted while it was in use; put it back, or start the server again on what is there",
            path.display()
        );
        Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED), Some(text))
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<Identity> {
    // A file that is open cannot be moved there.
    None
}
