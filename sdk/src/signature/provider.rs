//! One kind of sender.

use std::time::Duration;

use crate::signature::{Handshake, SignatureScheme};

/// One kind of sender: how it signs, and how it asks whether an endpoint is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provider {
    /// The name for people, as in "endpoint verified by Slack".
    pub name: String,
    /// How it signs.
    pub scheme: SignatureScheme,
    /// The questions that it asks before, or beside, its deliveries. The first that fits is answered.
    pub handshakes: Vec<Handshake>,
}

impl Provider {
    /// A sender without handshakes.
    pub fn new(name: impl Into<String>, scheme: SignatureScheme) -> Self {
        Self {
            name: name.into(),
            scheme,
            handshakes: Vec::new(),
        }
    }

    /// Adds a handshake.
    #[must_use]
    pub fn handshake(mut self, handshake: Handshake) -> Self {
        self.handshakes.push(handshake);
        self
    }

    /// Says how far from now the timestamp may be, on both sides. Without a timestamp it does nothing.
    #[must_use]
    pub fn tolerance(mut self, length: Duration) -> Self {
        self.scheme = self.scheme.tolerance(length);
        self
    }
}

impl From<SignatureScheme> for Provider {
    fn from(scheme: SignatureScheme) -> Self {
        Self::new("the sender", scheme)
    }
}
