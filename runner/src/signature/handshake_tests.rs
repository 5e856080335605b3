//! Handshakes, good and bad.

use http::{Method, StatusCode};
use sdk::Secret;
use sdk::signature::{Handshake, Hash, Provider, SignatureScheme, providers};

use super::sender::{Message, now};
use super::{HandshakeAnswer, HandshakeKeys, HandshakeOutcome, answer_handshake};

fn key() -> Secret {
    Secret::new("a key that nobody knows")
}

fn answer(provider: &Provider, message: &Message) -> Option<HandshakeAnswer> {
    let (signing, tokens) = ([Secret::new("older"), key()], [Secret::new("verify me")]);
    let keys = HandshakeKeys {
        signing: &signing,
        tokens: &tokens,
        certificate: None,
    };
    answer_handshake(provider, keys, &message.request(), now())
}

fn get(query: &str) -> Message {
    let url = format!("https://hooks.example/trigger/abc{query}");
    Message::new(Method::GET, &url, "")
}

fn post(body: &str) -> Message {
    Message::new(Method::POST, "https://hooks.example/trigger/abc", body)
}

fn form(body: &str) -> Message {
    post(body).with("content-type", "application/x-www-form-urlencoded")
}

fn signed(provider: &Provider, body: &str) -> Message {
    let secret = match provider.name.as_str() {
        "Discord" => Secret::new("07".repeat(32)),
        _ => key(),
    };
    post(body).signed(&provider.scheme, &secret, now()).unwrap()
}

/// The status, the content type and the body of a good answer.
#[track_caller]
fn good(provider: &Provider, message: &Message) -> (u16, String, String) {
    let answer = answer(provider, message).expect("it is a handshake");
    assert_eq!(answer.outcome, HandshakeOutcome::Verified);
    assert_eq!(answer.provider, provider.name);
    let (parts, body) = answer.response.into_parts();
    let kind = parts.headers.get("content-type");
    let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (parts.status.as_u16(), kind, body)
}

fn json(body: &str) -> (u16, String, String) {
    (200, "application/json".to_owned(), body.to_owned())
}

fn text(body: &str) -> (u16, String, String) {
    (200, "text/plain; charset=utf-8".to_owned(), body.to_owned())
}

fn nothing() -> (u16, String, String) {
    (200, String::new(), String::new())
}

