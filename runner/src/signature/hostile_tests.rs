//! Who forges: messages that could be read in two ways, and files that are hardly certificates.

use http::Method;
use sdk::signature::{SignatureScheme, providers};
use sdk::{Secret, Timestamp};
use serde_json::json;

use super::reading::Reading;
use super::sender::{Message, SENDER, now, secret};
use super::{Certificate, Refusal, Verified, certificate};

const AUTHORITY: &str = include_str!("../../../testing/src/certificates/authority.pem");
const SIGNED_AT: &str = "2026-03-27T16:50:00Z";

fn signed(scheme: &SignatureScheme, body: &str) -> Message {
    let message = Message::new(Method::POST, "https://hooks.example/trigger/abc", body);
    message.signed(scheme, &secret(scheme, 7), now()).unwrap()
}

fn verified(scheme: &SignatureScheme, message: &Message) -> Result<Verified, Refusal> {
    message.verify(scheme, &[secret(scheme, 7)], now())
}

/// The body of a message of AWS SNS that was signed, with the members in this order, changed.
fn changed(message: &Message, change: impl FnOnce(&mut serde_json::Value)) -> Message {
    let mut body = serde_json::from_slice(&message.body).unwrap();
    change(&mut body);
    let mut changed = message.clone();
    changed.body = body.to_string().into_bytes();
    changed
}

#[test]
fn w41_what_somebody_published_to_a_topic_cannot_be_read_as_another_message() {
    let scheme = providers::aws_sns().scheme;
    let topic = secret(&scheme, 7);
    let published = json!({
        "Message": "a widget\nMessageId\n1\nSubject\nPaid",
        "MessageId": "2",
    });
    let message = signed(&scheme, &published.to_string());
    assert!(verified(&scheme, &message).is_ok());
    // The same text is signed, and another message is read.
    let split = changed(&message, |body| {
        body["Message"] = "a widget".into();
        body["MessageId"] = "1\nSubject\nPaid\nMessageId\n2".into();
    });
    assert!(matches!(
        verified(&scheme, &split),
        Err(Refusal::Malformed { .. })
    ));
    let split = changed(&message, |body| {
        body["Message"] = "a widget".into();
        body["MessageId"] = "1".into();
        body["Subject"] = "Paid\nMessageId\n2".into();
    });
    assert!(matches!(
        verified(&scheme, &split),
        Err(Refusal::Malformed { .. })
    ));
    // Nor is a message to a topic of a stranger one to ours, whatever it says.
    let theirs = json!({
        "Message": format!(
            "a widget\nMessageId\n1\nTimestamp\n{SIGNED_AT}\nTopicArn\n{}\nType\nNotification",
            topic.expose()
        ),
        "MessageId": "2",
        "TopicArn": "arn:aws:sns:us-east-1:000000000002:theirs",
    });
    let message = signed(&scheme, &theirs.to_string());
    let split = changed(&message, |body| {
        body["Message"] = "a widget".into();
        body["MessageId"] = "1".into();
        body["TopicArn"] = topic.expose().into();
        body["Type"] = "Notification\nMessageId\n2".into();
    });
    assert!(verified(&scheme, &split).is_err());
}

