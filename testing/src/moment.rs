//! Moments, as tests write them.

use sdk::Timestamp;

/// A moment: a [`Timestamp`], or a text such as `2026-03-29T05:00:00Z` or `2026-03-29T07:00:00+02:00`.
pub trait Moment {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// The text is not a point in time; the sentence says so.
    fn moment(self) -> Result<Timestamp, String>;
}

impl Moment for Timestamp {
    fn moment(self) -> Result<Timestamp, String> {
        Ok(self)
    }
}

impl Moment for &str {
    fn moment(self) -> Result<Timestamp, String> {
        self.parse::<Timestamp>().map_err(|fault| fault.to_string())
    }
}

impl Moment for &String {
    fn moment(self) -> Result<Timestamp, String> {
        self.as_str().moment()
    }
}
