//! The rules that hold for every scheme, tried on every sender that is known by name.

use http::Method;
use sdk::signature::{Hash, Part, Place, SignatureScheme, Source, TimeUnit, providers};
use sdk::time::{millis, seconds};
use sdk::{Secret, Timestamp};

use super::sender::{
    Change, Message, decoded, encoded, is_for_another, now, providers as senders, signed,
};
use super::{CannotSign, Refusal};

fn covers_body(scheme: &SignatureScheme) -> bool {
    let covers = |part: &Part| {
        matches!(
            part,
            Part::Body | Part::BodySum | Part::Members { .. } | Part::FormOrDigest { .. }
        )
    };
    scheme.signed.iter().any(covers)
}

#[test]
fn w42_what_is_signed_is_verified_for_every_sender() {
    for provider in senders() {
        let (message, right, wrong) = signed(&provider.scheme);
        let verified = message.verify(&provider.scheme, std::slice::from_ref(&right), now());
        let id = verified
            .unwrap_or_else(|refusal| panic!("{}: {refusal}", provider.name))
            .delivery_id;
        assert_eq!(
            id.is_some(),
            provider.scheme.id.is_some(),
            "{}",
            provider.name
        );
        let refused = message.verify(&provider.scheme, &[wrong], now());
        assert!(is_for_another(&refused), "{}", provider.name);
    }
}

#[test]
fn w41_a_secret_can_be_changed_without_a_gap() {
    for provider in senders() {
        let (message, right, wrong) = signed(&provider.scheme);
        let blank = Secret::new(" \0");
        for secrets in [
            vec![wrong.clone(), right.clone()],
            vec![right.clone(), wrong.clone()],
            vec![blank.clone(), wrong.clone(), right.clone()],
        ] {
            let verified = message.verify(&provider.scheme, &secrets, now());
            assert!(verified.is_ok(), "{}: {verified:?}", provider.name);
        }
        let refused = message.verify(&provider.scheme, &[wrong, blank], now());
        assert!(is_for_another(&refused), "{}", provider.name);
    }
}

#[test]
fn w40_a_changed_body_is_refused_wherever_the_body_is_signed() {
    let mut not_covered = Vec::new();
    for provider in senders() {
        let (mut message, right, _) = signed(&provider.scheme);
        let body = String::from_utf8(message.body.clone()).unwrap();
        message.body = body.replace("widget", "gadget").into_bytes();
        let verified = message.verify(&provider.scheme, &[right], now());
        assert_eq!(
            verified.is_err(),
            covers_body(&provider.scheme),
            "{}: {verified:?}",
            provider.name
        );
        if verified.is_ok() {
            not_covered.push(provider.name);
        }
    }
    // Each of them says so in its documentation.
    assert_eq!(
        not_covered,
        ["GitLab", "Mailgun", "Microsoft Graph", "Okta"]
    );
}

/// Finding 9: truncated signatures have been accepted by a library.
#[test]
fn w40_a_signature_that_is_not_whole_is_refused() {
    let changes: [(&str, Box<Change>); 8] = [
        ("empty", Box::new(|_, _| String::new())),
        (
            "its first byte",
            Box::new(|encoding, signature| encoded(encoding, &decoded(encoding, signature)[..1])),
        ),
        (
            "a byte short",
            Box::new(|encoding, signature| {
                let bytes = decoded(encoding, signature);
                encoded(encoding, &bytes[..bytes.len() - 1])
            }),
        ),
        (
            "a byte long",
            Box::new(|encoding, signature| {
                let mut bytes = decoded(encoding, signature);
                bytes.push(b'0');
                encoded(encoding, &bytes)
            }),
        ),
        (
            "doubled",
            Box::new(|encoding, signature| {
                encoded(encoding, &decoded(encoding, signature).repeat(2))
            }),
        ),
        (
            "written twice",
            Box::new(|_, signature| signature.repeat(2)),
        ),
        (
            "a letter short",
            Box::new(|_, signature| signature[..signature.len() - 1].to_owned()),
        ),
        (
            "one bit off",
            Box::new(|encoding, signature| {
                let mut bytes = decoded(encoding, signature);
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                encoded(encoding, &bytes)
            }),
        ),
    ];
    for provider in senders() {
        let (message, right, _) = signed(&provider.scheme);
        for (name, change) in &changes {
            let resigned = message.resigned(&provider.scheme, change);
            let verified = resigned.verify(&provider.scheme, std::slice::from_ref(&right), now());
            assert!(verified.is_err(), "{}: {name}", provider.name);
        }
    }
}

