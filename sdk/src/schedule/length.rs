//! Lengths of time as people write them: `15 minutes`, `day`, `2 weeks`.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, Serializer};

const UNITS: [(&str, u64); 6] = [
    ("week", 604_800_000),
    ("day", 86_400_000),
    ("hour", 3_600_000),
    ("minute", 60_000),
    ("second", 1000),
    ("millisecond", 1),
];

/// Writes a length in its largest whole unit, to the millisecond.
pub(super) fn written(length: Duration) -> String {
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    for (unit, size) in UNITS {
        if millis.is_multiple_of(size) && millis > 0 {
            let count = millis / size;
            let plural = if count == 1 { "" } else { "s" };
            return format!("{count} {unit}{plural}");
        }
    }
    "0 minutes".to_owned()
}

/// Reads a count and a unit, or a unit alone for one of it.
pub(super) fn read(text: &str) -> Option<Duration> {
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?;
    let (count, unit) = match first.parse::<u64>() {
        Ok(count) => (count, words.next()?),
        Err(_) => (1, first),
    };
    if words.next().is_some() {
        return None;
    }
    let unit = unit.to_ascii_lowercase();
    let singular = unit.strip_suffix('s').unwrap_or(&unit);
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == singular)?;
    count.checked_mul(size).map(Duration::from_millis)
}

pub(super) fn serialize<S: Serializer>(
    length: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&written(*length))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).ok_or_else(|| {
        serde::de::Error::custom(format_args!(
            "`{text}` is not a length of time; write it like `15 minutes` or `6 hours`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_reads_back_what_it_writes() {
        for (text, seconds) in [
            ("15 minutes", 900),
            ("1 hour", 3600),
            ("36 hours", 129_600),
            ("1 day", 86_400),
            ("2 weeks", 1_209_600),
            ("90 seconds", 90),
        ] {
            let length = Duration::from_secs(seconds);
            assert_eq!(read(text), Some(length), "{text}");
            assert_eq!(written(length), text);
        }
        assert_eq!(written(Duration::from_millis(1500)), "1500 milliseconds");
        assert_eq!(read("Day"), Some(Duration::from_hours(24)));
        assert_eq!(read(&written(Duration::ZERO)), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for text in [
            "",
            "5",
            "5 bananas",
            "-5 minutes",
            "1.5 hours",
            "5 minutes or so",
            "18446744073709551615 weeks",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
