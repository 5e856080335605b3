//! The engine: accepts executions, decides which runs next, runs it, records how it ended, tries it again.
//!
//! An execution is accepted by one commit, and the engine takes it straight from memory: the store is the record, not a queue to poll.
//! Whatever a crash leaves unfinished is found again by [`Engine::recover`].

mod call;
mod conclude;
mod control;
mod counts;
mod drive;
mod give_way;
mod job;
mod limit;
mod outcome;
mod overlap;
mod pending;
mod recovery;
mod replay;
mod retry;
mod start;
mod unrouted;
mod waiters;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sdk::id::{ExecutionId, FlowKey, InstanceId};
use sdk::integration::FlowParts;
use sdk::{Payload, Timestamp};
use tokio::sync::{Semaphore, oneshot, watch};

pub use self::control::ControlError;
pub use self::counts::Counts;
use self::job::{Job, order_key, unique_id};
pub use self::outcome::Outcome;
use self::pending::Pending;
pub use self::replay::ReplayFrom;
pub use self::unrouted::Unrouted;
use self::waiters::Waiter;
use crate::envelope::is_unchanged;
use crate::execution::Triggered;
use crate::instance::{Instance, Instances};
use crate::lane::{Entry, LaneId, Lanes};
use crate::ports::Ports;
use crate::record::{Execution, Function, InvokedBy, StoredAnswer, StoredPayload};
use crate::store::{Accept, Commit, Committed, DedupeClaim, Point, StoreError, TickClaim, Write};

/// Accepts and runs executions.
pub struct Engine {
    /// What it asks of the world.
    pub ports: Arc<Ports>,
    /// The instances that exist.
    pub instances: Arc<Instances>,
    /// Held by whoever reads an instance, changes it and stores it, so that no change is lost to another.
    pub changing: tokio::sync::Mutex<()>,
    /// What it has counted since it was made.
    pub counts: Counts,
    /// Itself, for the executions that call other flows.
    me: Weak<Self>,
    lanes: Lanes<Job>,
    /// Executions whose functions run now.
    running: Mutex<HashMap<ExecutionId, Running>>,
    /// Executions that wait for their time.
    pending: Mutex<Pending>,
    /// Executions that were cancelled while they were on their way from the disk to their lane: they do not run.
    doomed: Mutex<HashSet<ExecutionId>>,
    /// Executions that somebody replays at the moment.
    replaying: Mutex<HashSet<ExecutionId>>,
    /// Who waits for the end of an execution.
    waiters: Mutex<HashMap<ExecutionId, Vec<Waiter>>>,
    /// One permit, for the executions that ran when the process died, and may not do so once more.
    suspects: Semaphore,
    next_position: AtomicU64,
    /// Nothing starts any more that nobody waits for.
    draining: AtomicBool,
    stopping: AtomicBool,
    abandoning: AtomicBool,
    active: watch::Sender<usize>,
}

struct Running {
    cancel: Option<oneshot::Sender<()>>,
    instance: InstanceId,
    flow: FlowKey,
    /// The execution that called it and waits for it.
    waiting: Option<ExecutionId>,
}

/// One cause: "run this flow with this payload".
#[derive(Debug)]
pub struct Invocation {
    /// The instance.
    pub instance: Arc<Instance>,
    /// The flow.
    pub flow: Arc<FlowParts>,
    /// Which of its functions.
    pub function: Function,
    /// What it is given.
    pub payload: Payload,
    /// The URL of the call.
    pub invoke_url: Option<String>,
    /// What caused it.
    pub invoked_by: InvokedBy,
    /// Whether somebody waits for its end: then it does not wait in a lane.
    pub synchronous: bool,
    /// Its id, if `#[on_trigger]` has already seen one.
    pub id: Option<ExecutionId>,
    /// What was logged of it before it was accepted, other than by `#[on_trigger]`: by the routing flow.
    pub begun: Option<Write>,
    /// What `#[on_trigger]` decided, if it has already run.
    pub triggered: Option<Triggered>,
    /// What the caller was answered, if the author chose it.
    pub answer: Option<StoredAnswer>,
    /// The deliveries that it must not repeat.
    pub claims: Vec<DedupeClaim>,
    /// The tick of a schedule that it stands for.
    pub tick: Option<TickClaim>,
    /// Whether it waits for the other runs of its schedule (E15, `queue`).
    pub in_turn: bool,
    /// The execution that called it.
    pub parent: Option<ExecutionId>,
    /// The latest moment at which a further attempt may begin: it is part of a deploy or a removal, which waits for the last one (E51).
    pub tried_until: Option<Timestamp>,
}

