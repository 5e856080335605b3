//! Values that outlive an execution, in four scopes (E40 to E42).

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::host::Host;

/// Where a value is kept and who sees it (E40).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum StateScope {
    /// One execution: each of its attempts begins with what its trigger left.
    Execution,
    /// One flow of an instance.
    Instance,
    /// All flows of an instance.
    CrossFlow,
    /// All flows of an instance, promised to survive every version.
    Integration,
}

/// A change of one key, kept until the execution succeeds and then committed together with its outcome (G3).
#[derive(Clone)]
pub enum StateWrite {
    /// The last writer wins.
    Set(Value),
    /// The key goes.
    Remove,
    /// Holds only if nobody changed the key since this execution read it; otherwise the function runs again on the new value (E41).
    Update(Value),
    /// What this function makes of the value that is there at the commit (E41).
    Merge(MergeFn),
}

/// Makes the new value from the one that is there at the commit.
pub type MergeFn = std::sync::Arc<dyn Fn(Option<Value>) -> Result<Value> + Send + Sync>;

impl std::fmt::Debug for StateWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Set(value) => write!(f, "Set({value})"),
            Self::Remove => f.write_str("Remove"),
            Self::Update(value) => write!(f, "Update({value})"),
            Self::Merge(_) => f.write_str("Merge(…)"),
        }
    }
}

/// The state of one scope, as an execution sees it: what is stored, and over it what this execution wrote.
///
/// Writes are kept with the execution and committed together with its outcome. An execution that fails saves nothing (E41).
#[derive(Clone, Copy)]
pub struct State<'a> {
    scope: StateScope,
    host: &'a dyn Host,
}

impl std::fmt::Debug for State<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("State").field(&self.scope).finish()
    }
}

impl<'a> State<'a> {
    pub(crate) fn new(scope: StateScope, host: &'a dyn Host) -> Self {
        Self { scope, host }
    }

    /// Returns the value of a key, `None` if there is none.
    ///
    /// # Errors
    ///
    /// The stored value is not of type `T`, or the store cannot be read.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.host.read_state(self.scope, key).await? else {
            return Ok(None);
        };
        decode(key, value).map(Some)
    }

    /// Sets a key; the last execution to succeed wins.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON, or the state of the instance would be larger than its limit (E42). If it is larger only with
    /// what others write meanwhile, the execution fails at its end.
    pub async fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<()> {
        let value = encode(key, value)?;
        self.host
            .write_state(self.scope, key, StateWrite::Set(value))
            .await
    }

    /// Removes a key.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn remove(&self, key: &str) -> Result<()> {
        self.host
            .write_state(self.scope, key, StateWrite::Remove)
            .await
    }

    /// Changes a key from what it is, and returns what it became. If another execution changes it in between, this one runs again on
    /// the new value, so that no change is lost; steps that had finished do not run again (E41).
    ///
    /// # Errors
    ///
    /// The stored value is not of type `T`, the new one cannot be written, or the state would be larger than its limit (E42).
    pub async fn update<T, F>(&self, key: &str, change: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce(Option<T>) -> T,
    {
        let current = self.get(key).await?;
        let changed = change(current);
        let value = encode(key, &changed)?;
        self.host
            .write_state(self.scope, key, StateWrite::Update(value))
            .await?;
        Ok(changed)
    }

    /// Changes a key at the moment of the commit: for values that grow from many sides, where the new value is not needed here (E41).
    ///
    /// # Errors
    ///
    /// The state would be larger than its limit (E42). A stored value that is not of type `T` fails the execution at its end.
    pub async fn merge<T, F>(&self, key: &str, change: F) -> Result<()>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        let name = key.to_owned();
        let merge = move |current: Option<Value>| {
            let current = current
                .map(|value| serde_json::from_value(value).map_err(|fault| misfit(&name, &fault)));
            encode(&name, &change(current.transpose()?))
        };
        self.host
            .write_state(
                self.scope,
                key,
                StateWrite::Merge(std::sync::Arc::new(merge)),
            )
            .await
    }
}

fn decode<T: DeserializeOwned>(key: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|fault| misfit(key, &fault))
}

fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Value> {
    crate::json::to_value(value).map_err(|fault| {
        Error::new(format!(
            "the value for state key `{key}` is not JSON: {fault}"
        ))
        .permanent()
    })
}

fn misfit(key: &str, fault: &serde_json::Error) -> Error {
    Error::new(format!(
        "the state under key `{key}` does not fit the type it is read as: {fault}"
    ))
    .permanent()
}