#[test]
fn w41_the_tolerance_is_accepted_exactly_and_refused_one_beyond_it() {
    let mut checked = 0;
    for provider in senders() {
        let Some(timestamp) = &provider.scheme.timestamp else {
            continue;
        };
        let unit = match timestamp.unit {
            TimeUnit::Seconds => seconds(1),
            TimeUnit::Milliseconds | TimeUnit::Rfc3339 => millis(1),
        };
        let (message, right, _) = signed(&provider.scheme);
        let secrets = [right];
        let at = |at: Timestamp| message.verify(&provider.scheme, &secrets, at);
        let (latest, earliest) = (now() + timestamp.past, now() - timestamp.future);
        assert!(at(latest).is_ok(), "{}", provider.name);
        assert!(
            matches!(at(latest + unit), Err(Refusal::Stale { .. })),
            "{}",
            provider.name
        );
        assert!(at(earliest).is_ok(), "{}", provider.name);
        assert!(
            matches!(at(earliest - unit), Err(Refusal::FromTheFuture { .. })),
            "{}",
            provider.name
        );
        checked += 1;
    }
    assert!(checked >= 12, "{checked}");
}

#[test]
fn w40_a_message_without_a_signature_is_refused() {
    for provider in senders() {
        let (_, right, _) = signed(&provider.scheme);
        let mut bare = Message::order();
        for (name, value) in &provider.scheme.demands {
            bare.set(name, value);
        }
        let refusal = bare.verify(&provider.scheme, &[right], now()).unwrap_err();
        let is_missing = matches!(refusal, Refusal::Missing { .. });
        let is_element = matches!(provider.scheme.place, Place::EachElement { .. });
        assert!(is_missing || is_element, "{}: {refusal}", provider.name);
    }
}

#[test]
fn w43_no_secret_and_blank_secrets_let_nothing_through() {
    for provider in senders() {
        let (message, ..) = signed(&provider.scheme);
        for secrets in [
            vec![],
            vec![Secret::new("")],
            vec![Secret::new(" \t\n")],
            vec![Secret::new("\0\0\0\0"), Secret::default()],
        ] {
            let refusal = message.verify(&provider.scheme, &secrets, now());
            assert_eq!(refusal, Err(Refusal::NoSecret), "{}", provider.name);
            if let Some(secret) = secrets.first() {
                let forged = Message::order().signed(&provider.scheme, secret, now());
                assert!(forged.is_err(), "{}", provider.name);
            }
        }
    }
}

#[test]
fn w43_a_secret_that_is_blank_once_decoded_lets_nothing_through() {
    let scheme = providers::svix().scheme;
    let (message, ..) = signed(&scheme);
    for (text, reason) in [
        ("whsec_", "is blank after its prefix; copy it whole"),
        ("whsec_AAAAAAAA", "is blank after its prefix; copy it whole"),
        ("whsec_*", "is not base64 after its prefix; copy it whole"),
    ] {
        let refusal = message.verify(&scheme, &[Secret::new(text)], now());
        assert_eq!(refusal, Err(Refusal::UnusableSecret { reason }));
    }
}

#[test]
fn w40_a_signature_that_is_there_twice_is_accepted_only_if_it_is_the_same() {
    let scheme = SignatureScheme::hmac("x-signature", Hash::Sha256);
    let (mut message, right, _) = signed(&scheme);
    let value = message.headers["x-signature"].clone();
    message.headers.append("x-signature", value);
    let secrets = [right];
    assert!(message.verify(&scheme, &secrets, now()).is_ok());
    message.headers.append("x-signature", "00".parse().unwrap());
    let what = "header `x-signature`".to_owned();
    assert_eq!(
        message.verify(&scheme, &secrets, now()),
        Err(Refusal::Conflicting { what })
    );
}

#[test]
fn w40_the_generic_scheme_has_every_hash_encoding_and_prefix() {
    for hash in [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha512] {
        for scheme in [
            SignatureScheme::hmac("X-Acme-Signature", hash),
            SignatureScheme::hmac("X-Acme-Signature", hash).prefix("sha="),
            SignatureScheme::hmac("X-Acme-Signature", hash).base64(),
            SignatureScheme::hmac("X-Acme-Signature", hash)
                .base64()
                .prefix("sha="),
        ] {
            let secret = Secret::new("key");
            for body in [vec![], vec![0, 255, 254, 13, 10, 0], vec![0xC3; 100_000]] {
                let message = Message::new(Method::PUT, "https://hooks.example/", body);
                let mut message = message.signed(&scheme, &secret, now()).unwrap();
                let secrets = [secret.clone()];
                assert!(message.verify(&scheme, &secrets, now()).is_ok());
                message.body.push(0);
                assert_eq!(
                    message.verify(&scheme, &secrets, now()),
                    Err(Refusal::Mismatch)
                );
            }
        }
    }
}

