//! Senders who sign under a certificate: what they published, and every way in which a request of theirs can be wrong.

use http::Method;
use sdk::signature::{Hash, Part, SignatureScheme, Source, providers};
use sdk::time::{days, minutes, seconds};
use sdk::{Secret, Timestamp};
use serde_json::{Value, json};

use super::sender::{Message, SENDER, certificate, certificate_url, now, signed};
use super::{Certificate, Refusal, Verified};

const OTHER: &str = include_str!("throwaway/other.pem");
const EXPIRED: &str = include_str!("throwaway/expired.pem");
const NAMED: &str = include_str!("throwaway/named.pem");
const STRANGE: &str = include_str!("throwaway/strange.pem");
const LACKING: &str = include_str!("throwaway/lacking.pem");
const ISSUER: &str = include_str!("throwaway/issuer.pem");
const AUTHORITY: &str = include_str!("../../../testing/src/certificates/authority.pem");

/// What AWS SNS has signed, as it is kept by `aws-sdk-java-v2`, with the certificate of that time.
const SNS: &str = include_str!("published/sns.pem");
const SNS_MESSAGES: [&str; 5] = [
    include_str!("published/sns_notification.json"),
    include_str!("published/sns_subject.json"),
    include_str!("published/sns_version_2.json"),
    include_str!("published/sns_subscription.json"),
    include_str!("published/sns_unsubscribed.json"),
];
const TOPIC: &str = "arn:aws:sns:us-west-2:131990247566:dongie-standard-topic";

fn post(body: &str) -> Message {
    Message::new(Method::POST, "https://hooks.example/trigger/abc", body)
}

/// The message with its body changed.
fn changed(message: &Message, change: impl FnOnce(&mut Value)) -> Message {
    let mut body: Value = serde_json::from_slice(&message.body).unwrap();
    change(&mut body);
    let mut changed = message.clone();
    changed.body = body.to_string().into_bytes();
    changed
}

/// Verifies what AWS published, a moment after it was sent.
fn verify_published(message: &Message, topics: &[&str]) -> Result<Verified, Refusal> {
    let scheme = providers::aws_sns().scheme;
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    let at: Timestamp = "2026-03-06T20:05:00Z".parse().unwrap();
    let topics: Vec<Secret> = topics.iter().map(|topic| Secret::new(*topic)).collect();
    let read = certificate(body["SigningCertURL"].as_str().unwrap_or_default(), SNS);
    message.verify_under(Some(&read), &scheme, &topics, at)
}

#[test]
fn w41_what_aws_sns_really_signed_is_verified_in_both_versions_and_all_kinds() {
    for published in SNS_MESSAGES {
        let message = post(published);
        let verified = verify_published(&message, &["arn:aws:sns:other", TOPIC]).unwrap();
        let body: Value = serde_json::from_str(published).unwrap();
        assert_eq!(verified.delivery_id.as_deref(), body["MessageId"].as_str());
        // Of the members that are signed none may differ.
        for name in ["Message", "MessageId", "Subject", "SubscribeURL", "Token"] {
            let Some(value) = body[name].as_str() else {
                continue;
            };
            let other = format!("{value} ");
            let tampered = changed(&message, |body| body[name] = other.into());
            let refused = verify_published(&tampered, &[TOPIC]);
            assert_eq!(refused, Err(Refusal::Mismatch), "{name}");
        }
        // A subject that nobody signed is one more member.
        if body["Subject"].is_null() && body["Type"] == "Notification" {
            let tampered = changed(&message, |body| body["Subject"] = "Paid".into());
            let refused = verify_published(&tampered, &[TOPIC]);
            assert_eq!(refused, Err(Refusal::Mismatch));
        }
    }
}

