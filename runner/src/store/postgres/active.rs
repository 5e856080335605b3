//! One process at a time is active on a database (G4). Who holds a lock of the database may become it; who became it last is told by a
//! number in a row, and every transaction that writes looks at that row. A process that waits watches the pulse of the active one.
//!
//! The lock belongs to the connection that writes and goes with it, so the next process has it as soon as the system has closed the
//! connection of one that died. A process that is paused, or cut off, keeps its connection: it is ended from here when its pulse stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::address::Address;
use super::fault::PostgresError;
use super::schema;
use super::session::{LIMIT, Session};
use crate::vault::Vault;

/// The lock, of which each database has its own: `RUNR`, and which of ours.
const LOCK: [i32; 2] = [0x5255_4e52, 1];

/// The connections that hold the lock.
const HOLDERS: &str = "pg_locks WHERE locktype = 'advisory' AND granted AND classid = $1::int::oid AND objid = $2::int::oid \
    AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// How long a process that waits looks away at most, before it looks whether it may be active.
const LOOK: Duration = Duration::from_secs(1);

/// What is sealed and kept, to know the key again.
const KEY_CHECK: &[u8] = b"runner";

/// A process that is active, wants to be, or was.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) address: Arc<Address>,
    pub(super) runtime: Handle,
    pub(super) vault: Vault,
    /// Without a beat for so long an active process has lost its claim.
    pub(super) lease: Duration,
    pub(super) migrations: &'static [&'static str],
}

/// The connection that writes, and what makes it the one.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) session: Session,
    pub(super) hold: Hold,
}

/// What is known of the connection that writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) epoch: i64,
    /// The highest position that was ever given.
    pub(super) position: i64,
    /// The process of the database that serves the connection.
    backend: i32,
}

/// How long the active process has been without a beat.
#[derive(Debug, Default)]
pub(super) struct Watch {
    beats: Option<i64>,
    silent: Duration,
    /// The connection was made anew: the active process may have lost its own as well, and comes back first.
    yields: bool,
}

impl Candidate {
    /// Connects, and refuses a database that this process cannot use.
    pub(super) async fn connect(&self) -> Result<Session, PostgresError> {
        let session = Session::open(&self.address, &self.runtime).await?;
        in_time(self.examine(&session)).await?;
        Ok(session)
    }

    async fn examine(&self, session: &Session) -> Result<(), PostgresError> {
        let encoding = "SELECT current_setting('server_encoding')";
        let encoding: String = session.client.query_one(encoding, &[]).await?.try_get(0)?;
        if encoding != "UTF8" {
            return Err(PostgresError::Encoding(encoding));
        }
        if schema::check(session, self.migrations).await? > 0 {
            self.check_key(session).await?;
        }
        Ok(())
    }

    /// Waits until it may be active, and becomes it. `session` is the connection that it has.
    pub(super) async fn wait(
        &self,
        session: Session,
        mut watch: Watch,
    ) -> Result<Held, PostgresError> {
        let mut kept = Some(session);
        // The process before this one may just be ending.
        let mut pause = SHORTEST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            watch.silent += pause;
            pause = (pause * 2).min(LOOK);
            let session = match kept.take().filter(|session| !session.is_closed()) {
                Some(session) => session,
                None => match self.connect().await {
                    Ok(new) => {
                        watch = Watch {
                            yields: true,
                            ..Watch::default()
                        };
                        new
                    }
                    Err(fault) if fault.may_pass() => continue,
                    Err(fault) => return Err(fault),
                },
            };
            match self.look(&session, &mut watch).await {
                Ok(Some(hold)) => return Ok(Held { session, hold }),
                Ok(None) => kept = Some(session),
                // It is silent, or leads to a server that takes no writes (any more): another one is made.
                Err(fault) if fault.is_broken() => {}
                Err(fault) if fault.may_pass() => kept = Some(session),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Becomes active if nobody else is.
    pub(super) async fn try_once(
        &self,
        session: Session,
    ) -> Result<Result<Held, Session>, PostgresError> {
        let taken = self.look(&session, &mut Watch::default()).await?;
        Ok(match taken {
            Some(hold) => Ok(Held { session, hold }),
            None => Err(session),
        })
    }

    async fn look(
        &self,
        session: &Session,
        watch: &mut Watch,
    ) -> Result<Option<Hold>, PostgresError> {
        if !watch.yields && in_time(lock(session)).await? {
            // Tables are brought forward in whatever time that takes.
            schema::migrate(session, self.migrations).await?;
            return in_time(self.begin_epoch(session)).await.map(Some);
        }
        let beats = in_time(beats(session)).await?;
        if watch.beats != Some(beats) {
            // There is one that beats.
            watch.yields &= watch.beats.is_none();
            watch.beats = Some(beats);
            watch.silent = Duration::ZERO;
            return Ok(None);
        }
        if watch.silent > self.lease {
            watch.silent = Duration::ZERO;
            watch.yields = false;
            in_time(end_holder(session)).await?;
        }
        Ok(None)
    }

    /// Begins a new epoch: whoever was active before writes no more. The first one leaves something to try the key with.
    async fn begin_epoch(&self, session: &Session) -> Result<Hold, PostgresError> {
        let client = &session.client;
        if !self.check_key(session).await? {
            let sealed = self.vault.seal(KEY_CHECK);
            let sql = "INSERT INTO key_check (sealed) VALUES ($1)";
            client.execute(sql, &[&sealed]).await?;
        }
        // Waits for a transaction of the one before, if there is one still.
        let sql = "UPDATE active SET epoch = epoch + 1 RETURNING epoch";
        let epoch: i64 = client.query_one(sql, &[]).await?.try_get(0)?;
        let sql = "UPDATE pulse SET epoch = $1, beats = beats + 1";
        client.execute(sql, &[&epoch]).await?;
        hold(session, epoch).await
    }

    /// Comes back after the connection was lost, if nobody else became active meanwhile.
    pub(super) async fn come_back(&self, lost: &Held) -> Result<Held, PostgresError> {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.try_to_come_back(lost).await {
                Ok(Some(held)) => return Ok(held),
                Ok(None) => {}
                Err(fault) if fault.may_pass() => {}
                Err(fault) => return Err(fault),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK);
        }
    }

    async fn try_to_come_back(&self, lost: &Held) -> Result<Option<Held>, PostgresError> {
        let session = self.connect().await?;
        let hold = in_time(hold_again(&session, lost.hold)).await?;
        Ok(hold.map(|hold| Held { session, hold }))
    }

    /// Looks whether the secrets in the database can be read; returns whether there is something to try it with. Changes nothing.
    async fn check_key(&self, session: &Session) -> Result<bool, PostgresError> {
        let sql = "SELECT sealed FROM key_check LIMIT 1";
        match session.client.query_opt(sql, &[]).await? {
            Some(row) => match self.vault.unseal(row.try_get(0)?) {
                Ok(_) => Ok(true),
                Err(_) => Err(PostgresError::OtherKey),
            },
            None => Ok(false),
        }
    }
}

/// Waits no longer than it is waited for any answer.
async fn in_time<T, E>(asked: impl Future<Output = Result<T, E>>) -> Result<T, PostgresError>
where
    E: Into<PostgresError>,
{
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(PostgresError::Silent),
    }
}

