//! What is special about single senders.

use http::Method;
use sdk::Secret;
use sdk::signature::providers;
use sdk::time::{millis, minutes, seconds};

use super::sender::{Message, now, secret, signed};
use super::{CannotSign, Refusal};

#[test]
fn w40_a_prefix_that_is_missing_wrong_or_doubled_is_refused() {
    let scheme = providers::github().scheme;
    let (message, right, _) = signed(&scheme);
    let value = message.headers["x-hub-signature-256"].to_str().unwrap();
    let signature = value.strip_prefix("sha256=").unwrap();
    for changed in [
        signature.to_owned(),
        format!("sha1={signature}"),
        format!("sha256=sha256={signature}"),
        format!("sha256= {signature}"),
        format!("{value},{value}"),
    ] {
        let message = message.clone().with("x-hub-signature-256", &changed);
        let verified = message.verify(&scheme, std::slice::from_ref(&right), now());
        assert!(verified.is_err(), "{changed}");
    }
}

#[test]
fn w41_one_good_signature_of_a_list_is_enough_and_older_versions_are_ignored() {
    let scheme = providers::stripe().scheme;
    let (message, right, _) = signed(&scheme);
    let secrets = [right];
    let value = message.headers["stripe-signature"].to_str().unwrap();
    let (time, signature) = value.split_once(",v1=").unwrap();
    let other = "0".repeat(64);
    let check = |header: String| {
        let message = message.clone().with("stripe-signature", &header);
        message.verify(&scheme, &secrets, now()).map(|_| ())
    };
    assert_eq!(check(format!("{time},v1={other},v1={signature}")), Ok(()));
    assert_eq!(check(format!("v1={signature}, v0={other}, {time}")), Ok(()));
    assert_eq!(
        check(format!("{time},v1={other},v1={other}")),
        Err(Refusal::Mismatch)
    );
    for refused in [
        format!("{time},v0={signature}"),
        format!("{time},t=1,v1={signature}"),
        format!("v1={signature}"),
        format!("t=,v1={signature}"),
        format!(
            "{time}{}",
            format!(",v1={other}").repeat(32) + ",v1=" + signature
        ),
    ] {
        assert!(check(refused.clone()).is_err(), "{refused}");
    }
}

#[test]
fn w41_each_demanded_header_must_be_there() {
    let scheme = providers::box_().scheme;
    let (message, right, _) = signed(&scheme);
    for (name, value) in [
        ("box-signature-version", "2"),
        ("box-signature-algorithm", "HmacSHA1"),
    ] {
        let message = message.clone().with(name, value);
        let refusal = message.verify(&scheme, std::slice::from_ref(&right), now());
        assert!(
            matches!(refusal, Err(Refusal::WrongHeader { .. })),
            "{name}"
        );
    }
}

#[test]
fn w41_any_numbered_header_of_docusign_is_enough() {
    let scheme = providers::docusign().scheme;
    let (mut message, right, _) = signed(&scheme);
    let good = message.headers.remove("x-docusign-signature-1").unwrap();
    message.headers.insert("x-docusign-signature-12", good);
    message.set("x-docusign-signature-1", "AAAA");
    assert!(
        message
            .verify(&scheme, std::slice::from_ref(&right), now())
            .is_ok()
    );
    let good = message.headers.remove("x-docusign-signature-12").unwrap();
    message.headers.insert("x-docusign-signature-x", good);
    assert_eq!(
        message.verify(&scheme, &[right], now()),
        Err(Refusal::Mismatch)
    );
}

