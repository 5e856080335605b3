//! Room on the disk: the mark above which nothing new is accepted, and the reserve that lets retention work on a full disk.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use rusqlite::Connection;

use super::open::private;

/// Watches the room of one store.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) folder: PathBuf,
    /// The reserve: a file of blanks.
    pub(super) reserve: PathBuf,
    pub(super) reserve_bytes: u64,
    /// Below so many free bytes nothing new is accepted.
    pub(super) min_free_bytes: u64,
    /// How large the database may grow.
    pub(super) max_bytes: Option<u64>,
    pub(super) released: bool,
}

impl Space {
    /// Says whether something new may be accepted; `Err` is the reason why not.
    pub(super) fn may_accept(&self, db: &Connection) -> Result<(), String> {
        let least = self.min_free_bytes;
        // Where the system does not say how much is free, the write itself will.
        let free = self.free().unwrap_or(u64::MAX);
        if free < least {
            return Err(format!(
                "{free} bytes are free on the disk, and new executions are taken from {least} on"
            ));
        }
        let Some(max) = self.max_bytes else {
            return Ok(());
        };
        let left = max.saturating_sub(used(db).unwrap_or(0));
        if left < least {
            return Err(format!(
                "{left} bytes are left of the {max} that the store may take, and new executions are taken from {least} on"
            ));
        }
        Ok(())
    }

    /// Gives the reserve away, so that the disk has room for what is to be deleted. Says whether there was one.
    pub(super) fn release(&mut self) -> bool {
        self.released = self.reserve_bytes > 0;
        fs::remove_file(&self.reserve).is_ok()
    }

    /// Says whether there ought to be a reserve, and is none.
    pub(super) fn is_released(&self) -> bool {
        self.released
    }

    /// Makes the reserve if it is not there and the disk has room for it.
    pub(super) fn restore(&mut self) {
        let kept = fs::metadata(&self.reserve).is_ok_and(|file| file.len() == self.reserve_bytes);
        if self.reserve_bytes == 0 || kept {
            self.released = false;
            return;
        }
        self.released = true;
        let enough = self.min_free_bytes.saturating_add(self.reserve_bytes);
        if self.free().is_ok_and(|free| free < enough) {
            return;
        }
        match self.fill() {
            Ok(()) => self.released = false,
            Err(fault) => {
                self.release();
                if fault.kind() != ErrorKind::StorageFull {
                    tracing::warn!(%fault, "the reserve for a full disk could not be made");
                }
            }
        }
    }

    /// Writes real bytes: a hole would reserve nothing.
    fn fill(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file =
            private(options.create(true).truncate(true).write(true)).open(&self.reserve)?;
        let blanks = [0; 8 * 1024];
        let mut left = self.reserve_bytes;
        while left > 0 {
            let length = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(blanks.len());
            file.write_all(blanks.get(..length).unwrap_or_default())?;
            left -= length as u64;
        }
        file.sync_all()
    }

    #[cfg(unix)]
    fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    #[cfg(not(unix))]
    fn free(&self) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// Returns how many bytes of the database are in use.
fn used(db: &Connection) -> rusqlite::Result<u64> {
    let ask = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
    let pages = ask("page_count")?.saturating_sub(ask("freelist_count")?);
    Ok(u64::from(pages) * u64::from(ask("page_size")?))
}
