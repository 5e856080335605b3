//! Senders of those who make software, and the standards that many share.

use crate::signature::{
    Algorithm, Hash, Part, Provider, SecretForm, SignatureScheme, Source, TimeUnit,
};

/// GitHub: `X-Hub-Signature-256` over the body. The SHA-1 header is ignored. Told apart by `X-GitHub-Delivery`, which is not signed.
///
/// Rests on published values (GitHub's documents, octokit).
pub fn github() -> Provider {
    let scheme = SignatureScheme::hmac("x-hub-signature-256", Hash::Sha256).prefix("sha256=");
    Provider::new("GitHub", scheme.id(Source::header("x-github-delivery")))
}

/// GitLab with a secret token: `X-Gitlab-Token`, compared. It covers nothing of the request.
///
/// Rests on documents. For GitLab's signing tokens use [`standard_webhooks`].
pub fn gitlab() -> Provider {
    let scheme = SignatureScheme::token("x-gitlab-token");
    Provider::new("GitLab", scheme.id(Source::header("idempotency-key")))
}

/// Bitbucket: `X-Hub-Signature` with SHA-256 over the body. Told apart by `X-Request-UUID`, which is not signed.
///
/// Rests on documents.
pub fn bitbucket() -> Provider {
    let scheme = SignatureScheme::hmac("x-hub-signature", Hash::Sha256).prefix("sha256=");
    Provider::new("Bitbucket", scheme.id(Source::header("x-request-uuid")))
}

/// `CircleCI`: `circleci-signature: v1=…`, a list, over the body. Told apart by `id` in the body.
///
/// Rests on documents.
pub fn circleci() -> Provider {
    let scheme = SignatureScheme::hmac("circleci-signature", Hash::Sha256)
        .list(',')
        .prefix("v1=");
    Provider::new("CircleCI", scheme.id(Source::body("/id")))
}

/// Vercel: `x-vercel-signature`, SHA-1 over the body. Told apart by `id` in the body.
///
/// Rests on documents.
pub fn vercel() -> Provider {
    let scheme = SignatureScheme::hmac("x-vercel-signature", Hash::Sha1);
    Provider::new("Vercel", scheme.id(Source::body("/id")))
}

/// Standard Webhooks, HMAC: `webhook-id`, `webhook-timestamp`, `webhook-signature` with `v1,`. The secret is base64 after `whsec_`.
///
/// Rests on the published values of the specification. The specification leaves the tolerance open; its libraries take five minutes
/// on both sides, and so does this.
pub fn standard_webhooks() -> Provider {
    Provider::new("Standard Webhooks", message_signature("webhook"))
}

/// Svix: as [`standard_webhooks`], with headers that begin with `svix-`. Senders that use Svix under their own name send either kind.
///
/// Rests on published values.
pub fn svix() -> Provider {
    Provider::new("Svix", message_signature("svix"))
}

/// Standard Webhooks, Ed25519: as [`standard_webhooks`], with `v1a,` and the sender's public key, base64 after `whpk_`.
///
/// Rests on a published value (the tests of Svix's server). A private key for tests is base64 after `whsk_`: the seed, alone or with
/// the public key behind it.
pub fn standard_webhooks_asymmetric() -> Provider {
    let scheme = message_signature("webhook")
        .algorithm(Algorithm::Ed25519)
        .prefix("v1a,")
        .secret_form(SecretForm::Base64 {
            prefixes: vec!["whpk_".to_owned(), "whsk_".to_owned()],
        });
    Provider::new("Standard Webhooks (Ed25519)", scheme)
}

fn message_signature(family: &str) -> SignatureScheme {
    let timestamp = Source::header(format!("{family}-timestamp"));
    SignatureScheme::hmac(format!("{family}-signature"), Hash::Sha256)
        .base64()
        .list(' ')
        .prefix("v1,")
        .base64_secret("whsec_")
        .timestamp(timestamp, TimeUnit::Seconds)
        .id(Source::header(format!("{family}-id")))
        .signs([
            Part::Id,
            Part::text("."),
            Part::Timestamp,
            Part::text("."),
            Part::Body,
        ])
}