impl Invocation {
    /// Begins an invocation with nothing but its cause.
    pub fn new(
        instance: Arc<Instance>,
        flow: Arc<FlowParts>,
        invoked_by: InvokedBy,
        payload: Payload,
    ) -> Self {
        Self {
            instance,
            flow,
            function: Function::OnExecution,
            payload,
            invoke_url: None,
            invoked_by,
            synchronous: false,
            id: None,
            begun: None,
            triggered: None,
            answer: None,
            claims: Vec::new(),
            tick: None,
            in_turn: false,
            parent: None,
            tried_until: None,
        }
    }
}

/// What came of an invocation.
#[derive(Debug)]
pub enum Accepted {
    /// It is on disk and will run.
    New {
        /// Its id.
        id: ExecutionId,
        /// Its end, if it was asked for.
        outcome: Option<oneshot::Receiver<Outcome>>,
    },
    /// The same delivery came before: this is the execution of the first.
    Duplicate(ExecutionId),
    /// The tick was taken before.
    TickTaken,
}

/// Why an invocation was not accepted: nothing of it is promised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// As many executions of the instance run as may run at once: this many (E50).
    #[error(
        "{0} executions of the instance run, as many as may run at once; try again when one has ended"
    )]
    Concurrency(usize),
    /// Too many wait already (W33).
    #[error("the runner has too much work waiting; try again later")]
    Backlog,
    /// The runner is about to stop.
    #[error("the runner is stopping; try again")]
    Stopping,
    /// The store did not take it.
    #[error("the runner cannot store the request now; try again later")]
    Store(#[source] StoreError),
}

