//! The one clock. Whatever waits, expires or is stamped asks it, so that a test can move all of time at once.

mod manual;

use std::fmt;
use std::time::Duration;

use sdk::Timestamp;
use sdk::host::BoxFuture;

pub use self::manual::ManualClock;

/// The one clock.
pub trait Clock: Send + Sync + 'static {
    /// Returns the time now.
    fn now(&self) -> Timestamp;

    /// Waits until a point in time; returns at once if it is past.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;

    /// Waits for a length of time.
    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now() + length)
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// How long the clock sleeps at most before it looks at the time again: the machine's clock may be set.
const LONGEST_NAP: Duration = Duration::from_secs(30);

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else asks"
    )]
    fn now(&self) -> Timestamp {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let left = at.since(Self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_NAP)).await;
            }
        })
    }

    /// A length of time is the same whatever the machine's clock is set to.
    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// Waits for a future, but no longer than until a point in time.
///
/// # Errors
///
/// The time came first.
pub async fn until<T>(
    clock: &dyn Clock,
    at: Timestamp,
    future: impl Future<Output = T>,
) -> Result<T, TooLate> {
    let future = std::pin::pin!(future);
    match futures_util::future::select(future, clock.sleep_until(at)).await {
        futures_util::future::Either::Left((value, _)) => Ok(value),
        futures_util::future::Either::Right(_) => Err(TooLate),
    }
}

/// The time came before the future was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLate;

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it took too long")
    }
}

impl std::error::Error for TooLate {}
