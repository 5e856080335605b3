//! Steps: units of work whose results are recorded (E20, E23).

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::host::{BoxFuture, Host, StepEnd, StepId, StepStart};
use crate::retry::Retry;

/// A step that is about to run; await it.
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
pub struct StepCall<'a, F> {
    host: &'a dyn Host,
    name: &'static str,
    work: F,
    retry: Retry,
}

impl<F> fmt::Debug for StepCall<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepCall")
            .field("name", &self.name)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl<'a, F> StepCall<'a, F> {
    pub(crate) fn new(host: &'a dyn Host, name: &'static str, work: F) -> Self {
        Self {
            host,
            name,
            work,
            retry: Retry::never(),
        }
    }

    /// Tries the work again inside this execution when it fails (E23). An error that is permanent is not tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl<'a, F, W, T> StepCall<'a, F>
where
    F: FnMut() -> W + Send + 'a,
    W: Future<Output = Result<T>> + Send + 'a,
    T: Serialize + DeserializeOwned + Send + 'a,
{
    /// Goes on with the error as a value when the last attempt fails, instead of failing the step (E23).
    ///
    /// # Errors
    ///
    /// The store cannot take the record, or a recorded result does not fit.
    pub async fn ignore(self) -> Result<std::result::Result<T, Error>> {
        let Self {
            host,
            name,
            mut work,
            retry,
        } = self;
        let step = match begin::<Ignored<T>>(host, name).await? {
            Begun::Recorded(Ignored::Ok(value)) => return Ok(Ok(value)),
            Begun::Recorded(Ignored::Err(text)) => return Ok(Err(Error::new(text))),
            Begun::Run(step) => step,
        };
        match attempt(host, &step, &retry, &mut work).await {
            (Ok(value), attempts) => {
                let kept = finish(host, step, Ignored::Ok(value), attempts).await?;
                Ok(match kept {
                    Ignored::Ok(value) => Ok(value),
                    Ignored::Err(text) => Err(Error::new(text)),
                })
            }
            (Err(error), attempts) => {
                let kept = Ignored::<T>::Err(error.to_string());
                finish(host, step, kept, attempts).await?;
                Ok(Err(error))
            }
        }
    }

    async fn run(self) -> Result<T> {
        let Self {
            host,
            name,
            mut work,
            retry,
        } = self;
        let step = match begin::<T>(host, name).await? {
            Begun::Recorded(value) => return Ok(value),
            Begun::Run(step) => step,
        };
        match attempt(host, &step, &retry, &mut work).await {
            (Ok(value), attempts) => finish(host, step, value, attempts).await,
            (Err(error), attempts) => {
                host.end_step(
                    step,
                    StepEnd::Failed {
                        error: error.chain(),
                        attempts,
                    },
                )
                .await?;
                Err(error)
            }
        }
    }
}

impl<'a, F, W, T> IntoFuture for StepCall<'a, F>
where
    F: FnMut() -> W + Send + 'a,
    W: Future<Output = Result<T>> + Send + 'a,
    T: Serialize + DeserializeOwned + Send + 'a,
{
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'a, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// How an ignored step is recorded: its error is a result like any other.
#[derive(Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ignored<T> {
    Ok(T),
    Err(String),
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

async fn attempt<F, W, T>(
    host: &dyn Host,
    step: &StepId,
    retry: &Retry,
    work: &mut F,
) -> (Result<T>, u32)
where
    F: FnMut() -> W,
    W: Future<Output = Result<T>>,
{
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
async fn within<W: Future>(host: &dyn Host, step: &StepId, work: W) -> W::Output {
    let mut work = pin!(work);
    poll_fn(|task| {
        host.enter_step(step);
        let polled = work.as_mut().poll(task);
        host.leave_step();
        polled
    })
    .await
}

async fn finish<T: Serialize>(host: &dyn Host, step: StepId, value: T, attempts: u32) -> Result<T> {
    let recorded = crate::json::to_value(&value).map_err(|fault| {
        Error::new(format!(
            "the result of step `{}` is not JSON: {fault}",
            step.name
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
