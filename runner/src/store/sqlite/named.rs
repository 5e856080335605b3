//! Whether the files that are written are still the ones at their names, with what was written to them: what is committed to a file that
//! was moved away, replaced, overwritten or deleted is on no disk that the next start looks at (G1, G7).

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Error, ffi};

use super::open::Place;

/// The database and its log, as they were when the store was opened.
#[derive(Debug)]
pub(super) struct NamedFiles {
    database: NamedFile,
    log: NamedFile,
    content: Content,
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

/// What is known of the content of the database. Only the writer changes it, and never takes anything from it.
#[derive(Debug)]
struct Content {
    /// Open as long as the store: to close it earlier would let go of the locks that SQLite holds on the same file.
    file: Option<File>,
    seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    changed_at: SystemTime,
    bytes: u64,
    /// How many bytes it has by its header.
    said_bytes: u64,
    /// The counter in the header, which only grows.
    counter: u32,
    /// The version of the schema, which `VACUUM` raises too.
    schema: u32,
}

impl NamedFiles {
    /// Remembers which files these are; the writer must have them open.
    pub(super) fn of(place: &Place) -> Self {
        let named = |path: PathBuf| NamedFile {
            identity: fs::metadata(&path).ok().and_then(|file| identity(&file)),
            path,
        };
        let file = File::open(&place.database).ok();
        let seen = file.as_ref().and_then(Seen::of);
        Self {
            database: named(place.database.clone()),
            log: named(place.beside("-wal")),
            content: Content { file, seen },
        }
    }

    /// Returns what is no longer at its name, or no longer holds what was written to it.
    pub(super) fn lost(&mut self) -> Option<Lost<'_>> {
        let found = self.database.find();
        if found.is_err() || found.is_ok_and(|file| self.content.is_lost(&file)) {
            return Some(Lost::Database(&self.database.path));
        }
        let log = self.log.find();
        log.is_err().then_some(Lost::Log(&self.log.path))
    }
}

impl NamedFile {
    /// Returns the file, if it is the one that it was.
    fn find(&self) -> Result<Metadata, ()> {
        let file = fs::metadata(&self.path).map_err(|_| ())?;
        if self.identity.is_none() || identity(&file) == self.identity {
            Ok(file)
        } else {
            Err(())
        }
    }
}

impl Content {
    fn is_lost(&mut self, found: &Metadata) -> bool {
        let (Some(file), Some(seen)) = (&self.file, self.seen) else {
            return false;
        };
        if found
            .modified()
            .is_ok_and(|changed_at| changed_at == seen.changed_at)
        {
            return false;
        }
        match Seen::of(file) {
            Some(now) if now.follows(seen) => {
                self.seen = Some(now);
                false
            }
            _ => true,
        }
    }
}

impl Seen {
    /// `None` if it is no database.
    fn of(file: &File) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        let mut header = [0; 44];
        read_start(file, &mut header)?;
        if !header.starts_with(b"SQLite format 3\0") {
            return None;
        }
        let number = |at: usize| {
            let field = header.get(at..)?.first_chunk()?;
            Some(u32::from_be_bytes(*field))
        };
        let page_bytes = match u16::from_be_bytes(*header.get(16..)?.first_chunk()?) {
            1 => 65536,
            bytes => u64::from(bytes),
        };
        Some(Self {
            changed_at: metadata.modified().ok()?,
            bytes: metadata.len(),
            said_bytes: u64::from(number(28)?) * page_bytes,
            counter: number(24)?,
            schema: number(40)?,
        })
    }

    /// Says whether this may have become of what was there before: more, or, if somebody ran `VACUUM`, all of it in less room.
    fn follows(&self, before: Self) -> bool {
        let was_vacuumed = self.schema > before.schema && self.bytes == self.said_bytes;
        self.counter >= before.counter && (self.bytes >= before.bytes || was_vacuumed)
    }
}

impl Lost<'_> {
    /// Says so in the way in which SQLite says that a write failed.
    pub(super) fn fault(self) -> Error {
        let (Self::Database(path) | Self::Log(path)) = self;
        let text = format!(
            "`{}` was moved, replaced, overwritten or deleted while it was in use; put it back, or start the server again on what is there",
            path.display()
        );
        Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED), Some(text))
    }
}

#[cfg(unix)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "other systems have no such numbers"
)]
fn identity(file: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_file: &Metadata) -> Option<Identity> {
    // A file that is open cannot be moved there.
    None
}

#[cfg(unix)]
fn read_start(file: &File, buffer: &mut [u8]) -> Option<()> {
    use std::os::unix::fs::FileExt as _;

    file.read_exact_at(buffer, 0).ok()
}

#[cfg(not(unix))]
fn read_start(_file: &File, _buffer: &mut [u8]) -> Option<()> {
    None
}
