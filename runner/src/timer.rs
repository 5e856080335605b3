//! Starts executions when their schedules are due (E10 to E18).
//!
//! The timer keeps the next tick of each schedule in memory, in the order of the times, and sleeps until the first of them: while
//! nothing is due it does nothing, however many schedules there are. A tick is claimed in the commit that accepts its execution, and
//! the last claim of each flow is kept: it stands for all ticks before it. So each tick runs once, whatever the number of processes on
//! one store, and a process that starts anew goes on where the last one stopped (G4).
//!
//! # Which ticks run
//!
//! * A schedule is due at no time before it was in force: since the deploy that brought it ([`Timetable`]). What was due under the
//!   schedule before it is run by the policy of that one (E12).
//! * A tick was missed if it was due before this process was there, or if it is found more than a minute late: the clock has leapt, or
//!   the store did not answer. What becomes of it says [`Missed`] (E14). A later one is on time.
//! * A tick that the store, or a full backlog, refuses is tried again until it is taken; later ones wait for it.
//! * A paused instance is not scheduled: what was due meanwhile does not run when it is resumed (E53). A run that waits for a redeploy to
//!   end was due, and runs after it.
//! * A schedule that runs once is due when it comes into force, and runs as soon as it can, however late.
//! * A clock that is set back repeats nothing: a schedule goes on when the clock has passed its last claimed tick.

mod agenda;
mod plan;
#[cfg(test)]
mod tests;
mod worker;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sdk::Timestamp;
use sdk::flow::AnyConfig;
use sdk::id::{FlowKey, InstanceId};
use sdk::integration::{BuiltIntegration, FlowParts};
use sdk::schedule::{Missed, Schedule, Timing};
use sdk::trigger::{ScheduleSource, TriggerKind};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use self::agenda::{Agenda, Attempt, Key};
use self::plan::{Plan, Stretch};
use crate::calendar::{Almanac, Tick};
use crate::engine::Engine;
use crate::instance::Instance;
use crate::store::{Commit, Point, StoreError, Write};
use crate::timetable::{Line, Renewal, Timetable, last_tick};

/// How long the timer waits before it asks a store that refused a tick again.
const PAUSE: Duration = Duration::from_secs(1);

/// What is wrong with the schedules of an instance: each flow, with the end of a sentence that begins with `the schedule of flow …`.
pub type Faults = Vec<(FlowKey, String)>;

/// Starts executions when their schedules are due.
pub struct Timer {
    engine: Arc<Engine>,
    almanac: Almanac,
    agenda: Mutex<Agenda>,
    changed: Notify,
}

/// Why the schedules of an instance are not on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimerError {
    /// Some are wrong or never fire; the others are on.
    #[error("{}", sentences(.0))]
    Schedules(Faults),
    /// The store cannot be read or written; none is on.
    #[error("the schedules cannot be turned on: the store does not answer")]
    Store(#[from] StoreError),
}

impl Timer {
    /// Makes a timer without schedules. What is due before this moment counts as missed.
    pub fn new(engine: Arc<Engine>) -> Arc<Self> {
        let now = engine.ports.clock.now();
        Arc::new(Self {
            engine,
            almanac: Almanac::default(),
            agenda: Mutex::new(Agenda::new(now)),
            changed: Notify::new(),
        })
    }

