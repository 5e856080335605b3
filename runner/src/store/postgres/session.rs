//! A connection to the database, and the statements that it keeps prepared.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use super::address::Address;
use super::fault::Fault;

/// What every connection begins with: only our tables are seen, and no setting of the role changes what a statement means.
const BEGIN: &str = "SET search_path TO runner, pg_temp; SET statement_timeout TO '30s'; SET lock_timeout TO '10s'; \
    SET idle_in_transaction_session_timeout TO '10s'; SET client_min_messages TO error";

/// A database that has not answered after so long is taken for one that does not answer.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// A connection.
pub(super) struct Session {
    pub(super) client: Client,
    prepared: Mutex<HashMap<String, Statement>>,
    /// Closed when the connection has ended.
    ended: watch::Receiver<()>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

/// A value for a statement.
pub(super) type Value<'a> = Box<dyn ToSql + Send + Sync + 'a>;

/// A statement with its values.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    sql: &'static str,
    values: Vec<Value<'a>>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(sql: &'static str, values: Vec<Value<'a>>) -> Self {
        Self { sql, values }
    }

    pub(super) fn plain(sql: &'static str) -> Self {
        Self::new(sql, Vec::new())
    }
}

impl Session {
    /// Connects; the connection is driven on this runtime.
    pub(super) async fn open(address: &Address, runtime: &Handle) -> Result<Self, Fault> {
        let opening = Self::open_in_any_time(address, runtime);
        let opened = tokio::time::timeout(address.open_limit(), opening).await;
        Ok(opened.map_err(|_| Fault::Silent)??)
    }

    async fn open_in_any_time(address: &Address, runtime: &Handle) -> Result<Self, Error> {
        let (client, driver) = address.connect().await?;
        let (ending, ended) = watch::channel(());
        runtime.spawn(async move {
            let _ending = ending;
            if let Err(fault) = driver.await {
                tracing::debug!(%fault, "a connection to the database has ended");
            }
        });
        client.batch_execute(BEGIN).await?;
        Ok(Self {
            client,
            prepared: Mutex::default(),
            ended,
        })
    }

    /// Waits for the end of the connection.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // Nothing is ever sent.
        while ended.changed().await.is_ok() {}
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Asks with a statement that is kept prepared.
    pub(super) async fn query(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql).await?;
        self.client.query(&statement, values).await
    }

    /// As [`query`](Self::query), where there is one row or none.
    pub(super) async fn query_opt(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let statement = self.statement(sql).await?;
        self.client.query_opt(&statement, values).await
    }

    /// Sends all statements, in this order, before it waits for the first answer; returns the rows of each. After one that failed the
    /// rest fails as well, as long as all of them stand in one transaction.
    pub(super) async fn pipeline(&self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Row>>, Error> {
        let mut answers = Vec::with_capacity(asks.len());
        for ask in asks {
            let statement = self.statement(ask.sql).await?;
            answers.push(Box::pin(self.send(statement, &ask.values)));
        }
        // What is polled is sent.
        let mut begun = Vec::with_capacity(answers.len());
        for mut answer in answers {
            let first = std::future::poll_fn(|context| {
                Poll::Ready(Future::poll(Pin::as_mut(&mut answer), context))
            });
            begun.push((first.await, answer));
        }
        let mut rows = Vec::with_capacity(begun.len());
        for (first, answer) in begun {
            rows.push(match first {
                Poll::Ready(answer) => answer?,
                Poll::Pending => answer.await?,
            });
        }
        Ok(rows)
    }

    async fn send(&self, statement: Statement, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let values: Vec<&(dyn ToSql + Sync)> = values
            .iter()
            .map(|value| -> &(dyn ToSql + Sync) { &**value })
            .collect();
        self.client.query(&statement, &values).await
    }

    async fn statement(&self, sql: &str) -> Result<Statement, Error> {
        let kept = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        kept().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Connections that read, each used by many at once.
#[derive(Debug)]
pub(super) struct Lane {
    address: Arc<Address>,
    runtime: Handle,
    slots: Vec<Slot>,
    turn: AtomicUsize,
}

/// One connection, once it is needed.
#[derive(Debug, Default)]
struct Slot {
    // Held while a connection is made: the others wait for the same one.
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// How often none could be made.
    failures: AtomicUsize,
}

impl Lane {
    /// Makes a lane of so many connections; each is opened when it is needed.
    pub(super) fn new(address: Arc<Address>, runtime: Handle, connections: usize) -> Self {
        let slots = std::iter::repeat_with(Slot::default);
        Self {
            address,
            runtime,
            slots: slots.take(connections).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Keeps a connection no longer that did not answer in time; whoever still waits on it goes on waiting.
    pub(super) async fn forget(&self, silent: &Arc<Session>) {
        for slot in &self.slots {
            let mut kept = slot.session.lock().await;
            if kept.as_ref().is_some_and(|it| Arc::ptr_eq(it, silent)) {
                *kept = None;
            }
        }
    }

    /// Returns the connection whose turn it is. Who waited for one that could not be made hears of that, and does not try again.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Fault> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let place = turn % self.slots.len().max(1);
        let slot = self.slots.get(place).ok_or(Fault::Closed)?;
        let before = slot.failures.load(Ordering::Acquire);
        let mut kept = slot.session.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        if slot.failures.load(Ordering::Acquire) != before {
            return Err(Fault::Silent);
        }
        let (address, runtime) = (Arc::clone(&self.address), self.runtime.clone());
        let opening = async move { Session::open(&address, &runtime).await };
        let opened = self.runtime.spawn(opening).await.map_err(|_| Fault::Closed);
        match opened.flatten() {
            Ok(session) => {
                let session = Arc::new(session);
                *kept = Some(Arc::clone(&session));
                Ok(session)
            }
            Err(fault) => {
                slot.failures.fetch_add(1, Ordering::AcqRel);
                Err(fault)
            }
        }
    }
}