#[test]
fn w41_every_element_of_microsoft_graph_needs_the_client_state() {
    let scheme = providers::microsoft_graph().scheme;
    let secrets = [Secret::new("state"), Secret::new("older state")];
    for (body, is_accepted) in [
        (
            r#"{"value":[{"clientState":"state"},{"clientState":"older state"}]}"#,
            true,
        ),
        (
            r#"{"value":[{"clientState":"state"},{"clientState":"other"}]}"#,
            false,
        ),
        (r#"{"value":[{"clientState":"state"},{}]}"#, false),
        (
            r#"{"value":[{"clientState":"state"},{"clientState":null}]}"#,
            false,
        ),
        (r#"{"value":[]}"#, false),
        (r#"{"value":{"clientState":"state"}}"#, false),
        ("", false),
    ] {
        let message = Message::new(Method::POST, "https://hooks.example/", body);
        let verified = message.verify(&scheme, &secrets, now());
        assert_eq!(verified.is_ok(), is_accepted, "{body}");
    }
}

#[test]
fn w41_a_form_for_twilio_is_signed_by_its_fields_and_not_by_their_order() {
    let scheme = providers::twilio().scheme;
    let secret = Secret::new("token");
    let form = |body: &str| {
        let message = Message::new(Method::POST, "https://hooks.example/?a=b", body);
        message.with("content-type", "Application/X-WWW-Form-Urlencoded")
    };
    let mut message = form("b=2+3&a=%2B1&c=")
        .signed(&scheme, &secret, now())
        .unwrap();
    assert_eq!(message.url, "https://hooks.example/?a=b");
    for (body, is_accepted) in [
        ("c=&a=%2b1&b=2%203", true),
        ("c=&a=%2B1&b=2+4", false),
        ("a=%2B1&b=2+3", false),
    ] {
        message.body = body.into();
        let verified = message.verify(&scheme, std::slice::from_ref(&secret), now());
        assert_eq!(verified.is_ok(), is_accepted, "{body}");
    }
}

#[test]
fn w41_hubspot_may_have_decoded_the_url_before_it_signed() {
    let scheme = providers::hubspot().scheme;
    let secret = Secret::new("secret");
    let raw = "https://hooks.example/t/a?to=a%40b.example&q=1%262";
    let spelled = |url| Message::new(Method::POST, url, "{}");
    for url in [raw, "https://hooks.example/t/a?to=a@b.example&q=1%262"] {
        let mut message = spelled(url).signed(&scheme, &secret, now()).unwrap();
        raw.clone_into(&mut message.url);
        let secrets = [secret.clone()];
        assert!(message.verify(&scheme, &secrets, now()).is_ok(), "{url}");
        message.url.push('3');
        assert!(message.verify(&scheme, &secrets, now()).is_err(), "{url}");
    }
}

#[test]
fn w42_a_body_without_a_place_for_the_signature_cannot_be_signed() {
    for scheme in [
        providers::mailgun().scheme,
        providers::microsoft_graph().scheme,
        providers::linear().scheme,
    ] {
        for body in [
            "<order/>",
            "[]",
            r#"{"value":[],"signature":1,"webhookTimestamp":{"a":1}"#,
        ] {
            let message = Message::new(Method::POST, "https://hooks.example/", body);
            let refused = message.signed(&scheme, &secret(&scheme, 7), now());
            assert!(
                matches!(refused, Err(CannotSign::NoPlaceInBody { .. })),
                "{body}: {refused:?}"
            );
        }
    }
}

#[test]
fn w42_an_id_that_is_in_the_body_stays_and_a_number_stays_a_number() {
    let stripe = providers::stripe().scheme;
    let message = Message::new(Method::POST, "https://hooks.example/", r#"{"id":"evt_1"}"#);
    let message = message.signed(&stripe, &Secret::new("key"), now()).unwrap();
    assert_eq!(message.body, br#"{"id":"evt_1"}"#);
    let verified = message
        .verify(&stripe, &[Secret::new("key")], now())
        .unwrap();
    assert_eq!(verified.delivery_id.unwrap(), "evt_1");
    let linear = providers::linear().scheme;
    let message = Message::order()
        .signed(&linear, &Secret::new("key"), now())
        .unwrap();
    let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(body["webhookTimestamp"], now().as_millis());
}

#[cfg(feature = "asymmetric-signatures")]
#[test]
fn w41_a_weak_public_key_of_discord_is_refused() {
    let scheme = providers::discord().scheme;
    let (message, ..) = signed(&scheme);
    // The neutral element: any signature of it fits any text.
    let weak = format!("01{}", "00".repeat(31));
    for text in [weak.as_str(), "ff", "not hexadecimal"] {
        let refusal = message.verify(&scheme, &[Secret::new(text)], now());
        assert!(
            matches!(refusal, Err(Refusal::UnusableSecret { .. })),
            "{text}"
        );
    }
}

#[test]
fn w41_the_tolerance_of_a_sender_can_be_changed() {
    let scheme = providers::slack().tolerance(minutes(10)).scheme;
    let (message, right, _) = signed(&scheme);
    let secrets = [right];
    assert!(
        message
            .verify(&scheme, &secrets, now() + minutes(10))
            .is_ok()
    );
    assert_eq!(
        message.verify(&scheme, &secrets, now() + minutes(10) + seconds(1)),
        Err(Refusal::Stale {
            age: 601,
            limit: 600
        })
    );
    // What the sender cut off from its second does not count.
    let cut = now() + minutes(10) + millis(999);
    assert!(message.verify(&scheme, &secrets, cut).is_ok());
}
