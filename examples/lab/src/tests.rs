//! What the lab promises of its flows as a whole.

use sdk::config::ConfigValues;
use sdk::integration::BuiltIntegration;
use sdk::trigger::{TriggerKind, WebhookTrigger};
use serde_json::json;

use super::*;

fn built() -> BuiltIntegration {
    integration().build().expect("the lab has no faults")
}

fn keys(wanted: impl Fn(&sdk::options::Settled) -> bool) -> Vec<&'static str> {
    let options = built().flows;
    let options = options.iter().map(|flow| &flow.options);
    options
        .filter(|options| wanted(options))
        .map(|options| options.key)
        .collect()
}

#[test]
fn every_flow_is_there_under_its_key() {
    let all = "echo echo-sync challenge status xml bytes fail flaky slow panic steps signed ordered per-key counter tick on-deploy \
               on-remove caller";
    assert_eq!(keys(|_| true).join(" "), all);
}

#[test]
fn a_caller_waits_for_what_is_synchronous_and_for_nothing_else() {
    let waiting = keys(|options| options.respond == Respond::WithResult);
    let wanted = "echo-sync status xml bytes fail slow panic counter caller";
    assert_eq!(waiting.join(" "), wanted);
}

#[test]
fn no_webhook_leaves_open_whether_it_is_signed() {
    let unsaid = keys(|options| {
        matches!(
            options.trigger,
            TriggerKind::Webhook(WebhookTrigger::Unsaid)
        )
    });
    assert_eq!(unsaid, [""; 0], "W43");
}

#[test]
fn the_local_instance_has_the_secret_and_no_other_instance_does() {
    let built = built();
    let local = built.local.clone().expect("a local instance");
    assert_eq!(
        serde_json::Value::Object(local),
        json!({"hmac_secret": "AC49CB66-511F-4085-9119-360B1B142F4B"})
    );
    let refusal = built.decode_config(&ConfigValues::new()).unwrap_err();
    assert_eq!(refusal.to_string(), "`hmac_secret` is missing");
}

#[test]
fn a_flaky_run_is_tried_five_times_more_a_second_apart() {
    let flaky = built().flow("flaky").cloned().expect("the flow `flaky`");
    let failure = Error::new("x");
    let waits = [1, 5, 6].map(|attempt| flaky.options.retry.wait_after(attempt, &failure));
    assert_eq!(waits, [Some(seconds(1)), Some(seconds(1)), None]);
}
