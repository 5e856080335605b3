//! Which of several processes on one store this one is.

use std::error::Error;
use std::sync::Arc;

/// What a process is to a store that several have, of which one works.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Another process is active: nothing can be written, and what is read may be old.
    Waiting,
    /// It is the active process.
    Active,
    /// It is not and will never be again; why.
    Over(Arc<dyn Error + Send + Sync>),
}