#[test]
fn w41_a_notification_is_no_subscription_and_sha_1_is_no_sha_256() {
    for published in SNS_MESSAGES {
        let message = post(published);
        let body: Value = serde_json::from_str(published).unwrap();
        let other = if body["SignatureVersion"] == "1" {
            "2"
        } else {
            "1"
        };
        let mixed = changed(&message, |body| body["SignatureVersion"] = other.into());
        assert_eq!(verify_published(&mixed, &[TOPIC]), Err(Refusal::Mismatch));
        for version in [json!("3"), json!(""), json!(null), json!("02"), json!([2])] {
            let unknown = changed(&message, |body| body["SignatureVersion"] = version);
            assert!(verify_published(&unknown, &[TOPIC]).is_err());
        }
        for kind in [
            "Notification",
            "SubscriptionConfirmation",
            "notification",
            "",
        ] {
            let other = changed(&message, |body| body["Type"] = kind.into());
            let verified = verify_published(&other, &[TOPIC]);
            assert_eq!(verified.is_ok(), body["Type"] == kind, "{kind}");
        }
    }
}

#[test]
fn w41_a_message_of_another_topic_is_refused_and_so_is_one_that_lacks_a_member() {
    let message = post(SNS_MESSAGES[0]);
    for topics in [
        vec![],
        vec!["", " "],
        vec!["arn:aws:sns:us-west-2:131990247566:dongie-standard-topi"],
        vec!["arn:aws:sns:us-west-2:131990247566:dongie-standard-topic2"],
    ] {
        let refused = verify_published(&message, &topics);
        let is_wrong = matches!(refused, Err(Refusal::WrongRecipient { .. }));
        assert!(is_wrong || refused == Err(Refusal::NoSecret), "{topics:?}");
    }
    for published in [SNS_MESSAGES[1], SNS_MESSAGES[3]] {
        let message = post(published);
        let body: Value = serde_json::from_str(published).unwrap();
        for name in body.as_object().unwrap().keys() {
            let lacking = changed(&message, |body| {
                body.as_object_mut().unwrap().remove(name);
            });
            let verified = match name.as_str() {
                // It is not signed.
                "UnsubscribeURL" => continue,
                _ => verify_published(&lacking, &[TOPIC]),
            };
            assert!(verified.is_err(), "{name}");
            let number = changed(&message, |body| body[name] = 7.into());
            assert!(verify_published(&number, &[TOPIC]).is_err(), "{name}");
        }
    }
    for body in ["", "[]", "{}", "null", "Type=Notification"] {
        let verified =
            post(body).verify(&providers::aws_sns().scheme, &[Secret::new(TOPIC)], now());
        assert!(matches!(verified, Err(Refusal::Missing { .. })), "{body}");
    }
}

/// Where a stranger would like the certificate to come from.
fn strange_urls(good: &str) -> Vec<String> {
    let url = url::Url::parse(good).unwrap();
    let (host, path) = (url.host_str().unwrap(), url.path());
    let mut strange = vec![
        format!("http://{host}{path}"),
        format!("https://{host}:443{path}"),
        format!("https://{host}:8443{path}"),
        format!("https://{host}.{path}"),
        format!("https://{}{path}", host.to_uppercase()),
        format!("https://{host}.evil.com{path}"),
        format!("https://{host}@evil.com{path}"),
        format!("https://user@{host}{path}"),
        format!("https://user:word@{host}{path}"),
        format!("https://evil.com/{host}{path}"),
        format!("https://evil.com#{host}{path}"),
        format!("https://evil.com\\{host}{path}"),
        format!("https://{host}\\evil.com{path}"),
        format!("https://x{host}{path}"),
        format!("https://x.{host}{path}"),
        format!("https:///{host}{path}"),
        format!("https:{host}{path}"),
        format!("//{host}{path}"),
        format!("https://{host}{path}?x=1"),
        format!("https://{host}{path}?"),
        format!("https://{host}{path}#"),
        format!("https://{host}/../x{path}"),
        format!("https://{host}/%2e%2e{path}"),
        format!("https://{host}/%2F{path}"),
        format!(" https://{host}{path}"),
        format!("https://{host}{path}\n"),
        format!("https://{host}\t{path}"),
        format!("HTTPS://{host}{path}"),
        format!("ftp://{host}{path}"),
        format!("file://{host}{path}"),
        format!("https://{host}{}", "/a".repeat(2000)),
        format!("https://{}{path}", host.replacen('.', "\u{3002}", 1)),
        format!("https://127.0.0.1{path}"),
        format!("https://169.254.169.254{path}"),
        format!("https://[::1]{path}"),
        format!("https://localhost{path}"),
        String::new(),
    ];
    if host.contains("amazonaws") {
        for host in [
            "sns.s3.amazonaws.com",
            "sns.s3-us-west-2.amazonaws.com",
            "sns.s3-website-us-east-1.amazonaws.com",
            "bucket.s3.amazonaws.com",
            "s3.us-east-1.amazonaws.com",
            "sns-us-east-1.amazonaws.com",
            "sns.us-east-1.amazonaws.org",
            "sns.us-east-1.amazonaws.com.evil.com",
            "sns.us-east-1.evil.amazonaws.com",
            "sns.us-east-1amazonaws.com",
            "sns.amazonaws.com",
        ] {
            strange.push(format!("https://{host}{path}"));
        }
        strange.push(format!("https://{host}/x.pem.html"));
        strange.push(format!("https://{host}/?x=.pem"));
    } else {
        strange.push(format!("https://www.paypal.com{path}"));
        strange.push(format!("https://evilpaypal.com{path}"));
        strange.push(format!("https://api.paypal.com.evil.com{path}"));
        strange.push(format!("https://{host}/v1/notifications/webhooks/1"));
        strange.push(format!("https://{host}/v1/notifications/certs/../x"));
    }
    strange
}

