//! Which executions are meant.

use clap::Args;
use clap::builder::PossibleValuesParser;
use sdk::Timestamp;

use super::client::Refusal;
use super::moment::Moment;
use super::session::Session;

/// Which executions.
#[derive(Debug, Default, Args)]
pub(super) struct Filter {
    /// With this status.
    #[arg(long, ignore_case = true, value_parser = PossibleValuesParser::new(STATUSES))]
    pub(super) status: Option<String>,
    /// With this kind of end.
    #[arg(long, ignore_case = true, value_parser = PossibleValuesParser::new(RESULTS))]
    pub(super) result: Option<String>,
    /// Of the flow with this key.
    #[arg(long, value_name = "FLOW")]
    pub(super) flow: Option<String>,
    /// Of this instance, by id or name.
    #[arg(long, value_name = "INSTANCE")]
    pub(super) instance: Option<String>,
    /// Accepted at or after this time: `2026-03-27T16:50:00Z`, or so long ago: `15m`, `2h`, `7d`.
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<Moment>,
    /// Accepted before this time.
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<Moment>,
    /// Only dead letters: out of attempts, and neither replayed nor dismissed.
    #[arg(long)]
    pub(super) dead_letters: bool,
}

const STATUSES: [&str; 5] = ["PENDING", "QUEUED", "RUNNING", "SUCCESS", "ERROR"];

const RESULTS: [&str; 7] = [
    "COMPLETED",
    "ERROR",
    "POLLED_NO_CHANGES",
    "CANCELED_AS_DUPLICATE",
    "CANCELED",
    "TIMED_OUT",
    "SKIPPED",
];

impl Filter {
    /// Returns the filter in the words of the management API.
    pub(super) async fn words(
        &self,
        session: &mut Session<'_>,
    ) -> Result<Vec<(&'static str, String)>, Refusal> {
        let mut words = Vec::new();
        let mut add = |name: &'static str, value: Option<String>| {
            words.extend(value.map(|value| (name, value)));
        };
        if let Some(named) = &self.instance {
            add("instance", Some(session.instance_id(named).await?));
        }
        let upper = |word: &Option<String>| word.as_deref().map(str::to_ascii_uppercase);
        let time = |moment: Option<Moment>| {
            let time = moment.map(|moment: Moment| moment.seen_from(session.now));
            time.map(|time: Timestamp| time.to_string())
        };
        add("flow", self.flow.clone());
        add("status", upper(&self.status));
        add("result", upper(&self.result));
        add("since", time(self.since));
        add("until", time(self.until));
        add("dead_letters", self.dead_letters.then(|| "true".to_owned()));
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value};

    use super::*;
    use crate::record::{ResultType, Status};

    #[test]
    fn the_words_are_those_of_the_management_api() {
        for word in STATUSES {
            assert!(from_value::<Status>(Value::from(word)).is_ok(), "{word}");
        }
        for word in RESULTS {
            assert!(
                from_value::<ResultType>(Value::from(word)).is_ok(),
                "{word}"
            );
        }
    }
}
