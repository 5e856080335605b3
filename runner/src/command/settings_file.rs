//! The settings file: TOML, every limit a key.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::Failure;
use crate::outbound::Reach;
use crate::server::Limits;
use crate::settings::Settings;
use crate::store::SqliteOptions;

/// What the settings file holds.
#[derive(Debug, Default)]
pub(super) struct SettingsFile {
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) store: SqliteOptions,
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "only databases are taken over")
    )]
    /// After how long without a sign of life another process takes over a database.
    pub(super) lease: Option<Duration>,
    /// How many threads run author code.
    pub(super) flow_threads: Option<usize>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    listener: Listener,
    #[serde(default)]
    store: Store,
    flow_threads: Option<usize>,
    #[serde(flatten)]
    settings: toml::Table,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listener {
    connections: Option<usize>,
    header_bytes: Option<usize>,
    header_count: Option<usize>,
    url_bytes: Option<usize>,
    header_read_seconds: Option<u64>,
    idle_seconds: Option<u64>,
    body_idle_seconds: Option<u64>,
    body_total_seconds: Option<u64>,
    write_stall_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Store {
    min_free_bytes: Option<u64>,
    reserve_bytes: Option<u64>,
    max_bytes: Option<u64>,
    lease_seconds: Option<u64>,
}

/// Reads the settings file, if there is one.
pub(super) fn read(path: Option<&Path>) -> Result<SettingsFile, Failure> {
    let Some(path) = path else {
        return settle(Written::default());
    };
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|fault| {
        Failure(format!(
            "the settings file `{shown}` cannot be read: {fault}"
        ))
    })?;
    let written: Written = toml::from_str(&text).map_err(|fault| {
        Failure(format!(
            "the settings file `{shown}` is wrong: {}",
            in_line(&fault, &text)
        ))
    })?;
    settle(written).map_err(|failure| {
        Failure(format!(
            "the settings file `{shown}` is wrong: {}",
            failure.0
        ))
    })
}

impl Default for Written {
    fn default() -> Self {
        Self {
            listener: Listener::default(),
            store: Store::default(),
            flow_threads: None,
            settings: toml::Table::new(),
        }
    }
}

fn settle(written: Written) -> Result<SettingsFile, Failure> {
    let settings: Settings = written
        .settings
        .try_into()
        .map_err(|fault| Failure(under_key(&fault)))?;
    settings
        .check()
        .map_err(|fault| Failure(fault.to_string()))?;
    Reach::parse(&settings.outbound_allow).map_err(|fault| Failure(fault.to_string()))?;
    if written
        .flow_threads
        .is_some_and(|threads| !(1..=MOST_THREADS).contains(&threads))
    {
        return Err(Failure(format!(
            "`flow_threads` must be from 1 to {MOST_THREADS}"
        )));
    }
    let lease = written.store.lease_seconds;
    if lease.is_some_and(|seconds| !(1..=LONGEST_LEASE).contains(&seconds)) {
        return Err(Failure(format!(
            "`lease_seconds` in `[store]` must be from 1 to {LONGEST_LEASE}"
        )));
    }
    written.listener.check()?;
    let (listener, standard) = (written.listener, Limits::default());
    let seconds =
        |given: Option<u64>, standard: Duration| given.map_or(standard, Duration::from_secs);
    let limits = Limits {
        connections: listener.connections.unwrap_or(standard.connections),
        header_bytes: listener.header_bytes.unwrap_or(standard.header_bytes),
        header_count: listener.header_count.unwrap_or(standard.header_count),
        url_bytes: listener.url_bytes.unwrap_or(standard.url_bytes),
        header_read: seconds(listener.header_read_seconds, standard.header_read),
        idle: seconds(listener.idle_seconds, standard.idle),
        body_bytes: settings.body_bytes,
        body_idle: seconds(listener.body_idle_seconds, standard.body_idle),
        body_total: seconds(listener.body_total_seconds, standard.body_total),
        write_stall: seconds(listener.write_stall_seconds, standard.write_stall),
        linger: standard.linger,
    };
    let usual = SqliteOptions::default();
    let store = SqliteOptions {
        min_free_bytes: written.store.min_free_bytes.unwrap_or(usual.min_free_bytes),
        reserve_bytes: written.store.reserve_bytes.unwrap_or(usual.reserve_bytes),
        max_bytes: written.store.max_bytes.or(usual.max_bytes),
        ..usual
    };
    Ok(SettingsFile {
        settings,
        limits,
        store,
        lease: lease.map(Duration::from_secs),
        flow_threads: written.flow_threads,
    })
}

