//! The store in a PostgreSQL database: for one active process at a time, behind which others stand by (G1, G3, G4, G7, G9).
//!
//! One connection writes and commits in groups, a few read; large results stand in the database as well. Whatever a caller was told is
//! done has been synced. Who may write is settled in `active`.

mod active;
mod address;
mod apply;
mod facts;
mod fault;
mod prune;
mod read;
mod row;
mod schema;
mod session;
mod tls;
mod writer;

#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sdk::Timestamp;
use sdk::host::BoxFuture;
use sdk::id::{ExecutionId, FlowKey, InstanceId};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use self::active::Candidate;
use self::address::Address;
use self::fault::Fault;
pub use self::fault::PostgresError;
use self::session::{LIMIT, Lane, Session};
use self::writer::{Job, Shared, Writer};
use super::sealed;
use super::{
    Commit, Committed, Cursor, ExecutionFilter, InstanceRecord, Point, Standing, Store, StoreError,
    StoreResult,
};
use crate::record::{
    Execution, LogRecord, StateEntry, StateKey, StepRecord, StoredAnswer, StoredOutput,
    StoredPayload,
};
use crate::vault::Vault;

/// How a store uses its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Without a sign of life for so long the active process has lost its claim, and the next one takes over. Default 20 s.
    pub lease: Duration,
    /// Where the process dies. Default: nowhere.
    #[cfg(feature = "crash-points")]
    pub crash_at: Option<super::CrashAt>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            #[cfg(feature = "crash-points")]
            crash_at: None,
        }
    }
}

/// A store in a PostgreSQL database. Clones share it; the last one to go waits until everything that was asked is done.
#[derive(Clone, Debug)]
pub struct PostgresStore(Arc<Parts>, Vault);

/// Goes from top to bottom: no job comes any more, so that the thread ends.
#[derive(Debug)]
struct Parts {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    quick: Lane,
    slow: Lane,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl PostgresStore {
    /// Connects to a database, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, and becomes the active process on it if there is none;
    /// see [`standing`](Self::standing). Who becomes active makes the tables, in a schema `runner`, or brings them to this version.
    ///
    /// Payloads are sealed with the vault; a database whose secrets were sealed with another key is refused. Blocks until the database
    /// has answered; for a connection it waits 5 seconds at most for each host of the URL, unless that says otherwise with `connect_timeout`,
    /// and 10 more. Only a host that takes writes is used.
    ///
    /// # Errors
    ///
    /// Each [`PostgresError`] says what is wrong and what to do.
    pub fn connect(
        url: &str,
        options: &PostgresOptions,
        vault: Vault,
    ) -> Result<Self, PostgresError> {
        Self::connect_with(url, options, vault, schema::MIGRATIONS)
    }

    fn connect_with(
        url: &str,
        options: &PostgresOptions,
        vault: Vault,
        migrations: &'static [&'static str],
    ) -> Result<Self, PostgresError> {
        let address = Arc::new(Address::parse(url)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(PostgresError::Thread)?;
        let candidate = Candidate {
            address: Arc::clone(&address),
            runtime: runtime.handle().clone(),
            vault: vault.clone(),
            lease: options.lease,
            migrations,
        };
        let shared = Arc::new(Shared {
            standing: watch::Sender::new(Standing::Waiting),
            is_held: AtomicBool::new(false),
            is_in_doubt: AtomicBool::new(false),
            transactions: AtomicU64::new(0),
        });
        let lane =
            |connections| Lane::new(Arc::clone(&address), runtime.handle().clone(), connections);
        let (quick, slow, beats) = (lane(1), lane(2), lane(1));
        let (sender, jobs) = mpsc::unbounded_channel();
        let writer = Writer {
            candidate: Arc::new(candidate),
            jobs,
            next: None,
            shared: Arc::clone(&shared),
            position: 0,
            is_in_trouble: false,
            #[cfg(feature = "crash-points")]
            crash_at: options.crash_at,
        };
        let (told, connected) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let candidate = Arc::clone(&writer.candidate);
                    match begin(&candidate, &writer.shared).await {
                        Ok(first) => {
                            let _ = told.send(Ok(()));
                            writer.run(first, beats).await;
                        }
                        Err(fault) => {
                            let _ = told.send(Err(fault));
                        }
                    }
                });
            })
            .map_err(PostgresError::Thread)?;
        let parts = Parts {
            jobs: Some(sender),
            quick,
            slow,
            shared,
            thread: Some(thread),
        };
        match connected.recv() {
            Ok(Ok(())) => Ok(Self(Arc::new(parts), vault)),
            Ok(Err(fault)) => Err(fault),
            Err(gone) => Err(PostgresError::Thread(std::io::Error::other(gone))),
        }
    }

    /// Returns what this process is to the database, now and from now on.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.0.shared.standing.subscribe()
    }

    /// Returns how many transactions were committed and synced since the store was opened; each holds one commit or many.
    pub fn transactions(&self) -> u64 {
        self.0.shared.transactions.load(Ordering::Relaxed)
    }

    /// Asks something; once more if the connection was lost meanwhile.
    async fn ask<T, R>(&self, lane: &Lane, read: impl Fn(Arc<Session>) -> R) -> StoreResult<T>
    where
        R: Future<Output = Result<T, Fault>>,
    {
        let once = async |session: Arc<Session>| {
            let reading = read(Arc::clone(&session));
            let Ok(answer) = tokio::time::timeout(LIMIT, reading).await else {
                lane.forget(&session).await;
                return Err(Fault::Silent);
            };
            answer
        };
        let session = lane.session().await?;
        match once(Arc::clone(&session)).await {
            Err(fault) if fault.is_broken() && !matches!(fault, Fault::Silent) => {
                // Its end may be said before it ends.
                session.ended().await;
                Ok(once(lane.session().await?).await?)
            }
            answer => Ok(answer?),
        }
    }
}

