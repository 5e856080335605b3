//! Senders of those who sell and take payments.

use http::{Method, StatusCode};
use serde_json::json;

use crate::signature::{
    Guard, Handshake, Hash, Mark, Part, Provider, Reply, SignatureScheme, Source, TimeUnit,
};
use crate::time::minutes;

/// Stripe: `Stripe-Signature: t=…,v1=…` over `t.body`. The secret is the whole text `whsec_…`. Any `v1` is enough, `v0` is ignored.
///
/// Rests on its library. The library limits only the age to five minutes; this limits the future as well.
pub fn stripe() -> Provider {
    Provider::new(
        "Stripe",
        timestamped("stripe-signature").id(Source::body("/id")),
    )
}

/// Shopify: `X-Shopify-Hmac-Sha256`, base64, over the body. Told apart by `X-Shopify-Webhook-Id`, which is not signed.
///
/// Rests on its library.
pub fn shopify() -> Provider {
    let scheme = SignatureScheme::hmac("x-shopify-hmac-sha256", Hash::Sha256).base64();
    Provider::new("Shopify", scheme.id(Source::header("x-shopify-webhook-id")))
}

/// Square: `x-square-hmacsha256-signature`, base64, over the notification URL and the body. The URL is the endpoint's public one.
///
/// Rests on its library.
pub fn square() -> Provider {
    let scheme = SignatureScheme::hmac("x-square-hmacsha256-signature", Hash::Sha256)
        .base64()
        .signs([Part::Url, Part::Body]);
    Provider::new("Square", scheme.id(Source::body("/event_id")))
}

/// Paddle: `Paddle-Signature: ts=…;h1=…` over `ts:body`. Any `h1` is enough.
///
/// Rests on its library. Its documents allow five seconds; this allows five minutes on both sides.
pub fn paddle() -> Provider {
    let scheme = SignatureScheme::hmac("paddle-signature", Hash::Sha256)
        .list(';')
        .prefix("h1=")
        .timestamp(Source::field("ts="), TimeUnit::Seconds)
        .signs([Part::Timestamp, Part::text(":"), Part::Body]);
    Provider::new("Paddle", scheme.id(Source::body("/event_id")))
}

/// `WooCommerce`: `X-WC-Webhook-Signature`, base64, over the body. The ping `webhook_id=1` at its creation is unsigned and starts nothing.
///
/// Rests on documents.
pub fn woocommerce() -> Provider {
    let header = "x-wc-webhook-signature";
    let scheme = SignatureScheme::hmac(header, Hash::Sha256)
        .base64()
        .id(Source::header("x-wc-webhook-delivery-id"));
    let reply = Reply::Status(StatusCode::OK);
    let ping = Handshake::new("WooCommerce ping", Method::POST, reply)
        .mark(Mark::NumberForm("webhook_id".to_owned()))
        .mark(Mark::NoHeader(header.to_owned()));
    Provider::new("WooCommerce", scheme).handshake(ping)
}

/// Xero: `x-xero-signature`, base64, over the body. Its "intent to receive" sends several empty lists of events, some of them signed
/// wrongly: 200 without a body for the good ones, 401 for the others.
///
/// Rests on documents.
pub fn xero() -> Provider {
    let scheme = SignatureScheme::hmac("x-xero-signature", Hash::Sha256).base64();
    let reply = Reply::Status(StatusCode::OK);
    let intent = Handshake::new("Xero intent to receive", Method::POST, reply)
        .mark(Mark::Body {
            pointer: "/events".to_owned(),
            value: json!([]),
        })
        .guard(Guard::Signature);
    Provider::new("Xero", scheme).handshake(intent)
}

/// `QuickBooks` Online: `intuit-signature`, base64, over the body. The secret is the verifier token.
///
/// Rests on documents.
pub fn quickbooks() -> Provider {
    let scheme = SignatureScheme::hmac("intuit-signature", Hash::Sha256).base64();
    Provider::new("QuickBooks", scheme)
}

/// Razorpay: `X-Razorpay-Signature` over the body. Told apart by `x-razorpay-event-id`, which is not signed.
///
/// Rests on documents.
pub fn razorpay() -> Provider {
    let scheme = SignatureScheme::hmac("x-razorpay-signature", Hash::Sha256);
    Provider::new("Razorpay", scheme.id(Source::header("x-razorpay-event-id")))
}

/// Paystack: `x-paystack-signature`, SHA-512, over the body.
///
/// Rests on documents.
pub fn paystack() -> Provider {
    let scheme = SignatureScheme::hmac("x-paystack-signature", Hash::Sha512);
    Provider::new("Paystack", scheme)
}

/// Lemon Squeezy: `X-Signature` over the body.
///
/// Rests on documents.
pub fn lemon_squeezy() -> Provider {
    let scheme = SignatureScheme::hmac("x-signature", Hash::Sha256);
    Provider::new("Lemon Squeezy", scheme)
}

/// `t=…,v1=…` over `t.body`, five minutes on both sides: Stripe's form, which others have taken over.
pub(super) fn timestamped(header: &str) -> SignatureScheme {
    SignatureScheme::hmac(header, Hash::Sha256)
        .list(',')
        .prefix("v1=")
        .timestamp(Source::field("t="), TimeUnit::Seconds)
        .tolerance(minutes(5))
        .signs([Part::Timestamp, Part::text("."), Part::Body])
}
