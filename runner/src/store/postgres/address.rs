//! The URL of a database: what it asks for, and what is added so that a connection that is dead is noticed.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error, NoTls};

use super::fault::PostgresError;
use super::tls::{Tls, Trust};

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long it may take until a server that was reached lets somebody in.
const ENTRY_LIMIT: Duration = Duration::from_secs(10);

/// A connection on which nothing came for so long is asked whether it lives, so often, this far apart.
const IDLE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
const PROBE_PAUSE: Duration = Duration::from_secs(3);

/// What was sent and not confirmed for so long ends the connection.
const UNCONFIRMED: Duration = Duration::from_secs(15);

/// Where the database is, and how it is spoken to.
#[derive(Debug)]
pub(super) struct Address {
    config: Config,
    tls: Option<Tls>,
}

/// What drives a connection until it ends.
type Driver = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, PostgresError> {
        let (url, wishes) = Wishes::split(url);
        let mut config: Config = url.parse().map_err(PostgresError::Url)?;
        config
            .ssl_mode(wishes.mode()?)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
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
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(Tls::trusting(&wishes.trust())?),
        };
        Ok(Self { config, tls })
    }

    /// Returns how long it may take until one of the hosts has let somebody in.
    pub(super) fn open_limit(&self) -> Duration {
        let config = &self.config;
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        let each = config.get_connect_timeout().copied();
        each.unwrap_or(CONNECT_LIMIT)
            .saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX))
            .saturating_add(ENTRY_LIMIT)
    }

    /// Makes a connection, to the first host that takes writes, and returns what drives it.
    pub(super) async fn connect(&self) -> Result<(Client, Driver), Error> {
        match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                Ok((client, Box::pin(connection)))
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                Ok((client, Box::pin(connection)))
            }
        }
    }
}

/// What the URL says of encryption.
#[derive(Debug, Default)]
struct Wishes {
    mode: Option<String>,
    roots: Option<PathBuf>,
}

impl Wishes {
    /// Takes them out of a URL.
    fn split(url: &str) -> (String, Self) {
        let mut wishes = Self::default();
        let Some((place, query)) = url.split_once('?') else {
            return (url.to_owned(), wishes);
        };
        let mut rest = Vec::new();
        for parameter in query.split('&') {
            let mut pairs = form_urlencoded::parse(parameter.as_bytes());
            match pairs.next() {
                Some((name, value)) if name == "sslmode" => wishes.mode = Some(value.into_owned()),
                Some((name, value)) if name == "sslrootcert" => {
                    wishes.roots = Some(PathBuf::from(value.as_ref()));
                }
                _ => rest.push(parameter),
            }
        }
        (format!("{place}?{}", rest.join("&")), wishes)
    }

    fn mode(&self) -> Result<SslMode, PostgresError> {
        match self.mode.as_deref() {
            None if self.roots.is_some() => Ok(SslMode::Require),
            None | Some("prefer") => Ok(SslMode::Prefer),
            Some("disable") => Ok(SslMode::Disable),
            Some("require" | "verify-full") => Ok(SslMode::Require),
            Some(other) => Err(PostgresError::Mode(other.to_owned())),
        }
    }

    fn trust(&self) -> Trust<'_> {
        match (&self.roots, self.mode.as_deref()) {
            (Some(path), _) => Trust::File(path),
            (None, Some("verify-full")) => Trust::Public,
            (None, _) => Trust::Anybody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_says_how_a_database_is_spoken_to() {
        let file = PathBuf::from("/etc/root certificates.pem");
        for (query, mode, trust) in [
            ("", SslMode::Prefer, Trust::Anybody),
            ("?sslmode=disable", SslMode::Disable, Trust::Anybody),
            (
                "?sslmode=require&connect_timeout=1",
                SslMode::Require,
                Trust::Anybody,
            ),
            ("?sslmode=verify-full", SslMode::Require, Trust::Public),
            (
                "?connect_timeout=1&sslrootcert=/etc/root%20certificates.pem",
                SslMode::Require,
                Trust::File(&file),
            ),
        ] {
            let (url, wishes) = Wishes::split(&format!("postgres://user@host/database{query}"));
            let config: Config = url.parse().unwrap();
            assert_eq!(wishes.mode().unwrap(), mode, "{query}");
            assert_eq!(wishes.trust(), trust, "{query}");
            let limit = query.contains("timeout").then_some(Duration::from_secs(1));
            assert_eq!(config.get_connect_timeout(), limit.as_ref(), "{query}");
        }
        let refusal = Address::parse("postgres://host/database?sslmode=allow").unwrap_err();
        assert!(matches!(refusal, PostgresError::Mode(_)), "{refusal:?}");
        let missing = "postgres://host/database?sslrootcert=/nowhere.pem";
        let refusal = Address::parse(missing).unwrap_err();
        assert!(
            matches!(refusal, PostgresError::Certificates(_)),
            "{refusal:?}"
        );
    }

    #[test]
    fn each_host_of_the_url_has_its_time_and_one_that_takes_writes_is_used() {
        for (url, seconds) in [
            ("postgres://a/database?sslmode=disable", 15),
            ("postgres://a,b:6432/database?sslmode=disable", 20),
            (
                "postgres://a,b/database?sslmode=disable&connect_timeout=30",
                70,
            ),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.open_limit(), Duration::from_secs(seconds), "{url}");
            let wanted = address.config.get_target_session_attrs();
            assert_eq!(wanted, TargetSessionAttrs::ReadWrite, "{url}");
        }
    }
}
