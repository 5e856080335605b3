//! How far a listener has come in stopping, told to all its tasks.

use tokio::sync::watch;

/// The phases of a listener, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Connections are taken and kept.
    Serving,
    /// What has been read is answered, and its connection closed after it.
    Closing,
    /// Handlers and reading bodies are broken off, and their callers told.
    Cutting,
    /// Connections are dropped as they are.
    Over,
}

/// Returns when the listener has come to `phase`, or is gone altogether.
///
/// Whoever waits here also keeps [`watch::Sender::closed`] waiting: that is how the listener
/// knows that all is down.
pub(super) async fn reached(phase: Phase, mut current: watch::Receiver<Phase>) {
    let _ = current.wait_for(|current| *current >= phase).await;
}
