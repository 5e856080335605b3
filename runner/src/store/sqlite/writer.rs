//! The one thread that writes. Whatever waits is committed together and synced once; only then are the callers answered (G1).
//!
//! A failed sync is never taken for a done one: the callers hear that the store does not answer, SQLite forgets the transaction and
//! writes its pages anew with the next one, and before that the log is carried over and synced as a proof that the disk works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use rusqlite::{Connection, ErrorCode};
use sdk::id::ExecutionId;
use tokio::sync::oneshot;

use super::apply::{self, Effects};
use super::fault::{is_disk_fault, is_full, store_error};
use super::named::{Lost, NamedFiles};
use super::results::{ResultFile, ResultFolder};
use super::space::Space;
use crate::store::{Commit, Committed, StoreError, StoreResult, Write};

/// At most so many commits share a transaction, so that nobody waits for a crowd.
const BATCH_COMMITS: usize = 512;

/// At most so many bytes of payloads and results share a transaction, roughly.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// After so many bytes, roughly, the log is carried over into the database.
const CHECKPOINT_BYTES: usize = 4 * 1024 * 1024;

/// What is written to the log for each transaction beside what the commits bring, roughly.
const TRANSACTION_BYTES: usize = 48 * 1024;

/// Something that the writer is asked.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) commit: Commit,
    /// Results of the commit that stand in files already.
    pub(super) files: Vec<ResultFile>,
    /// Whether it only asks if a new execution could be accepted.
    pub(super) probe: bool,
    pub(super) answer: oneshot::Sender<StoreResult<Committed>>,
}

impl Job {
    fn accepts(&self) -> bool {
        let accept = |write: &Write| matches!(write, Write::Accept(_));
        self.probe || self.commit.writes.iter().any(accept)
    }

    fn answer(self, answer: StoreResult<Committed>) {
        // Whoever asked may have gone; what was done stays done.
        let _ = self.answer.send(answer);
    }
}

/// What keeps the writer from its work, so that the log says it once and not for every commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// There is no room.
    Full,
    /// Reading, writing or syncing fails.
    Disk,
}

/// The writer and all that it owns.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) db: Connection,
    /// Dropped behind the connection.
    pub(super) files: NamedFiles,
    pub(super) space: Space,
    pub(super) results: ResultFolder,
    /// How many transactions were committed.
    pub(super) transactions: Arc<AtomicU64>,
    /// Roughly how much stands in the log and not in the database.
    pub(super) unchecked: usize,
    pub(super) trouble: Trouble,
    #[cfg(feature = "crash-points")]
    pub(super) crash_at: Option<crate::store::CrashAt>,
}

