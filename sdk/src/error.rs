//! Why a flow function did not succeed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// What a flow function returns; `Result<T>` is enough, the error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a flow function did not succeed.
///
/// Any error becomes one with `?`. Its text is what the log says and, in a synchronous run, what the caller reads (W29); its chain of
/// sources goes to the log only. [`for_caller`](Self::for_caller) gives the caller another text.
///
/// ```
/// use sdk::{Error, Result};
///
/// fn quantity(text: &str) -> Result<u32> {
///     let quantity = text.parse::<u32>()?;
///     if quantity == 0 {
///         return Err(Error::new("an order of nothing is no order").permanent().with_status(422));
///     }
///     Ok(quantity)
/// }
///
/// assert_eq!(quantity("x").unwrap_err().to_string(), "invalid digit found in string");
/// assert_eq!(quantity("0").unwrap_err().status(), Some(422));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    for_caller: Option<String>,
    status: Option<u16>,
    permanent: bool,
    retry_after: Option<Duration>,
}

impl Error {
    /// Makes an error from a text: lower case, no full stop, says what to do when there is something to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            message: message.into(),
            source: None,
            for_caller: None,
            status: None,
            permanent: false,
            retry_after: None,
        }))
    }

    /// Says what was being done; the error as it was becomes the source.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let cause = Cause {
            message: self.0.message,
            source: self.0.source,
        };
        Self(Box::new(Inner {
            message: message.into(),
            source: Some(Box::new(cause)),
            ..*self.0
        }))
    }

    /// Forbids retries: trying again would fail the same way (E21).
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.permanent = true;
        self
    }

    /// Asks for the next attempt no sooner than after `wait`, as an upstream's `Retry-After` does (E21).
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Answers the caller with this HTTP status instead of 400; values outside 400 to 599 are ignored (W29).
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = (400..600).contains(&status).then_some(status);
        self
    }

    /// Gives the caller this text; the error's own text stays in the log.
    #[must_use]
    pub fn for_caller(mut self, text: impl Into<String>) -> Self {
        self.0.for_caller = Some(text.into());
        self
    }

    /// Returns what the caller may read.
    pub fn caller_text(&self) -> &str {
        self.0.for_caller.as_deref().unwrap_or(&self.0.message)
    }

    /// Returns the HTTP status for the caller, if the author chose one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Says whether trying again is useless.
    pub fn is_permanent(&self) -> bool {
        self.0.permanent
    }

    /// Returns the wait that the error asks for before the next attempt.
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the texts of its sources, the nearest first.
    pub(crate) fn sources(&self) -> Vec<String> {
        let nearest = self.0.source.as_deref();
        let nearest = nearest.map(|source| source as &dyn StdError);
        std::iter::successors(nearest, |source: &&dyn StdError| (**source).source())
            .map(ToString::to_string)
            .collect()
    }

    /// Returns the text with its whole chain of sources, for the log: `cannot file the order: connection refused`.
    pub fn chain(&self) -> String {
        let mut text = self.0.message.clone();
        for source in self.sources() {
            text.push_str(": ");
            text.push_str(&source);
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut converted = Self::new(error.to_string());
        // The text of `error` is the message; what lies behind it is the source.
        converted.0.source = error
            .source()
            .map(|source| Box::new(Cause::of(source)) as Box<_>);
        converted
    }
}

/// For functions that return any error, such as tests: what is known beside the texts is lost.
impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        let Inner {
            message, source, ..
        } = *error.0;
        Box::new(Cause { message, source })
    }
}

/// One link of a chain of sources, as text.
struct Cause {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Cause {
    fn of(error: &dyn StdError) -> Self {
        let source = error
            .source()
            .map(|source| Box::new(Self::of(source)) as Box<_>);
        Self {
            message: error.to_string(),
            source,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_any_error_with_its_sources() {
        let any: Box<dyn StdError + Send + Sync> = Error::new("connection refused")
            .context("cannot ask the shop")
            .into();
        assert_eq!(any.to_string(), "cannot ask the shop");
        let source = any.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("connection refused"));
    }

    #[test]
    fn a_chain_says_each_text_once() {
        let error = Error::new("connection refused")
            .context("cannot reach Acme")
            .context("cannot file the order");
        assert_eq!(
            error.chain(),
            "cannot file the order: cannot reach Acme: connection refused"
        );
        assert_eq!(error.to_string(), "cannot file the order");
    }

    #[test]
    fn context_keeps_what_the_error_asked_for() {
        let error = Error::new("slow down")
            .retry_after(Duration::from_secs(7))
            .permanent()
            .with_status(429)
            .context("cannot sync");
        assert_eq!(
            (error.wait(), error.is_permanent(), error.status()),
            (Some(Duration::from_secs(7)), true, Some(429))
        );
    }

    #[test]
    fn what_the_caller_reads_is_apart_from_what_the_log_holds() {
        let error = Error::new("row 17 of table `orders` is locked").for_caller("try again later");
        assert_eq!(
            (error.caller_text(), error.to_string().as_str()),
            ("try again later", "row 17 of table `orders` is locked")
        );
    }

    #[test]
    fn a_status_that_is_no_refusal_is_ignored() {
        assert_eq!(Error::new("x").with_status(200).status(), None);
    }
}