/// Connects, and becomes active if nobody is.
async fn begin(
    candidate: &Candidate,
    shared: &Shared,
) -> Result<Result<active::Held, Session>, PostgresError> {
    let session = candidate.connect().await?;
    let first = candidate.try_once(session).await?;
    if first.is_ok() {
        shared.standing.send_replace(Standing::Active);
    }
    Ok(first)
}

impl Store for PostgresStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, StoreResult<Committed>> {
        let (answer, answered) = oneshot::channel();
        let commit = sealed::seal(commit, &self.1);
        if let Some(jobs) = &self.0.jobs {
            // Without a writer the job is dropped, and whoever waits for it hears that the store is closed.
            let _ = jobs.send(Job { commit, answer });
        }
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(Fault::Closed.into())) })
    }

    /// After a commit whose answer got lost the tables say nothing certain before the old connection is over: it may still be done.
    fn execution<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Execution>>> {
        Box::pin(async move {
            if self.0.shared.is_in_doubt.load(Ordering::Acquire) {
                let text = "it is not certain yet what was done last";
                return Err(StoreError::Unavailable(text.to_owned()));
            }
            let read = |session: Arc<Session>| async move { read::execution(&session, id).await };
            self.ask(&self.0.quick, read).await
        })
    }

    fn payload<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<Arc<StoredPayload>>>> {
        Box::pin(async move {
            let read = |session: Arc<Session>| async move { read::payload(&session, id).await };
            let found = self.ask(&self.0.quick, read).await?;
            found
                .map(|payload| sealed::unseal(Arc::new(payload), &self.1))
                .transpose()
        })
    }

    fn output<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredOutput>>> {
        let read = move |session: Arc<Session>| async move { read::output(&session, id).await };
        Box::pin(self.ask(&self.0.slow, read))
    }

    fn answer<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Option<StoredAnswer>>> {
        let read = move |session: Arc<Session>| async move { read::answer(&session, id).await };
        Box::pin(self.ask(&self.0.quick, read))
    }

    fn claimant<'a>(
        &'a self,
        value: &'a str,
        at: Timestamp,
    ) -> BoxFuture<'a, StoreResult<Option<ExecutionId>>> {
        let read =
            move |session: Arc<Session>| async move { read::claimant(&session, value, at).await };
        Box::pin(self.ask(&self.0.quick, read))
    }

    fn steps<'a>(
        &'a self,
        journal: &'a ExecutionId,
    ) -> BoxFuture<'a, StoreResult<Vec<StepRecord>>> {
        let read = move |session: Arc<Session>| async move { read::steps(&session, journal).await };
        Box::pin(self.ask(&self.0.quick, read))
    }

    fn logs<'a>(
        &'a self,
        id: &'a ExecutionId,
        from: u32,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<LogRecord>>> {
        let read =
            move |session: Arc<Session>| async move { read::logs(&session, id, from, limit).await };
        Box::pin(self.ask(&self.0.slow, read))
    }

    fn executions<'a>(
        &'a self,
        filter: &'a ExecutionFilter,
        cursor: Option<&'a Cursor>,
        limit: u32,
    ) -> BoxFuture<'a, StoreResult<Vec<Execution>>> {
        let read = move |session: Arc<Session>| async move {
            read::executions(&session, filter, cursor, limit).await
        };
        Box::pin(self.ask(&self.0.slow, read))
    }

    fn unfinished(&self, after: u64, limit: u32) -> BoxFuture<'_, StoreResult<Vec<Execution>>> {
        let read = move |session: Arc<Session>| async move {
            read::unfinished(&session, after, limit).await
        };
        Box::pin(self.ask(&self.0.slow, read))
    }

    fn last_position(&self) -> BoxFuture<'_, StoreResult<u64>> {
        let read = |session: Arc<Session>| async move { read::last_position(&session).await };
        Box::pin(self.ask(&self.0.quick, read))
    }

    fn state<'a>(&'a self, key: &'a StateKey) -> BoxFuture<'a, StoreResult<(Option<Value>, u64)>> {
        let read = move |session: Arc<Session>| async move { read::state(&session, key).await };
        Box::pin(self.ask(&self.0.quick, read))
    }

    fn states<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(StateKey, StateEntry)>>> {
        let read =
            move |session: Arc<Session>| async move { read::states(&session, instance).await };
        Box::pin(self.ask(&self.0.slow, read))
    }

    fn state_size<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, StoreResult<u64>> {
        let read =
            move |session: Arc<Session>| async move { read::state_size(&session, instance).await };
        Box::pin(self.ask(&self.0.quick, read))
    }

    fn instances(&self) -> BoxFuture<'_, StoreResult<Vec<Arc<InstanceRecord>>>> {
        let read = |session: Arc<Session>| async move { read::instances(&session).await };
        Box::pin(self.ask(&self.0.slow, read))
    }

    fn last_ticks<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, StoreResult<Vec<(FlowKey, Timestamp)>>> {
        let read =
            move |session: Arc<Session>| async move { read::last_ticks(&session, instance).await };
        Box::pin(self.ask(&self.0.quick, read))
    }

    /// A commit without changes is one all the same: it looks whether the process is still the active one, which locks a row, and syncs.
    fn check(&self) -> BoxFuture<'_, StoreResult<()>> {
        let answered = self.commit(Commit::new(Point::Check, Vec::new()));
        Box::pin(async move { answered.await.map(|_| ()) })
    }
}
