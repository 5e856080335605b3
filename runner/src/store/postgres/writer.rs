//! The one connection that writes. Whatever waits is committed together and synced once; only then are the callers answered (G1).
//!
//! A group takes three exchanges with the database: whether this process is still the active one, and what decides about refusals;
//! then all changes; then the commit. While there is no connection every commit is refused at once (G7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_postgres::Row;

use super::active::{self, Candidate, Held, Watch};
use super::apply;
use super::facts::{self, Questions};
use super::fault::{Fault, PostgresError};
use super::session::{Ask, LIMIT, Lane, Session};
use crate::store::{Commit, Committed, Standing, StoreError, StoreResult, Write};

/// At most so many commits share a transaction, so that nobody waits for a crowd.
const BATCH_COMMITS: usize = 512;

/// At most so many bytes of payloads and results share a transaction, roughly.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// A way to the database on which a group brings fewer bytes in a millisecond is taken for one on which nothing comes through.
const BYTES_IN_MILLISECOND: usize = 1000;

/// Something that the writer is asked.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) commit: Commit,
    pub(super) answer: oneshot::Sender<StoreResult<Committed>>,
}

impl Job {
    fn answer(self, answer: StoreResult<Committed>) {
        // Whoever asked may have gone; what was done stays done.
        let _ = self.answer.send(answer);
    }
}

/// What the writer lets others know.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) standing: watch::Sender<Standing>,
    /// Whether there is a connection that may write.
    pub(super) is_held: AtomicBool,
    /// Whether a commit was sent whose answer got lost: what stands in the tables is no answer before the old connection is over.
    pub(super) is_in_doubt: AtomicBool,
    /// How many transactions were committed.
    pub(super) transactions: AtomicU64,
}

/// The writer and all that it owns.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) candidate: Arc<Candidate>,
    pub(super) jobs: mpsc::UnboundedReceiver<Job>,
    /// One that was taken and belongs to the next group.
    pub(super) next: Option<Job>,
    pub(super) shared: Arc<Shared>,
    /// The highest position that the database knows of.
    pub(super) position: i64,
    /// Whether the last commit could not be done: the log says it once and not for every commit.
    pub(super) is_in_trouble: bool,
    #[cfg(feature = "crash-points")]
    pub(super) crash_at: Option<crate::store::CrashAt>,
}

/// Why the writer leaves its connection.
enum End {
    /// Nobody can ask any more.
    Closed,
    /// The connection is of no use any more.
    Broken,
    /// Another process is active.
    TakenOver,
}

/// Why a group was not done.
enum Trouble {
    /// One of its statements failed: nothing was done, and the connection is as good as before.
    Statement(Fault),
    /// The connection failed.
    Broken(Fault),
    /// Another process is active: nothing was done.
    TakenOver,
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        if fault.is_broken() {
            Self::Broken(fault)
        } else {
            Self::Statement(fault)
        }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(fault: tokio_postgres::Error) -> Self {
        Fault::from(fault).into()
    }
}

impl Writer {
    /// Waits for its turn if it has none yet, then serves until nobody can ask any more or another process is active.
    pub(super) async fn run(mut self, first: Result<Held, Session>, beats: Lane) {
        let held = match first {
            Ok(held) => Ok(held),
            Err(session) => {
                tracing::info!("another process is active on this database; this one stands by");
                let candidate = Arc::clone(&self.candidate);
                let waiting = async move { candidate.wait(session, Watch::default()).await };
                match self.meanwhile("another process is active", waiting).await {
                    Some(end) => end,
                    None => return,
                }
            }
        };
        let mut held = match held {
            Ok(held) => held,
            Err(fault) => return self.end(fault).await,
        };
        tracing::info!(
            epoch = held.hold.epoch,
            "this process is the active one on its database"
        );
        let (shared, epoch, every) = (
            Arc::clone(&self.shared),
            held.hold.epoch,
            self.candidate.lease / BEATS_IN_LEASE,
        );
        self.candidate
            .runtime
            .spawn(async move { pulse(&beats, epoch, every, &shared).await });
        loop {
            self.position = held.hold.position;
            self.shared.is_in_doubt.store(false, Ordering::Release);
            self.shared.is_held.store(true, Ordering::Release);
            self.shared.standing.send_replace(Standing::Active);
            let end = self.serve(&held).await;
            self.shared.is_held.store(false, Ordering::Release);
            match end {
                End::Closed => return,
                End::TakenOver => return self.end(PostgresError::TakenOver).await,
                End::Broken => {}
            }
            tracing::error!(
                "the connection to the database is lost; nothing is accepted until it is back"
            );
            let candidate = Arc::clone(&self.candidate);
            let coming = async move { candidate.come_back(&held).await };
            held = match self
                .meanwhile("the database cannot be reached", coming)
                .await
            {
                Some(Ok(held)) => held,
                Some(Err(fault)) => return self.end(fault).await,
                None => return,
            };
            tracing::info!("the connection to the database is back");
        }
    }

