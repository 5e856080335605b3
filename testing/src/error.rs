//! Why a test cannot go on.

/// Why a simulation could not do what the test asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The runner did not start.
    #[error("the simulation cannot start")]
    Start(#[from] runner::StartError),
    /// The instance was not deployed, changed or removed.
    #[error(transparent)]
    Deploy(#[from] runner::deploy::DeployError),
    /// An execution was not cancelled, replayed or dismissed.
    #[error(transparent)]
    Control(#[from] runner::engine::ControlError),
    /// A lifecycle function failed.
    #[error("`{function}` of flow `{flow}` failed: {error}")]
    Lifecycle {
        /// The flow.
        flow: String,
        /// Which of its functions.
        function: &'static str,
        /// Why it failed.
        error: String,
    },
    /// Executions wait behind one that is out of attempts ([`Poison`](sdk::Poison)).
    #[error(
        "executions of flow `{flow}` wait behind one that is out of attempts, and nothing else goes on; replay or dismiss that one"
    )]
    Parked {
        /// The flow of the first that waits.
        flow: String,
    },
    /// Everything waits for something that can never happen in a simulation.
    #[error("nothing can happen any more: what was waited for does not end")]
    Stuck,
}

/// What a test returns: any error fails it.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
