//! A request at an endpoint that exists, and the checks that it passes before anything of it is believed.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode, request};
use sdk::integration::FlowParts;
use sdk::options::Security;
use sdk::signature::{CertificateSource, Provider};
use sdk::trigger::{TriggerKind, WebhookTrigger};
use sdk::{Body, Payload, Secret, Timestamp};
use subtle::ConstantTimeEq as _;

use super::answer::{self, Answer};
use super::routing::Begun;
use crate::decode::{BodyLimits, JsonAs, read_body_as, read_query};
use crate::envelope::content_encoding;
use crate::instance::{Instance, InstanceStatus};
use crate::signature::{Certificate, SignedRequest, VerifyKeys, certificate_url, verify};

/// A request at an endpoint that exists.
pub(super) struct Received {
    pub(super) instance: Arc<Instance>,
    pub(super) flow: Arc<FlowParts>,
    /// The endpoint id.
    pub(super) endpoint: String,
    /// The rest of the path, decoded.
    pub(super) fragment: String,
    pub(super) request: Request<Bytes>,
    /// What was done of it before its flow was known.
    pub(super) begun: Begun,
    /// The certificate by which it is to be verified, if it names one.
    pub(super) certificate: Option<Arc<Certificate>>,
}

/// What the caller asks for of the answer (W23, W25).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    pub(super) synchronous: Option<bool>,
    pub(super) direct: bool,
}

const API_KEY: HeaderName = HeaderName::from_static("api-key");