/// The schemes with a certificate, each with a signed message and its secret.
fn senders() -> Vec<(&'static str, SignatureScheme, Message, Secret)> {
    let senders = [
        ("AWS SNS", providers::aws_sns()),
        ("PayPal", providers::paypal()),
    ];
    let signed = senders.map(|(name, provider)| {
        let (message, right, _) = signed(&provider.scheme);
        (name, provider.scheme, message, right)
    });
    signed.into()
}

#[test]
fn w41_a_certificate_is_fetched_from_its_sender_and_from_nowhere_else() {
    for (name, scheme, message, right) in senders() {
        let secrets = [right];
        let url = |message: &Message, secrets: &[Secret], at| {
            super::certificate_url(&scheme, secrets, &message.request(), at)
        };
        let good = certificate_url(&scheme).unwrap();
        assert_eq!(
            url(&message, &secrets, now()),
            Ok(Some(good.clone())),
            "{name}"
        );
        for strange in strange_urls(&good) {
            let message = match &scheme.certificate.as_ref().unwrap().url {
                Source::Header(header) => {
                    let mut message = message.clone();
                    let Ok(value) = strange.parse() else {
                        continue;
                    };
                    message
                        .headers
                        .insert(header.parse::<http::HeaderName>().unwrap(), value);
                    message
                }
                _ => changed(&message, |body| {
                    body["SigningCertURL"] = strange.clone().into();
                }),
            };
            let refused = url(&message, &secrets, now());
            let is_refused = matches!(
                refused,
                Err(Refusal::UrlNotAllowed { .. } | Refusal::Missing { .. })
            );
            assert!(is_refused, "{name}: {strange}: {refused:?}");
            let verified = message.verify(&scheme, &secrets, now());
            assert!(verified.is_err(), "{name}: {strange}");
        }
        // Nothing is fetched for what would be refused anyway.
        assert!(url(&message, &[], now()).is_err(), "{name}");
        assert!(url(&message, &secrets, now() + days(8)).is_err(), "{name}");
        assert!(url(&Message::order(), &secrets, now()).is_err(), "{name}");
    }
    let other = providers::github();
    let (message, right, _) = signed(&other.scheme);
    let none = super::certificate_url(&other.scheme, &[right], &message.request(), now());
    assert_eq!(none, Ok(None));
}

