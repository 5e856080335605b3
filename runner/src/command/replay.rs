//! `replay`.

use clap::{Args, ValueEnum, value_parser};
use http::Method;
use indicatif::ProgressBar;
use sdk::Timestamp;
use sdk::time::millis;
use serde_json::{Map, Value, json};

use super::client::{PAGE, Refusal};
use super::filter::Filter;
use super::instances::items;
use super::progress;
use super::resource::Resource;
use super::session::{Errand, Session};
use super::table::{Column, Table, text};

/// The options of `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayOptions {
    /// The id of the execution; or say with the options which ones.
    #[arg(required_unless_present = "Filter", conflicts_with = "Filter")]
    execution: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// From where; finished steps keep their results if it is not from the start.
    #[arg(long, value_enum, default_value_t = From::Start)]
    from: From,
    /// How many executions are looked at, the newest ones.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..), conflicts_with = "execution")]
    limit: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// Everything runs again.
    Start,
    /// The step that failed and what follows it.
    #[value(alias = "failed_step")]
    FailedStep,
}

impl From {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::FailedStep => "failed_step",
        }
    }
}

const COLUMNS: [Column; 3] = [
    ("EXECUTION", "/execution_id"),
    ("REPLAYS", "/id"),
    ("ERROR", "/error"),
];

impl Errand for ReplayOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let Some(id) = &self.execution else {
            return self.run_many(session).await;
        };
        let resource = Resource::new(["executions", id, "replay"]);
        let body = json!({"from": self.from.word()});
        let replayed = session.client.send(Method::POST, &resource, Some(&body));
        let replayed = session.wait("waiting for the server", replayed).await?;
        session.console.answer(&replayed, |replayed| {
            let columns = COLUMNS.split_last().map_or(&COLUMNS[..0], |(_, rest)| rest);
            Table::of([replayed], columns)
        });
        Ok(())
    }
}

impl ReplayOptions {
    /// The management API replays a page at a time, the newest page first. Here the whole list is read first: then its length is
    /// known, the oldest page can go first, and a replay that fails is not taken for one of those that were meant.
    async fn run_many(&self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let mut words = self.filter.words(session).await?;
        let batches = session
            .wait("reading the executions", self.batches(session, &words))
            .await?;
        if let Some(newest) = batches.first().and_then(|batch| batch.newest) {
            words.retain(|(name, _)| *name != "until");
            words.push(("until", (newest + millis(1)).to_string()));
        }
        let count = batches.iter().map(|batch| batch.count).sum();
        let bar = progress::bar(session.console.shows_progress, "replaying", count);
        let mut answers = Vec::new();
        let ended = self
            .replay(session, &words, &batches, &bar, &mut answers)
            .await;
        bar.finish_and_clear();
        let replayed = answers.iter().filter(|item| was_replayed(item)).count();
        let answer = json!({"items": answers, "replayed": replayed, "next_cursor": null});
        session
            .console
            .answer(&answer, |answer| Table::of(items(answer), &COLUMNS));
        if let Err(refusal) = ended {
            let text = format!(
                "{}; {replayed} of {count} executions were replayed before",
                refusal.text
            );
            // What was replayed is told already.
            return Err(Refusal::new(text));
        }
        session
            .console
            .note(&format!("{replayed} of {count} executions are replayed"));
        Ok(())
    }

    /// Returns the batches in the order of the list: the newest first.
    async fn batches(
        &self,
        session: &Session<'_>,
        words: &[(&'static str, String)],
    ) -> Result<Vec<Batch>, Refusal> {
        let mut batches: Vec<Batch> = Vec::new();
        let mut left = self.limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let mut cursor = None;
        loop {
            let all = Resource::new(["executions"]);
            let page = words
                .iter()
                .fold(all, |all, (name, value)| all.with(name, value.as_str()));
            let page = session
                .client
                .list(&page, cursor.clone(), PAGE, Some(left.min(PAGE)))
                .await?;
            let count = items(&page).count();
            if count > 0 {
                let newest = items(&page)
                    .next()
                    .map(|item| text(item.get("accepted_at")));
                batches.push(Batch {
                    cursor,
                    count,
                    newest: newest.and_then(|time| time.parse().ok()),
                });
            }
            left -= count;
            cursor = page
                .get("next_cursor")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if cursor.is_none() || left == 0 {
                return Ok(batches);
            }
        }
    }

    async fn replay(
        &self,
        session: &Session<'_>,
        words: &[(&'static str, String)],
        batches: &[Batch],
        bar: &ProgressBar,
        answers: &mut Vec<Value>,
    ) -> Result<(), Refusal> {
        let resource = Resource::new(["executions", "replay"]);
        for batch in batches.iter().rev() {
            let mut body: Map<String, Value> = words
                .iter()
                .map(|(name, value)| match *name {
                    "dead_letters" => ("dead_letters".to_owned(), json!(true)),
                    name => (name.to_owned(), json!(value)),
                })
                .collect();
            body.insert("from".to_owned(), json!(self.from.word()));
            body.insert("limit".to_owned(), json!(batch.count));
            body.insert("cursor".to_owned(), json!(batch.cursor));
            let body = Value::Object(body);
            let answer = session
                .client
                .send(Method::POST, &resource, Some(&body))
                .await?;
            answers.extend(items(&answer).cloned());
            bar.inc(u64::try_from(batch.count).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

/// A page of the list of executions.
struct Batch {
    /// Where it begins.
    cursor: Option<String>,
    count: usize,
    /// When the newest of them was accepted.
    newest: Option<Timestamp>,
}

fn was_replayed(item: &Value) -> bool {
    item.get("execution_id").is_some_and(Value::is_string)
}
