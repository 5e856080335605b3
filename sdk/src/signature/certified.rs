//! Senders who sign under a certificate that the message names by its URL.

use http::{Method, StatusCode};

use crate::signature::{
    CertificateSource, Guard, Handshake, Hash, Mark, MemberList, Part, Place, Provider, Reply,
    SignatureScheme, Source, TimeUnit, UrlRule,
};
use crate::time::days;

/// AWS SNS: `Signature` in the body over its own members, RSA with SHA-1 or SHA-256 as `SignatureVersion` says. The secret is the ARN of
/// the topic (several: those of all topics that are accepted): SNS signs for anybody's topic.
///
/// A subscription is confirmed once its message is verified; that it was cancelled is logged, and nothing is subscribed again. SNS sends
/// JSON as `text/plain`, so the body is text: read it with `serde_json::from_slice(&payload.raw_body)`. `UnsubscribeURL`, and what SNS may
/// add, are not signed; with raw message delivery nothing is, so leave that off. Version 1, the default of a topic, signs a SHA-1, for
/// which whoever may publish could prepare two messages: set the topic's attribute `SignatureVersion` to 2.
///
/// Rests on published values: what SNS really signed, as kept by its library for Java. The certificate comes from
/// `sns.<region>.amazonaws.com` alone and has the name of SNS; its chain is not checked, since SNS does not send it. `Timestamp` is the
/// moment of publishing; no limit is published, seven days are ours: longer than any retry, shorter than the life of a certificate.
pub fn aws_sns() -> Provider {
    let hosts = [
        "sns.<region>.amazonaws.com",
        "sns.<region>.amazonaws.com.cn",
    ];
    let certificate = CertificateSource::new(
        Source::body("/SigningCertURL"),
        UrlRule::hosts(&hosts).path("/", ".pem"),
    )
    .named(&[
        "sns.amazonaws.com",
        "sns.<region>.amazonaws.com",
        "sns.<region>.amazonaws.com.cn",
        "sns-<region>.amazonaws.com",
        "sns-<region>.amazonaws.com.cn",
        "sns-signing.<region>.amazonaws.com",
        "sns-signing.<region>.amazonaws.com.cn",
    ])
    .hash_named(
        Source::body("/SignatureVersion"),
        &[("2", Hash::Sha256), ("1", Hash::Sha1)],
    )
    .recipient(Source::body("/TopicArn"));
    let about_a_subscription = [
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ];
    let lists = vec![
        MemberList::new(
            "Notification",
            &[
                "Message",
                "MessageId",
                "Subject",
                "Timestamp",
                "TopicArn",
                "Type",
            ],
        )
        .optional("Subject"),
        MemberList::new("SubscriptionConfirmation", &about_a_subscription),
        MemberList::new("UnsubscribeConfirmation", &about_a_subscription),
    ];
    let members = Part::Members {
        kind: "Type".to_owned(),
        lists,
    };
    let scheme = SignatureScheme::rsa(Place::Body("/Signature".to_owned()), certificate)
        .timestamp(Source::body("/Timestamp"), TimeUnit::Rfc3339)
        .maximum_age(days(7))
        .id(Source::body("/MessageId"))
        .signs([members]);
    let confirm = Reply::Call {
        url: Source::body("/SubscribeURL"),
        allowed: UrlRule::hosts(&hosts).path("/", "").with_query(),
    };
    Provider::new("AWS SNS", scheme)
        .handshake(about("SubscriptionConfirmation", confirm))
        .handshake(about("UnsubscribeConfirmation", Reply::Status(StatusCode::OK)).ends())
}

fn about(kind: &str, reply: Reply) -> Handshake {
    Handshake::new(format!("AWS SNS {kind}"), Method::POST, reply)
        .mark(Mark::Body {
            pointer: "/Type".to_owned(),
            value: kind.into(),
        })
        .guard(Guard::Signature)
}

/// `PayPal`: `PAYPAL-TRANSMISSION-SIG`, RSA with SHA-256, over `id|time|webhook id|CRC-32 of the body`. The secret is the id of the
/// webhook, as the developer dashboard shows it.
///
/// The body is bound to the signature by no more than a CRC-32: whoever has seen one delivery can send another body of the same sum.
/// So take from it only which event or resource it speaks of, fetch that from `PayPal`, and act on what `PayPal` answers. The id of the
/// event stands in the body as well.
///
/// Rests on documents. The certificate comes from the path for certificates on `PayPal`'s API hosts, has the name that its libraries
/// demand, and leads to a public authority; `DigiCert` is asked for an issuer that `PayPal` leaves out. No limit of age is published,
/// seven days are ours: it retries for three.
pub fn paypal() -> Provider {
    let allowed = UrlRule::hosts(&[
        "api.paypal.com",
        "api-m.paypal.com",
        "api.sandbox.paypal.com",
        "api-m.sandbox.paypal.com",
    ]);
    let certificate = CertificateSource::new(
        Source::header("paypal-cert-url"),
        allowed.path("/v1/notifications/certs/", ""),
    )
    .named(&[
        "messageverificationcerts.paypal.com",
        "messageverificationcerts.sandbox.paypal.com",
    ])
    .issued(
        UrlRule::hosts(&["cacerts.digicert.com"])
            .path("/", "")
            .or_plain(),
    );
    let scheme = SignatureScheme::rsa(Place::header("paypal-transmission-sig"), certificate)
        .timestamp(
            Source::header("paypal-transmission-time"),
            TimeUnit::Rfc3339,
        )
        .maximum_age(days(7))
        .id(Source::body("/id"))
        .demands("paypal-auth-algo", "SHA256withRSA")
        .signs([
            Part::Value(Source::header("paypal-transmission-id")),
            Part::text("|"),
            Part::Timestamp,
            Part::text("|"),
            Part::Secret,
            Part::text("|"),
            Part::BodySum,
        ]);
    Provider::new("PayPal", scheme)
}
