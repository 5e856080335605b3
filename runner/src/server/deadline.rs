//! A time limit that is set, taken back and set again.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// One timer, made when first needed and used again after that.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    sleep: Option<Pin<Box<Sleep>>>,
    is_set: bool,
}

impl Deadline {
    pub(super) fn is_set(&self) -> bool {
        self.is_set
    }

    /// Starts the limit from now on.
    pub(super) fn set(&mut self, limit: Duration) {
        self.is_set = true;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(Instant::now() + limit),
            None => self.sleep = Some(Box::pin(sleep(limit))),
        }
    }

    pub(super) fn clear(&mut self) {
        self.is_set = false;
    }

    /// Ready once the limit has passed; pending for ever if none is set.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) if self.is_set => sleep.as_mut().poll(context),
            _ => Poll::Pending,
        }
    }
}