#[test]
fn w41_a_member_that_is_there_twice_is_refused_whichever_a_reader_takes() {
    let scheme = providers::aws_sns().scheme;
    let message = signed(&scheme, r#"{"Message":"a widget","MessageId":"1"}"#);
    assert!(verified(&scheme, &message).is_ok());
    let body = String::from_utf8(message.body.clone()).unwrap();
    let inside = body.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    for doubled in [
        format!(r#"{{"Message":"two widgets",{inside}}}"#),
        format!(r#"{{{inside},"Message":"a widget"}}"#),
        format!(r#"{{"\u004dessage":"two widgets",{inside}}}"#),
        format!(r#"{{"Subject":"Paid",{inside},"Subject":null}}"#),
    ] {
        let mut message = message.clone();
        message.body = doubled.clone().into_bytes();
        let refused = verified(&scheme, &message);
        let is_refused = matches!(refused, Err(Refusal::Malformed { .. }));
        assert!(is_refused, "{doubled}: {refused:?}");
    }
}

#[test]
fn w41_a_message_is_taken_once_however_many_topics_are_accepted() {
    let scheme = providers::aws_sns().scheme;
    let message = signed(&scheme, r#"{"Message":"a widget","MessageId":"1"}"#);
    let topic = |number| secret(&scheme, number).expose().as_bytes().to_vec();
    let topics: Vec<Vec<u8>> = (0..100).map(topic).collect();
    let request = message.request();
    let reading = Reading::new(&scheme, &request);
    let source = scheme.certificate.as_ref().unwrap();
    let claim = certificate::claim(source, &reading, &topics, now()).unwrap();
    assert_eq!(claim.texts.len(), 1);
    // PayPal signs the secret: there each has a text of its own.
    let scheme = providers::paypal().scheme;
    let message = signed(&scheme, "{}");
    let request = message.request();
    let reading = Reading::new(&scheme, &request);
    let source = scheme.certificate.as_ref().unwrap();
    let claim = certificate::claim(source, &reading, &topics, now()).unwrap();
    assert_eq!(claim.texts.len(), 100);
}

#[test]
fn w41_a_body_in_another_dress_is_refused() {
    let scheme = providers::aws_sns().scheme;
    let message = signed(&scheme, r#"{"Message":"a widget","MessageId":"1"}"#);
    let dressed = |body: Vec<u8>| {
        let mut message = message.clone();
        message.body = body;
        verified(&scheme, &message)
    };
    let text = String::from_utf8(message.body.clone()).unwrap();
    let utf_16 = text.encode_utf16().flat_map(u16::to_le_bytes);
    for body in [
        [b"\xef\xbb\xbf", &message.body[..]].concat(),
        [&message.body[..], b"{}"].concat(),
        [b"[", &message.body[..], b"]"].concat(),
        [b"x=", &message.body[..]].concat(),
        utf_16.collect(),
    ] {
        assert!(dressed(body).is_err());
    }
}

#[test]
fn w41_the_parts_of_paypals_text_cannot_be_cut_in_another_way() {
    let scheme = providers::paypal().scheme;
    let webhook = Secret::new("8VW12345XY678901Z");
    let message = Message::new(Method::POST, "https://hooks.example/trigger/abc", "{}");
    let message = message.signed(&scheme, &webhook, now()).unwrap();
    let check = |message: &Message| {
        let secrets = [webhook.clone()];
        message.verify(&scheme, &secrets, now())
    };
    assert!(check(&message).is_ok());
    let id = message.headers["paypal-transmission-id"].to_str().unwrap();
    let time = message.headers["paypal-transmission-time"]
        .to_str()
        .unwrap();
    for (name, value) in [
        ("paypal-transmission-id", format!("{id}|{time}")),
        ("paypal-transmission-id", format!("{id} ")),
        ("paypal-transmission-time", format!("{time}|x")),
        ("paypal-transmission-time", format!("{time} ")),
        ("paypal-transmission-time", "1774630200".to_owned()),
        ("paypal-auth-algo", "SHA1withRSA".to_owned()),
        ("paypal-auth-algo", "sha256withrsa".to_owned()),
        ("paypal-auth-algo", "none".to_owned()),
        ("paypal-auth-algo", String::new()),
    ] {
        let changed = message.clone().with(name, &value);
        assert!(check(&changed).is_err(), "{name}: {value}");
    }
    for name in ["paypal-transmission-id", "paypal-auth-algo"] {
        let mut doubled = message.clone();
        let header: http::HeaderName = name.parse().unwrap();
        doubled.headers.append(header, "other".parse().unwrap());
        let refused = check(&doubled);
        assert!(
            matches!(refused, Err(Refusal::Conflicting { .. })),
            "{name}"
        );
    }
    // Another body, and other secrets around the separators.
    let mut other = message.clone();
    other.body = b"{ }".to_vec();
    assert_eq!(check(&other), Err(Refusal::Mismatch));
    let cut = Secret::new(format!("{time}|{}", webhook.expose()));
    assert!(message.verify(&scheme, &[cut], now()).is_err());
}

/// The signatures of one notification under keys of RSA with 2048 and 1024 bits and of P-256, all of them right: made once, by OpenSSL.
const SIGNED: [(&str, &str); 3] = [
    (
        include_str!("throwaway/large.pem"),
        "ui4PO36FkmcBH6dIDXpD7dLFDIGTtNdzIsMYorKBf/UL9NsBeeAvAEgu+kG5W8ut8/lAwyOwj1+eiIF6N1evLBTlvW\
     bPmT3dHKJ3d6JuH2V9NNZURCfbehzznVjFsclfsUbdcoCncCMMf0AKys1OtROc9mq34zn/VfwIm5Dzbo7uSEaoIFlx\
     ks83ccaIdU1lmRLIHRJ6sqxlwYpD5q1AhVdvifOnuysFqrSYTn/EEVuHkfta4GvzjlniXTlLUHYa8fO7wFIyA+hSeG\
     4BaPfx3enGm5tpj3KMY5ci5leF2C0U4xDdRymjPXBoKFfYfxoY7v/PVh+/iFhK4hC4Ywq3Wg==",
    ),
    (
        include_str!("throwaway/small.pem"),
        "CxCyKkW/SiahBPv0+nFlogrDADJi4V1CE8XzoWnUtiNolkdGG3wHU3Dx/GxaC9+xDb8dquZjoU3U7eC2nKOVC+9B8V\
     +SuZskaEoxREssqZvD8A9CANUf9r10Sqlq60ZCtZE1b8NzBuoweftD5GewHcjd7xF4hbsfk8eqsmY2bZc=",
    ),
    (
        include_str!("throwaway/curve.pem"),
        "MEQCIGsJu0xdfub9KvjVGqMG3fEpf5lo59goXeok/x3gcaTKAiB583ZmMJ89KBR6wpdxt1VaebrRrYYHxCNFgj7J1v\
     Qu9A==",
    ),
];

#[test]
fn w41_a_key_that_is_too_short_or_of_another_kind_proves_nothing() {
    let scheme = providers::aws_sns().scheme;
    let url = super::sender::certificate_url(&scheme).unwrap();
    let topic = "arn:aws:sns:us-east-1:000000000001:orders";
    let at: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let verified = SIGNED.map(|(file, signature)| {
        let body = json!({
            "Message": "a widget",
            "MessageId": "1",
            "Signature": signature,
            "SignatureVersion": "2",
            "SigningCertURL": url,
            "Timestamp": "2027-01-01T00:00:00Z",
            "TopicArn": topic,
            "Type": "Notification",
        });
        let message = Message::new(Method::POST, "https://hooks.example/a", body.to_string());
        let read = Certificate::read(&url, file.as_bytes(), &[])?;
        message.verify_under(Some(&read), &scheme, &[Secret::new(topic)], at)
    });
    let [large, small, curve] = verified;
    assert!(large.is_ok());
    assert_eq!(small, Err(Refusal::Mismatch));
    let reason = "has no RSA key";
    assert_eq!(curve, Err(Refusal::UnusableCertificate { reason }));
}

#[test]
fn w41_what_a_server_could_read_as_another_path_is_not_fetched() {
    for provider in [providers::aws_sns(), providers::paypal()] {
        let scheme = provider.scheme;
        let source = scheme.certificate.clone().unwrap();
        let good = super::sender::certificate_url(&scheme).unwrap();
        assert!(super::allowed_url(&source.allowed, &good).is_some());
        let (start, end) = good.rsplit_once('/').unwrap();
        for path in ["..;/", "a;b/", "%2e%2e/", "..%2f", "..\\", "./", "../"] {
            let url = format!("{start}/{path}{end}");
            assert!(super::allowed_url(&source.allowed, &url).is_none(), "{url}");
        }
    }
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

fn pem(der: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n").into_bytes()
}

/// Reads a file as if it had been fetched, and asks of it whatever is asked of a certificate.
fn pass_through(scheme: &SignatureScheme, message: &Message, url: &str, file: &[u8]) -> bool {
    let Ok(mut read) = Certificate::read(url, file, &[AUTHORITY.as_bytes().into()]) else {
        return false;
    };
    let moments = [now(), Timestamp::from_millis(0), read.valid_until()];
    let issuers = moments.map(|moment| read.missing_issuer(moment));
    assert!(issuers.iter().flatten().all(|url| url.len() < 64 * 1024));
    let _ = read.add_issuer(file);
    let secrets = [secret(scheme, 7)];
    message
        .verify_under(Some(&read), scheme, &secrets, now())
        .is_ok()
}

#[test]
fn w41_a_file_of_any_bytes_is_read_or_refused_and_proves_nothing() {
    let scheme = providers::paypal().scheme;
    let message = signed(&scheme, "{}");
    let url = super::sender::certificate_url(&scheme).unwrap();
    let check = |file: &[u8]| pass_through(&scheme, &message, &url, file);
    assert!(check(SENDER.as_bytes()));
    assert!(check(SENDER.replace('\n', "\r\n").as_bytes()));
    let der: Vec<u8> = {
        use rustls_pki_types::CertificateDer;
        use rustls_pki_types::pem::PemObject as _;
        let der = CertificateDer::from_pem_slice(SENDER.as_bytes()).unwrap();
        der.to_vec()
    };
    assert!(check(&pem(&der)) || SENDER.matches("BEGIN").count() > 1);
    // Bare DER is no file of these senders.
    assert!(!check(&der));
    for length in (0..SENDER.len()).step_by(7) {
        check(&SENDER.as_bytes()[..length]);
    }
    for length in 0..der.len() {
        assert!(!check(&pem(&der[..length])), "{length}");
    }
    let mut numbers = Numbers(0x5eed_cafe);
    for _ in 0..3_000 {
        let mut changed = der.clone();
        for _ in 0..=numbers.below(3) {
            let place = numbers.below(changed.len());
            changed[place] = numbers.byte();
        }
        if changed != der {
            assert!(!check(&pem(&changed)), "{changed:?}");
        }
    }
    for _ in 0..1_000 {
        let bytes: Vec<u8> = (0..numbers.below(300)).map(|_| numbers.byte()).collect();
        assert!(!check(&bytes) && !check(&pem(&bytes)));
    }
    let many = SENDER.repeat(40);
    check(many.as_bytes());
    check(format!("{}\n", "-----BEGIN CERTIFICATE-----\n".repeat(2000)).as_bytes());
}
