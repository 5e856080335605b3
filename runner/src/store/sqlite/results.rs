//! Large results: each in a file of its own beside the database, so that the database stays small.
//!
//! A file is written and synced before the commit that names it, under a name that no other result has had; so the database names
//! complete files only. What a crash leaves unnamed is swept at the next start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use bytes::Bytes;
use sdk::id::ExecutionId;
use sha2::{Digest as _, Sha256};

use super::open::private;
/// A result that stands in a file.
#[derive(Clone, Debug)]
pub(super) struct ResultFile {
    /// Whose result.
    pub(super) execution: ExecutionId,
    /// The name of the file in the folder.
    pub(super) name: String,
}

/// The folder of the large results.
#[derive(Clone, Debug)]
pub(super) struct ResultFolder(PathBuf);

impl ResultFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Writes and syncs a result, and returns the file that holds it.
    pub(super) fn write(&self, execution: &ExecutionId, data: &[u8]) -> io::Result<ResultFile> {
        let (mut file, name) = self.create(execution)?;
        let written = file.write_all(data).and_then(|()| file.sync_all());
        let written = written.and_then(|()| File::open(&self.0)?.sync_all());
        if let Err(fault) = written {
            self.remove(&name);
            return Err(fault);
        }
        Ok(ResultFile {
            execution: execution.clone(),
            name,
        })
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Bytes> {
        fs::read(self.0.join(name)).map(Bytes::from)
    }

    /// Removes a file that nothing names. One that cannot be removed now is swept at the next start.
    pub(super) fn remove(&self, name: &str) {
        if let Err(fault) = fs::remove_file(self.0.join(name))
            && fault.kind() != ErrorKind::NotFound
        {
            tracing::warn!(file = name, %fault, "a result that is not needed any more could not be removed");
        }
    }

    /// Returns the names of all files.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.0)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn create(&self, execution: &ExecutionId) -> io::Result<(File, String)> {
        let stem = hex::encode(Sha256::digest(execution.as_str()));
        // Two results of one execution can only meet when the first was never committed, or is final: the counter stays small.
        for number in 0_u32.. {
            let name = format!("{stem}.{number}");
            let path = self.0.join(&name);
            match private(OpenOptions::new().write(true).create_new(true)).open(path) {
                Ok(file) => return Ok((file, name)),
                Err(fault) if fault.kind() == ErrorKind::AlreadyExists => {}
                Err(fault) => return Err(fault),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}
