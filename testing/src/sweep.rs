//! The crash sweep: the same script again and again, stopped before and after each durable write, restarted, and compared with the run
//! that was not stopped.

mod crash_store;
mod failure;
mod finding;
mod order;
mod picture;
mod player;
mod remains;

use sdk::ConfigVars;

pub use self::crash_store::Side;
pub use self::finding::{Finding, SweepFailure, Trouble};
use self::player::{Plan, Player};
use self::remains::Run;
use crate::error::SimulationError;
use crate::script::Act;
use crate::simulation::Simulation;

/// A sweep that found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The kind of each durable write at which the script was stopped, in order: `accept`, `step`, `finish` …
    pub points: Vec<&'static str>,
}

impl<C: ConfigVars> Simulation<C> {
    /// Does everything that the test did so far again and again, each time stopped before or after another durable write, restarted and
    /// carried on, and compares the end with that of a run that was not stopped (G1 to G5):
    ///
    /// - every execution has ended as it would have, no more and no fewer of them;
    /// - the state is the same;
    /// - every answer that was given is the same, and every deploy and removal ended alike;
    /// - every request to another system was sent, and none was sent again from outside a step; from inside a step once more at most,
    ///   because the crash may have come between the effect and its record.
    ///
    /// A caller whose request was cut off sends it again unless it was accepted; a deploy or removal that was cut off is done again.
    /// An [`Upstream`](crate::Upstream) that answers from a script is asked more often than the script says: its last answer holds.
    /// What a test did by [`runner`](Self::runner) or through a socket is not done again.
    ///
    /// # Errors
    ///
    /// What a crash changed, each with the durable write at which it came, or the simulation cannot do the script again.
    pub async fn survives_a_crash_anywhere(
        &self,
    ) -> Result<Sweep, Box<dyn std::error::Error + Send + Sync>> {
        let script = self.script();
        let expected = self.play(&script, Plan::Undisturbed).await?;
        let mut findings = Vec::new();
        for (number, point) in expected.points.iter().enumerate() {
            for side in [Side::Before, Side::After] {
                let seen = self.play(&script, Plan::Crash(number, side)).await?;
                let texts = expected.picture.compare(&seen.picture);
                findings.extend(texts.into_iter().map(|text| Finding {
                    trouble: Trouble::Crash {
                        number: number + 1,
                        point: point.kind,
                        place: point.place.clone(),
                        side,
                    },
                    text,
                }));
            }
        }
        let points: Vec<_> = expected.points.iter().map(|point| point.kind).collect();
        if findings.is_empty() {
            return Ok(Sweep { points });
        }
        let summary = format!(
            "the script does not survive a crash everywhere ({} durable writes)",
            points.len()
        );
        Err(Box::new(SweepFailure::new(findings, summary)))
    }

    /// Does everything that the test did so far again and again; each time the first attempt of another execution fails, before it does
    /// anything or after it has done everything, and is tried again while newer executions run on. Only flows with a
    /// [`Retry`](sdk::Retry) are tried again.
    ///
    /// What an older execution writes must not take the place of what a newer one of its flow has written: a value of the state, or what
    /// a PUT, PATCH or DELETE left in another system. A flow that cannot bear this keeps order by its
    /// [`Queue`](sdk::Queue), or gives way to what is newer by [`Retry::unique_by`](sdk::Retry::unique_by) (G5). Whether POSTs may come
    /// in another order is not looked at: they leave something new each time.
    ///
    /// # Errors
    ///
    /// Each place where an older execution had the last word, with the execution that failed, or the simulation cannot do the script
    /// again.
    pub async fn keeps_order_across_retries(
        &self,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let script = self.script();
        let expected = self.play(&script, Plan::Undisturbed).await?;
        let mut findings = Vec::new();
        for (number, flow) in expected.attempts.iter().enumerate() {
            for side in [Side::Before, Side::After] {
                let seen = self.play(&script, Plan::Failure(number, side)).await?;
                let texts = expected.picture.last.overwritten_in(&seen.picture.last);
                findings.extend(texts.into_iter().map(|text| Finding {
                    trouble: Trouble::Failure {
                        number: number + 1,
                        flow: flow.clone(),
                        side,
                    },
                    text,
                }));
            }
        }
        if findings.is_empty() {
            return Ok(());
        }
        let summary = "a retry breaks the order in which executions came".to_owned();
        Err(Box::new(SweepFailure::new(findings, summary)))
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
        let deploy = script.iter().find(|act| matches!(act, Act::Deploy { .. }));
        let Some(deploy @ Act::Deploy { config, .. }) = deploy else {
            return Err("the test deploys nothing".into());
        };
        let again = Act::Redeploy {
            instance: 0,
            config: config.clone(),
        };
        let script = [deploy.clone(), again];
        let once = self.play(&script[..1], Plan::Undisturbed).await?;
        let twice = self.play(&script, Plan::Undisturbed).await?;
        let faults = once.picture.second_deploy(&twice.picture);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("\n").into())
        }
    }

    async fn play(&self, script: &[Act], plan: Plan) -> Result<Run, SimulationError> {
        let mut player = Player::start(self, plan).await?;
        for act in script {
            player.perform(act).await?;
        }
        player.finish().await
    }
}