#[test]
fn w40_hexadecimal_is_read_in_either_case_and_base64_in_one() {
    let upper: &Change = &|_, signature| signature.to_uppercase();
    for (scheme, is_accepted) in [
        (SignatureScheme::hmac("x-signature", Hash::Sha256), true),
        (
            SignatureScheme::hmac("x-signature", Hash::Sha256).base64(),
            false,
        ),
    ] {
        let (message, right, _) = signed(&scheme);
        let verified = message
            .resigned(&scheme, upper)
            .verify(&scheme, &[right], now());
        assert_eq!(verified.is_ok(), is_accepted, "{:?}", scheme.encoding);
    }
}

#[test]
fn w41_a_timestamp_that_is_no_whole_number_is_refused_though_it_is_signed() {
    let scheme = SignatureScheme::hmac("x-signature", Hash::Sha256)
        .timestamp(Source::header("x-time"), TimeUnit::Seconds)
        .signs([Part::Body]);
    let (message, right, _) = signed(&scheme);
    let seconds = now().as_seconds();
    for text in [
        format!("+{seconds}"),
        format!("{seconds}.0"),
        format!("-{seconds}"),
        "99999999999999999999".to_owned(),
        "9223372036854775807".to_owned(),
        "now".to_owned(),
    ] {
        let message = message.clone().with("x-time", &text);
        let refusal = message.verify(&scheme, std::slice::from_ref(&right), now());
        assert!(matches!(refusal, Err(Refusal::Malformed { .. })), "{text}");
    }
}

#[test]
fn w40_a_scheme_with_a_fault_refuses_everything() {
    let scheme = SignatureScheme::hmac("x-signature", Hash::Sha256).signs([Part::Timestamp]);
    let message = Message::order().with("x-signature", "00");
    let refusal = message.verify(&scheme, &[Secret::new("key")], now());
    assert!(matches!(refusal, Err(Refusal::UnusableScheme { .. })));
    let refusal = message.signed(&scheme, &Secret::new("key"), now());
    assert!(matches!(refusal, Err(CannotSign::Refusal(_))));
}

#[test]
fn a_refusal_says_what_to_do_and_repeats_nothing_of_the_request() {
    let scheme = providers::slack().scheme;
    let secrets = [Secret::new("key")];
    let canary = "v0=c4n4ry";
    let message = Message::order()
        .with("x-slack-signature", canary)
        .with("x-slack-request-timestamp", canary);
    let refusal = message.verify(&scheme, &secrets, now()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "header `x-slack-signature` is empty or not in the encoding of the scheme"
    );
    assert_eq!(
        Refusal::Stale {
            age: 301,
            limit: 300
        }
        .to_string(),
        "it was signed 301 s ago, and may be 300 s old at most"
    );
    assert_eq!(
        Refusal::NoSecret.to_string(),
        "no signing secret is configured; fill in the config variable that holds it"
    );
}

#[cfg(not(feature = "asymmetric-signatures"))]
#[test]
fn w41_without_the_feature_asymmetric_schemes_are_refused_with_a_sentence() {
    for provider in providers::all() {
        if !super::sender::is_asymmetric(&provider.scheme) {
            continue;
        }
        let message = Message::order()
            .with("x-signature-ed25519", "00")
            .with("x-signature-timestamp", "1")
            .with("webhook-signature", "v1a,AAAA")
            .with("webhook-timestamp", "1")
            .with("webhook-id", "1")
            .with("x-twilio-email-event-webhook-signature", "AAAA")
            .with("x-twilio-email-event-webhook-timestamp", "1")
            .with("paypal-auth-algo", "SHA256withRSA")
            .with("paypal-transmission-sig", "AAAA");
        let key = super::sender::secret(&provider.scheme, 7);
        let refusal = message.verify_under(None, &provider.scheme, &[key], now());
        assert_eq!(refusal, Err(Refusal::NotBuiltIn), "{}", provider.name);
    }
}
