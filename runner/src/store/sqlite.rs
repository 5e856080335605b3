//! The embedded store: one SQLite database on the local disk, for one process (G1, G3, G7, G9).
//!
//! One thread writes and commits in groups, a few read; large results stand in files beside the database. Whatever a caller was
//! told is done has been synced.

mod apply;
mod fault;
mod named;
mod open;
mod prune;
mod read;
mod reader;
mod results;
mod row;
mod schema;
mod space;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use serde_json::Value;
use tokio::sync::oneshot;

use self::fault::store_error;
use self::named::NamedFiles;
pub use self::open::OpenError;
use self::open::Place;
use self::read::OutputData;
use self::reader::Readers;
use self::results::{ResultFile, ResultFolder};
use self::space::Space;
use self::writer::{Job, Trouble, Writer};
use super::sealed;
use super::{
    Commit, Committed, Cursor, ExecutionFilter, InstanceRecord, Point, Store, StoreError,
    StoreResult, Write,
};
use crate::record::{
    Execution, LogRecord, StateEntry, StateKey, StepRecord, StoredAnswer, StoredOutput,
    StoredPayload,
};
use crate::vault::Vault;

/// How a store uses the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Below so many free bytes on the disk nothing new is accepted; what was accepted before goes on. Default 16 MiB.
    pub min_free_bytes: u64,
    /// The size of the file that is given away when the disk is full, so that retention can work. Default 4 MiB; 0 for none.
    pub reserve_bytes: u64,
    /// How large the database may grow, results in files not counted. Default: as large as the disk lets it.
    pub max_bytes: Option<u64>,
    /// Results of more bytes stand in files of their own. Default 256 KiB.
    pub inline_result_bytes: usize,
    /// Where the process dies. Default: nowhere.
    #[cfg(feature = "crash-points")]
    pub crash_at: Option<super::CrashAt>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            min_free_bytes: 16 * 1024 * 1024,
            reserve_bytes: 4 * 1024 * 1024,
            max_bytes: None,
            inline_result_bytes: 256 * 1024,
            #[cfg(feature = "crash-points")]
            crash_at: None,
        }
    }
}

/// A store in a SQLite database. Clones share it; the last one to go waits until everything that was asked is done.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Parts>, Vault);

/// Goes from top to bottom: readers first, so that the writer closes the database last and tidies up; the lock at the very end.
#[derive(Debug)]
struct Parts {
    quick: Readers,
    slow: Readers,
    writer: WriterThread,
    results: ResultFolder,
    inline_result_bytes: usize,
    transactions: Arc<AtomicU64>,
    _lock: File,
}

#[derive(Debug)]
struct WriterThread {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl SqliteStore {
    /// Opens the database at `path`, or makes it, and brings an older one to this version.
    ///
    /// Beside it stand, under the same name with an ending: the write-ahead log (`-wal`, `-shm`), the lock (`-lock`), the reserve
    /// (`-reserve`) and the folder of large results (`-results`). Files that are made are open to their owner only.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] says what is wrong and what to do; nothing was changed but that folders may have been made.
    pub fn open(path: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        Self::open_with(path, options, schema::MIGRATIONS)
    }

    fn open_with(
        path: &Path,
        options: &SqliteOptions,
        migrations: &[&str],
    ) -> Result<Self, OpenError> {
        let place = Place::new(path);
        let lock = place.claim()?;
        let db = place.writer(migrations)?;
        place.limit(&db, options.max_bytes)?;
        let results = ResultFolder::new(place.beside("-results"));
        let transactions = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            db,
            files: NamedFiles::of(&place),
            space: Space {
                folder: place.folder.clone(),
                reserve: place.beside("-reserve"),
                reserve_bytes: options.reserve_bytes,
                min_free_bytes: options.min_free_bytes,
                max_bytes: options.max_bytes,
                released: false,
            },
            results: results.clone(),
            transactions: Arc::clone(&transactions),
            unchecked: 0,
            trouble: Trouble::None,
            #[cfg(feature = "crash-points")]
            crash_at: options.crash_at,
        };
        let parts = Parts {
            quick: Readers::start(&place, "store-read", 1)?,
            slow: Readers::start(&place, "store-list", 2)?,
            writer: start(writer)?,
            results,
            inline_result_bytes: options.inline_result_bytes,
            transactions,
            _lock: lock,
        };
        parts.sweep();
        Ok(Self(Arc::new(parts), Vault::clear()))
    }

