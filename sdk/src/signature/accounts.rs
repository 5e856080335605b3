//! Senders of those who keep customers, tickets, contracts and users.

use http::Method;

use crate::signature::{
    Algorithm, Encoding, Handshake, Hash, JsonValue, Mark, Part, Place, Provider, Reply,
    SignatureScheme, Source, TimeUnit, UrlForm,
};
use crate::time::minutes;

/// Zendesk: `X-Zendesk-Webhook-Signature`, base64, over timestamp and body. The secret is the text as it is shown, although it looks
/// like base64.
///
/// Rests on documents. An older published example signs the body before the timestamp; it is refused. Zendesk names no limit; five
/// minutes are ours.
pub fn zendesk() -> Provider {
    let scheme = SignatureScheme::hmac("x-zendesk-webhook-signature", Hash::Sha256)
        .base64()
        .timestamp(
            Source::header("x-zendesk-webhook-signature-timestamp"),
            TimeUnit::Rfc3339,
        )
        .id(Source::header("x-zendesk-webhook-invocation-id"))
        .signs([Part::Timestamp, Part::Body]);
    Provider::new("Zendesk", scheme)
}

/// `HubSpot` v3: `X-HubSpot-Signature-v3`, base64, over method, URL, body and timestamp, five minutes. Its documents ask for some escapes
/// of the URL to be decoded, its libraries do not do it: either is accepted.
///
/// Rests on published values (its libraries); the decoded form on documents.
pub fn hubspot() -> Provider {
    let scheme = SignatureScheme::hmac("x-hubspot-signature-v3", Hash::Sha256)
        .base64()
        .timestamp(
            Source::header("x-hubspot-request-timestamp"),
            TimeUnit::Milliseconds,
        )
        .url_form(UrlForm::AlsoUnescaped(":/?@!$'()*,;"))
        .signs([Part::Method, Part::Url, Part::Body, Part::Timestamp]);
    Provider::new("HubSpot", scheme)
}

/// `HubSpot` v1: plain SHA-256 of secret and body. A text can be appended to what was signed, so prefer [`hubspot`].
///
/// Rests on published values.
pub fn hubspot_v1() -> Provider {
    let scheme = SignatureScheme::hmac("x-hubspot-signature", Hash::Sha256)
        .algorithm(Algorithm::SecretThenText(Hash::Sha256))
        .demands("x-hubspot-signature-version", "v1");
    Provider::new("HubSpot v1", scheme)
}

/// `HubSpot` v2: plain SHA-256 of secret, method, URL and body. A text can be appended to what was signed, so prefer [`hubspot`].
///
/// Rests on published values.
pub fn hubspot_v2() -> Provider {
    let scheme = SignatureScheme::hmac("x-hubspot-signature", Hash::Sha256)
        .algorithm(Algorithm::SecretThenText(Hash::Sha256))
        .demands("x-hubspot-signature-version", "v2")
        .url_form(UrlForm::AlsoUnescaped(":/?@!$'()*,;"))
        .signs([Part::Method, Part::Url, Part::Body]);
    Provider::new("HubSpot v2", scheme)
}

/// Intercom: `X-Hub-Signature`, SHA-1, over the body, with the client secret. The endpoint is probed with HEAD.
///
/// Rests on documents.
pub fn intercom() -> Provider {
    let scheme = SignatureScheme::hmac("x-hub-signature", Hash::Sha1).prefix("sha1=");
    Provider::new("Intercom", scheme.id(Source::body("/id")))
        .handshake(Handshake::probe("Intercom probe"))
}

/// Linear: `Linear-Signature` over the body; `webhookTimestamp` in the body, one minute. Told apart by `Linear-Delivery`, which is not
/// signed.
///
/// Rests on its library.
pub fn linear() -> Provider {
    let scheme = SignatureScheme::hmac("linear-signature", Hash::Sha256)
        .timestamp(Source::body("/webhookTimestamp"), TimeUnit::Milliseconds)
        .tolerance(minutes(1))
        .id(Source::header("linear-delivery"));
    Provider::new("Linear", scheme)
}

/// `PagerDuty` v3: `X-PagerDuty-Signature: v1=…,v1=…` over the body. Any `v1` is enough.
///
/// Rests on documents.
pub fn pagerduty() -> Provider {
    let scheme = SignatureScheme::hmac("x-pagerduty-signature", Hash::Sha256)
        .list(',')
        .prefix("v1=");
    Provider::new("PagerDuty", scheme.id(Source::body("/event/id")))
}

/// `DocuSign` Connect: `X-DocuSign-Signature-1`, `-2` and so on, base64, over the body. One header for each active key, any is enough.
///
/// Rests on documents.
pub fn docusign() -> Provider {
    let place = Place::NumberedHeaders("x-docusign-signature-".to_owned());
    let algorithm = Algorithm::Hmac(Hash::Sha256);
    let scheme = SignatureScheme::new(place, algorithm, Encoding::Base64).signs([Part::Body]);
    Provider::new("DocuSign", scheme)
}

/// Okta's event webhooks: a fixed text in `Authorization`, compared. It covers nothing of the request. GET with
/// `X-Okta-Verification-Challenge` is answered.
///
/// Rests on documents.
pub fn okta() -> Provider {
    let challenge = Source::header("x-okta-verification-challenge");
    let reply = Reply::Json(vec![(
        "verification".to_owned(),
        JsonValue::Echo(challenge.clone()),
    )]);
    let verification =
        Handshake::new("Okta verification", Method::GET, reply).mark(Mark::Has(challenge));
    let scheme = SignatureScheme::token("authorization");
    Provider::new("Okta", scheme.id(Source::body("/eventId"))).handshake(verification)
}
