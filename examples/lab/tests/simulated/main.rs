//! Every flow of the lab once through the simulation.

mod answers;
mod crash;
mod order;
mod time;

use lab::{Config, integration};
use testing::{Result, SimulatedInstance, Simulation};

/// Deploys the lab on a Friday afternoon.
async fn deploy() -> Result<(Simulation<Config>, SimulatedInstance<Config>)> {
    let lab = Simulation::of(integration()).at("2026-03-27T16:50:00Z");
    let config = Config {
        hmac_secret: "AC49CB66-511F-4085-9119-360B1B142F4B".into(),
    };
    let instance = lab.deploy(config).await?;
    Ok((lab, instance))
}
