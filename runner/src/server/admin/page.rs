//! Lists, a page at a time.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use sdk::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::store;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page<T> {
    /// The items, in the order of the list.
    pub(super) items: Vec<T>,
    /// Give this as `cursor` to get what follows; null at the end.
    pub(super) next_cursor: Option<String>,
}

/// Which page.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// The `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
    /// How many items at most, 1 to 100; 50 if it is not given.
    pub(super) limit: Option<u32>,
}

const DEFAULT: u32 = 50;
/// The most items of a page.
pub(super) const MOST: u32 = 100;

/// Reads a limit of 1 to `most`.
pub(super) fn limit(given: Option<u32>, default: u32, most: u32) -> Result<u32, Failure> {
    match given.unwrap_or(default) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        other => Err(Failure::bad_request(format!(
            "`limit` is {other}; use 1 to {most}"
        ))),
    }
}

impl PageQuery {
    pub(super) fn limit(&self) -> Result<u32, Failure> {
        limit(self.limit, DEFAULT, MOST)
    }

    /// Cuts a page out of a list that is at hand: what comes after the cursor, by the place that `place` gives each item.
    pub(super) fn cut<T, P>(&self, all: Vec<T>, place: impl Fn(&T) -> P) -> Result<Page<T>, Failure>
    where
        P: Ord + Serialize + DeserializeOwned,
    {
        let after: Option<P> = self.cursor.as_deref().map(read_cursor).transpose()?;
        let limit = self.limit()?;
        let mut items: Vec<T> = all
            .into_iter()
            .filter(|item| after.as_ref().is_none_or(|after| place(item) > *after))
            .collect();
        items.sort_by_key(&place);
        Ok(Page::of(items, limit, place))
    }
}

impl<T> Page<T> {
    /// Makes a page of at most `limit` items out of one more than that, if there are so many.
    pub(super) fn of<P: Serialize>(mut items: Vec<T>, limit: u32, place: impl Fn(&T) -> P) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|last| write_cursor(&place(last)));
        Self { items, next_cursor }
    }

    pub(super) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

/// The place of an execution in its list.
pub(super) fn place_of(execution: &crate::record::Execution) -> (i64, String) {
    (
        execution.accepted_at.as_millis(),
        execution.id.as_str().to_owned(),
    )
}

/// Reads the cursor of a list of executions.
pub(super) fn execution_cursor(cursor: Option<&str>) -> Result<Option<store::Cursor>, Failure> {
    let place: Option<(i64, String)> = cursor.map(read_cursor).transpose()?;
    Ok(place.map(|(at, id)| (Timestamp::from_millis(at), id.into())))
}

fn write_cursor(place: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

fn read_cursor<P: DeserializeOwned>(cursor: &str) -> Result<P, Failure> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| {
            Failure::bad_request(
                "`cursor` is not one of this list; use the `next_cursor` of a page",
            )
        })
}
