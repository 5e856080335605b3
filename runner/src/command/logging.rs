//! Log lines of the process, on standard error: readable on a terminal, JSON otherwise.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging, and keeps panic texts off standard error: a panic of author code is the outcome of its execution.
pub(super) fn start() {
    let terminal = std::io::stderr().is_terminal();
    let readable = terminal.then(|| fmt::layer().with_writer(std::io::stderr).with_target(false));
    let json = (!terminal).then(|| fmt::layer().json().with_writer(std::io::stderr));
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(readable)
        .with(json);
    // A program that embeds the runner may have its own subscriber already.
    let _ = subscriber.try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::debug!(place, "a task panicked");
    }));
}