    /// Checks the schedules that an instance with these config variables would have, before anything is done.
    ///
    /// # Errors
    ///
    /// Each flow whose schedule is wrong or never fires (E18).
    pub fn check(&self, integration: &BuiltIntegration, config: &AnyConfig) -> Result<(), Faults> {
        let (_, faults) = self.schedules(integration, config);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// Turns the schedules of an instance on: after a deploy, a redeploy, a resume, and for each active instance when the process
    /// starts. What was missed runs by the policy of its schedule. Returns the instance with its [`Timetable`], which is stored if it has
    /// changed; nothing else may change the instance at the same time.
    ///
    /// # Errors
    ///
    /// Some schedules are wrong, the others are on; or the store does not answer, and none is on.
    pub async fn put(&self, instance: &Arc<Instance>) -> Result<Arc<Instance>, TimerError> {
        let ports = &self.engine.ports;
        let now = ports.clock.now();
        let last_ticks = ports.store.last_ticks(&instance.id).await?;
        let (present, faults) = self.schedules(&ports.integration, &instance.config);
        let renewal = Renewal {
            deployed_at: instance.facts.deployed_at,
            now,
            present,
            last_ticks: &last_ticks,
        };
        let mut timetable = Timetable::renewed(instance.facts.timetable.as_ref(), &renewal);
        let mut plans = Vec::with_capacity(timetable.lines.len());
        for line in &mut timetable.lines {
            let last = last_tick(&last_ticks, &line.flow);
            if let Some(plan) = self.plan(instance, line, last) {
                plans.push((line.flow.clone(), plan));
            }
        }
        let instance = self.keep(instance, timetable).await?;
        let mut agenda = self.agenda();
        self.clear(&mut agenda, &instance.id);
        for (flow, plan) in plans {
            let instance = instance.id.clone();
            agenda.put(&Key { instance, flow }, plan, now);
        }
        drop(agenda);
        self.changed.notify_one();
        if faults.is_empty() {
            Ok(instance)
        } else {
            Err(TimerError::Schedules(faults))
        }
    }

    /// Turns the schedules of an instance off: at a pause, a removal, and while it is deployed. A tick whose commit is on its way may
    /// still run.
    pub fn remove(&self, instance: &InstanceId) {
        self.clear(&mut self.agenda(), instance);
    }

    /// Returns the next ticks of each schedule of an instance, at most `count` of each; none for an instance whose schedules are off.
    pub fn upcoming(&self, instance: &InstanceId, count: usize) -> Vec<(FlowKey, Vec<Tick>)> {
        let now = self.engine.ports.clock.now();
        let agenda = self.agenda();
        let of_flow = |key: Key| {
            let ticks = agenda.upcoming(&key, now, count)?;
            Some((key.flow, ticks))
        };
        self.keys(instance).filter_map(of_flow).collect()
    }

    /// Starts what is due, for as long as the engine takes new work. Dropping the future stops it, with all that it has begun.
    pub async fn run(self: Arc<Self>) {
        let clock = &self.engine.ports.clock;
        let mut workers = Workers::default();
        while !self.engine.is_stopping() {
            if self.agenda().is_paused() {
                clock.sleep(PAUSE).await;
                if self.engine.ports.store.check().await.is_ok() {
                    self.agenda().resume();
                }
                continue;
            }
            let now = clock.now();
            let attempts = self.agenda().hire(now);
            for attempt in attempts {
                let timer = Arc::clone(&self);
                let work = Box::pin(async move { timer.work(attempt).await });
                workers.add(self.engine.ports.spawn.engine(work));
            }
            let wake_at = self.agenda().rest(now);
            match wake_at {
                Some(at) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = clock.sleep_until(at) => {}
                },
                None => self.changed.notified().await,
            }
        }
        // A tick whose commit is on its way is accepted as a whole.
        workers.0.clear();
    }

    /// Lets [`run`](Self::run) see that the engine stops.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Starts one tick after another until nothing is due.
    async fn work(&self, mut attempt: Attempt) {
        loop {
            let came = worker::start(&self.engine, &attempt).await;
            let now = self.engine.ports.clock.now();
            let (next, wake) = self.agenda().go_on(attempt, came, now);
            if wake {
                self.changed.notify_one();
            }
            match next {
                Some(next) if !self.engine.is_stopping() => attempt = next,
                _ => return,
            }
            // A store that answers at once must not keep the ingress from its turn.
            tokio::task::yield_now().await;
        }
    }

    /// Returns the schedules of an instance with these config variables, and what is wrong with the others.
    fn schedules(
        &self,
        integration: &BuiltIntegration,
        config: &AnyConfig,
    ) -> (Vec<(FlowKey, Schedule)>, Faults) {
        let (mut schedules, mut faults) = (Vec::new(), Vec::new());
        for (flow, source) in scheduled(integration) {
            let flow = FlowKey::new(flow.options.key);
            match self.schedule(source, config) {
                Ok(schedule) => schedules.push((flow, schedule)),
                Err(fault) => faults.push((flow, fault)),
            }
        }
        (schedules, faults)
    }

