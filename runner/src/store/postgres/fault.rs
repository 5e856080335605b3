//! What a database says when it does not do something, in the words of the store.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Why a store in a PostgreSQL database cannot be used (operation.md 2). The cause is the `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The URL is none.
    #[error(
        "the URL of the store cannot be used; write it like `postgres://USER:PASSWORD@HOST:5432/DATABASE`"
    )]
    Url(#[source] Error),
    /// It asks for an encryption that there is none of.
    #[error(
        "`sslmode={0}` in the URL of the store is not known; use `disable`, `prefer`, `require` or `verify-full`"
    )]
    Mode(String),
    /// The file of its root certificates cannot be used.
    #[error("the file `{}`, which `sslrootcert` in the URL of the store names, cannot be read or holds no certificate", .0.display())]
    Certificates(std::path::PathBuf),
    /// Nothing can be encrypted.
    #[error("connections to the database cannot be encrypted")]
    Encryption(#[source] tokio_rustls::rustls::Error),
    /// The database cannot be reached, or lets nobody in.
    #[error(
        "the database of the store cannot be reached; start it, or correct host, port, user and password in `--store`"
    )]
    Unreachable(#[source] Error),
    /// The database was reached and says nothing.
    #[error("the database of the store does not answer; see what keeps it from it")]
    Silent,
    /// The database does not let the user do it.
    #[error(
        "the user of the store may not make its tables; let that user own the database, or make a schema `runner` for it"
    )]
    Forbidden(#[source] Error),
    /// The database was written by a newer version (G9).
    #[error(
        "the database of the store has schema {found}, and this version knows only {known}; run the newer version again"
    )]
    Newer {
        /// The schema that it has.
        found: usize,
        /// The newest schema that this version knows.
        known: usize,
    },
    /// The schema `runner` belongs to another program.
    #[error(
        "the schema `runner` of this database belongs to another program; choose another database"
    )]
    Foreign,
    /// Its texts are in an encoding that cannot hold every text.
    #[error("the database of the store is encoded as {0}; make one with `ENCODING 'UTF8'`")]
    Encoding(String),
    /// The secrets in it were sealed with another key.
    #[error(
        "the secrets in the database of the store were sealed with another key; copy `vault.key` from the data folder of the process \
         that made it into this one"
    )]
    OtherKey,
    /// Another process became active on the database, because this one gave no sign of life (G4).
    #[error(
        "another process has taken over the database of the store; start this one again, and it stands by"
    )]
    TakenOver,
    /// The database refuses to do what is needed.
    #[error("the database of the store does not do what is needed")]
    Refused(#[source] Error),
    /// The system gives no thread for it.
    #[error("no thread can be started for the store; raise the limits of this process")]
    Thread(#[source] std::io::Error),
}

impl From<Error> for PostgresError {
    fn from(fault: Error) -> Self {
        match fault.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Self::Forbidden(fault),
            Some(_) => Self::Refused(fault),
            None => Self::Unreachable(fault),
        }
    }
}

impl From<Fault> for PostgresError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Database(fault) => fault.into(),
            Fault::Silent | Fault::Damaged(_) | Fault::Closed => Self::Silent,
        }
    }
}

impl PostgresError {
    /// Says whether the connection on which it happened is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Silent => true,
            Self::Refused(fault) => is_broken(fault),
            _ => false,
        }
    }

    /// Says whether it may go by itself.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Silent => true,
            // No room, a lock that is held, or a statement that took too long.
            Self::Refused(fault) => {
                let code = fault.code().map_or("", SqlState::code);
                is_broken(fault) || code.starts_with("53") || ["55P03", "57014"].contains(&code)
            }
            _ => false,
        }
    }
}

/// Why nothing came of a question.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database did not answer it.
    Database(Error),
    /// The answer cannot be understood.
    Damaged(String),
    /// The database did not answer in time.
    Silent,
    /// Nobody answers any more: the store is closed.
    Closed,
}

impl From<Error> for Fault {
    fn from(fault: Error) -> Self {
        Self::Database(fault)
    }
}

impl Fault {
    /// Says whether the connection, and not what was asked, is at fault.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Database(fault) => is_broken(fault),
            Self::Silent => true,
            Self::Damaged(_) | Self::Closed => false,
        }
    }

    /// Says whether there was no room.
    pub(super) fn is_full(&self) -> bool {
        let full = [SqlState::DISK_FULL, SqlState::OUT_OF_MEMORY];
        matches!(self, Self::Database(fault) if fault.code().is_some_and(|code| full.contains(code)))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let is_full = fault.is_full();
        match fault {
            Fault::Damaged(text) => Self::Damaged(text),
            Fault::Silent => Self::Unavailable("it took too long".to_owned()),
            Fault::Closed => Self::Unavailable("it is closed".to_owned()),
            Fault::Database(fault) if is_full => Self::Full(text(&fault)),
            Fault::Database(fault) => Self::Unavailable(text(&fault)),
        }
    }
}

/// Says whether an error means that this connection is of no use any more: it is gone, or it leads to a server that takes no writes.
fn is_broken(fault: &Error) -> bool {
    match fault.code() {
        Some(code) => {
            let code = code.code();
            code.starts_with("08") || code.starts_with("57P") || code == "25006" || code == "25P03"
        }
        None => {
            let from_system =
                |cause: &(dyn std::error::Error + 'static)| cause.is::<std::io::Error>();
            fault.is_closed() || std::error::Error::source(fault).is_some_and(from_system)
        }
    }
}

/// Puts an error with its cause into one line.
pub(super) fn text(fault: &Error) -> String {
    match std::error::Error::source(fault) {
        Some(cause) => format!("{fault}: {cause}"),
        None => fault.to_string(),
    }
}
