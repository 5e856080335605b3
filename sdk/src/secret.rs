//! Text that is never shown.

use std::fmt;

/// A secret: a signing key, a password, a token.
///
/// It can be read only by [`expose`](Self::expose). It has no `Serialize`, and `Debug` prints a placeholder.
///
/// ```
/// let secret = sdk::Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text. Take care where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Says whether there is nothing in it but white space and NUL, so that it protects nothing.
    pub fn is_blank(&self) -> bool {
        self.0
            .chars()
            .all(|letter| letter.is_whitespace() || letter == '\0')
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