impl Engine {
    /// Makes an engine; call [`recover`](Self::recover) before anything else.
    pub fn new(ports: Arc<Ports>, instances: Arc<Instances>) -> Arc<Self> {
        let settings = &ports.settings;
        let lanes = Lanes::new(settings.running, settings.instance_concurrency);
        let counts = Counts::new(&ports.integration);
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            ports,
            instances,
            changing: tokio::sync::Mutex::default(),
            counts,
            lanes,
            running: Mutex::default(),
            pending: Mutex::default(),
            doomed: Mutex::default(),
            replaying: Mutex::default(),
            waiters: Mutex::default(),
            suspects: Semaphore::new(1),
            next_position: AtomicU64::new(1),
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            abandoning: AtomicBool::new(false),
            active: watch::Sender::new(0),
        })
    }

    /// Accepts an invocation: when this returns [`Accepted::New`], the execution is on disk and will run (G1). It must be driven to
    /// its end, also when whoever asked has gone. Once the engine [drains](Self::drain), only that runs for which somebody waits.
    ///
    /// # Errors
    ///
    /// The backlog is full, somebody waits for the end and the instance is at its limit, the runner is stopping, or the store did not
    /// take it.
    pub async fn accept(
        self: &Arc<Self>,
        mut invocation: Invocation,
    ) -> Result<Accepted, AcceptError> {
        let draining = self.is_stopping();
        if self.stopping.load(Ordering::Relaxed) || (draining && invocation.tick.is_some()) {
            return Err(AcceptError::Stopping);
        }
        if !invocation.synchronous && !self.has_room_to_wait(&invocation.instance.id) {
            return Err(AcceptError::Backlog);
        }
        let claims = invocation.claims.clone();
        let tick = invocation.tick.clone();
        let answer = invocation.answer.clone();
        let begun = invocation.begun.take();
        let (mut job, lines) = self.job(invocation);
        // The log goes on behind the lines of the routing flow.
        job.resumed |= begun.is_some();
        if let Err(limit) = self.enter_instance(&job) {
            return Box::pin(self.refuse_at_limit(&job, &claims, limit)).await;
        }
        let giving_way = self.take_waiting_retries(&job);

        let has_place = !job.execution.synchronous && !draining;
        let place = job.lane().filter(|_| has_place);
        let (position, entry) = match &place {
            Some(lane) => self.arrive(lane, &job),
            // It is kept for the next start of the process.
            None if draining && !job.execution.synchronous => (self.take_position(), Entry::Wait),
            None => (self.take_position(), Entry::Start),
        };
        job.execution.position = position;
        if entry == Entry::Start {
            job.count_start(self.ports.clock.now());
        }
        let outcome = job
            .execution
            .synchronous
            .then(|| self.wait_for_last(&job.execution.id));

        let accept = Accept {
            execution: job.execution.clone(),
            payload: job.payload.clone(),
            answer,
            claims,
        };
        let mut writes: Vec<Write> = tick.map(Write::Tick).into_iter().collect();
        writes.push(Write::Accept(Box::new(accept)));
        writes.extend(begun);
        writes.extend(lines);
        writes.extend(self.give_way(&giving_way, &job.execution.id));
        let committed = self
            .ports
            .store
            .commit(Commit::new(Point::Accept, writes))
            .await;
        let id = job.execution.id.clone();
        match committed {
            Ok(Committed::Done) => {
                self.counts.accepted(&job.execution.flow);
                self.release_lanes(&giving_way);
                self.end_late_retries(&job);
                self.take_up(job, place, entry);
                Ok(Accepted::New { id, outcome })
            }
            Ok(refused) => {
                self.wait_on(giving_way);
                self.give_up_place(&job, place.as_ref(), entry);
                self.forget_waiters(&id);
                match refused {
                    Committed::Duplicate(first) => {
                        Box::pin(self.record_duplicate(&job, &first)).await;
                        Ok(Accepted::Duplicate(first))
                    }
                    _ => Ok(Accepted::TickTaken),
                }
            }
            Err(fault) => {
                self.forget_waiters(&id);
                self.settle_unknown(job, place, entry, giving_way, &fault);
                Err(AcceptError::Store(fault))
            }
        }
    }

    /// Returns how many executions wait for their turn, and how many run.
    pub fn load(&self) -> (usize, usize) {
        (self.lanes.waiting(), *self.active.borrow())
    }

    /// Says whether nothing runs and nothing waits for its time. What has not ended then waits for somebody: behind an execution that is
    /// out of attempts, until that is replayed or dismissed.
    pub fn is_at_rest(&self) -> bool {
        *self.active.borrow() == 0 && lock(&self.pending).jobs().next().is_none()
    }

    /// Takes a place in a lane and a position in the same moment.
    fn arrive(&self, lane: &LaneId, job: &Job) -> (u64, Entry) {
        let next = || job.standing_at(self.take_position());
        self.lanes.arrive(lane, &job.queue(), next)
    }

    /// Returns the next place in the order of arrival.
    fn take_position(&self) -> u64 {
        self.next_position.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes the execution of an invocation; it has no position yet.
    fn job(&self, invocation: Invocation) -> (Job, Option<Write>) {
        let now = self.ports.clock.now();
        let id = invocation
            .id
            .unwrap_or_else(|| self.ports.entropy.execution_id(now));
        // Only of a webhook is it certain that its bytes read as its body does.
        let from_wire = invocation.invoked_by == InvokedBy::Webhook;
        let limits = self.body_limits();
        let mut stored = if from_wire {
            StoredPayload::received(&invocation.payload, invocation.invoke_url.as_deref())
        } else {
            StoredPayload {
                invoke_url: invocation.invoke_url,
                ..StoredPayload::made(&invocation.payload, &limits)
            }
        };
        let mut read = invocation.payload;
        let mut lines = None;
        if let Some(triggered) = invocation.triggered {
            lines = triggered.lines;
            if let Some(changed) = triggered
                .payload
                .filter(|changed| !is_unchanged(&read, changed))
            {
                stored = stored.handing_on(&changed, &limits);
                read = changed;
            }
            stored.triggered = Some(triggered.end);
            stored.trigger_state = triggered.state;
        }
        let (options, body) = (&invocation.flow.options, &read.body);
        let order_key = order_key(options, body).or_else(|| invocation.in_turn.then(String::new));
        let instance = invocation.instance.id.clone();
        let execution = Execution {
            function: invocation.function,
            invoked_by: invocation.invoked_by,
            synchronous: invocation.synchronous,
            order_key: order_key.filter(|_| invocation.function == Function::OnExecution),
            parent: invocation.parent,
            unique_id: unique_id(options, body),
            ..Execution::queued(id, instance, options.key.into(), now)
        };
        let job = Job {
            execution,
            instance: invocation.instance,
            flow: invocation.flow,
            read: from_wire.then_some(read),
            payload: Some(Arc::new(stored)),
            counted: false,
            // The log goes on behind the lines of the trigger.
            resumed: lines.is_some(),
            tried_until: invocation.tried_until,
        };
        (job, lines)
    }

    /// Takes up an execution that is on disk: starts it, or lets it wait for its turn.
    fn take_up(self: &Arc<Self>, mut job: Job, place: Option<LaneId>, entry: Entry) {
        match (entry, place) {
            (Entry::Wait, Some(lane)) => {
                job.read = None;
                if self.lanes.waiting() > PAYLOADS_IN_MEMORY {
                    job.payload = None;
                }
                let started = self.lanes.ready(&lane, job.standing(), job);
                self.start_all(started);
            }
            _ => self.start(job),
        }
    }

    fn give_up_place(self: &Arc<Self>, job: &Job, place: Option<&LaneId>, entry: Entry) {
        let started = match (place, entry) {
            (Some(lane), Entry::Start) => self.lanes.end(lane, None),
            (Some(lane), Entry::Wait) => self.lanes.leave(lane, job.standing()),
            (None, _) => self.leave_instance(job),
        };
        self.start_all(started);
    }
}

/// As many payloads of waiting executions stay in memory; those of the rest are read again.
const PAYLOADS_IN_MEMORY: usize = 1000;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}
