//! What the macros make of an author's code.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop where it finds a fault; clippy knows that only of the test functions themselves"
)]

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use sdk::config::Visibility;
use sdk::flow::Call;
use sdk::prelude::*;
use serde_json::json;

mod batches;
mod bodies;
mod connections;
mod endpoints;
mod silence;

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Order {
    item: String,
    quantity: u32,
}

/// How often the orders are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PickList)]
enum Period {
    EveryDay,
    EveryMonth,
    #[choice("each 3 months")]
    Quarter,
}

#[derive(ConfigVars)]
struct Config {
    /// Where the customer's Acme account lives.
    ///
    /// Without a path.
    acme_url: Url,
    #[config(default = 50, visibility = Visibility::Organization)]
    page_size: u32,
    #[config(default = "every_month")]
    period: Period,
    note: Option<String>,
}

struct ReceiveOrder;

/// Files an order
/// in the warehouse.
#[flow(
    key = "receive-order",
    name = "Receive order",
    trigger = Webhook::unsigned(),
    retry = Retry::times(5).every(minutes(4)),
    lifecycle_retry = Retry::times(3).every(seconds(2)),
    queue = Queue::order_by("/item"),
    dedupe = Dedupe::by("/item"),
    time_limit = minutes(2),
)]
impl ReceiveOrder {
    const SHELVES: u32 = 2;

    #[on_execution]
    async fn file(context: &Context<Config>, order: Order) -> Result<Order> {
        Ok(Order {
            item: order.item,
            quantity: order.quantity + context.config().page_size + Self::SHELVES,
        })
    }

    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> Result<String> {
        Ok(context.config().acme_url.join("hooks"))
    }

    fn unmarked(&self) -> &Self {
        self
    }
}

fn values() -> sdk::config::ConfigValues {
    json!({"acme_url": "https://acme.example", "period": "each 3 months"})
        .as_object()
        .cloned()
        .unwrap()
}

fn built() -> sdk::integration::BuiltIntegration {
    Integration::<Config>::new("acme-orders")
        .flow::<ReceiveOrder>()
        .build()
        .unwrap()
}

/// Waits for a future that has nothing to wait for.
#[track_caller]
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let mut context = TaskContext::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

fn call() -> Call {
    Call {
        config: built().decode_config(&values()).unwrap(),
        facts: silence::facts(),
        host: Arc::new(silence::Silence),
    }
}

#[test]
fn options_are_taken_as_written_and_the_doc_comment_describes() {
    let options = built().flows[0].options.clone();
    assert_eq!(
        (options.key, options.name.as_str()),
        ("receive-order", "Receive order")
    );
    assert_eq!(options.description, "Files an order\nin the warehouse.");
    assert_eq!(options.retry, Retry::times(5).every(minutes(4)));
    let lifecycle_retry = Retry::times(3).every(seconds(2));
    assert_eq!(options.lifecycle_retry, lifecycle_retry);
    assert_eq!(options.queue, Queue::order_by("/item"));
    assert_eq!(options.dedupe, Some(Dedupe::by("/item")));
    assert_eq!(options.time_limit, Some(minutes(2)));
}

#[test]
fn a_flow_function_is_called_with_config_and_payload_and_gives_its_result() {
    let functions = built().flows[0].functions.clone();
    let payload = Payload::json(&json!({"item": "widget", "quantity": 5}));
    let output = now(functions.on_execution.unwrap().call(call(), payload)).unwrap();
    assert_eq!(
        output,
        Output::json(&Order {
            item: "widget".to_owned(),
            quantity: 57
        })
        .unwrap()
    );
}

#[test]
fn a_function_without_payload_takes_any() {
    let deploy = built().flows[0]
        .functions
        .on_instance_deploy
        .clone()
        .unwrap();
    let output = now(deploy.call(call(), Payload::empty())).unwrap();
    assert_eq!(output, Output::json(&"https://acme.example/hooks").unwrap());
}

#[test]
fn the_functions_of_the_block_stay_callable() {
    let config = Config::decode(&values()).unwrap_or_else(|faults| panic!("{faults}"));
    let context = Context::new(
        Arc::new(config),
        silence::facts(),
        Arc::new(silence::Silence),
    );
    let order = Order {
        item: "widget".to_owned(),
        quantity: 1,
    };
    assert_eq!(
        now(ReceiveOrder::file(&context, order)).unwrap().quantity,
        53
    );
    ReceiveOrder.unmarked();
}

#[test]
fn config_variables_are_described_by_their_fields() {
    let schema = built().config_schema();
    let variables = &schema["properties"];
    assert_eq!(
        variables["acme_url"]["description"],
        "Where the customer's Acme account lives.\n\nWithout a path."
    );
    assert_eq!(variables["page_size"]["default"], 50);
    assert_eq!(variables["page_size"]["x-visibility"], "organization");
    assert_eq!(
        variables["period"]["enum"],
        json!(["every_day", "every_month", "each 3 months"])
    );
    assert_eq!(schema["required"], json!(["acme_url"]));
}

#[test]
fn config_variables_read_back_what_they_write() {
    let config = Config::decode(&values()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        (config.period, config.note.as_deref()),
        (Period::Quarter, None)
    );
    let written = json!({
        "acme_url": "https://acme.example", "page_size": 50, "period": "each 3 months", "note": null,
    });
    assert_eq!(serde_json::Value::Object(config.encode()), written);
    assert!(Config::decode(&config.encode()).is_ok());
}

#[test]
fn every_fault_of_config_values_is_named() {
    let values = json!({"page_size": "many", "period": "yearly", "colour": "red"});
    let faults = Config::decode(values.as_object().unwrap()).err().unwrap();
    assert_eq!(
        faults.to_string(),
        "`colour` is no config variable of this integration; it has `acme_url`, `page_size`, `period`, `note`; \
         `acme_url` is missing; `page_size` must be a whole number of 32 bits, zero or more; \
         `period` must be one of `every_day`, `every_month`, `each 3 months`"
    );
}

#[test]
fn each_choice_goes_by_its_name() {
    let names: Vec<_> = Period::CHOICES
        .iter()
        .map(|(name, choice)| (*name, choice.name()))
        .collect();
    assert_eq!(
        names,
        [
            ("every_day", "every_day"),
            ("every_month", "every_month"),
            ("each 3 months", "each 3 months")
        ]
    );
    assert_eq!(Period::EveryMonth.name(), "every_month");
}
