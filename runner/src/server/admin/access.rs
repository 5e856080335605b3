//! Who may use the management API: those who show the token, through a name that is this server's, from no foreign page.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri};
use sdk::{Secret, Timestamp};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::attempts::Attempts;
use super::failure::Failure;
use super::token_file;
pub use super::token_file::AccessError;
use crate::server::Peer;

/// Who may use the management API.
///
/// A request needs the token, and a `Host` that is a name of this server: a page whose name was made to point here (DNS rebinding) is
/// refused, and so is a request that a page of another origin sends. Wrong tokens are counted for each address: after five within a
/// minute the address waits.
pub struct Access {
    /// SHA-256 of the token: what is compared has always the same length.
    token: [u8; 32],
    token_file: PathBuf,
    hosts: BTreeSet<String>,
    attempts: Attempts,
}

impl Access {
    /// Reads the token of a data folder, or makes it at the first start: more than 256 random bits, in a file that only its owner can
    /// read (mode 0600).
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, others can read it, or there is no token in it.
    pub fn open(data: &Path) -> Result<Self, AccessError> {
        let file = token_file::path(data);
        let token = token_file::read_or_make(&file)?;
        Ok(Self::new(&token, file))
    }

    /// Takes a token that is kept elsewhere.
    pub fn with_token(token: &Secret) -> Self {
        Self::new(token, PathBuf::new())
    }

    fn new(token: &Secret, token_file: PathBuf) -> Self {
        let hosts = ["localhost", "127.0.0.1", "[::1]"];
        Self {
            token: digest(token.expose().as_bytes()),
            token_file,
            hosts: hosts.into_iter().map(str::to_owned).collect(),
            attempts: Attempts::default(),
        }
    }

    /// Lets the address through on which the server listens.
    #[must_use]
    pub fn for_address(self, address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        self.for_host(&host)
    }

    /// Lets a further name through by which the server is reached, without a port: `runner.internal`.
    #[must_use]
    pub fn for_host(mut self, host: &str) -> Self {
        self.hosts.insert(host.to_ascii_lowercase());
        self
    }

    /// Returns the file that holds the token; empty if it is kept elsewhere.
    pub fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// Lets a request through or refuses it: name, origin, address, token, in this order.
    pub(super) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        peer: Option<Peer>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.check_place(uri, headers)?;
        self.check_token(bearer(headers), peer, now)
    }

    /// Lets a request through whose name and origin are this server's.
    pub(super) fn check_place(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
        let host = self.check_host(uri, headers)?;
        check_origin(headers, &host)
    }

    /// Lets through who shows the token, unless too many wrong ones came from this address.
    pub(super) fn check_token(
        &self,
        shown: Option<&[u8]>,
        peer: Option<Peer>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if let Some(wait) = self.attempts.wait(peer, now) {
            return Err(Failure::too_many_attempts(wait));
        }
        let Some(shown) = shown else {
            return Err(Failure::no_token());
        };
        if bool::from(digest(shown).ct_eq(&self.token)) {
            return Ok(());
        }
        self.attempts.note(peer, now);
        Err(Failure::wrong_token())
    }

    /// Every name that the request gives this server must be one of its own; returns the one in `Host`.
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<Authority, Failure> {
        let mut named = headers.get_all(HOST).iter();
        let host = named
            .next()
            .and_then(|value| Authority::try_from(value.as_bytes()).ok());
        let host = host.or_else(|| uri.authority().cloned());
        let (Some(host), None) = (host, named.next()) else {
            return Err(Failure::foreign_host());
        };
        let known = |authority: &Authority| {
            // What stands before an `@` names nobody here.
            !authority.as_str().contains('@')
                && self.hosts.contains(&authority.host().to_ascii_lowercase())
        };
        if known(&host) && uri.authority().is_none_or(known) {
            Ok(host)
        } else {
            Err(Failure::foreign_host())
        }
    }
}

/// A browser names the page that sends a request; only pages of this server may.
fn check_origin(headers: &HeaderMap, host: &Authority) -> Result<(), Failure> {
    let own = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        let authority = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
    };
    if headers.get_all(ORIGIN).iter().all(own) {
        Ok(())
    } else {
        Err(Failure::foreign_origin())
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