impl Listener {
    /// Refuses limits with which nobody could be served, and those that no listener can keep.
    fn check(&self) -> Result<(), Failure> {
        let size = |value: Option<usize>| value.and_then(|value| u64::try_from(value).ok());
        let limits = [
            ("connections", size(self.connections), 1_000_000),
            ("header_bytes", size(self.header_bytes), 16 * 1024 * 1024),
            ("header_count", size(self.header_count), 10_000),
            ("url_bytes", size(self.url_bytes), 1024 * 1024),
            ("header_read_seconds", self.header_read_seconds, YEAR),
            ("idle_seconds", self.idle_seconds, YEAR),
            ("body_idle_seconds", self.body_idle_seconds, YEAR),
            ("body_total_seconds", self.body_total_seconds, YEAR),
            ("write_stall_seconds", self.write_stall_seconds, YEAR),
        ];
        for (key, value, most) in limits {
            if value.is_some_and(|value| !(1..=most).contains(&value)) {
                return Err(Failure(format!(
                    "`{key}` in `[listener]` must be from 1 to {most}"
                )));
            }
        }
        Ok(())
    }
}

/// A year in seconds.
const YEAR: u64 = 365 * 86_400;

/// So that another process is active within 45 seconds.
const LONGEST_LEASE: u64 = 40;

/// As many threads for author code a machine can be asked for.
const MOST_THREADS: usize = 1024;

/// Says what is wrong, and in which line of the file.
fn in_line(fault: &toml::de::Error, text: &str) -> String {
    let said = plain(fault.message());
    let before = fault.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {said}", before.split('\n').count()),
        None => said,
    }
}

/// Says what is wrong, and under which key: the error shows it in a line of its own.
fn under_key(fault: &toml::de::Error) -> String {
    let (said, shown) = (plain(fault.message()), fault.to_string());
    match shown.lines().find_map(|line| line.strip_prefix("in `")) {
        Some(key) => format!("`{key}: {said}"),
        None => said,
    }
}

/// Says it in one line, and without the types of this program.
fn plain(message: &str) -> String {
    // TOML has whole numbers of 64 bits, with a sign.
    if message.contains(" as i128") || message.contains("value was too large") {
        return format!("a number is too large; it can be at most {}", i64::MAX);
    }
    let mut said = message.replace('\n', " ");
    for name in ["usize", "u64", "u32"] {
        let (typed, meant) = (
            format!("expected {name}"),
            "expected a whole number, zero or more",
        );
        said = said.replace(&typed, meant);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SettingsFile, Failure> {
        settle(toml::from_str(text).map_err(|fault| Failure(in_line(&fault, text)))?)
    }

    #[test]
    fn every_part_can_be_set_and_the_rest_keeps_its_default() {
        let file = parse("rate_per_second = 7\nflow_threads = 3\n[listener]\nheader_read_seconds = 2\n[store]\nreserve_bytes = 0").unwrap();
        assert_eq!(
            (
                file.settings.rate_per_second,
                file.settings.synchronous_seconds
            ),
            (7, 29)
        );
        assert_eq!(
            (file.limits.header_read, file.limits.url_bytes),
            (Duration::from_secs(2), 8192)
        );
        assert_eq!((file.store.reserve_bytes, file.flow_threads), (0, Some(3)));
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused_by_name() {
        assert!(
            parse("rate_per_secnd = 7")
                .unwrap_err()
                .0
                .contains("`rate_per_secnd`")
        );
        assert!(
            parse("[listener]\nurl = 7")
                .unwrap_err()
                .0
                .contains("`url`")
        );
        assert_eq!(
            parse("flow_threads = 0").unwrap_err().0,
            "`flow_threads` must be from 1 to 1024"
        );
        let network = parse("outbound_allow = [\"10.0.0.0/99\"]").unwrap_err().0;
        assert!(network.contains("`10.0.0.0/99`"), "{network}");
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_with_its_key_or_its_line() {
        let number = "expected a whole number, zero or more";
        for (text, said) in [
            (
                "backlog = 7\nbody_bytes = \"much\"",
                format!("`body_bytes`: invalid type: string \"much\", {number}"),
            ),
            (
                "running = -1",
                format!("`running`: invalid value: integer `-1`, {number}"),
            ),
            (
                "running = 7\n[listener]\nidle_seconds = 1.5",
                format!("line 3: invalid type: floating point `1.5`, {number}"),
            ),
            (
                "run_seconds = 0",
                "`run_seconds` must be at least 1".to_owned(),
            ),
            (
                "[listener]\nconnections = 0",
                "`connections` in `[listener]` must be from 1 to 1000000".to_owned(),
            ),
            (
                "[listener]\nidle_seconds = 9223372036854775807",
                "`idle_seconds` in `[listener]` must be from 1 to 31536000".to_owned(),
            ),
            (
                "json_depth = 129",
                "`json_depth` must be at most 128".to_owned(),
            ),
            (
                "running = 7\nbacklog = 99999999999999999999",
                "line 2: a number is too large; it can be at most 9223372036854775807".to_owned(),
            ),
            (
                "backlog = 18446744073709551615",
                "line 1: a number is too large; it can be at most 9223372036854775807".to_owned(),
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().0, said);
        }
        let cut_short = parse("running = 7\nbacklog =").unwrap_err().0;
        assert!(cut_short.starts_with("line 2: "), "{cut_short}");
    }
}