    /// Refuses whatever is asked until something is done; returns nothing if nobody can ask any more.
    async fn meanwhile<T>(&mut self, why: &str, future: impl Future<Output = T>) -> Option<T> {
        let error = StoreError::Unavailable(why.to_owned());
        refuse(self.next.take(), &error);
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                biased;
                done = &mut future => return Some(done),
                job = self.jobs.recv() => refuse([job?], &error),
            }
        }
    }

    /// Says why nothing will be written any more, and refuses everything from now on.
    async fn end(mut self, fault: PostgresError) {
        let why = fault.to_string();
        tracing::error!("{why}");
        let over = Standing::Over(Arc::new(fault));
        self.shared.standing.send_replace(over);
        self.meanwhile(&why, std::future::pending::<()>()).await;
    }

    async fn serve(&mut self, held: &Held) -> End {
        loop {
            let batch = match self.gather(&held.session).await {
                Ok(batch) => batch,
                Err(end) => return end,
            };
            if let Some(end) = self.serve_batch(held, batch).await {
                return end;
            }
        }
    }

    async fn serve_batch(&mut self, held: &Held, batch: Vec<Job>) -> Option<End> {
        match self.transact(held, &batch).await {
            Ok(committed) => {
                self.is_in_trouble = false;
                for (job, committed) in batch.into_iter().zip(committed) {
                    job.answer(Ok(committed));
                }
                None
            }
            // One commit has spoilt the transaction: each gets its own, so that only that one fails.
            Err(Trouble::Statement(_)) if batch.len() > 1 => {
                let mut jobs = batch.into_iter();
                while let Some(job) = jobs.next() {
                    let end = Box::pin(self.serve_batch(held, vec![job])).await;
                    if end.is_some() {
                        let lost = StoreError::Unavailable("the connection is lost".to_owned());
                        refuse(jobs, &lost);
                        return end;
                    }
                }
                None
            }
            Err(Trouble::Statement(fault)) => {
                let error = StoreError::from(fault);
                if !std::mem::replace(&mut self.is_in_trouble, true) {
                    let points: Vec<_> = batch.iter().map(|job| job.commit.point).collect();
                    tracing::error!(?points, %error, "a commit could not be done; others like it are not told of");
                }
                refuse(batch, &error);
                None
            }
            Err(Trouble::Broken(fault)) => {
                let error = StoreError::from(fault);
                refuse(batch, &error);
                Some(End::Broken)
            }
            Err(Trouble::TakenOver) => {
                let error = StoreError::Unavailable(PostgresError::TakenOver.to_string());
                refuse(batch, &error);
                Some(End::TakenOver)
            }
        }
    }

    /// Does the commits in one transaction; on an error, nothing of any of them is done, or it is in doubt whether all of them are.
    async fn transact(&mut self, held: &Held, jobs: &[Job]) -> Result<Vec<Committed>, Trouble> {
        let shared = Arc::clone(&self.shared);
        let mut is_sent = false;
        let weight = jobs.iter().map(|job| job.commit.weight()).sum();
        let attempt = self.attempt(held, jobs, weight, &mut is_sent);
        let done = tokio::time::timeout(limit(weight), attempt).await;
        let done = done.unwrap_or(Err(Trouble::Broken(Fault::Silent)));
        match done {
            Ok(committed) => {
                shared.transactions.fetch_add(1, Ordering::Relaxed);
                Ok(committed)
            }
            Err(Trouble::Statement(fault)) => {
                let undoing = held.session.client.batch_execute("ROLLBACK");
                match tokio::time::timeout(LIMIT, undoing).await {
                    Ok(Ok(())) => Err(Trouble::Statement(fault)),
                    Ok(Err(fault)) => Err(Trouble::Broken(fault.into())),
                    Err(_) => Err(Trouble::Broken(Fault::Silent)),
                }
            }
            Err(Trouble::Broken(fault)) => {
                shared.is_in_doubt.fetch_or(is_sent, Ordering::AcqRel);
                Err(Trouble::Broken(fault))
            }
            Err(Trouble::TakenOver) => Err(Trouble::TakenOver),
        }
    }

    async fn attempt(
        &mut self,
        held: &Held,
        jobs: &[Job],
        weight: usize,
        is_sent: &mut bool,
    ) -> Result<Vec<Committed>, Trouble> {
        let session = &held.session;
        let commits: Vec<&Commit> = jobs.iter().map(|job| &job.commit).collect();
        let (questions, asked) = Questions::of(&commits);
        let mut asks = vec![
            Ask::plain("BEGIN"),
            // Nobody else becomes active before this transaction has ended.
            Ask::plain("SELECT epoch FROM active FOR SHARE"),
        ];
        if weight > BATCH_BYTES {
            // While something large arrives the transaction counts as idle.
            asks.push(Ask::new(
                "SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true)",
                vec![Box::new(limit(weight).as_millis().to_string())],
            ));
        }
        let begun = asks.len();
        asks.extend(asked);
        let answers = session.pipeline(&asks).await?;
        let (begun, answers) = answers.split_at(begun);
        let epoch = begun.get(1).and_then(|rows| rows.first());
        let epoch = epoch.map(|row| row.try_get(0));
        if epoch.transpose()? != Some(held.hold.epoch) {
            return Err(Trouble::TakenOver);
        }

        let mut facts = questions.read(answers)?;
        let decided: Vec<Option<Committed>> =
            commits.iter().map(|commit| facts.decide(commit)).collect();
        let mut asks = Vec::new();
        let mut position = self.position;
        for (commit, refused) in commits.iter().zip(&decided) {
            if refused.is_none() {
                for write in &commit.writes {
                    apply::apply(write, &mut asks)?;
                }
                position = position.max(facts::position(commit).unwrap_or(position));
            }
        }
        if position > self.position {
            asks.push(apply::raise_position(position));
        }
        let answers = session.pipeline(&asks).await?;

        #[cfg(feature = "crash-points")]
        let dies_behind = self
            .crash_at
            .as_mut()
            .is_some_and(|crash| crash.before_sync(commits.iter().map(|commit| commit.point)));
        *is_sent = true;
        session.pipeline(&[Ask::plain("COMMIT")]).await?;
        #[cfg(feature = "crash-points")]
        if dies_behind {
            crate::store::crash::die();
        }
        self.position = position;
        let done = |commit: &Commit| match commit.writes.as_slice() {
            [Write::Prune(_)] => Ok(Committed::Pruned(pruned(&answers)?)),
            _ => Ok(Committed::Done),
        };
        let decided = decided.into_iter().zip(commits);
        decided
            .map(|(refused, commit)| refused.map_or_else(|| done(commit), Ok))
            .collect()
    }

    /// Takes what waits, within bounds. While one group is on its way the next one gathers by itself.
    async fn gather(&mut self, session: &Session) -> Result<Vec<Job>, End> {
        let first = match self.next.take() {
            Some(job) => job,
            None => tokio::select! {
                biased;
                job = self.jobs.recv() => job.ok_or(End::Closed)?,
                () = session.ended() => return Err(End::Broken),
            },
        };
        let mut is_full = facts::stands_alone(&first.commit);
        let mut weight = first.commit.weight();
        let mut batch = vec![first];
        while !is_full && let Ok(job) = self.jobs.try_recv() {
            if facts::stands_alone(&job.commit) {
                self.next = Some(job);
                break;
            }
            weight += job.commit.weight();
            batch.push(job);
            is_full = batch.len() >= BATCH_COMMITS || weight >= BATCH_BYTES;
        }
        Ok(batch)
    }
}

