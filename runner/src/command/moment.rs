//! Points in time as they are typed.

use std::str::FromStr;
use std::time::Duration;

use sdk::Timestamp;

/// A point in time: `2026-03-27T16:50:00Z`, or so long ago: `90s`, `15m`, `2h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// At this time.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// Returns the time, seen from now.
    pub(super) fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(length) => now - length,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(length) = length(text) {
            return Ok(Self::Ago(length));
        }
        text.parse().map(Self::At).map_err(|_| {
            "write a time like `2026-03-27T16:50:00Z`, or how long ago like `15m`, `2h` or `7d`"
                .to_owned()
        })
    }
}

fn length(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let count: u64 = count.parse().ok()?;
    count.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let now: Timestamp = "2026-03-27T16:50:00Z".parse().unwrap();
        let moment: Moment = text.parse().unwrap();
        assert_eq!(moment.seen_from(now).to_string(), wanted, "{text}");
    }

    #[test]
    fn a_time_is_a_time_or_so_long_ago() {
        check("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z");
        check("2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05Z");
        check("90s", "2026-03-27T16:48:30Z");
        check("15m", "2026-03-27T16:35:00Z");
        check("2h", "2026-03-27T14:50:00Z");
        check("7d", "2026-03-20T16:50:00Z");
    }

    #[test]
    fn anything_else_is_refused_with_examples() {
        for text in [
            "",
            "h",
            "-1h",
            "2 h",
            "yesterday",
            "99999999999999999999d",
            "5ö",
        ] {
            let refusal = text.parse::<Moment>().unwrap_err();
            assert!(refusal.contains("`15m`"), "{text}");
        }
    }
}