    /// Seals the payloads of executions from now on, and reads those that were sealed with the same key. Payloads that were stored
    /// before, in the clear, are read as they are.
    #[must_use]
    pub fn sealing_with(mut self, vault: Vault) -> Self {
        self.1 = vault;
        self
    }

    /// Returns how many transactions were committed and synced since the store was opened; each holds one commit or many.
    pub fn transactions(&self) -> u64 {
        self.0.transactions.load(Ordering::Relaxed)
    }

    /// Asks for something small, which nothing large may hold up.
    fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, StoreResult<T>> {
        ask(&self.0.quick, move |db| {
            read(db).map_err(|fault| store_error(&fault))
        })
    }

    /// Asks for something that may take long.
    fn ask_slowly<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, StoreResult<T>> {
        ask(&self.0.slow, move |db| {
            read(db).map_err(|fault| store_error(&fault))
        })
    }

    /// Hands a commit to the writer at once: it is done even if nobody waits for the answer.
    fn submit(&self, commit: Commit, probe: bool) -> BoxFuture<'static, StoreResult<Committed>> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            commit,
            files: Vec::new(),
            probe,
            answer,
        };
        if let Some(jobs) = &self.0.writer.jobs {
            if self.0.has_large_result(&job.commit) {
                self.0.store_results_first(job, jobs.clone());
            } else {
                let _ = jobs.send(job);
            }
        }
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(closed())) })
    }
}

impl Parts {
    fn has_large_result(&self, commit: &Commit) -> bool {
        commit.writes.iter().any(|write| match write {
            Write::Finish(finish) => finish
                .output
                .as_ref()
                .is_some_and(|output| output.data.len() > self.inline_result_bytes),
            _ => false,
        })
    }

    /// Writes large results to their files, away from the writer, and then hands the commit on.
    fn store_results_first(&self, mut job: Job, jobs: Sender<Job>) {
        let folder = self.results.clone();
        let limit = self.inline_result_bytes;
        self.slow
            .run(move |_| match to_files(&folder, &job.commit, limit) {
                Ok(files) => {
                    job.files = files;
                    let _ = jobs.send(job);
                }
                Err(fault) => {
                    let _ = job.answer.send(Err(fault));
                }
            });
    }

    /// Removes files that a crash has left without a row. What is there now is older than every result to come.
    fn sweep(&self) {
        let folder = self.results.clone();
        let names = match folder.names() {
            Ok(names) => names,
            Err(fault) => {
                tracing::warn!(%fault, "the folder of the results cannot be listed");
                return;
            }
        };
        if names.is_empty() {
            return;
        }
        self.slow.run(move |db| match read::unnamed(db, names) {
            Ok(unnamed) => unnamed.iter().for_each(|name| folder.remove(name)),
            Err(fault) => tracing::warn!(%fault, "results that nothing names were not looked for"),
        });
    }
}

fn start(writer: Writer) -> Result<WriterThread, OpenError> {
    let (sender, jobs) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("store-write".to_owned())
        .spawn(move || writer.run(&jobs))
        .map_err(OpenError::Thread)?;
    Ok(WriterThread {
        jobs: Some(sender),
        thread: Some(thread),
    })
}

fn ask<T: Send + 'static>(
    readers: &Readers,
    read: impl FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
) -> BoxFuture<'static, StoreResult<T>> {
    let (answer, answered) = oneshot::channel();
    readers.run(move |db| {
        let _ = answer.send(read(db));
    });
    Box::pin(async move { answered.await.unwrap_or_else(|_| Err(closed())) })
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".to_owned())
}

/// Writes the results that are larger than `limit`; on an error, none is left.
fn to_files(folder: &ResultFolder, commit: &Commit, limit: usize) -> StoreResult<Vec<ResultFile>> {
    let mut files: Vec<ResultFile> = Vec::new();
    for write in &commit.writes {
        let Write::Finish(finish) = write else {
            continue;
        };
        let Some(output) = &finish.output else {
            continue;
        };
        if output.data.len() <= limit {
            continue;
        }
        match folder.write(&finish.id, &output.data) {
            Ok(file) => files.push(file),
            Err(fault) => {
                for file in &files {
                    folder.remove(&file.name);
                }
                return Err(file_error(&fault));
            }
        }
    }
    Ok(files)
}