/// Returns how long a group of this weight may take.
pub(super) fn limit(weight: usize) -> Duration {
    let bringing = u64::try_from(weight / BYTES_IN_MILLISECOND).unwrap_or(u64::MAX);
    LIMIT.saturating_add(Duration::from_millis(bringing))
}

fn refuse(jobs: impl IntoIterator<Item = Job>, error: &StoreError) {
    for job in jobs {
        job.answer(Err(error.clone()));
    }
}

/// After so many beats a connection on which none was answered is left, while there is time for another one.
const BEATS_IN_SILENCE: u32 = 2;

/// So many beats would have come before it counts that none came.
const BEATS_IN_LEASE: u32 = 4;

/// Gives signs of life for as long as the process may write.
async fn pulse(lane: &Lane, epoch: i64, every: Duration, shared: &Shared) {
    loop {
        tokio::time::sleep(every).await;
        if !shared.is_held.load(Ordering::Acquire) {
            continue;
        }
        let Ok(session) = lane.session().await else {
            continue;
        };
        let beating = active::beat(&session, epoch);
        match tokio::time::timeout(every * BEATS_IN_SILENCE, beating).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                let over = Standing::Over(Arc::new(PostgresError::TakenOver));
                shared.standing.send_replace(over);
                return;
            }
            Ok(Err(fault)) => tracing::debug!(%fault, "a sign of life was not given"),
            Err(_) => {
                tracing::debug!("a sign of life was not answered");
                lane.forget(&session).await;
            }
        }
    }
}

/// Adds up what the statements of retention have answered.
fn pruned(answers: &[Vec<Row>]) -> Result<u64, Fault> {
    let rows = answers.iter().flatten();
    rows.map(|row| super::row::count(row, 0)).sum()
}
