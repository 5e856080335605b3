//! The ledger (I1 to I8): what callers sent and were told, what the store has, what was left outside.
//!
//! Each delivery is written down before it is sent and again when its answer is there. Afterwards `violations` says everything
//! that does not fit together.

mod check;
mod evidence;
mod order;
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::watch;

pub(crate) use self::check::{Violation, violations};
pub(crate) use self::evidence::{Evidence, Image, read_image, read_stored};
use crate::caller::{Answer, Broken};

/// Something that was sent, once or until there was an answer.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) number: u64,
    pub(crate) flow: &'static str,
    pub(crate) body: Bytes,
    /// The word that an ordered flow leaves of it: of which key, and which item.
    pub(crate) order: Option<(String, String)>,
    pub(crate) tries: Vec<Try>,
}

/// One sending of a delivery. Times are counts of what the ledger has written.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    pub(crate) reply: Reply,
}

/// What came of a sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is not known yet.
    Awaited,
    /// A promise: the execution is on disk.
    Accepted(String),
    /// The server said no.
    Refused(u16),
    /// There was no answer.
    Broken(Broken),
}

/// How far the callers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
}

/// The ledger; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    // Held for an entry, never over an await.
    book: Mutex<Book>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct Book {
    deliveries: BTreeMap<u64, Delivery>,
    clock: u64,
}

impl Reply {
    pub(crate) fn of(answer: &Result<Answer, Broken>) -> Self {
        match answer {
            Ok(answer) if answer.status < 400 => {
                let id = answer.execution().expect("a promise names its execution");
                Self::Accepted(id.to_owned())
            }
            Ok(answer) => {
                let may_come_again = answer.header("retry-after").is_some();
                assert!(may_come_again || answer.status != 503, "{answer:?}");
                Self::Refused(answer.status)
            }
            Err(broken) => Self::Broken(*broken),
        }
    }
}

impl Ledger {
    /// Opens a delivery; `make` gets its number, which must stand in the body.
    pub(crate) fn open(
        &self,
        flow: &'static str,
        make: impl FnOnce(u64) -> (Bytes, Option<(String, String)>),
    ) -> (u64, Bytes) {
        let mut book = self.0.book.lock().unwrap();
        let number = book.deliveries.len() as u64;
        let (body, order) = make(number);
        let delivery = Delivery {
            number,
            flow,
            body: body.clone(),
            order,
            tries: Vec::new(),
        };
        book.deliveries.insert(number, delivery);
        (number, body)
    }

    /// Writes down that a delivery is about to be sent.
    pub(crate) fn send(&self, number: u64) {
        let mut book = self.0.book.lock().unwrap();
        book.clock += 1;
        let sent = book.clock;
        let delivery = book.deliveries.get_mut(&number).unwrap();
        delivery.tries.push(Try {
            sent,
            heard: u64::MAX,
            reply: Reply::Awaited,
        });
        self.0.progress.send_modify(|progress| progress.sent += 1);
    }

    /// Writes down what came of it.
    pub(crate) fn hear(&self, number: u64, reply: Reply) {
        let mut book = self.0.book.lock().unwrap();
        book.clock += 1;
        let heard = book.clock;
        self.0.progress.send_modify(|progress| match reply {
            Reply::Accepted(_) => progress.accepted += 1,
            Reply::Refused(_) => progress.refused += 1,
            _ => {}
        });
        let delivery = book.deliveries.get_mut(&number).unwrap();
        let last = delivery.tries.last_mut().unwrap();
        *last = Try {
            sent: last.sent,
            heard,
            reply,
        };
    }

    /// Waits until the callers are so far.
    pub(crate) async fn until(&self, far: impl FnMut(&Progress) -> bool) {
        let mut progress = self.0.progress.subscribe();
        crate::process::in_time(progress.wait_for(far))
            .await
            .unwrap();
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.0.progress.borrow()
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let book = self.0.book.lock().unwrap();
        book.deliveries.values().cloned().collect()
    }

    /// Returns the executions that callers hold now.
    pub(crate) fn held(&self) -> Vec<String> {
        let deliveries = self.deliveries();
        let held = deliveries.iter().flat_map(Delivery::held);
        held.map(str::to_owned).collect()
    }
}

impl Delivery {
    /// Returns the executions that its caller was promised.
    pub(crate) fn held(&self) -> impl Iterator<Item = &str> {
        self.tries
            .iter()
            .filter_map(|sending| match &sending.reply {
                Reply::Accepted(id) => Some(id.as_str()),
                _ => None,
            })
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.held().next().is_some()
    }
}