fn file_error(fault: &std::io::Error) -> StoreError {
    use std::io::ErrorKind::{FileTooLarge, NotFound, QuotaExceeded, StorageFull};
    let text = format!("a result that stands in a file: {fault}");
    match fault.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full(text),
        NotFound => StoreError::Damaged(text),
        _ => StoreError::Unavailable(text),
    }
}

impl Store for SqliteStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        self.submit(sealed::seal(commit, &self.1), false)
    }

    fn execution<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Execution>>> {
        let id = id.clone();
        self.ask(move |db| read::execution(db, &id))
    }

    fn payload<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Arc<StoredPayload>>>> {
        let (id, vault) = (id.clone(), self.1.clone());
        ask(&self.0.quick, move |db| {
            let found = read::payload(db, &id).map_err(|fault| store_error(&fault))?;
            found
                .map(|payload| sealed::unseal(payload, &vault))
                .transpose()
        })
    }

    fn output<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredOutput>>> {
        let id = id.clone();
        let folder = self.0.results.clone();
        ask(&self.0.slow, move |db| {
            let found = read::output(db, &id).map_err(|fault| store_error(&fault))?;
            let Some((head, data)) = found else {
                return Ok(None);
            };
            let data = match data {
                OutputData::Row(data) => data,
                OutputData::File(name) => match folder.read(&name) {
                    Ok(data) => data,
                    // Pruned since the row was read.
                    Err(_) if matches!(read::output(db, &id), Ok(None)) => return Ok(None),
                    Err(fault) => return Err(file_error(&fault)),
                },
            };
            Ok(Some(head.with(data)))
        })
    }

    fn answer<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredAnswer>>> {
        let id = id.clone();
        self.ask(move |db| read::answer(db, &id))
    }

    fn claimant<'a>(
        &'a self,
        value: &'a str,
        at: Timestamp,
    ) -> BoxFuture<'a, StoreResult<Option<ExecutionId>>> {
        let value = value.to_owned();
        self.ask(move |db| read::claimant(db, &value, at))
    }

    fn steps<'a>(
        &'a self,
        journal: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Vec<StepRecord>>> {
        let journal = journal.clone();
        self.ask(move |db| read::steps(db, &journal))
    }

    fn logs<'a>(
        &'a self,
        id: &'a ExecutionId,
        from: u32,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<LogRecord>>> {
        let id = id.clone();
        self.ask_slowly(move |db| read::logs(db, &id, from, limit))
    }

    fn executions<'a>(
        &'a self,
        filter: &'a ExecutionFilter,
        cursor: Option<&'a Cursor>,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<Execution>>> {
        let filter = filter.clone();
        let cursor = cursor.cloned();
        self.ask_slowly(move |db| read::executions(db, &filter, cursor.as_ref(), limit))
    }

    fn unfinished(&self, after: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<Execution>>> {
        self.ask_slowly(move |db| read::unfinished(db, after, limit))
    }

    fn last_position(&self) -> BoxFuture<'_, StoreResult<u64>> {
        self.ask(read::last_position)
    }

    fn state<'a>(&'a self, key: &'a StateKey) -> BoxFuture<'a, StoreResult<(Option<Value>, u64)>> {
        let key = key.clone();
        self.ask(move |db| read::state(db, &key))
    }

    fn states<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(StateKey, StateEntry)>>> {
        let instance = instance.clone();
        self.ask_slowly(move |db| read::states(db, &instance))
    }

    fn state_size<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, StoreResult<u64>> {
        let instance = instance.clone();
        self.ask(move |db| read::state_size(db, &instance))
    }

    fn instances(&self) -> BoxFuture<'_, StoreResult<Vec<Arc<InstanceRecord>>>> {
        self.ask_slowly(read::instances)
    }

    fn last_ticks<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(FlowKey, Timestamp)>>> {
        let instance = instance.clone();
        self.ask(move |db| read::last_ticks(db, &instance))
    }

    /// Writes and syncs something that means nothing: only so does a disk say that it works.
    fn check(&self) -> BoxFuture<'_, StoreResult<()>> {
        let answered = self.submit(Commit::new(Point::Check, Vec::new()), true);
        Box::pin(async move { answered.await.map(|_| ()) })
    }
}
