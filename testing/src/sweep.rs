//! The crash sweep: the same script again and again, stopped before and after each durable write, restarted, and compared with the run
//! that was not stopped.

mod crash_store;
mod picture;
mod player;

use std::fmt;

use sdk::ConfigVars;

pub use self::crash_store::Side;
use self::picture::Picture;
use self::player::Player;
use crate::error::SimulationError;
use crate::simulation::Simulation;

/// A sweep that found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The kind of each durable write at which the script was stopped, in order: `accept`, `step`, `finish` …
    pub points: Vec<&'static str>,
}

/// What a sweep found.
#[derive(Debug)]
pub struct SweepFailure {
    findings: Vec<Finding>,
    points: usize,
}

/// One thing that a crash brought about and should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The number of the durable write, counted from 1.
    pub number: usize,
    /// Its kind.
    pub point: &'static str,
    /// On which side of it the process died.
    pub side: Side,
    /// What was wrong afterwards.
    pub text: String,
}

impl SweepFailure {
    /// Returns what was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        write!(
            f,
            "crash {side} durable write {} (`{}`): {}",
            self.number, self.point, self.text
        )
    }
}

impl fmt::Display for SweepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the script does not survive a crash everywhere ({} durable writes):",
            self.points
        )?;
        self.findings
            .iter()
            .try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

impl std::error::Error for SweepFailure {}

impl<C: ConfigVars> Simulation<C> {
    /// Does everything that the test did so far again and again, each time stopped before or after another durable write, restarted and
    /// carried on, and compares the end with that of a run that was not stopped (G1 to G5):
    ///
    /// - every execution has ended as it would have, no more and no fewer of them;
    /// - the state is the same;
    /// - every answer that was given is the same;
    /// - every request to another system was sent, and none was sent again from outside a step; from inside a step once more at most,
    ///   because the crash may have come between the effect and its record.
    ///
    /// A caller whose request was cut off sends it again unless it was accepted; a deploy or removal that was cut off is done again.
    /// An [`Upstream`](crate::Upstream) that answers from a script is asked more often than the script says: its last answer holds.
    ///
    /// # Errors
    ///
    /// What a crash changed, each with the durable write at which it came, or the simulation cannot do the script again.
    pub async fn survives_a_crash_anywhere(
        &self,
    ) -> Result<Sweep, Box<dyn std::error::Error + Send + Sync>> {
        let script = self.script();
        let (points, expected) = self.play(&script, None).await?;
        let mut findings = Vec::new();
        for (number, point) in points.iter().enumerate() {
            for side in [Side::Before, Side::After] {
                let (_, seen) = self.play(&script, Some((number, side))).await?;
                let texts = expected.compare(&seen);
                findings.extend(texts.into_iter().map(|text| Finding {
                    number: number + 1,
                    point,
                    side,
                    text,
                }));
            }
        }
        if findings.is_empty() {
            Ok(Sweep { points })
        } else {
            Err(Box::new(SweepFailure {
                findings,
                points: points.len(),
            }))
        }
    }

    /// Deploys the first instance of the test again with the same config values, on a copy of the simulation: its deploy functions must
    /// be idempotent, so nothing may be created a second time and the state must stay as it was (E51).
    ///
    /// # Errors
    ///
    /// What the second deploy did again, or the test deployed nothing.
    pub async fn deploys_twice_alike(
        &self,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let script = self.script();
        let deploy = script
            .iter()
            .find(|act| matches!(act, crate::script::Act::Deploy { .. }));
        let Some(deploy @ crate::script::Act::Deploy { config, .. }) = deploy else {
            return Err("the test deploys nothing".into());
        };
        let again = crate::script::Act::Redeploy {
            instance: 0,
            config: config.clone(),
        };
        let (_, once) = self.play(std::slice::from_ref(deploy), None).await?;
        let (_, twice) = self.play(&[deploy.clone(), again], None).await?;
        let faults = once.second_deploy(&twice);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("\n").into())
        }
    }

    async fn play(
        &self,
        script: &[crate::script::Act],
        crash: Option<(usize, Side)>,
    ) -> Result<(Vec<&'static str>, Picture), SimulationError> {
        let mut player = Player::start(self, crash).await?;
        for act in script {
            player.perform(act).await?;
        }
        player.finish().await
    }
}
