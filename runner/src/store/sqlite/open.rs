//! Opening the database: its folder, its lock, its settings, and every way in which that can go wrong.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::schema::{self, SchemaFault};

/// How long a statement waits for a lock that somebody else holds, a backup for example.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How often, and how long apart, the lock of the store is tried: a process that somebody begins holds all files of the one that begins
/// it for a moment, also those that are closed meanwhile.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

/// Why a store cannot be opened (operation.md 2). The cause is the `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be made, or nothing can be written in it.
    #[error("the folder `{}` cannot be written; change its owner or its permissions, or choose another one", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The file cannot be read or written.
    #[error("the store `{}` cannot be read and written; change its owner or its permissions, or choose another one", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system or the database says.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process uses it.
    #[error("the store `{}` is in use by another process; stop that one, or choose another data folder", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer version (G9).
    #[error("the store `{}` has schema {found}, and this version knows only {known}; run the newer version again", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema that it has.
        found: usize,
        /// The newest schema that this version knows.
        known: usize,
    },
    /// The file is something else.
    #[error("`{}` is not a store of the runner; choose another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was a store, and is damaged.
    #[error("the store `{}` is damaged; put a backup in its place, or move it away to begin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database says.
        #[source]
        cause: rusqlite::Error,
    },
    /// There is no room to open it.
    #[error("there is no room for the store `{}`; free disk space and start again", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no thread for it.
    #[error("no thread can be started for the store; raise the limits of this process")]
    Thread(#[source] io::Error),
}

/// Tries for a lock until nobody else holds it, or it was tried often enough.
fn patiently(
    mut attempt: impl FnMut() -> Result<(), TryLockError>,
    pause: impl Fn(),
) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match attempt() {
            Err(TryLockError::WouldBlock) => pause(),
            end => return end,
        }
    }
    attempt()
}

/// The files of a store.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The database.
    pub(super) database: PathBuf,
    /// The folder in which it stands.
    pub(super) folder: PathBuf,
}

impl Place {
    pub(super) fn new(database: &Path) -> Self {
        let folder = match database.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Self {
            database: database.to_owned(),
            folder,
        }
    }

    /// Returns the path of a file or folder that belongs to the database.
    pub(super) fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.database.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    /// Makes the folders, each open to its owner only, and takes the lock; it holds as long as the file is open.
    pub(super) fn claim(&self) -> Result<File, OpenError> {
        for folder in [&self.folder, &self.beside("-results")] {
            make_folder(folder).map_err(|cause| OpenError::Folder {
                path: folder.clone(),
                cause,
            })?;
        }
        let mut options = OpenOptions::new();
        let lock = private(options.create(true).truncate(false).write(true))
            .open(self.beside("-lock"))
            .map_err(|cause| OpenError::Folder {
                path: self.folder.clone(),
                cause,
            })?;
        match patiently(|| lock.try_lock(), || std::thread::sleep(LOCK_PAUSE)) {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                path: self.database.clone(),
            }),
            Err(TryLockError::Error(cause)) => Err(self.unwritable(cause)),
        }
    }

    /// Opens the connection that writes, and brings the schema to this version.
    pub(super) fn writer(&self, migrations: &[&str]) -> Result<Connection, OpenError> {
        self.check_not_emptied()?;
        let mut options = OpenOptions::new();
        private(options.create(true).truncate(false).read(true).write(true))
            .open(&self.database)
            .map_err(|cause| self.unwritable(cause))?;
        let mut db = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        self.prepare(&mut db, migrations)
            .map_err(|fault| self.explain(fault))?;
        Ok(db)
    }

    /// Refuses a database of no bytes beside a log that holds some: there was one, and a new one in its place would hide that it is gone.
    /// A database that is being made has its header before it has a log.
    fn check_not_emptied(&self) -> Result<(), OpenError> {
        let bytes = |path: &Path| fs::metadata(path).map(|file| file.len());
        let is_emptied = bytes(&self.database).is_ok_and(|bytes| bytes == 0)
            && bytes(&self.beside("-wal")).is_ok_and(|bytes| bytes > 0);
        if !is_emptied {
            return Ok(());
        }
        let text = "it is empty, and its log is not".to_owned();
        Err(OpenError::Damaged {
            path: self.database.clone(),
            cause: rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(text)),
        })
    }

    /// Bounds the size of the database.
    pub(super) fn limit(&self, db: &Connection, max_bytes: Option<u64>) -> Result<(), OpenError> {
        let Some(max_bytes) = max_bytes else {
            return Ok(());
        };
        let limit = || {
            let page_size: u32 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = u32::try_from(max_bytes / u64::from(page_size.max(1))).unwrap_or(u32::MAX);
            db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        };
        limit().map_err(|fault: rusqlite::Error| self.explain(fault.into()))
    }

    /// Opens a connection that reads.
    pub(super) fn reader(&self) -> Result<Connection, OpenError> {
        let db = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.pragma_update(None, "cache_size", -1024)
            .map_err(|fault| self.explain(fault.into()))?;
        Ok(db)
    }

    fn connect(&self, mode: OpenFlags) -> Result<Connection, OpenError> {
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let db = Connection::open_with_flags(&self.database, flags)?;
            db.set_prepared_statement_cache_capacity(STATEMENTS);
            db.busy_timeout(LOCK_WAIT)?;
            Ok(db)
        };
        open().map_err(|fault: rusqlite::Error| self.explain(fault.into()))
    }

    fn prepare(&self, db: &mut Connection, migrations: &[&str]) -> Result<(), SchemaFault> {
        // A new file takes the page size before anything else; an old one keeps its own.
        db.pragma_update(None, "page_size", 8192)?;
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "wal_autocheckpoint", 0)?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        db.pragma_update(None, "cache_size", -8192)?;
        schema::migrate(db, migrations)?;
        // What an earlier process wrote to the log but could not sync is carried over and synced here, before anything stands on it.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|fault| rusqlite::Error::ToSqlConversionFailure(Box::new(fault)))?;
        Ok(())
    }

    fn unwritable(&self, cause: io::Error) -> OpenError {
        let path = self.database.clone();
        match cause.kind() {
            ErrorKind::StorageFull => OpenError::Full { path },
            _ => OpenError::Unwritable {
                path,
                cause: Box::new(cause),
            },
        }
    }

    fn explain(&self, fault: SchemaFault) -> OpenError {
        let path = self.database.clone();
        let fault = match fault {
            SchemaFault::Newer { found, known } => return OpenError::Newer { path, found, known },
            SchemaFault::Foreign => return OpenError::Foreign { path },
            SchemaFault::Sql(fault) => fault,
        };
        match fault.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign { path },
            Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, cause: fault },
            Some(ErrorCode::DiskFull) => OpenError::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse { path },
            _ => OpenError::Unwritable {
                path,
                cause: Box::new(fault),
            },
        }
    }
}

/// Lets only the owner read and write a file that is made.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use std::fs::TryLockError;

    use super::{LOCK_TRIES, patiently};

    #[test]
    fn a_lock_that_is_held_for_a_moment_is_waited_for_and_one_that_is_kept_is_not() {
        let mut held = 3;
        let for_a_moment = || match held {
            0 => Ok(()),
            _ => {
                held -= 1;
                Err(TryLockError::WouldBlock)
            }
        };
        assert!(patiently(for_a_moment, || {}).is_ok());
        let mut tries = 0;
        let kept = || {
            tries += 1;
            Err(TryLockError::WouldBlock)
        };
        assert!(patiently(kept, || {}).is_err());
        assert_eq!(tries, LOCK_TRIES);
    }
}
