//! What the operator gives the runner: every limit is a setting.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits and habits of the engine. Each is a key of the settings file; lengths of time are in seconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The word in front of the header and query names of the wire contract: `<prefix>-executionid`.
    pub header_prefix: String,
    /// The largest request body (W17).
    pub body_bytes: usize,
    /// How deep JSON may be nested (W17).
    pub json_depth: usize,
    /// How many parts a multipart body may have (W17).
    pub multipart_parts: usize,
    /// How many requests an endpoint takes within one second; 0 sets no limit (W31).
    pub rate_per_second: u32,
    /// How many requests a customer takes within one second, at all endpoints together, unless its instance was deployed with another
    /// number; 0 sets no limit (E50).
    pub customer_rate_per_second: u32,
    /// How many requests that name no flow or customer are recorded within one minute, for each endpoint that flows share (W3); 0
    /// records none.
    pub unrouted_per_minute: u32,
    /// The origins whose pages may call the endpoints from a browser; `*` is every one. None is listed if it is not set.
    pub cors_origins: Vec<String>,
    /// How long a synchronous caller waits (W30).
    pub synchronous_seconds: u64,
    /// The largest result that is answered directly (W25).
    pub direct_bytes: usize,
    /// The largest result (W35).
    pub result_bytes: usize,
    /// How long the URL of a result holds (W24).
    pub result_url_seconds: u64,
    /// How long a run may take, unless its flow says otherwise (E26).
    pub run_seconds: u64,
    /// How long a lifecycle function may take (E26).
    pub lifecycle_seconds: u64,
    /// How many executions run at once.
    pub running: usize,
    /// How many executions of one instance run at once, unless it was deployed with another number; 0 sets no limit (E50).
    pub instance_concurrency: u32,
    /// How many accepted executions may wait; beyond it a webhook is answered 503 (W33).
    pub backlog: usize,
    /// How many bytes of state an instance may have (E42).
    pub state_bytes: u64,
    /// How many log lines of one execution are kept.
    pub log_lines: u32,
    /// How long `Idempotency-Key` values are remembered (W34).
    pub idempotency_seconds: u64,
    /// How long executions are kept after their end (E30).
    pub keep_executions_seconds: u64,
    /// How long log lines are kept (E30).
    pub keep_logs_seconds: u64,
    /// How long results are kept (E30).
    pub keep_results_seconds: u64,
    /// How long the state and the secrets of a removed instance are kept before they are erased, unless its removal says otherwise; 0 erases
    /// them at once (E52).
    pub keep_removed_seconds: u64,
    /// How often it is looked for what need not be kept any longer (E30).
    pub prune_seconds: u64,
    /// After how many deaths of the process an execution is set aside.
    pub deaths: u32,
    /// How long running executions get when the runner stops (G8).
    pub grace_seconds: u64,
    /// How long a request to another system may take.
    pub outbound_seconds: u64,
    /// The largest answer of another system.
    pub outbound_bytes: usize,
    /// Addresses (`127.0.0.1`), networks (`10.0.0.0/8`) and host names (`erp.internal`) that author code may call although they are not
    /// public.
    pub outbound_allow: Vec<String>,
    /// Whether the local instance that the integration describes is deployed at the start.
    pub local_instance: bool,
}

const DAY: u64 = 86_400;