/// How long it looks away at first.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Gives a sign of life; returns whether the process is still the active one.
pub(super) async fn beat(session: &Session, epoch: i64) -> Result<bool, tokio_postgres::Error> {
    let sql = "UPDATE pulse SET beats = beats + 1 WHERE epoch = $1 RETURNING beats";
    Ok(session.query_opt(sql, &[&epoch]).await?.is_some())
}

async fn lock(session: &Session) -> Result<bool, tokio_postgres::Error> {
    let sql = "SELECT pg_try_advisory_lock($1, $2)";
    let row = session.client.query_one(sql, &[&LOCK[0], &LOCK[1]]).await?;
    row.try_get(0)
}

/// Takes the lock on a new connection after the one that had it was lost, unless another process became active meanwhile.
async fn hold_again(session: &Session, lost: Hold) -> Result<Option<Hold>, PostgresError> {
    let has_lock = lock(session).await?;
    let sql = "SELECT epoch FROM active";
    let epoch: i64 = session.client.query_one(sql, &[]).await?.try_get(0)?;
    if epoch != lost.epoch {
        return Err(PostgresError::TakenOver);
    }
    if !has_lock {
        // Perhaps the database does not know yet that the old connection is dead.
        let sql = format!("SELECT pg_terminate_backend(pid) FROM {HOLDERS} AND pid = $3");
        let ours: [&(dyn ToSql + Sync); 3] = [&LOCK[0], &LOCK[1], &lost.backend];
        session.client.query(&sql, &ours).await?;
        return Ok(None);
    }
    hold(session, epoch).await.map(Some)
}

/// Makes a connection that has the lock the one that writes.
async fn hold(session: &Session, epoch: i64) -> Result<Hold, PostgresError> {
    make_durable(session).await?;
    let sql =
        "SELECT pg_backend_pid(), CASE WHEN is_called THEN last_value ELSE 0 END FROM position";
    let row = session.client.query_one(sql, &[]).await?;
    Ok(Hold {
        epoch,
        position: row.try_get(1)?,
        backend: row.try_get(0)?,
    })
}

/// Returns how often the active process has given a sign of life.
async fn beats(session: &Session) -> Result<i64, tokio_postgres::Error> {
    match session
        .client
        .query_one("SELECT beats FROM pulse", &[])
        .await
    {
        Ok(row) => row.try_get(0),
        // The tables are being made.
        Err(fault) if fault.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(0),
        Err(fault) => Err(fault),
    }
}

/// Ends the connection of a process that gives no sign of life: its transaction is undone and its lock free.
async fn end_holder(session: &Session) -> Result<(), tokio_postgres::Error> {
    tracing::warn!("the active process gives no sign of life; its connection is ended");
    let sql = format!("SELECT pg_terminate_backend(pid) FROM {HOLDERS}");
    let ended = session.client.query(&sql, &[&LOCK[0], &LOCK[1]]).await;
    match ended {
        Err(fault) if fault.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            tracing::error!(
                "the connection of the active process belongs to another user of the database; give both processes the same user"
            );
            Ok(())
        }
        ended => ended.map(|_| ()),
    }
}

/// Lets no commit be done before it is on disk, whatever the database or the role has set, or will have set later (G1): a value of the
/// session outlasts a new configuration.
async fn make_durable(session: &Session) -> Result<(), tokio_postgres::Error> {
    let sql = "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
        ELSE current_setting('synchronous_commit') END, false)";
    session.client.query(sql, &[]).await?;
    let row = session
        .client
        .query_one("SELECT current_setting('fsync')", &[]);
    if row.await?.try_get::<_, &str>(0)? == "off" {
        tracing::warn!(
            "the database runs with `fsync = off`: what was accepted may be lost with its power"
        );
    }
    Ok(())
}
