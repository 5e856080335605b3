//! Senders of those who carry messages and calls.

use http::Method;
use serde_json::json;

use crate::signature::{
    Algorithm, Encoding, Guard, Handshake, Hash, JsonValue, Mark, Part, Place, Provider, Reply,
    SignatureScheme, Source, TimeUnit, UrlForm,
};
use crate::time::hours;

/// Slack: `X-Slack-Signature: v0=…` over `v0:timestamp:body`, five minutes. `url_verification` is answered once it is signed.
///
/// Rests on a published value.
pub fn slack() -> Provider {
    let scheme = versioned("x-slack-signature", "x-slack-request-timestamp");
    let challenge = Handshake::echo_body("Slack url_verification", "challenge")
        .mark(body_is("/type", "url_verification"))
        .guard(Guard::Signature);
    Provider::new("Slack", scheme.id(Source::body("/event_id"))).handshake(challenge)
}

/// Zoom: `x-zm-signature: v0=…` over `v0:timestamp:body`. `endpoint.url_validation` is answered once it is signed: its answer is an HMAC
/// of a text that the caller chose.
///
/// Rests on documents. Zoom names no limit; five minutes are ours.
pub fn zoom() -> Provider {
    let token = Source::body("/payload/plainToken");
    let reply = Reply::Json(vec![
        ("plainToken".to_owned(), JsonValue::Echo(token.clone())),
        (
            "encryptedToken".to_owned(),
            JsonValue::Hmac {
                value: token,
                hash: Hash::Sha256,
            },
        ),
    ]);
    let validation = Handshake::new("Zoom endpoint.url_validation", Method::POST, reply)
        .mark(body_is("/event", "endpoint.url_validation"))
        .guard(Guard::Signature);
    let scheme = versioned("x-zm-signature", "x-zm-request-timestamp");
    Provider::new("Zoom", scheme).handshake(validation)
}

/// Twilio: `X-Twilio-Signature`, SHA-1 in base64, over the URL and the sorted form; for other bodies over a URL that holds their SHA-256.
/// The URL is tried with and without its port, as Twilio's libraries do.
///
/// Rests on published values.
pub fn twilio() -> Provider {
    let form = Part::FormOrDigest {
        parameter: "bodySHA256".to_owned(),
    };
    let scheme = SignatureScheme::hmac("x-twilio-signature", Hash::Sha1)
        .base64()
        .url_form(UrlForm::EitherPort)
        .signs([Part::Url, form]);
    Provider::new(
        "Twilio",
        scheme.id(Source::header("i-twilio-idempotency-token")),
    )
}

/// `SendGrid`'s event webhook: ECDSA over timestamp and body (with its last line break). The secret is the public key as it is shown.
///
/// Rests on a published value, and on published failures. `SendGrid` names no limit; it retries for a day, so a day is ours.
pub fn sendgrid() -> Provider {
    let scheme = SignatureScheme::ecdsa_p256("x-twilio-email-event-webhook-signature")
        .timestamp(
            Source::header("x-twilio-email-event-webhook-timestamp"),
            TimeUnit::Seconds,
        )
        .maximum_age(hours(24))
        .signs([Part::Timestamp, Part::Body]);
    Provider::new("SendGrid", scheme)
}

/// Mailgun: `signature.{timestamp,token,signature}` in the JSON body, over timestamp and token. **The event itself is not signed**: who has
/// seen one delivery can send another event with its signature. That a token is accepted once is the only protection; keep it.
///
/// Rests on documents. Mailgun names no limit; it retries for eight hours, so twelve are ours.
pub fn mailgun() -> Provider {
    let place = Place::Body("/signature/signature".to_owned());
    let scheme = SignatureScheme::new(place, Algorithm::Hmac(Hash::Sha256), Encoding::Hex)
        .timestamp(Source::body("/signature/timestamp"), TimeUnit::Seconds)
        .maximum_age(hours(12))
        .id(Source::body("/signature/token"))
        .signs([Part::Timestamp, Part::Id]);
    Provider::new("Mailgun", scheme)
}

/// Discord's interactions: Ed25519 over timestamp and body. The secret is the application's public key. PING is answered once it is signed.
///
/// Rests on documents and its library. Discord names no limit; five minutes are ours.
pub fn discord() -> Provider {
    let scheme = SignatureScheme::ed25519("x-signature-ed25519")
        .timestamp(Source::header("x-signature-timestamp"), TimeUnit::Seconds)
        .signs([Part::Timestamp, Part::Body]);
    let reply = Reply::Json(vec![("type".to_owned(), JsonValue::Fixed(json!(1)))]);
    let ping = Handshake::new("Discord PING", Method::POST, reply)
        .mark(Mark::Body {
            pointer: "/type".to_owned(),
            value: json!(1),
        })
        .guard(Guard::Signature);
    Provider::new("Discord", scheme.id(Source::body("/id"))).handshake(ping)
}

/// Meta (Facebook, Instagram, `WhatsApp`): `X-Hub-Signature-256` over the body as it was sent, with the app secret. `hub.challenge` is
/// answered to the right verify token, which is chosen by the customer and is not the app secret.
///
/// Rests on documents.
pub fn meta() -> Provider {
    let scheme = SignatureScheme::hmac("x-hub-signature-256", Hash::Sha256).prefix("sha256=");
    let challenge = Handshake::echo_query("Meta hub.challenge", "hub.challenge")
        .mark(Mark::Query {
            name: "hub.mode".to_owned(),
            value: "subscribe".to_owned(),
        })
        .guard(Guard::VerifyToken(Source::query("hub.verify_token")));
    Provider::new("Meta", scheme).handshake(challenge)
}

/// `v0=` and `v0:timestamp:body`: Slack's form, which Zoom has taken over.
fn versioned(signature: &str, timestamp: &str) -> SignatureScheme {
    SignatureScheme::hmac(signature, Hash::Sha256)
        .prefix("v0=")
        .timestamp(Source::header(timestamp), TimeUnit::Seconds)
        .signs([
            Part::text("v0:"),
            Part::Timestamp,
            Part::text(":"),
            Part::Body,
        ])
}

fn body_is(pointer: &str, value: &str) -> Mark {
    Mark::Body {
        pointer: pointer.to_owned(),
        value: json!(value),
    }
}