/// As deep JSON is read: each level takes room on the stack of the thread that reads it.
const DEEPEST: usize = 128;

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_prefix: "prismatic".to_owned(),
            body_bytes: 6 * 1024 * 1024,
            json_depth: 128,
            multipart_parts: 1000,
            rate_per_second: 50,
            customer_rate_per_second: 0,
            unrouted_per_minute: 60,
            cors_origins: Vec::new(),
            synchronous_seconds: 29,
            direct_bytes: 5_000_000,
            result_bytes: 500_000_000,
            result_url_seconds: 30 * DAY,
            run_seconds: 15 * 60,
            lifecycle_seconds: 30,
            running: 1024,
            instance_concurrency: 0,
            backlog: 100_000,
            state_bytes: 64 * 1024 * 1024,
            log_lines: 10_000,
            idempotency_seconds: DAY,
            keep_executions_seconds: 14 * DAY,
            keep_logs_seconds: 14 * DAY,
            keep_results_seconds: 30 * DAY,
            keep_removed_seconds: 0,
            prune_seconds: 60 * 60,
            deaths: 3,
            grace_seconds: 30,
            outbound_seconds: 60,
            outbound_bytes: 100 * 1024 * 1024,
            outbound_allow: Vec::new(),
            local_instance: true,
        }
    }
}

impl Settings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// One sentence for the first setting that is wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        let prefix_fits = !self.header_prefix.is_empty()
            && self
                .header_prefix
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !prefix_fits {
            return Err(SettingsError(
                "`header_prefix` must be lower-case letters, digits and hyphens".to_owned(),
            ));
        }
        if let Some(origin) = self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(SettingsError(format!(
                "`cors_origins` holds `{origin}`; write an origin like `https://app.example.com`, or `*` for every one"
            )));
        }
        if self.json_depth > DEEPEST {
            return Err(SettingsError(format!(
                "`json_depth` must be at most {DEEPEST}"
            )));
        }
        let more_than_nothing = [
            ("body_bytes", self.body_bytes),
            ("json_depth", self.json_depth),
            ("running", self.running),
            ("backlog", self.backlog),
            ("result_bytes", self.result_bytes),
        ];
        let some_time = [
            ("synchronous_seconds", self.synchronous_seconds),
            ("run_seconds", self.run_seconds),
            ("lifecycle_seconds", self.lifecycle_seconds),
            ("outbound_seconds", self.outbound_seconds),
            ("prune_seconds", self.prune_seconds),
        ];
        let nothing = more_than_nothing.iter().filter(|(_, value)| *value == 0);
        let no_time = some_time.iter().filter(|(_, value)| *value == 0);
        let nothing = nothing.map(|(name, _)| name);
        match nothing.chain(no_time.map(|(name, _)| name)).next() {
            Some(name) => Err(SettingsError(format!("`{name}` must be at least 1"))),
            None => Ok(()),
        }
    }

    /// How long a synchronous caller waits.
    pub fn synchronous_limit(&self) -> Duration {
        Duration::from_secs(self.synchronous_seconds)
    }

    /// How long running executions get when the runner stops.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }
}

/// Says whether a text is an origin as a browser writes it: scheme, host and port, without a slash behind.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return text == "*";
    };
    let is_plain = |text: &str| {
        !text.is_empty()
            && !text.contains(|letter: char| {
                letter.is_ascii_uppercase() || letter.is_whitespace() || "/?#@\\*".contains(letter)
            })
    };
    is_plain(scheme) && is_plain(authority)
}

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let settings = Settings::default();
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(
            (
                settings.body_bytes,
                settings.rate_per_second,
                settings.synchronous_seconds
            ),
            (6_291_456, 50, 29)
        );
    }

    #[test]
    fn a_setting_that_cannot_work_is_refused_by_name() {
        let settings = Settings {
            running: 0,
            ..Settings::default()
        };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            "`running` must be at least 1"
        );
        for wrong in [
            "app.example.com",
            "https://app.example.com/",
            "HTTPS://app.example.com",
            "",
        ] {
            let settings = Settings {
                cors_origins: vec!["https://app.example.com:8443".to_owned(), wrong.to_owned()],
                ..Settings::default()
            };
            let refusal = settings.check().unwrap_err().to_string();
            assert!(refusal.contains(&format!("holds `{wrong}`")), "{refusal}");
        }
        let settings = Settings {
            header_prefix: "X Y".to_owned(),
            ..Settings::default()
        };
        assert!(settings.check().is_err());
    }
}
