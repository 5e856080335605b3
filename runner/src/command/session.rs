//! What a client command has at hand.

use std::future::Future;

use clap::Args;
use sdk::Timestamp;

use super::client::{Client, Refusal};
use super::console::Console;
use super::place::Place;
use super::progress;

/// What a client command has at hand: the server, the streams, the time.
pub(super) struct Session<'a> {
    pub(super) client: Client,
    pub(super) console: Console<'a>,
    pub(super) now: Timestamp,
}

/// A client command with what was typed after it.
pub(super) trait Errand {
    /// Does it.
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal>;
}

/// An errand and the server that it goes to.
#[derive(Debug, Args)]
pub(super) struct Asked<T: Args, P: Args = Place> {
    #[command(flatten)]
    pub(super) errand: T,
    #[command(flatten)]
    pub(super) place: P,
}

impl Session<'_> {
    /// Waits for something; shows that it goes on if it takes long.
    pub(super) async fn wait<F: Future>(&self, what: &'static str, future: F) -> F::Output {
        progress::waiting(self.console.shows_progress, what, future).await
    }
}