    fn schedule(&self, source: &ScheduleSource, config: &AnyConfig) -> Result<Schedule, String> {
        let schedule = source.read(&**config).ok_or(
            "cannot be read from the config variables; they are of another integration".to_owned(),
        )?;
        let calendar = self
            .almanac
            .calendar(&schedule, Timestamp::default(), "")
            .map_err(|fault| format!("is wrong: {fault}"))?;
        let now = self.engine.ports.clock.now();
        if *schedule.timing() != Timing::Once && calendar.next_after(now).is_none() {
            return Err("never fires; give it a time that comes".to_owned());
        }
        Ok(schedule)
    }

    /// Makes the plan of a flow, and takes those schedules out of its line that owe nothing any more.
    fn plan(&self, instance: &Instance, line: &mut Line, last: Option<Timestamp>) -> Option<Plan> {
        let mut owing = Vec::new();
        line.former.retain(|former| {
            let stretch = self.stretch(
                instance,
                &line.flow,
                &former.schedule,
                former.since,
                former.until,
            );
            let owes = stretch.filter(|stretch| stretch.owes(last));
            let keeps = owes.is_some();
            owing.extend(owes);
            keeps
        });
        let present = self.stretch(
            instance,
            &line.flow,
            &line.schedule,
            line.since,
            Timestamp::MAX,
        )?;
        Some(Plan::new(last, owing, present))
    }

    fn stretch(
        &self,
        instance: &Instance,
        flow: &FlowKey,
        schedule: &Schedule,
        since: Timestamp,
        until: Timestamp,
    ) -> Option<Stretch> {
        let once = *schedule.timing() == Timing::Once;
        let anchor = if once {
            since
        } else {
            instance.facts.first_deployed_at
        };
        let spread_key = format!("{}/{flow}", instance.id);
        let calendar = self.almanac.calendar(schedule, anchor, &spread_key).ok()?;
        let resumed_at = instance.facts.resumed_at.unwrap_or(since);
        let (missed, after) = if once {
            (Missed::RunOnce, since - Duration::from_millis(1))
        } else {
            (schedule.when_missed(), since.max(resumed_at))
        };
        Some(Stretch {
            calendar,
            missed,
            overlap: schedule.when_overlapping(),
            after,
            until,
        })
    }

    /// Stores the timetable of an instance, if it has changed.
    async fn keep(
        &self,
        instance: &Arc<Instance>,
        timetable: Timetable,
    ) -> Result<Arc<Instance>, StoreError> {
        if instance.facts.timetable.as_ref() == Some(&timetable) {
            return Ok(Arc::clone(instance));
        }
        let mut renewed = Instance::clone(instance);
        renewed.facts.timetable = Some(timetable);
        let ports = &self.engine.ports;
        let write = Write::PutInstance(renewed.record(&ports.vault));
        let commit = Commit::new(Point::Timetable, vec![write]);
        ports.store.commit(commit).await?;
        let renewed = Arc::new(renewed);
        self.engine.instances.put(Arc::clone(&renewed));
        Ok(renewed)
    }

    fn clear(&self, agenda: &mut Agenda, instance: &InstanceId) {
        for key in self.keys(instance) {
            agenda.remove(&key);
        }
    }

    fn keys(&self, instance: &InstanceId) -> impl Iterator<Item = Key> {
        scheduled(&self.engine.ports.integration).map(|(flow, _)| Key {
            instance: instance.clone(),
            flow: flow.options.key.into(),
        })
    }

    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the flows that a schedule starts: to run, or to look for something new (E4).
fn scheduled(
    integration: &BuiltIntegration,
) -> impl Iterator<Item = (&Arc<FlowParts>, &ScheduleSource)> {
    let flows = integration.flows.iter();
    flows.filter_map(|flow| match &flow.options.trigger {
        TriggerKind::Schedule(source) | TriggerKind::Poll(source) => Some((flow, source)),
        _ => None,
    })
}

fn sentences(faults: &[(FlowKey, String)]) -> String {
    let sentence =
        |(flow, fault): &(FlowKey, String)| format!("the schedule of flow `{flow}` {fault}");
    let all: Vec<String> = faults.iter().map(sentence).collect();
    all.join("; ")
}

/// The tasks that start ticks: they end with whoever holds this.
#[derive(Default)]
struct Workers(Vec<AbortHandle>);

impl Workers {
    fn add(&mut self, worker: AbortHandle) {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|worker| !worker.is_finished());
        }
        self.0.push(worker);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &self.0 {
            worker.abort();
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("schedules", &self.agenda().len())
            .finish_non_exhaustive()
    }
}
