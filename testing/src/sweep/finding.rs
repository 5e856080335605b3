//! What a sweep found, and where.

use std::fmt;

use super::Side;

/// What a sweep found.
#[derive(Debug)]
pub struct SweepFailure {
    findings: Vec<Finding>,
    summary: String,
}

/// One thing that a crash or a failed attempt brought about and should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was done to the script.
    pub trouble: Trouble,
    /// What was wrong afterwards.
    pub text: String,
}

/// What a sweep does to a script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The process dies at a durable write and is started again.
    Crash {
        /// The number of the durable write, counted from 1.
        number: usize,
        /// Its kind: `accept`, `step`, `finish` …
        point: &'static str,
        /// What is written: the flow, and the step if it is one.
        place: String,
        /// On which side of it the process dies.
        side: Side,
    },
    /// The first attempt of an execution fails.
    Failure {
        /// The number of the execution among those that can be tried again, counted from 1.
        number: usize,
        /// Its flow.
        flow: String,
        /// Whether it fails before it does anything or after it has done everything.
        side: Side,
    },
}

impl SweepFailure {
    pub(super) fn new(findings: Vec<Finding>, summary: String) -> Self {
        Self { findings, summary }
    }

    /// Returns what was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash {
                number,
                point,
                place,
                side,
            } => {
                let side = match side {
                    Side::Before => "before",
                    Side::After => "after",
                };
                let joint = if place.is_empty() { "" } else { " of " };
                write!(
                    f,
                    "crash {side} durable write {number} (`{point}`{joint}{place})"
                )
            }
            Self::Failure { number, flow, side } => {
                let side = match side {
                    Side::Before => "fails before it does anything",
                    Side::After => "fails after it has done everything",
                };
                write!(
                    f,
                    "execution {number} (flow `{flow}`) {side}, and is tried again"
                )
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.trouble, self.text)
    }
}

impl fmt::Display for SweepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.summary)?;
        self.findings
            .iter()
            .try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

impl std::error::Error for SweepFailure {}
