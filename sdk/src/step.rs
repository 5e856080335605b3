//! Steps: units of work whose results are recorded (E20, E23).

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::host::{BoxFuture, Host, StepEnd, StepId, StepStart};
use crate::retry::Retry;

/// A step that is about to run; await it. It is a future like any other, for `tokio::join!`, `select!` and `join_all` too, and begins when
/// it is first polled.
///
/// ```
/// # use sdk::prelude::*;
/// # async fn file(context: &Context) -> Result<u32> {
/// let invoice: u32 = context
///     .step("create invoice", || async { Ok(7) })
///     .retry(Retry::times(3).every(seconds(5)))
///     .await?;
/// # Ok(invoice)
/// # }
/// ```
#[must_use = "a step runs when it is awaited"]
pub struct StepCall<'a, T> {
    host: &'a dyn Host,
    name: &'static str,
    retry: Retry,
    /// Its work, until it begins.
    work: Option<Work<'a, T>>,
    running: Option<BoxFuture<'a, Result<T>>>,
}

/// What a step does at each attempt. A type of its own, so that what holds steps over an `await` is `Send` whatever their work borrows.
pub(crate) type Work<'a, T> = Box<dyn FnMut() -> BoxFuture<'a, Result<T>> + Send + 'a>;

impl<T> fmt::Debug for StepCall<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepCall")
            .field("name", &self.name)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl<'a, T> StepCall<'a, T> {
    pub(crate) fn new(host: &'a dyn Host, name: &'static str, work: Work<'a, T>) -> Self {
        Self {
            host,
            name,
            retry: Retry::never(),
            work: Some(work),
            running: None,
        }
    }

    /// Tries the work again inside this execution when it fails (E23). An error that is permanent is not tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl<'a, T> StepCall<'a, T>
where
    T: Serialize + DeserializeOwned + Send + 'a,
{
    /// Goes on with the error as a value when the last attempt fails, instead of failing the step (E23). The error is recorded as a result
    /// is: an execution that is tried again gets it again.
    ///
    /// # Errors
    ///
    /// The store cannot take the record, or a recorded result does not fit.
    pub async fn ignore(self) -> Result<std::result::Result<T, Error>> {
        let Self {
            host,
            name,
            retry,
            work: Some(mut work),
            ..
        } = self
        else {
            let text = format!(
                "step `{}` has begun; say `ignore` before it is polled",
                self.name
            );
            return Err(Error::new(text).permanent());
        };
        let step = match begin::<Ignored<T>>(host, name).await? {
            Begun::Recorded(Ignored::Ok(value)) => return Ok(Ok(value)),
            Begun::Recorded(Ignored::Err(error)) => return Ok(Err(error.into_error())),
            Begun::Run(step) => step,
        };
        match attempt(host, &step, &retry, &mut work).await {
            (Ok(value), attempts) => {
                let kept = finish(host, step, Ignored::Ok(value), attempts).await?;
                Ok(match kept {
                    Ignored::Ok(value) => Ok(value),
                    Ignored::Err(error) => Err(error.into_error()),
                })
            }
            (Err(error), attempts) => {
                let kept = Ignored::<T>::Err(IgnoredError::of(&error));
                finish(host, step, kept, attempts).await?;
                Ok(Err(error))
            }
        }
    }
}

async fn run<T: Serialize + DeserializeOwned>(
    host: &dyn Host,
    name: &'static str,
    retry: Retry,
    mut work: Work<'_, T>,
) -> Result<T> {
    let step = match begin::<T>(host, name).await? {
        Begun::Recorded(value) => return Ok(value),
        Begun::Run(step) => step,
    };
    match attempt(host, &step, &retry, &mut work).await {
        (Ok(value), attempts) => finish(host, step, value, attempts).await,
        (Err(error), attempts) => {
            let end = StepEnd::Failed {
                error: error.chain(),
                attempts,
            };
            host.end_step(step, end).await?;
            Err(error)
        }
    }
}

impl<'a, T> Future for StepCall<'a, T>
where
    T: Serialize + DeserializeOwned + Send + 'a,
{
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<T>> {
        let this = self.get_mut();
        if let Some(work) = this.work.take() {
            let running = run(this.host, this.name, this.retry.clone(), work);
            this.running = Some(Box::pin(running));
        }
        match &mut this.running {
            Some(running) => running.as_mut().poll(task),
            None => Poll::Pending,
        }
    }
}

/// How an ignored step is recorded: its error is a result like any other.
#[derive(Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ignored<T> {
    Ok(T),
    Err(IgnoredError),
}