impl Received {
    /// Refuses a missing or wrong API key where one is demanded (W6).
    pub(super) fn check_key(&self) -> Result<(), Box<Answer>> {
        let options = &self.flow.options;
        let own = self
            .instance
            .secrets
            .keys
            .get(options.key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let demanded = match options.security {
            Security::Unsecured => false,
            Security::CustomerOptional => !own.is_empty(),
            Security::CustomerRequired | Security::Organization => true,
        };
        if !demanded {
            return Ok(());
        }
        let shown = self
            .request
            .headers()
            .get(API_KEY)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        let accepted: Vec<&str> = match options.security {
            Security::Organization => options
                .organization_keys
                .iter()
                .map(String::as_str)
                .collect(),
            _ => own.iter().map(|key| key.key.as_str()).collect(),
        };
        // Every key is compared, and each in constant time.
        let fits = accepted.iter().fold(false, |fits, key| {
            fits | bool::from(key.as_bytes().ct_eq(shown))
        });
        if fits && !shown.is_empty() {
            Ok(())
        } else {
            let text = "This endpoint needs a valid API key in the header Api-Key.";
            Err(Box::new(answer::error(StatusCode::UNAUTHORIZED, text)))
        }
    }

    /// Refuses a request whose signature over the raw bytes does not fit (W40). Which check failed is for our log alone.
    pub(super) fn check_signature(
        &self,
        now: Timestamp,
        public_url: &str,
    ) -> Result<(), Box<Answer>> {
        let Some((provider, secrets)) = self.signing() else {
            return Ok(());
        };
        let url = self.url(public_url);
        let keys = VerifyKeys {
            secrets: &secrets,
            certificate: self.certificate.as_deref(),
        };
        match verify(&provider.scheme, keys, &self.signed_request(&url), now) {
            Ok(_) => Ok(()),
            Err(refusal) => {
                tracing::warn!(flow = self.flow.options.key, %refusal, "a signature was refused");
                let text = "The signature of the request is missing or not valid.";
                Err(Box::new(answer::error(StatusCode::UNAUTHORIZED, text)))
            }
        }
    }

    /// Says whether its sender signs under a certificate that the request names.
    pub(super) fn names_certificate(&self) -> bool {
        matches!(
            &self.flow.options.trigger,
            TriggerKind::Webhook(WebhookTrigger::Signed { provider, .. })
                if provider.scheme.certificate.is_some()
        )
    }

    /// Returns the certificate that it names and that may be fetched, if all else of it is right. What is wrong, the check of the
    /// signature finds again.
    pub(super) fn certificate_url(
        &self,
        now: Timestamp,
        public_url: &str,
    ) -> Option<(&CertificateSource, String)> {
        let (provider, secrets) = self.signing()?;
        let url = self.url(public_url);
        let request = self.signed_request(&url);
        let url = certificate_url(&provider.scheme, &secrets, &request, now).ok()??;
        Some((provider.scheme.certificate.as_ref()?, url))
    }

    /// Returns who signs the request and the secrets by which it is verified: those of the config variables, or the one that the sender
    /// brought.
    pub(super) fn signing(&self) -> Option<(&Provider, Vec<Secret>)> {
        let TriggerKind::Webhook(WebhookTrigger::Signed {
            provider, secrets, ..
        }) = &self.flow.options.trigger
        else {
            return None;
        };
        if secrets.is_outside_config() {
            let brought = self.instance.secrets.brought.get(self.flow.options.key);
            let brought = brought.map(|secret| Secret::from(secret.as_str()));
            return Some((provider, brought.into_iter().collect()));
        }
        Some((provider, secrets.read(&*self.instance.config)))
    }

    pub(super) fn signed_request<'a>(&'a self, url: &'a str) -> SignedRequest<'a> {
        SignedRequest {
            method: self.request.method(),
            url,
            headers: self.request.headers(),
            body: self.request.body(),
        }
    }

    /// Returns the public URL of the request, made from the configured one and never from `Host`.
    pub(super) fn url(&self, public_url: &str) -> String {
        let target = self
            .request
            .uri()
            .path_and_query()
            .map_or("", http::uri::PathAndQuery::as_str);
        format!("{}{target}", public_url.trim_end_matches('/'))
    }

    /// Reads what the caller asks for of the answer.
    pub(super) fn wishes(&self, prefix: &str) -> Wishes {
        let flag = |name: String| {
            let value = self.request.headers().get(name.as_str())?.to_str().ok()?;
            value.trim().to_ascii_lowercase().parse::<bool>().ok()
        };
        let name = format!("{prefix}-prefer-direct-sync-response");
        let query = read_query(self.request.uri().query());
        let direct = flag(name.clone()).unwrap_or(false)
            || flag(format!("{prefix}-prefer-direct-sync-json-response")).unwrap_or(false)
            || query
                .get(&name)
                .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Wishes {
            synchronous: flag(format!("{prefix}-synchronous")),
            direct,
        }
    }

    /// Returns the value that stands for this delivery, if the sender names one (W34).
    pub(super) fn idempotency_key(&self) -> Option<String> {
        let value = self
            .request
            .headers()
            .get("idempotency-key")?
            .to_str()
            .ok()?
            .trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Reads the payload. The API key has done its work and goes no further.
    pub(super) fn into_payload(
        self,
        limits: &BodyLimits,
        json: JsonAs,
    ) -> Result<Payload, Box<Answer>> {
        let body = match self.begun.body {
            Some(body) => body,
            None => read_request_body(&self.request, limits, json)?,
        };
        let (parts, raw_body) = self.request.into_parts();
        Ok(into_payload(parts, raw_body, self.fragment, body))
    }
}

/// Puts a payload together, without the API key.
pub(super) fn into_payload(
    parts: request::Parts,
    raw_body: Bytes,
    fragment: String,
    body: Body,
) -> Payload {
    let mut headers = parts.headers;
    headers.remove(API_KEY);
    Payload {
        method: parts.method,
        content_type: content_type(&headers),
        headers,
        path_fragment: fragment,
        query_parameters: read_query(parts.uri.query()),
        raw_body,
        body,
        tick: None,
        cursor: None,
    }
}

/// Reads the body by its content type.
pub(super) fn read_request_body(
    request: &Request<Bytes>,
    limits: &BodyLimits,
    json: JsonAs,
) -> Result<Body, Box<Answer>> {
    let headers = request.headers();
    read_body_as(
        json,
        content_type(headers).as_deref(),
        content_encoding(headers).as_deref(),
        request.body(),
        limits,
    )
    .map_err(|fault| Box::new(answer::error(fault.status(), &fault.to_string())))
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?;
    value.to_str().ok().map(str::to_owned)
}

/// Refuses methods that start no flow, and a GET with a body (W4).
pub(super) fn check_method(request: &Request<Bytes>) -> Result<(), Box<Answer>> {
    let method = request.method();
    if ![
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::GET,
    ]
    .contains(method)
    {
        let text = "This endpoint takes POST, PUT, PATCH, DELETE and GET.";
        let mut refusal = answer::error(StatusCode::METHOD_NOT_ALLOWED, text);
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(super::METHODS));
        return Err(Box::new(refusal));
    }
    if method == Method::GET && !request.body().is_empty() {
        let text = "A GET request carries no body here; send it with POST.";
        return Err(Box::new(answer::error(StatusCode::BAD_REQUEST, text)));
    }
    Ok(())
}

/// Refuses what a paused or undeployed instance does not take (W7). While deploy functions run, the endpoint is open: other systems call
/// back before their subscription is answered.
pub(super) fn check_open(instance: &Instance) -> Result<(), Box<Answer>> {
    match instance.facts.status {
        InstanceStatus::Active | InstanceStatus::Deploying => Ok(()),
        InstanceStatus::Paused => Err(Box::new(answer::unavailable(
            "This instance is paused; try again later.",
            60,
        ))),
        InstanceStatus::DeployFailed => Err(Box::new(answer::unavailable(
            "This instance is not deployed; try again later.",
            60,
        ))),
        InstanceStatus::Removing | InstanceStatus::Removed => Err(Box::new(answer::error(
            StatusCode::NOT_FOUND,
            "There is no endpoint at this URL.",
        ))),
    }
}