impl Writer {
    /// Serves until nobody can ask any more; what was asked before that is done.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        self.space.restore();
        while let Ok(first) = jobs.recv() {
            let batch = gather(first, jobs);
            self.serve(batch);
            self.carry_over();
        }
    }

    fn serve(&mut self, batch: Vec<Job>) {
        let batch = self.refuse_without_room(batch);
        if batch.is_empty() {
            return;
        }
        match self.transact(&batch) {
            Ok(committed) => {
                self.recover();
                for (job, committed) in batch.into_iter().zip(committed) {
                    job.answer(Ok(committed));
                }
            }
            Err(fault) if is_disk_fault(&fault) => {
                for job in batch {
                    self.fail(job, &fault);
                }
            }
            // One commit has spoilt the transaction: each gets its own, so that only that one fails.
            Err(_) => {
                for job in batch {
                    self.serve_alone(job);
                }
            }
        }
    }

    fn serve_alone(&mut self, job: Job) {
        let alone = std::slice::from_ref(&job);
        let mut done = self.transact(alone);
        if done.as_ref().is_err_and(is_full) && !job.accepts() {
            // What was accepted before must be able to end, and retention to delete: the reserve makes room, and so does the log
            // once it is carried over and begun anew.
            self.space.release();
            done = self.checkpoint().and_then(|()| self.transact(alone));
        }
        match done {
            Ok(committed) => {
                job.answer(Ok(committed.into_iter().next().unwrap_or(Committed::Done)));
            }
            Err(fault) => self.fail(job, &fault),
        }
    }

    fn refuse_without_room(&mut self, batch: Vec<Job>) -> Vec<Job> {
        if !batch.iter().any(Job::accepts) {
            return batch;
        }
        let Err(reason) = self.space.may_accept(&self.db) else {
            return batch;
        };
        self.note(Trouble::Full, &reason);
        let (refused, rest): (Vec<Job>, _) = batch.into_iter().partition(Job::accepts);
        for job in refused {
            self.discard_files(&job);
            job.answer(Err(StoreError::Full(reason.clone())));
        }
        rest
    }

    /// Does the commits in one transaction; on an error, nothing of any of them is done.
    fn transact(&mut self, jobs: &[Job]) -> rusqlite::Result<Vec<Committed>> {
        match self.attempt(jobs) {
            Ok((committed, effects)) => {
                self.transactions.fetch_add(1, Ordering::Relaxed);
                self.unchecked +=
                    jobs.iter().map(|job| job.commit.weight()).sum::<usize>() + TRANSACTION_BYTES;
                for name in &effects.unneeded {
                    self.results.remove(name);
                }
                Ok(committed)
            }
            Err(fault) => {
                if !self.db.is_autocommit()
                    && let Err(fault) = self.db.execute_batch("ROLLBACK")
                {
                    tracing::error!(%fault, "a transaction could not be rolled back");
                }
                Err(fault)
            }
        }
    }

    fn attempt(&mut self, jobs: &[Job]) -> rusqlite::Result<(Vec<Committed>, Effects)> {
        if let Some(lost) = self.files.lost() {
            let (fault, is_log) = (lost.fault(), matches!(lost, Lost::Log(_)));
            // What the lost log holds and the database does not is saved, as long as it can be read.
            if is_log && self.unchecked > 0 {
                self.checkpoint()?;
            }
            return Err(fault);
        }
        if self.trouble == Trouble::Disk {
            self.checkpoint()?;
        }
        let db = &self.db;
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut effects = Effects::default();
        let mut committed = Vec::with_capacity(jobs.len());
        for job in jobs {
            committed.push(attempt_one(db, job, &mut effects)?);
        }
        if let Some(position) = effects.position {
            apply::raise_position(db, position)?;
        }
        #[cfg(feature = "crash-points")]
        let dies_behind = self
            .crash_at
            .as_mut()
            .is_some_and(|crash| crash.before_sync(jobs.iter().map(|job| job.commit.point)));
        db.prepare_cached("COMMIT")?.execute([])?;
        #[cfg(feature = "crash-points")]
        if dies_behind {
            crate::store::crash::die();
        }
        Ok((committed, effects))
    }

    /// Answers a commit that failed by itself.
    fn fail(&mut self, job: Job, fault: &rusqlite::Error) {
        self.discard_files(&job);
        if let Some(id) = self.accepted_before(&job, fault) {
            return job.answer(Ok(Committed::Duplicate(id)));
        }
        let error = store_error(fault);
        if is_full(fault) {
            self.note(Trouble::Full, &fault.to_string());
        } else if is_disk_fault(fault) {
            self.note(Trouble::Disk, &fault.to_string());
        } else {
            tracing::error!(point = job.commit.point, %fault, "a commit could not be done");
        }
        job.answer(Err(error));
    }

    /// Returns the execution that the job accepts and that was accepted before, if that is why it failed:
    /// the caller did not hear the first answer.
    fn accepted_before(&self, job: &Job, fault: &rusqlite::Error) -> Option<ExecutionId> {
        if fault.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
            return None;
        }
        let accepts = job.commit.writes.iter().filter_map(|write| match write {
            Write::Accept(accept) => Some(&accept.execution.id),
            _ => None,
        });
        let known = |id: &&ExecutionId| apply::key_of(&self.db, id).is_ok_and(|key| key.is_some());
        accepts.into_iter().find(known).cloned()
    }

    fn discard_files(&self, job: &Job) {
        for file in &job.files {
            self.results.remove(&file.name);
        }
    }

    fn note(&mut self, trouble: Trouble, reason: &str) {
        if self.trouble != trouble {
            self.trouble = trouble;
            tracing::error!(
                reason,
                "the store takes no new executions; it goes on by itself when it can"
            );
        }
    }

    /// After a commit that worked: says that all is well again, and makes the reserve anew when there is room.
    fn recover(&mut self) {
        if self.space.is_released() {
            self.space.restore();
        }
        let over = match self.trouble {
            Trouble::None => return,
            Trouble::Full => self.space.may_accept(&self.db).is_ok(),
            Trouble::Disk => true,
        };
        if over {
            self.trouble = Trouble::None;
            tracing::info!("the store takes new executions again");
        }
    }

    fn carry_over(&mut self) {
        if self.unchecked < CHECKPOINT_BYTES || self.trouble == Trouble::Disk {
            return;
        }
        match self.checkpoint() {
            Ok(()) => {}
            Err(fault) if is_full(&fault) => {
                self.space.release();
                self.note(Trouble::Full, &fault.to_string());
            }
            Err(fault) => self.note(Trouble::Disk, &fault.to_string()),
        }
    }

    /// Carries the log over into the database, as far as no reader holds it back, and waits for nobody.
    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        self.db
            .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
            .query_row([], |_| Ok(()))?;
        self.unchecked = 0;
        Ok(())
    }
}

/// Takes what waits, within bounds. As long as more comes when others get to run, it lets them: callers that were answered just now
/// come back at once, and a sync costs as much for one as for all of them.
fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let mut weight = first.commit.weight();
    let mut batch = vec![first];
    loop {
        let before = batch.len();
        while batch.len() < BATCH_COMMITS
            && weight < BATCH_BYTES
            && let Ok(job) = jobs.try_recv()
        {
            weight += job.commit.weight();
            batch.push(job);
        }
        if batch.len() == before {
            return batch;
        }
        std::thread::yield_now();
    }
}

fn attempt_one(db: &Connection, job: &Job, effects: &mut Effects) -> rusqlite::Result<Committed> {
    if job.probe {
        apply::probe(db)?;
    }
    let writes = &job.commit.writes;
    if let Some(refusal) = apply::refusal(db, writes)? {
        let unneeded = job.files.iter().map(|file| file.name.clone());
        effects.unneeded.extend(unneeded);
        return Ok(refusal);
    }
    let pruned = effects.pruned;
    for write in writes {
        apply::apply(db, write, &job.files, effects)?;
    }
    Ok(
        if writes.iter().any(|write| matches!(write, Write::Prune(_))) {
            Committed::Pruned((effects.pruned - pruned) as u64)
        } else {
            Committed::Done
        },
    )
}