#[test]
fn w41_open_questions_are_answered_to_whoever_asks() {
    let microsoft = "https://hooks.example/?validationToken=Validation%3A+Testing%3Cb%3E";
    let echo = SignatureScheme::hmac("x-signature", Hash::Sha256);
    let monday =
        Provider::from(echo.clone()).handshake(Handshake::echo_body("monday", "challenge"));
    let own = Provider::from(echo).handshake(Handshake::echo_query("own", "nonce"));
    for (provider, message, expected) in [
        (providers::dropbox(), get("?challenge=a%2Bb"), text("a+b")),
        (
            providers::microsoft_graph(),
            Message::new(Method::POST, microsoft, ""),
            text("Validation: Testing<b>"),
        ),
        (
            providers::okta(),
            get("").with("x-okta-verification-challenge", "q\"r"),
            json(r#"{"verification":"q\"r"}"#),
        ),
        (providers::woocommerce(), form("webhook_id=42"), nothing()),
        (
            monday,
            post(r#"{"challenge":"3eZb","more":1}"#),
            json(r#"{"challenge":"3eZb"}"#),
        ),
        (own, get("?nonce=7"), text("7")),
        (
            providers::intercom(),
            Message::new(Method::HEAD, "https://hooks.example/", ""),
            nothing(),
        ),
        (
            providers::trello(),
            Message::new(Method::HEAD, "https://hooks.example/", ""),
            nothing(),
        ),
    ] {
        assert_eq!(good(&provider, &message), expected, "{}", provider.name);
    }
}

#[test]
fn w41_an_echo_is_never_taken_for_a_page() {
    let answer = answer(&providers::dropbox(), &get("?challenge=<script>")).unwrap();
    assert_eq!(
        answer.response.headers()["x-content-type-options"],
        "nosniff"
    );
    assert_eq!(answer.handshake, "Dropbox challenge");
}

#[test]
fn w41_what_only_looks_like_a_handshake_is_a_delivery() {
    for (provider, message) in [
        (providers::dropbox(), get("")),
        (providers::dropbox(), get("?challenge=")),
        (providers::dropbox(), get("?challenge=a&challenge=b")),
        (providers::dropbox(), post("challenge=a")),
        (providers::microsoft_graph(), post("{}")),
        (providers::microsoft_graph(), get("?validationToken=a")),
        (providers::okta(), get("")),
        (providers::woocommerce(), post("webhook_id=42")),
        (providers::woocommerce(), form("webhook_id=")),
        (providers::woocommerce(), form("webhook_id=42x")),
        (providers::woocommerce(), form("webhook_id=42&order=1")),
        (
            providers::woocommerce(),
            form("webhook_id=42").with("x-wc-webhook-signature", "AAAA"),
        ),
        (providers::intercom(), get("")),
        (providers::github(), get("?challenge=a")),
    ] {
        assert!(answer(&provider, &message).is_none(), "{message:?}");
    }
}

/// What each of those senders asks that sign their questions, and the answer.
fn signed_questions() -> Vec<(Provider, &'static str, (u16, String, String))> {
    let mut questions = vec![
        (
            providers::slack(),
            r#"{"type":"url_verification","challenge":"3eZb"}"#,
            json(r#"{"challenge":"3eZb"}"#),
        ),
        (
            providers::zoom(),
            r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#,
            // HMAC-SHA256 of the token, computed by another program.
            json(ZOOM_ANSWER),
        ),
        (
            providers::xero(),
            r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}"#,
            nothing(),
        ),
    ];
    if cfg!(feature = "asymmetric-signatures") {
        questions.push((providers::discord(), r#"{"type":1}"#, json(r#"{"type":1}"#)));
    }
    questions
}

const ZOOM_ANSWER: &str = r#"{"encryptedToken":"9569fb756c236281c54f5ab96935c398dbf628bf42952f6d416b3436e11ab990","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}"#;

#[test]
fn w41_signed_questions_are_answered_only_when_they_are_signed() {
    for (provider, body, expected) in signed_questions() {
        let message = signed(&provider, body);
        if provider.name == "Discord" {
            let key = super::public_secret(&provider.scheme, &Secret::new("07".repeat(32)));
            let signing = [key.unwrap()];
            let keys = HandshakeKeys {
                signing: &signing,
                tokens: &[],
                certificate: None,
            };
            let answer = answer_handshake(&provider, keys, &message.request(), now()).unwrap();
            assert_eq!(answer.response.body(), r#"{"type":1}"#);
        } else {
            assert_eq!(good(&provider, &message), expected, "{}", provider.name);
        }
        // Xero sends some that are signed wrongly, and expects 401: the refusal of a delivery.
        assert!(
            answer(&provider, &post(body)).is_none(),
            "{}",
            provider.name
        );
        let mut tampered = message;
        tampered.body.push(b' ');
        assert!(answer(&provider, &tampered).is_none(), "{}", provider.name);
        let nobody = HandshakeKeys::default();
        let unset = answer_handshake(&provider, nobody, &signed(&provider, body).request(), now());
        assert!(unset.is_none(), "{}", provider.name);
    }
}

#[test]
fn w41_other_signed_messages_are_deliveries() {
    for (provider, body) in [
        (
            providers::slack(),
            r#"{"type":"event_callback","challenge":"3eZb"}"#,
        ),
        (
            providers::zoom(),
            r#"{"event":"meeting.started","payload":{"plainToken":"a"}}"#,
        ),
        (providers::xero(), r#"{"events":[{"id":1}]}"#),
    ] {
        let message = signed(&provider, body);
        assert!(answer(&provider, &message).is_none(), "{}", provider.name);
    }
}

#[test]
fn w41_zoom_cannot_be_made_to_sign_a_delivery() {
    let provider = providers::zoom();
    for token in ["v0:1774630200:{}", "", "a b", "a\\u0000"] {
        let body = format!(
            r#"{{"event":"endpoint.url_validation","payload":{{"plainToken":"{token}"}}}}"#
        );
        let message = signed(&provider, &body);
        assert!(answer(&provider, &message).is_none(), "{token}");
    }
}

#[test]
fn w41_meta_is_answered_only_with_the_verify_token() {
    let provider = providers::meta();
    let ask = |token: &str| {
        get(&format!(
            "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}"
        ))
    };
    assert_eq!(good(&provider, &ask("verify+me")), text("1158201444"));
    let secret = key().expose().replace(' ', "+");
    for token in [
        "",
        "verify",
        "verify+me+too",
        "verify+me&hub.verify_token=x",
        &secret,
    ] {
        let refused = answer(&provider, &ask(token)).unwrap();
        assert_eq!(refused.outcome, HandshakeOutcome::Refused, "{token}");
        assert_eq!(refused.response.status(), StatusCode::FORBIDDEN);
        assert!(refused.response.body().is_empty());
    }
    let blank = [Secret::new("")];
    let keys = HandshakeKeys {
        signing: &[],
        tokens: &blank,
        certificate: None,
    };
    let refused = answer_handshake(&provider, keys, &ask("").request(), now()).unwrap();
    assert_eq!(refused.outcome, HandshakeOutcome::Refused);
}

#[test]
fn w41_asana_brings_its_secret_once_and_never_another() {
    let provider = providers::asana();
    let bring = |secret: &str| post("{}").with("x-hook-secret", secret);
    let ask = |signing: &[Secret], secret: &str| {
        let keys = HandshakeKeys {
            signing,
            tokens: &[],
            certificate: None,
        };
        answer_handshake(&provider, keys, &bring(secret).request(), now()).unwrap()
    };
    let first = ask(&[Secret::default()], "b537207f");
    let brought = Secret::new("b537207f");
    assert_eq!(
        first.outcome,
        HandshakeOutcome::SecretBrought(brought.clone())
    );
    assert_eq!(first.response.headers()["x-hook-secret"], "b537207f");
    assert_eq!(first.response.status(), StatusCode::OK);
    assert!(!format!("{first:?}").contains("b537207f"));

    let again = ask(std::slice::from_ref(&brought), "b537207f");
    assert_eq!(again.outcome, HandshakeOutcome::Verified);
    let another = ask(&[brought], "other");
    assert_eq!(another.outcome, HandshakeOutcome::Refused);
    assert_eq!(another.response.status(), StatusCode::UNAUTHORIZED);
    assert!(another.response.headers().get("x-hook-secret").is_none());
    assert!(answer(&provider, &post("{}")).is_none());
}
