//! Shows that something goes on, on a terminal.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::timeout;

/// What takes longer than this is shown to go on.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for something; shows a spinner if it takes longer than two seconds.
pub(super) async fn waiting<F: Future>(shows: bool, what: &'static str, future: F) -> F::Output {
    let mut future = pin!(future);
    if !shows {
        return future.await;
    }
    if let Ok(output) = timeout(PATIENCE, future.as_mut()).await {
        return output;
    }
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    spinner.set_style(style("{spinner} {msg} ({elapsed})"));
    spinner.set_message(what);
    spinner.set_elapsed(PATIENCE);
    spinner.enable_steady_tick(Duration::from_millis(100));
    let output = future.await;
    spinner.finish_and_clear();
    output
}

/// Returns a bar for so many things; nothing is drawn where nothing is to be shown.
pub(super) fn bar(shows: bool, what: &'static str, count: usize) -> ProgressBar {
    let target = if shows {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let length = u64::try_from(count).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), target);
    bar.set_style(style("{msg} {wide_bar} {pos}/{len} ({eta} left)"));
    bar.set_message(what);
    bar.tick();
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [
            "{spinner} {msg} ({elapsed})",
            "{msg} {wide_bar} {pos}/{len} ({eta} left)",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
