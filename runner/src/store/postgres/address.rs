//! The URL of a database, and what is added to it so that a connection that is dead is noticed.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::fault::PostgresError;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A connection on which nothing came for so long is asked whether it lives, so often, this far apart.
const IDLE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
const PROBE_PAUSE: Duration = Duration::from_secs(3);

/// What was sent and not confirmed for so long ends the connection.
const UNCONFIRMED: Duration = Duration::from_secs(15);

/// Where the database is, and how it is spoken to.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) config: Config,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, PostgresError> {
        let mut config: Config = url.parse().map_err(PostgresError::Url)?;
        if config.get_ssl_mode() == SslMode::Require {
            let text = "sslmode=require`, and this version speaks to databases in the clear only; let a tunnel encrypt it, and say \
                `sslmode=disable";
            return Err(PostgresError::Unsupported(text.to_owned()));
        }
        config
            .keepalives_idle(IDLE)
            .keepalives_interval(PROBE_PAUSE)
            .keepalives_retries(PROBES)
            .tcp_user_timeout(UNCONFIRMED);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_LIMIT);
        }
        if config.get_application_name().is_none() {
            config.application_name("runner");
        }
        Ok(Self { config })
    }
}
