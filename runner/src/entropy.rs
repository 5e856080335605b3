//! Where ids come from: nothing else in the engine is random.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sdk::Timestamp;
use sdk::id::{ExecutionId, InstanceId};

/// Gives out what nobody can guess, or, in a simulation, what is the same in every run.
#[derive(Clone)]
pub struct Entropy(Source);

#[derive(Clone)]
enum Source {
    System,
    Counted(Arc<AtomicU64>),
}

impl Entropy {
    /// The machine's source of randomness.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Counts instead: the same in every run. Clones go on counting together.
    pub fn counted() -> Self {
        Self(Source::Counted(Arc::new(AtomicU64::new(1))))
    }

    /// Makes the id of an execution: later ones sort behind earlier ones.
    pub fn execution_id(&self, now: Timestamp) -> ExecutionId {
        ExecutionId::new(self.uuid(now).as_str())
    }

    /// Makes the id of an instance.
    pub fn instance_id(&self, now: Timestamp) -> InstanceId {
        InstanceId::new(self.uuid(now).as_str())
    }

    /// Makes an endpoint id or an API key: 144 bits, URL-safe (W1).
    pub fn unguessable(&self) -> String {
        let mut bytes = [0; 18];
        self.fill(&mut bytes);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn uuid(&self, now: Timestamp) -> String {
        let mut bytes = [0; 10];
        self.fill(&mut bytes);
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes)
            .into_uuid()
            .to_string()
    }

    #[expect(
        clippy::panic,
        reason = "a machine without randomness cannot make ids that nobody guesses"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System => {
                if let Err(fault) = getrandom::fill(bytes) {
                    panic!("the machine gives no random numbers: {fault}");
                }
            }
            Source::Counted(next) => {
                let count = next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                let (filler, tail) = bytes.split_at_mut(bytes.len() - count.len());
                filler.fill(0);
                tail.copy_from_slice(&count);
            }
        }
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_ids_are_long_url_safe_and_never_the_same() {
        let entropy = Entropy::system();
        let (one, other) = (entropy.unguessable(), entropy.unguessable());
        assert_eq!(one.len(), 24);
        assert!(
            one.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        );
        assert_ne!(one, other);
    }

    #[test]
    fn counted_ids_are_the_same_in_every_run_and_sort_by_time() {
        let ids = || {
            let entropy = Entropy::counted();
            [1_000, 1_000, 2_000].map(|at| entropy.execution_id(Timestamp::from_millis(at)))
        };
        assert_eq!(ids(), ids());
        assert!(ids().is_sorted());
    }
}
