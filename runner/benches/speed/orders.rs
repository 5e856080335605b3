//! The integration that is measured: it counts the items of an order. The references do the same work with [`count`].

use std::sync::{LazyLock, Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sdk::prelude::*;
use sdk::signature::Hash;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What is sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    id: String,
    customer: String,
    items: Vec<Item>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Item {
    name: String,
    quantity: u32,
    price: String,
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    ok: bool,
    id: String,
    items: u32,
}

/// The work of every flow and of every reference.
pub(crate) fn count(order: Order) -> Counted {
    let items = order.items.iter().map(|item| item.quantity).sum();
    Counted {
        ok: true,
        id: order.id,
        items,
    }
}

/// As many items make an order of 1 KiB, and of 64 KiB.
const FEW: u32 = 13;
const MANY: u32 = 870;

/// Makes an order of 1 KiB, roughly.
pub(crate) fn order() -> Vec<u8> {
    order_of(FEW)
}

/// Makes an order of 64 KiB, roughly.
pub(crate) fn large_order() -> Vec<u8> {
    order_of(MANY)
}

fn order_of(items: u32) -> Vec<u8> {
    let item = |number| Item {
        name: format!("widget number {number} in blue"),
        quantity: number,
        price: format!("{number}.95 EUR"),
    };
    let order = Order {
        id: "order-8d1f6c2e-5c0e-4d0b-9a55-6f3f2f7f0001".to_owned(),
        customer: "Ada Lovelace, 12 Saint James's Square, London".to_owned(),
        items: (1..=items).map(item).collect(),
    };
    serde_json::to_vec(&order).unwrap_or_default()
}

/// Flow `count`: asynchronous.
pub(crate) struct Count;

#[flow(key = "count", trigger = Webhook::unsigned())]
impl Count {
    #[on_execution]
    async fn count(_context: &Context, order: Order) -> Result<Counted> {
        Ok(count(order))
    }
}

/// Flow `count-directly`: the result is the answer.
pub(crate) struct CountDirectly;

#[flow(key = "count-directly", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl CountDirectly {
    #[on_execution]
    async fn count(_context: &Context, order: Order) -> Result<Counted> {
        Ok(count(order))
    }
}

/// Flow `three-steps`: each step is recorded before the next begins.
pub(crate) struct ThreeSteps;

#[flow(key = "three-steps", trigger = Webhook::unsigned())]
impl ThreeSteps {
    #[on_execution]
    async fn walk(context: &Context, order: Order) -> Result<u32> {
        let counted = count(order);
        let mut sum = 0;
        for step in ["one", "two", "three"] {
            sum += context.step(step, || async { Ok(counted.items) }).await?;
        }
        Ok(sum)
    }
}

/// The header that carries the signature of flow `signed`.
const SIGNATURE: &str = "x-signature";

/// With what it is signed; nothing else is a secret here.
static SECRET: LazyLock<Secret> = LazyLock::new(|| "0123456789abcdef0123456789abcdef".into());

fn secret(_config: &()) -> &Secret {
    &SECRET
}

/// Returns the header line that signs a body.
pub(crate) fn signature(body: &[u8]) -> crate::Result<String> {
    let mut code = Hmac::<Sha256>::new_from_slice(SECRET.expose().as_bytes())?;
    code.update(body);
    let signature = hex::encode(code.finalize().into_bytes());
    Ok(format!("{SIGNATURE}: {signature}\r\n"))
}

/// Flow `signed`: as `count`, from a sender who signs.
pub(crate) struct Signed;

#[flow(
    key = "signed",
    trigger = Webhook::signed_by(SignatureScheme::hmac(SIGNATURE, Hash::Sha256), secret),
)]
impl Signed {
    #[on_execution]
    async fn count(_context: &Context, order: Order) -> Result<Counted> {
        Ok(count(order))
    }
}

/// Flow `held`: one runs and does not end, the others wait.
pub(crate) struct Held;

#[flow(key = "held", trigger = Webhook::unsigned(), queue = Queue::throttled(1), time_limit = hours(24))]
impl Held {
    #[on_execution]
    async fn wait(context: &Context) -> Result<()> {
        context.sleep(hours(12)).await;
        Ok(())
    }
}

/// The integration with these flows.
pub(crate) fn integration() -> Integration<()> {
    Integration::new("orders")
        .flow::<Count>()
        .flow::<CountDirectly>()
        .flow::<Signed>()
        .flow::<ThreeSteps>()
        .flow::<Held>()
        .local_instance(|| ())
}

/// Flow `daily`: due at eight, and notes how late it began.
pub(crate) struct Daily;

#[flow(key = "daily", trigger = Schedule::cron("0 8 * * *"))]
impl Daily {
    #[on_execution]
    async fn note(context: &Context, payload: Payload) -> Result<()> {
        let nominal = payload.tick.map_or(Timestamp::MAX, |tick| tick.nominal);
        let late = context.now().since(nominal);
        lags().push(u64::try_from(late.as_millis())?);
        Ok(())
    }
}

/// How late each run of `daily` began, in milliseconds.
static LAGS: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn lags() -> std::sync::MutexGuard<'static, Vec<u64>> {
    LAGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns how many runs of `daily` there were since the last [`take_lags`].
pub(crate) fn lag_count() -> usize {
    lags().len()
}

/// Returns how late the runs of `daily` began, in milliseconds, the smallest first; and forgets them.
pub(crate) fn take_lags() -> Vec<u64> {
    let mut taken = std::mem::take(&mut *lags());
    taken.sort_unstable();
    taken
}

/// The integration that has a schedule, and a webhook that comes meanwhile.
pub(crate) fn clockwork() -> Integration<()> {
    Integration::new("clockwork")
        .flow::<Daily>()
        .flow::<Count>()
}