#[test]
fn w41_only_the_right_certificate_proves_anything() {
    for (name, scheme, message, right) in senders() {
        let secrets = [right];
        let url = certificate_url(&scheme).unwrap();
        let under = |file: &str, at| {
            let read = certificate(&url, file);
            message.verify_under(Some(&read), &scheme, &secrets, at)
        };
        assert!(under(SENDER, now()).is_ok(), "{name}");
        assert_eq!(under(OTHER, now()), Err(Refusal::Mismatch), "{name}");
        for (file, expected) in [
            (EXPIRED, "is valid no longer"),
            (NAMED, "is not one for the name of the sender"),
        ] {
            let refused = under(file, now());
            let reason = expected;
            assert_eq!(
                refused,
                Err(Refusal::UnusableCertificate { reason }),
                "{name}"
            );
        }
        // Whether it was valid is a matter of the engine's clock.
        let scheme_at = |at: Timestamp| {
            let (message, right, _) = resigned(&scheme, at);
            let read = certificate(&url, EXPIRED);
            message.verify_under(Some(&read), &scheme, &[right], at)
        };
        let last: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        assert!(scheme_at(last).is_ok(), "{name}");
        assert!(scheme_at(last + seconds(1)).is_err(), "{name}");
        let first: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        assert!(scheme_at(first).is_ok(), "{name}");
        let refused = scheme_at(first - seconds(1));
        let reason = "is not valid yet; check the clock";
        assert_eq!(
            refused,
            Err(Refusal::UnusableCertificate { reason }),
            "{name}"
        );
        // One that was fetched for another URL, and none at all.
        let elsewhere = certificate("https://sns.us-east-1.amazonaws.com/x.pem", SENDER);
        for given in [Some(&elsewhere), None] {
            let refused = message.verify_under(given, &scheme, &secrets, now());
            assert_eq!(refused, Err(Refusal::NoCertificate), "{name}");
        }
    }
}

fn resigned(scheme: &SignatureScheme, at: Timestamp) -> (Message, Secret, Timestamp) {
    let secret = super::sender::secret(scheme, 7);
    let message = Message::order().signed(scheme, &secret, at).unwrap();
    (message, secret, at)
}

#[test]
fn w41_paypal_needs_a_chain_to_an_authority_and_may_leave_an_issuer_out() {
    let scheme = providers::paypal().scheme;
    let (message, right, _) = signed(&scheme);
    let secrets = [right];
    let url = certificate_url(&scheme).unwrap();
    let untrusted = Err(Refusal::UnusableCertificate {
        reason: "was not issued by an authority that is trusted",
    });
    let under = |read: &Certificate| message.verify_under(Some(read), &scheme, &secrets, now());
    assert_eq!(under(&certificate(&url, STRANGE)), untrusted);
    // Our own authority is trusted by nobody else.
    let public = Certificate::read(&url, SENDER.as_bytes(), &[]).unwrap();
    assert_eq!(under(&public), untrusted);
    // What the sender brings as an authority is not trusted for that.
    let brought = format!("{STRANGE}{AUTHORITY}");
    assert_eq!(under(&certificate(&url, &brought)), untrusted);

    let whole = format!("{LACKING}{ISSUER}");
    assert!(under(&certificate(&url, &whole)).is_ok());
    let mut lacking = certificate(&url, LACKING);
    assert_eq!(under(&lacking), untrusted);
    assert_eq!(
        lacking.missing_issuer(now()).as_deref(),
        Some("http://cacerts.digicert.com/ThrowAway.crt")
    );
    assert!(lacking.add_issuer(b"<html>not found</html>").is_err());
    lacking.add_issuer(ISSUER.as_bytes()).unwrap();
    assert_eq!(lacking.missing_issuer(now()), None);
    assert!(under(&lacking).is_ok());

    // SNS sends no chain, and needs none.
    let scheme = providers::aws_sns().scheme;
    let (message, right, _) = signed(&scheme);
    let url = certificate_url(&scheme).unwrap();
    let strange = Certificate::read(&url, STRANGE.as_bytes(), &[]).unwrap();
    let verified = message.verify_under(Some(&strange), &scheme, &[right], now());
    assert!(verified.is_ok());
}

#[test]
fn w41_a_file_without_a_certificate_of_a_sender_is_refused() {
    let url = "https://sns.us-east-1.amazonaws.com/x.pem";
    let cut = &SENDER[..SENDER.len() / 2];
    let damaged = SENDER.replacen('M', "N", 1);
    for file in [
        "",
        "<html/>",
        cut,
        &damaged,
        AUTHORITY,
        include_str!("../../../testing/src/certificates/sender.key.pem"),
    ] {
        let read = Certificate::read(url, file.as_bytes(), &[]);
        assert!(
            matches!(read, Err(Refusal::UnusableCertificate { .. })),
            "{file}"
        );
    }
    let read = Certificate::read(url, SNS.as_bytes(), &[]).unwrap();
    assert_eq!(read.valid_until(), "2026-10-14T23:59:59Z".parse().unwrap());
    let printed = format!(
        "{:?}",
        super::CertifiedKey {
            url,
            private_key: b"c4n4ry"
        }
    );
    assert!(!printed.contains("c4n4ry"));
}

