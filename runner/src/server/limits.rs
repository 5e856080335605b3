//! What a listener grants its callers.

use std::time::Duration;

/// What a listener grants its callers before it answers for itself or hangs up.
///
/// Every time is measured on the running connection, so it does not follow an injected clock.
///
/// ```
/// use runner::server::Limits;
///
/// let limits = Limits { body_bytes: 1024 * 1024, ..Limits::default() };
/// assert_eq!(limits.header_count, 100);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections served at once, at least one; more wait, unaccepted, in the backlog of the
    /// operating system. Default 1024.
    pub connections: usize,
    /// Bytes of request line and headers together; beyond them 431. Default 64 KiB.
    pub header_bytes: usize,
    /// Header lines of one request; beyond them 431. Default 100.
    pub header_count: usize,
    /// Bytes of the request target, path and query; beyond them 414. Default 8 KiB.
    pub url_bytes: usize,
    /// Time for a whole head from its first byte, then 408; a new connection that stays
    /// silent for as long is closed without a word. Default 10 s.
    pub header_read: Duration,
    /// Time that a connection may rest between two requests before it is closed. Default 60 s.
    pub idle: Duration,
    /// Bytes of a request body as sent, unless [`Handler::body_limit`](super::Handler::body_limit)
    /// says otherwise; beyond them 413 (W17). Default 6 MiB.
    pub body_bytes: usize,
    /// Time between two pieces of a body, then 408. Default 15 s.
    pub body_idle: Duration,
    /// Time for a whole body, then 408. Default 60 s.
    pub body_total: Duration,
    /// Time in which a caller that does not read takes nothing of its answer, then the
    /// connection is cut. A stream that has nothing to send is not concerned. Default 30 s.
    pub write_stall: Duration,
    /// Time for which a finished connection goes on to read and forget, so that the caller's
    /// late bytes do not destroy the answer on its way (a reset would). Default 2 s.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_bytes: 64 * 1024,
            header_count: 100,
            url_bytes: 8 * 1024,
            header_read: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            body_bytes: 6 * 1024 * 1024,
            body_idle: Duration::from_secs(15),
            body_total: Duration::from_mins(1),
            write_stall: Duration::from_secs(30),
            linger: Duration::from_secs(2),
        }
    }
}
