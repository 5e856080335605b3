//! Says whether a timestamp is near enough.

use std::time::Duration;

use sdk::Timestamp;
use sdk::signature::{TimeUnit, TimestampSource};

use super::Refusal;
use super::reading::describe;

/// Refuses a timestamp that is further from now than allowed. Exactly as far as allowed is accepted.
///
/// Whole seconds are compared as whole seconds, as the senders' own libraries do: a timestamp that was cut to the second is not
/// refused for what was cut off.
pub(super) fn check(
    source: &TimestampSource,
    written: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let signed = parse(source, written)?;
    let now = match source.unit {
        TimeUnit::Seconds => now.as_seconds().saturating_mul(1000),
        TimeUnit::Milliseconds | TimeUnit::Rfc3339 => now.as_millis(),
    };
    let age = now.saturating_sub(signed);
    if age > millis(source.past) {
        return Err(Refusal::Stale {
            age: age / 1000,
            limit: source.past.as_secs(),
        });
    }
    let ahead = signed.saturating_sub(now);
    if ahead > millis(source.future) {
        return Err(Refusal::FromTheFuture {
            ahead: ahead / 1000,
            limit: source.future.as_secs(),
        });
    }
    Ok(())
}

/// Writes a timestamp as its sender would.
pub(super) fn write(unit: TimeUnit, now: Timestamp) -> String {
    match unit {
        TimeUnit::Seconds => now.as_seconds().to_string(),
        TimeUnit::Milliseconds => now.as_millis().to_string(),
        TimeUnit::Rfc3339 => now.to_string(),
    }
}

fn parse(source: &TimestampSource, written: &str) -> Result<i64, Refusal> {
    let millis = match source.unit {
        TimeUnit::Rfc3339 => written.parse().ok().map(Timestamp::as_millis),
        TimeUnit::Seconds => whole(written).and_then(|count| count.checked_mul(1000)),
        TimeUnit::Milliseconds => whole(written),
    };
    millis.ok_or_else(|| Refusal::Malformed {
        what: describe(&source.source),
        reason: "is not a timestamp in the unit of the scheme",
    })
}

fn whole(written: &str) -> Option<i64> {
    let is_whole = written.bytes().all(|digit| digit.is_ascii_digit());
    written.parse().ok().filter(|_| is_whole)
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}
