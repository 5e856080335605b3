//! Senders of those who keep files, tasks and forms.

use http::Method;

use crate::signature::{
    Algorithm, Encoding, Guard, Handshake, Hash, Mark, Part, Place, Provider, Reply,
    SignatureScheme, Source, TimeUnit,
};
use crate::time::minutes;

use super::commerce::timestamped;

/// Dropbox: `X-Dropbox-Signature` over the body, with the app secret. GET with `challenge` is answered.
///
/// Rests on documents.
pub fn dropbox() -> Provider {
    let scheme = SignatureScheme::hmac("x-dropbox-signature", Hash::Sha256);
    let challenge = Handshake::echo_query("Dropbox challenge", "challenge");
    Provider::new("Dropbox", scheme).handshake(challenge)
}

/// Box: `BOX-SIGNATURE-PRIMARY` and `-SECONDARY`, base64, over the body and the timestamp, ten minutes. Give both keys as secrets: either
/// header under either key is enough, so that the keys can be changed one after the other.
///
/// Rests on published values. Told apart by `id` in the body; `BOX-DELIVERY-ID` changes with each retry.
pub fn box_() -> Provider {
    let scheme = SignatureScheme::hmac("box-signature-primary", Hash::Sha256)
        .or_header("box-signature-secondary")
        .base64()
        .timestamp(Source::header("box-delivery-timestamp"), TimeUnit::Rfc3339)
        .tolerance(minutes(10))
        .id(Source::body("/id"))
        .demands("box-signature-version", "1")
        .demands("box-signature-algorithm", "HmacSHA256")
        .signs([Part::Body, Part::Timestamp]);
    Provider::new("Box", scheme)
}

/// Asana: `X-Hook-Signature` over the body. While no secret is known, a request with `X-Hook-Secret` brings it; a later one that brings
/// another is refused. It arrives while the call that creates the webhook is still waiting.
///
/// Rests on documents.
pub fn asana() -> Provider {
    let secret = Source::header("x-hook-secret");
    let reply = Reply::Header {
        name: "x-hook-secret".to_owned(),
        value: secret.clone(),
    };
    let exchange = Handshake::new("Asana X-Hook-Secret", Method::POST, reply)
        .mark(Mark::Has(secret.clone()))
        .guard(Guard::FirstSecret(secret));
    let scheme = SignatureScheme::hmac("x-hook-signature", Hash::Sha256);
    Provider::new("Asana", scheme).handshake(exchange)
}

/// Calendly: `Calendly-Webhook-Signature: t=…,v1=…` over `t.body`, three minutes as in its sample.
///
/// Rests on documents.
pub fn calendly() -> Provider {
    let scheme = timestamped("calendly-webhook-signature").tolerance(minutes(3));
    Provider::new("Calendly", scheme)
}

/// Typeform: `Typeform-Signature: sha256=…`, base64, over the body.
///
/// Rests on documents.
pub fn typeform() -> Provider {
    let scheme = SignatureScheme::hmac("typeform-signature", Hash::Sha256)
        .base64()
        .prefix("sha256=");
    Provider::new("Typeform", scheme.id(Source::body("/event_id")))
}

/// Microsoft Graph: no signature; `clientState` in every element of `value` must be the secret. POST with `validationToken` is answered.
///
/// Rests on documents. The tokens that accompany notifications with resource data are not checked.
pub fn microsoft_graph() -> Provider {
    let token = Source::query("validationToken");
    let reply = Reply::Text(token.clone());
    let validation = Handshake::new("Microsoft Graph validationToken", Method::POST, reply)
        .mark(Mark::Has(token));
    let place = Place::EachElement {
        list: "/value".to_owned(),
        value: "/clientState".to_owned(),
    };
    let scheme = SignatureScheme::new(place, Algorithm::Token, Encoding::Text);
    Provider::new("Microsoft Graph", scheme).handshake(validation)
}

/// Notion: `X-Notion-Signature: sha256=…` over the body, with the verification token as the secret.
///
/// Rests on documents. The request that brings the verification token is not answered here: a person copies the token.
pub fn notion() -> Provider {
    let scheme = SignatureScheme::hmac("x-notion-signature", Hash::Sha256).prefix("sha256=");
    Provider::new("Notion", scheme.id(Source::body("/id")))
}

/// Trello: `X-Trello-Webhook`, SHA-1 in base64, over the body and the callback URL. The endpoint is probed with HEAD.
///
/// Rests on documents.
pub fn trello() -> Provider {
    let scheme = SignatureScheme::hmac("x-trello-webhook", Hash::Sha1)
        .base64()
        .signs([Part::Body, Part::Url]);
    Provider::new("Trello", scheme.id(Source::body("/action/id")))
        .handshake(Handshake::probe("Trello probe"))
}
