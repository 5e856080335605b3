//! Callers that send and send, and note what they are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::caller::{Caller, request, spawn};
use crate::ledger::{Ledger, Reply};
use crate::process::{Home, in_time};

/// What one caller sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// To `echo`.
    Echo,
    /// To `steps`, with pauses of 1 to 20 ms.
    Steps,
    /// To `ordered`; each delivery is sent again until there is an answer, as senders do.
    Ordered,
    /// To `per-key`, with four keys.
    PerKey,
    /// To `echo`, with a body that takes 64 KiB.
    Heavy,
}

/// Eleven callers who stay, hang up, repeat themselves, and share keys.
pub(crate) const MIXED: &[Work] = &[
    Work::Echo,
    Work::Echo,
    Work::Echo,
    Work::Steps,
    Work::Steps,
    Work::Steps,
    Work::Steps,
    Work::PerKey,
    Work::PerKey,
    Work::PerKey,
    Work::Ordered,
];

/// Callers at work.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) ledger: Ledger,
    address: watch::Sender<Option<SocketAddr>>,
    stop: watch::Sender<bool>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts callers who send this much in a second, all together; they wait until there is an address.
    pub(crate) fn start(home: &Home, works: &[Work], per_second: u32) -> Self {
        let ledger = Ledger::default();
        let (address, _) = watch::channel(None);
        let (stop, _) = watch::channel(false);
        let beat = Duration::from_secs(1) / per_second;
        let pause = beat * u32::try_from(works.len()).unwrap();
        let callers = works.iter().enumerate().map(|(place, work)| {
            let sender = Sender {
                ledger: ledger.clone(),
                work: *work,
                path: Arc::from(home.endpoint(work.flow())),
                address: address.subscribe(),
                stop: stop.subscribe(),
                caller: if place % 2 == 0 {
                    Caller::that_stays()
                } else {
                    Caller::that_hangs_up()
                },
            };
            // Each in its own beat.
            let first = Instant::now() + beat * u32::try_from(place).unwrap();
            spawn(sender.run(first, pause))
        });
        let callers = callers.collect();
        Self {
            ledger,
            address,
            stop,
            callers,
        }
    }

    /// Tells the callers where the server is now.
    pub(crate) fn send_to(&self, address: SocketAddr) {
        self.address.send_replace(Some(address));
    }

    /// Tells the callers that there is no server.
    pub(crate) fn hold(&self) {
        self.address.send_replace(None);
    }

    /// Lets the callers come to an end with what they are at.
    pub(crate) async fn end(self) -> Ledger {
        self.stop.send_replace(true);
        for caller in self.callers {
            in_time(caller).await.unwrap();
        }
        self.ledger
    }
}

impl Work {
    fn flow(self) -> &'static str {
        match self {
            Self::Echo | Self::Heavy => "echo",
            Self::Steps => "steps",
            Self::Ordered => "ordered",
            Self::PerKey => "per-key",
        }
    }

    /// Makes the body of a delivery, and says in which order it belongs.
    fn body(self, number: u64) -> (Bytes, Option<(String, String)>) {
        let (body, order) = match self {
            Self::Echo | Self::Steps => (json!({"number": number}), None),
            Self::Heavy => (
                json!({"number": number, "ballast": "x".repeat(64 * 1024)}),
                None,
            ),
            Self::Ordered => {
                let id = format!("item-{number}");
                let body = json!({"number": number, "id": id});
                (body, Some((String::new(), id)))
            }
            Self::PerKey => {
                let key = format!("key-{}", number % 4);
                let body = json!({"number": number, "key": key, "n": number});
                (body, Some((key, number.to_string())))
            }
        };
        (body.to_string().into(), order)
    }
}

/// One caller.
struct Sender {
    ledger: Ledger,
    work: Work,
    path: Arc<str>,
    address: watch::Receiver<Option<SocketAddr>>,
    stop: watch::Receiver<bool>,
    caller: Caller,
}

impl Sender {
    async fn run(mut self, first: Instant, pause: Duration) {
        let mut turns = interval_at(first, pause);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*self.stop.borrow() {
            let (number, body) = self
                .ledger
                .open(self.work.flow(), |number| self.work.body(number));
            loop {
                turns.tick().await;
                let Some(address) = self.address().await else {
                    return;
                };
                let reply = self.send(address, number, body.clone()).await;
                let is_over = matches!(reply, Reply::Accepted(_)) || self.work != Work::Ordered;
                self.ledger.hear(number, reply);
                if is_over {
                    break;
                }
            }
        }
    }

    /// Returns where the server is, once there is one; none if it is time to end.
    async fn address(&mut self) -> Option<SocketAddr> {
        tokio::select! {
            address = self.address.wait_for(Option::is_some) => *address.ok()?,
            _ = self.stop.wait_for(|stop| *stop) => None,
        }
    }

    async fn send(&mut self, address: SocketAddr, number: u64, body: Bytes) -> Reply {
        let path = match self.work {
            Work::Steps => format!("{}?ms={}", self.path, number % 20 + 1),
            _ => self.path.to_string(),
        };
        let request = request(http::Method::POST, &path, "application/json", body);
        self.ledger.send(number);
        Reply::of(&self.caller.send(address, request).await)
    }
}