/// An error as a value, with everything that the author can ask of it: whoever goes on with it again must decide alike.
#[derive(Serialize, serde::Deserialize)]
#[serde(untagged)]
enum IgnoredError {
    /// One of which nothing is known but its text.
    Text(String),
    Known {
        text: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sources: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_caller: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        permanent: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

impl IgnoredError {
    fn of(error: &Error) -> Self {
        let text = error.to_string();
        let for_caller = (error.caller_text() != text).then(|| error.caller_text().to_owned());
        let millis = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let known = Self::Known {
            sources: error.sources(),
            for_caller,
            status: error.status(),
            permanent: error.is_permanent(),
            retry_after_ms: error.wait().map(millis),
            text,
        };
        match known {
            Self::Known {
                text,
                sources,
                for_caller: None,
                status: None,
                permanent: false,
                retry_after_ms: None,
            } if sources.is_empty() => Self::Text(text),
            known => known,
        }
    }

    fn into_error(self) -> Error {
        let (text, sources, for_caller, status, permanent, retry_after_ms) = match self {
            Self::Text(text) => return Error::new(text),
            Self::Known {
                text,
                sources,
                for_caller,
                status,
                permanent,
                retry_after_ms,
            } => (text, sources, for_caller, status, permanent, retry_after_ms),
        };
        let mut texts = sources.into_iter().rev().chain([text]);
        let mut error = Error::new(texts.next().unwrap_or_default());
        for text in texts {
            error = error.context(text);
        }
        if let Some(text) = for_caller {
            error = error.for_caller(text);
        }
        if let Some(status) = status {
            error = error.with_status(status);
        }
        if permanent {
            error = error.permanent();
        }
        match retry_after_ms {
            Some(wait) => error.retry_after(Duration::from_millis(wait)),
            None => error,
        }
    }
}

enum Begun<T> {
    Recorded(T),
    Run(StepId),
}

async fn begin<T: DeserializeOwned>(host: &dyn Host, name: &'static str) -> Result<Begun<T>> {
    match host.begin_step(name).await? {
        StepStart::Run(step) => Ok(Begun::Run(step)),
        StepStart::Recorded(value) => serde_json::from_value(value).map(Begun::Recorded).map_err(|fault| {
            let wanted = std::any::type_name::<T>();
            Error::new(format!("the recorded result of step `{name}` does not fit `{wanted}`: {fault}; replay the execution from the start"))
                .permanent()
        }),
    }
}

async fn attempt<T>(
    host: &dyn Host,
    step: &StepId,
    retry: &Retry,
    work: &mut Work<'_, T>,
) -> (Result<T>, u32) {
    let mut attempts = 1;
    loop {
        let error = match within(host, step, work()).await {
            Ok(value) => return (Ok(value), attempts),
            Err(error) => error,
        };
        match retry.wait_after(attempts, &error) {
            Some(wait) => host.sleep(wait).await,
            None => return (Err(error), attempts),
        }
        attempts += 1;
    }
}

/// Does the work of a step; the host is told whenever it goes on, so that it knows the log lines of the step (E29).
async fn within<T>(host: &dyn Host, step: &StepId, mut work: BoxFuture<'_, T>) -> T {
    poll_fn(|task| {
        let _entered = Entered::by(host, step);
        work.as_mut().poll(task)
    })
    .await
}

/// A step at work; the host is told that it is left also if the work panics, which the author may catch.
struct Entered<'a>(&'a dyn Host);

impl<'a> Entered<'a> {
    fn by(host: &'a dyn Host, step: &StepId) -> Self {
        host.enter_step(step);
        Self(host)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.leave_step();
    }
}

async fn finish<T: Serialize>(host: &dyn Host, step: StepId, value: T, attempts: u32) -> Result<T> {
    let recorded = crate::json::to_value(&value).map_err(|fault| {
        Error::new(format!(
            "the result of step `{}` is not JSON: {fault}",
            step.own_name()
        ))
        .permanent()
    })?;
    let end = StepEnd::Succeeded {
        value: recorded,
        attempts,
    };
    host.end_step(step, end).await?;
    Ok(value)
}