#[test]
fn w41_every_header_of_paypal_is_signed_or_demanded() {
    let scheme = providers::paypal().scheme;
    let (message, right, wrong) = signed(&scheme);
    let secrets = [right];
    for (name, value) in [
        ("paypal-transmission-id", "delivery-2"),
        ("paypal-transmission-time", "2026-03-27T16:50:01Z"),
        ("paypal-auth-algo", "SHA1withRSA"),
        ("paypal-auth-algo", "sha256withrsa"),
    ] {
        let other = message.clone().with(name, value);
        assert!(
            other.verify(&scheme, &secrets, now()).is_err(),
            "{name}: {value}"
        );
    }
    for name in [
        "paypal-transmission-id",
        "paypal-transmission-time",
        "paypal-transmission-sig",
        "paypal-cert-url",
        "paypal-auth-algo",
    ] {
        let mut lacking = message.clone();
        lacking.headers.remove(name).unwrap();
        assert!(lacking.verify(&scheme, &secrets, now()).is_err(), "{name}");
        let value = message.headers[name].clone();
        let mut doubled = message.clone();
        doubled.headers.append(name, value);
        assert!(
            doubled.verify(&scheme, &secrets, now()).is_ok(),
            "{name}: the same"
        );
        doubled.headers.append(name, "other".parse().unwrap());
        assert!(
            doubled.verify(&scheme, &secrets, now()).is_err(),
            "{name}: another"
        );
    }
    let refused = message.verify(&scheme, &[wrong], now());
    assert_eq!(refused, Err(Refusal::Mismatch), "another webhook id");
}

/// What the documentation of the preset says of it: the signature binds no more than a CRC-32 of the body.
#[test]
fn w41_another_body_of_the_same_sum_passes_for_paypal() {
    let scheme = providers::paypal().scheme;
    let secret = Secret::new("8VW12345XY678901Z");
    // Two texts whose CRC-32 is 0x4ddb0c25 (a published collision).
    let (one, other) = ("plumless", "buckeroo");
    let message = post(one).signed(&scheme, &secret, now()).unwrap();
    assert_eq!(message.body, one.as_bytes());
    let mut forged = message.clone();
    forged.body = other.into();
    assert!(
        forged
            .verify(&scheme, std::slice::from_ref(&secret), now())
            .is_ok()
    );
    forged.body = "buckaroo".into();
    assert!(forged.verify(&scheme, &[secret], now()).is_err());
}

#[test]
fn w41_old_messages_are_refused_though_no_sender_names_a_limit() {
    for (name, scheme, message, right) in senders() {
        let secrets = [right];
        let at = |at| message.verify(&scheme, &secrets, at);
        assert!(at(now() + days(7)).is_ok(), "{name}");
        assert!(matches!(
            at(now() + days(7) + seconds(1)),
            Err(Refusal::Stale { .. })
        ));
        assert!(at(now() - minutes(5)).is_ok(), "{name}");
    }
}

#[test]
fn w40_a_scheme_with_a_certificate_says_for_whom_it_is() {
    let mut scheme = providers::aws_sns().scheme;
    let source = scheme.certificate.take().unwrap();
    assert_eq!(scheme.faults().len(), 1, "RSA without a certificate");
    let mut open = source.clone();
    open.recipient = None;
    let scheme = SignatureScheme::rsa(scheme.place, open).signs([Part::Body]);
    let faults = scheme.faults();
    assert!(
        faults[0].starts_with("whoever the sender signs for"),
        "{faults:?}"
    );
    let mut odd = SignatureScheme::hmac("x-signature", Hash::Sha256);
    odd.certificate = Some(source);
    assert_eq!(odd.faults().len(), 1);
}
